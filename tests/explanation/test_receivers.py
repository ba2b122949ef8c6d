"""Which sockets a packet would reach."""

from __future__ import annotations

import pytest

from machine_builder import machine, system_socket
from portcall.explanation import receivers as delivery
from portcall.explanation.subject import End

EXACT = system_socket("127.0.0.1 80", process="exact 1")
ANY = system_socket("0.0.0.0 80", process="any 2")
ANY_SIX = system_socket(":: 80", process="six 3")
DUAL = system_socket(":: 80", process="dual 4", takes_ipv4_too=True)
UDP = system_socket("0.0.0.0 80", process="udp 5", protocol="udp")


def reached(sockets, address, transport="tcp"):
    return [socket.holders[0].program.name for socket in delivery.receivers(sockets, End(address, 80), transport)]


def test_a_socket_at_the_address_comes_before_one_at_any():
    assert reached([ANY, EXACT], "127.0.0.1") == ["exact"]


def test_another_address_reaches_the_socket_at_any():
    assert reached([ANY, EXACT], "192.168.1.5") == ["any"]


def test_transports_do_not_mix():
    assert reached([UDP], "127.0.0.1") == []
    assert reached([UDP], "127.0.0.1", "udp") == ["udp"]


@pytest.mark.parametrize(("socket", "names"), [(ANY_SIX, []), (DUAL, ["dual"])])
def test_a_socket_of_ipv6_takes_ipv4_only_where_it_says_so(socket, names):
    assert reached([socket], "192.168.1.5") == names


def test_an_ipv4_socket_takes_no_ipv6():
    assert reached([ANY], "::1") == []


def test_the_wildcard_itself_means_the_sockets_bound_to_it():
    assert reached([EXACT, ANY, DUAL], "0.0.0.0") == ["any", "dual"]
    assert reached([EXACT, ANY, DUAL], "::") == ["dual"]


def test_a_socket_with_a_peer_gets_nothing_from_strangers():
    assert reached([system_socket("127.0.0.1 80", "127.0.0.1 5000", "busy 9")], "127.0.0.1") == []


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("192.168.1.5", True),
        ("192.168.1.6", False),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", True),
        ("fe80::5%eth0", True),
        ("8.8.8.8", False),
    ],
)
def test_own_addresses_are_those_of_interfaces_and_loopback(address, is_own):
    listing = machine(addresses=("192.168.1.5/24", "fe80::5/64")).listing

    assert delivery.is_own(address, listing) == is_own
