"""What an address alone says."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcall.labels.addresses import address_kind


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.0.9", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "wildcard"),
        ("::", "wildcard"),
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.0", "public"),
        ("192.168.1.5", "private"),
        ("fd00::1", "private"),
        ("169.254.7.7", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("224.0.0.251", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("203.0.113.9", "documentation"),
        ("2001:db8::9", "documentation"),
        ("0.1.2.3", "reserved"),
        ("250.0.0.1", "reserved"),
        ("142.250.80.46", "public"),
        ("2a00:1450:4001::1", "public"),
        ("::ffff:127.0.0.1", "loopback"),
    ],
)
def test_an_address_has_one_kind(address, kind):
    assert address_kind(address).name == kind


@given(st.ip_addresses())
def test_public_addresses_are_those_that_python_calls_global(address):
    named = address_kind(str(address)).name

    if named == "public" and not _is_lately_registered(address):
        assert address.is_global
    if named in ("loopback", "private", "link-local", "documentation"):
        assert not address.is_global


def _is_lately_registered(address):
    """Special blocks that explanations do not name: protocol assignments, 6to4, translation, segment routing."""
    blocks = ("2001::/23", "2002::/16", "64:ff9b::/96", "64:ff9b:1::/48", "5f00::/16", "192.88.99.0/24", "fec0::/10")
    networks = [ipaddress.ip_network(block) for block in blocks]
    return any(address.version == network.version and address in network for network in networks)
