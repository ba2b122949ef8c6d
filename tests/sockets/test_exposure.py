"""Who can reach a listening socket, in plain words."""

from __future__ import annotations

import pytest

from portcall.sockets.exposure import Reach, exposure_of
from socket_builder import NETWORKS, owner, system_socket

PROXY = ("/usr/bin/docker-proxy", "-proto", "tcp", "-host-ip", "0.0.0.0", "-host-port", "8080")


@pytest.mark.parametrize(
    ("end", "reach", "words", "is_outside"),
    [
        ("127.0.0.1:80", Reach.MACHINE, "this machine only", False),
        ("127.0.0.53:53", Reach.MACHINE, "this machine only", False),
        ("[::1]:80", Reach.MACHINE, "this machine only", False),
        ("0.0.0.0:80", Reach.EVERYWHERE, "every interface, IPv4", True),
        ("[::]:80", Reach.EVERYWHERE, "every interface, IPv6", True),
        ("192.168.1.5:80", Reach.NETWORK, "one network: 192.168.1.0/24 on eth0", True),
        ("[fe80::5]:80", Reach.NETWORK, "one network: fe80::/64 on eth0", True),
        ("10.8.0.2:80", Reach.NETWORK, "one network: 10.8.0.2/32 on wg0", True),
        ("224.0.0.251:5353", Reach.GROUP, "the group 224.0.0.251", True),
        ("192.168.1.255:137", Reach.GROUP, "broadcasts in 192.168.1.0/24 on eth0", True),
        ("255.255.255.255:67", Reach.GROUP, "broadcasts", True),
        ("203.0.113.9:80", Reach.NOWHERE, "nobody: no interface has this address now", False),
    ],
)
def test_an_address_tells_who_can_reach_it(end, reach, words, is_outside):
    found = exposure_of(system_socket(end), NETWORKS)

    assert (found.reach, found.words, found.is_outside) == (reach, words, is_outside)


def test_an_ipv6_socket_that_takes_ipv4_too_says_so():
    found = exposure_of(system_socket("[::]:80", takes_ipv4_too=True), NETWORKS)

    assert found.words == "every interface, IPv4 and IPv6"


@pytest.mark.parametrize("networks", [NETWORKS, NETWORKS * 2], ids=["an address each", "two of a network"])
def test_a_socket_bound_to_an_interface_is_reached_on_that_one(networks):
    found = exposure_of(system_socket("0.0.0.0:68", interface="eth0"), networks)

    assert (found.reach, found.words) == (Reach.NETWORK, "one interface: eth0 (192.168.1.0/24, fe80::/64)")


def test_a_socket_that_is_only_bound_is_reached_by_nobody():
    found = exposure_of(system_socket("0.0.0.0:80", state="BOUND"), NETWORKS)

    assert (found.reach, found.words) == (Reach.NOWHERE, "nobody: it is bound, but does not listen")


def test_a_socket_bound_to_loopback_stays_on_the_machine():
    assert not exposure_of(system_socket("0.0.0.0:68", interface="lo"), NETWORKS).is_outside


def test_another_address_of_loopback_may_be_routed_to():
    lo = (
        system_socket("10.1.1.1:80"),
        [*NETWORKS, NETWORKS[0].__class__("lo", NETWORKS[4].address.__class__("10.1.1.1/32"))],
    )

    assert exposure_of(*lo).is_outside


def test_where_there_is_only_loopback_nothing_is_outside():
    found = exposure_of(system_socket("0.0.0.0:80"), NETWORKS[:2])

    assert (found.words, found.is_outside) == ("every interface, IPv4, though there is none but loopback", False)


def test_what_docker_publishes_names_the_container():
    proxy = owner("docker-proxy", cmdline=(*PROXY, "-container-ip", "172.17.0.2", "-container-port", "80"))

    found = exposure_of(system_socket("0.0.0.0:8080", owners=[proxy]), NETWORKS)

    assert found.published == "172.17.0.2:80"
    assert found.words == "every interface, IPv4; published by docker for 172.17.0.2:80"


@pytest.mark.parametrize(
    "cmdline",
    [
        (),
        PROXY,
        (*PROXY, "-container-ip", "172.17.0.2", "-container-port"),
        (*PROXY, "-container-ip", "172.17.0.2", "-container-port", "\x1b[31m"),
        ("nginx", "-container-ip", "172.17.0.2", "-container-port", "80"),
    ],
)
def test_other_command_lines_publish_nothing(cmdline):
    found = exposure_of(system_socket("0.0.0.0:8080", owners=[owner(cmdline=cmdline)]), NETWORKS)

    assert found.published is None
