"""What ``who`` is asked for, and which sockets that means."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portcall.errors import UsageError
from portcall.sockets.query import parse_query
from socket_builder import owner, system_socket


@pytest.mark.parametrize(
    ("text", "port", "address", "protocol", "process"),
    [
        ("8080", 8080, None, None, None),
        (":8080", 8080, None, None, None),
        ("*:8080", 8080, None, None, None),
        ("8080/tcp", 8080, None, "tcp", None),
        (":443/udp", 443, None, "udp", None),
        ("443/UDP", 443, None, "udp", None),
        ("192.168.1.5:54823", 54823, "192.168.1.5", None, None),
        ("192.168.1.5:54823/tcp", 54823, "192.168.1.5", "tcp", None),
        ("[::1]:8080", 8080, "::1", None, None),
        ("[2001:DB8:0::5]:443/tcp", 443, "2001:db8::5", "tcp", None),
        ("[::ffff:10.0.0.1]:80", 80, "10.0.0.1", None, None),
        ("0", 0, None, None, None),
        ("sshd", None, None, None, "sshd"),
        ("python3.11", None, None, None, "python3.11"),
        ("nginx.service", None, None, None, "nginx.service"),
    ],
)
def test_every_form_of_the_question_is_understood(text, port, address, protocol, process):
    query = parse_query(text)

    assert (query.port, query.address, query.protocol, query.process) == (port, address, protocol, process)


@pytest.mark.parametrize(
    "text", ["", ":", "/tcp", "65536", "80/sctp", "1.2.3.4", "::1", "::1:80", "[::1]", "999.1.1.1:4", "[zz]:5", "a:b"]
)
def test_what_is_no_question_is_refused_with_examples(text):
    with pytest.raises(UsageError, match="Write it like 8080"):
        parse_query(text)


@settings(deadline=None)  # the first one imports
@given(st.text(max_size=40))
def test_any_text_is_a_question_or_a_usage_error(text):
    try:
        query = parse_query(text)
    except UsageError:
        return
    assert (query.port is None) != (query.process is None)


@pytest.mark.parametrize(
    ("text", "local", "protocol", "is_meant"),
    [
        ("80", "0.0.0.0:80", "tcp", True),
        ("80", "0.0.0.0:80", "udp", True),
        ("80/tcp", "0.0.0.0:80", "udp", False),
        ("80", "0.0.0.0:8080", "tcp", False),
        ("127.0.0.1:80", "127.0.0.1:80", "tcp", True),
        ("127.0.0.1:80", "0.0.0.0:80", "tcp", True),
        ("127.0.0.1:80", "192.168.1.5:80", "tcp", False),
        ("127.0.0.1:80", "[::]:80", "tcp", False),
        ("[::1]:80", "[::]:80", "tcp", True),
        ("[::1]:80", "0.0.0.0:80", "tcp", False),
    ],
)
def test_a_listener_is_meant_if_it_takes_what_comes_to_that_end(text, local, protocol, is_meant):
    assert parse_query(text).means_local(system_socket(local, protocol=protocol)) == is_meant


def test_a_dual_listener_is_meant_by_an_ipv4_end():
    assert parse_query("127.0.0.1:80").means_local(system_socket("[::]:80", takes_ipv4_too=True))


def test_a_remote_port_is_meant_apart():
    query, client = parse_query("443"), system_socket("10.0.0.1:50000", "10.0.0.2:443")

    assert (query.means_local(client), query.means_remote(client)) == (False, True)


def test_a_remote_port_at_another_address_is_not_meant():
    assert not parse_query("10.0.0.3:443").means_remote(system_socket("10.0.0.1:50000", "10.0.0.2:443"))


@pytest.mark.parametrize(
    "program",
    [
        {"name": "sshd"},
        {"name": "x", "exe": "/usr/sbin/sshd"},
        {"name": "x", "cmdline": ("/opt/sshd", "-D")},
        {"name": "x", "unit": "sshd.service"},
        {"name": "x", "container": "sshd"},
    ],
)
def test_a_process_is_called_by_its_name_program_unit_or_container(program):
    assert parse_query("sshd").means_local(system_socket("0.0.0.0:22", owners=[owner(**program)]))


def test_a_part_of_a_name_is_not_the_name():
    assert not parse_query("ssh").means_local(system_socket("0.0.0.0:22", owners=[owner("sshd")]))
