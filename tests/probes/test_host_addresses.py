"""Names and addresses through the system's resolver; nothing here needs a name server."""

from __future__ import annotations

import socket

import pytest

from portcall.probes.host_addresses import addresses_of


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", (4, "127.0.0.1")), ("::1", (6, "::1")), ("[::1]", (6, "::1")), ("2001:DB8::1", (6, "2001:db8::1"))],
)
def test_an_address_is_itself(host, address):
    ((version, name),) = addresses_of(host)

    assert (version, name[0]) == address


def test_both_versions_of_a_name_are_found_each_once(monkeypatch):
    four = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))
    six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [six, four, four])

    found = addresses_of("both.example")

    assert [(version, address[0]) for version, address in found] == [(6, "2001:db8::1"), (4, "192.0.2.1")]


def test_an_address_of_the_other_version_is_named_as_such():
    with pytest.raises(LookupError, match="not an address of IPv4"):
        addresses_of("::1", 4)


@pytest.mark.parametrize("ip_version", [None, 6])
def test_an_address_on_an_interface_that_is_not_there_names_the_interface(ip_version):
    with pytest.raises(LookupError, match=r"^this machine has no interface nosuch0$"):
        addresses_of("fe80::1%nosuch0", ip_version)


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
def test_what_can_be_no_host_name_is_no_crash(host):
    with pytest.raises(LookupError):
        addresses_of(host)


def test_a_name_that_the_resolver_does_not_know_says_so(monkeypatch):
    def fail(*_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(LookupError, match="does not exist"):
        addresses_of("nowhere.example")
