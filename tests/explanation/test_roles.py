"""Which end of a conversation is the server, and why."""

from __future__ import annotations

import pytest

from machine_builder import system_socket
from portcall.explanation.roles import find_roles
from portcall.explanation.subject import End

HIGH = End("192.168.1.5", 54823)


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (End("198.51.100.7", 443), "443 is well-known, 54823 is ephemeral"),
        (End("198.51.100.7", 5432), "5432 is registered, 54823 is ephemeral"),
    ],
)
def test_the_lower_class_is_the_servers(server, words):
    roles = find_roles((HIGH, server), None, ())

    assert (roles.client, roles.server) == (HIGH, server)
    assert words in roles.evidence


def test_of_two_registered_ports_the_one_that_people_know_is_the_servers():
    roles = find_roles((End("10.0.0.1", 40001), End("10.0.0.2", 5432)), "tcp", ())

    assert roles.server.port == 5432
    assert "where postgresql lives" in roles.evidence


def test_a_lower_number_is_said_to_be_weak_evidence():
    assert "weak" in find_roles((End("192.168.1.5", 20001), End("198.51.100.7", 30001)), None, ()).evidence


def test_two_ports_that_systems_lend_tell_nothing():
    assert find_roles((HIGH, End("198.51.100.7", 60123)), None, ()) is None


def test_equal_ports_tell_nothing():
    assert find_roles((End("10.0.0.1", 60001), End("10.0.0.2", 60001)), "udp", ()) is None


def test_who_listens_here_is_the_server_whatever_the_ports_are():
    sockets = [
        system_socket("0.0.0.0 54823", process="game 7"),
        system_socket("192.168.1.5 54823", "198.51.100.7 443", "game 7"),
    ]

    roles = find_roles((HIGH, End("198.51.100.7", 443)), "tcp", sockets)

    assert roles.server == HIGH
    assert roles.evidence == "game listens there, at port 54823 of this machine"


def test_a_listener_at_another_machines_address_is_no_evidence():
    sockets = [system_socket("0.0.0.0 54823", process="game 7")]

    assert find_roles((HIGH, End("198.51.100.7", 443)), "tcp", sockets).server.port == 443
