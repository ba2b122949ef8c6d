"""What ``who`` is asked for, and which sockets that means."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portcall.errors import UsageError
from portcall.sockets.query import parse_query
from socket_builder import owner, system_socket


@pytest.mark.parametrize(
    ("text", "process"),
    [
        ("8080", None),
        ("*:8080", None),
        ("192.168.1.5:54823/tcp", None),
        ("10.0.0.1", None),
        ("10.0.0.1:5 -> 10.0.0.2:6", None),
        ("ssh", "ssh"),
        ("ssh/tcp", None),
        (":ssh", None),
        ("sshd", "sshd"),
        ("python3.11", "python3.11"),
        ("nginx.service", "nginx.service"),
        ("Web Content", "Web Content"),
        ("my-own-server", "my-own-server"),
    ],
)
def test_words_are_an_end_a_process_or_both(text, process):
    query = parse_query(text)

    assert query.process == process
    assert (query.meant is None) == (process is not None and not query.is_service)


@pytest.mark.parametrize(
    "text",
    ["", ":", "/tcp", "65536", "80/sctp", "::1:80", "999.1.1.1:4", "[zz]:5", "a:b", "*", "*:*", "90-80", "1%" * 4301],
)
def test_what_is_no_question_is_refused_with_examples(text):
    with pytest.raises(UsageError, match=r"Write it like 8080|Did you mean|portcall conns"):
        parse_query(text)


@settings(deadline=None)  # the first one imports
@given(st.text(max_size=40))
def test_any_text_is_a_question_or_a_usage_error(text):
    try:
        query = parse_query(text)
    except UsageError:
        return
    assert query.meant is not None or query.process is not None


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
        ("tcp/80", "0.0.0.0:80", "tcp", True),
        ("http", "0.0.0.0:80", "tcp", True),
        ("shell", "0.0.0.0:514", "udp", False),
        ("localhost:80", "[::1]:80", "tcp", True),
        ("localhost:80", "0.0.0.0:80", "tcp", True),
        ("localhost:80", "192.168.1.5:80", "tcp", False),
        ("[0:0:0:0:0:0:0:1]:80", "[::1]:80", "tcp", True),
        ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", "tcp", True),
        ("79-81", "0.0.0.0:80", "tcp", True),
        ("79-81", "0.0.0.0:82", "tcp", False),
        ("127.0.0.1", "127.0.0.1:80", "tcp", True),
        ("127.0.0.1", "0.0.0.0:80", "tcp", False),
        ("127.0.0.1:*", "127.0.0.1:80", "tcp", True),
    ],
)
def test_a_listener_is_meant_if_it_takes_what_comes_to_that_end(text, local, protocol, is_meant):
    assert bool(parse_query(text).meanings(system_socket(local, protocol=protocol))) == is_meant


def test_a_dual_listener_is_meant_by_an_ipv4_end():
    assert parse_query("127.0.0.1:80").meanings(system_socket("[::]:80", takes_ipv4_too=True))


def test_a_remote_port_is_meant_apart():
    query, client = parse_query("443"), system_socket("10.0.0.1:50000", "10.0.0.2:443")

    assert (query.meanings(client), query.means_remote(client)) == ([], True)


def test_a_remote_port_at_another_address_is_not_meant():
    assert not parse_query("10.0.0.3:443").means_remote(system_socket("10.0.0.1:50000", "10.0.0.2:443"))


@pytest.mark.parametrize("text", ["10.0.0.1:5-10.0.0.2:6", "10.0.0.2:6 10.0.0.1:5", "tcp/10.0.0.1 -> 10.0.0.2:6"])
def test_a_conversation_is_meant_from_either_end(text):
    query = parse_query(text)

    assert query.meanings(system_socket("10.0.0.1:5", "10.0.0.2:6"))
    assert query.meanings(system_socket("10.0.0.2:6", "10.0.0.1:5"))
    assert not query.means(system_socket("10.0.0.1:5", "10.0.0.2:7"))
    assert not query.means(system_socket("0.0.0.0:5"))


@pytest.mark.parametrize(("zone", "is_meant"), [("eth0", True), ("eth1", False)])
def test_a_zone_chooses_the_interface(zone, is_meant):
    listener = system_socket("[fe80::1]:22", interface="eth0")

    assert bool(parse_query(f"[fe80::1%{zone}]:22").meanings(listener)) == is_meant


def test_a_word_that_is_a_service_and_a_process_means_both_and_says_which():
    query = parse_query("ssh")
    server, client = (
        system_socket("0.0.0.0:22", owners=[owner("sshd")]),
        system_socket("10.0.0.1:50000", "10.0.0.2:2222", owners=[owner("ssh")]),
    )

    assert (query.meanings(server), query.meanings(client)) == (["service"], ["process"])


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
    assert parse_query("sshd").meanings(system_socket("0.0.0.0:22", owners=[owner(**program)]))


def test_a_part_of_a_name_is_not_the_name():
    assert not parse_query("ngin").meanings(system_socket("0.0.0.0:80", owners=[owner("nginx")]))
