"""What is meant by the words after ``portcall explain``."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portcall.errors import UsageError
from portcall.explanation.subject import End, parse_subject
from portcall.labels.port_services import PortClass


@pytest.mark.parametrize(
    ("words", "port", "transport"),
    [
        ("443", 443, None),
        ("0", 0, None),
        ("65535", 65535, None),
        ("tcp/53", 53, "tcp"),
        ("53/udp", 53, "udp"),
        ("UDP:53", 53, "udp"),
        (" 80 ", 80, None),
        ("sctp/3868", 3868, "sctp"),
        (":80", 80, None),
        ("*:80/tcp", 80, "tcp"),
    ],
)
def test_a_number_is_a_port(words, port, transport):
    subject = parse_subject(words)

    assert (subject.kind, subject.ports, subject.transport) == ("port", (port,), transport)


@pytest.mark.parametrize(
    ("words", "ports"),
    [("https", (443,)), ("HTTPS", (443,)), ("dns", (53,)), ("dhcp", (67, 68)), ("postgresql", (5432,))],
)
def test_a_name_is_every_port_of_that_service(words, ports):
    subject = parse_subject(words)

    assert (subject.kind, subject.ports) == ("service", ports)


@pytest.mark.parametrize(
    ("words", "end", "transport"),
    [
        ("0.0.0.0:80", End("0.0.0.0", 80), None),
        ("localhost:80", End("127.0.0.1", 80), None),
        ("192.168.1.5:54823", End("192.168.1.5", 54823), None),
        ("[::1]:80", End("::1", 80), None),
        ("[::]:443", End("::", 443), None),
        ("[fe80::1%eth0]:22", End("fe80::1%eth0", 22), None),
        ("[0:0:0:0:0:0:0:1]:80", End("::1", 80), None),
        ("[FE80:0::01%eth0]:22/tcp", End("fe80::1%eth0", 22), "tcp"),
        ("127.0.0.1:ssh", End("127.0.0.1", 22), None),
        ("udp/127.0.0.1:53", End("127.0.0.1", 53), "udp"),
        ("127.0.0.1:53/udp", End("127.0.0.1", 53), "udp"),
    ],
)
def test_an_address_and_a_port_are_a_socket(words, end, transport):
    subject = parse_subject(words)

    assert (subject.kind, subject.ends, subject.transport) == ("socket", (end,), transport)


@pytest.mark.parametrize("between", ["-", "->", " - ", " ↔ ", "–", " "])
def test_two_sockets_are_a_conversation(between):
    subject = parse_subject(f"192.168.1.5:54823{between}142.250.80.46:443")

    assert subject.kind == "conversation"
    assert subject.ends == (End("192.168.1.5", 54823), End("142.250.80.46", 443))


def test_a_conversation_may_be_ipv6_and_have_a_transport():
    subject = parse_subject("udp/[::1]:5-[::1]:6")

    assert (subject.ends, subject.transport) == ((End("::1", 5), End("::1", 6)), "udp")


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("fd31:7:0:0:0:0:0:1", "fd31:7::1"),
        ("fd31:0007::0001", "fd31:7::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("localhost", "127.0.0.1"),
        ("*", "0.0.0.0"),
    ],
)
def test_an_address_may_stand_alone(words, address):
    subject = parse_subject(words)

    assert (subject.kind, subject.address) == ("address", address)


@pytest.mark.parametrize(
    ("words", "port_class"),
    [
        ("well-known", PortClass.WELL_KNOWN),
        ("0-1023", PortClass.WELL_KNOWN),
        ("1024–49151", PortClass.REGISTERED),
        ("Ephemeral", PortClass.EPHEMERAL),
        ("49152-65535", PortClass.EPHEMERAL),
    ],
)
def test_a_class_is_known_by_name_and_by_range(words, port_class):
    assert parse_subject(words).port_class is port_class


@pytest.mark.parametrize(
    ("words", "state"), [("LISTEN", "LISTEN"), ("ESTABLISHED", "ESTAB"), ("TIME_WAIT", "TIME-WAIT"), ("estab", "ESTAB")]
)
def test_a_state_is_known_as_every_tool_writes_it(words, state):
    assert parse_subject(words).state == state


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("65536", "from 0 to 65535"),
        ("9" * 5000, "too many"),
        ("1.2.3.4:70000", "from 0 to 65535"),
        ("postgres", "Did you mean 'postgresql'?"),
        ("example.org:80", "'example.org' is no address"),
        ("tcp/53/udp", "one transport at a time"),
        ("", "Write it like 8080"),
        ("1.2.3.4:5-6.7.8.9", "without its port"),
        ("8000-8010", "is 11 ports"),
        ("127.0.0.1:http-alt", "say which"),
        ("47/ip-47", "ip-47 has no ports"),
        ("[::1%a b]:5", "is no address"),
    ],
)
def test_what_is_meant_by_nothing_is_refused_with_a_hint(words, hint):
    with pytest.raises(UsageError) as error:
        parse_subject(words)

    assert hint in str(error.value)


@settings(deadline=None)  # the first one imports
@given(st.text(max_size=60))
def test_any_words_are_a_subject_or_a_usage_error(words):
    try:
        subject = parse_subject(words)
    except UsageError:
        return

    assert subject.kind


@settings(deadline=None)  # the first one imports
@given(st.ip_addresses().map(str), st.integers(0, 65535))
def test_an_end_is_read_as_it_is_written(address, port):
    end = End(address, port)

    (read,) = parse_subject(str(end)).ends

    assert ip_address(read.address) == (getattr(ip_address(address), "ipv4_mapped", None) or ip_address(address))
    assert read.port == port
