"""What the kernel says of ICMP errors, read from bytes laid out as in linux/errqueue.h."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcall.probes.refusals import Refusal, _read_refusal, icmp_words, local_words

IPV4, IPV6 = (socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25)


def entry(origin: int, icmp: tuple[int, int], address: bytes) -> bytes:
    return struct.pack("=IBBBxII", 113, origin, *icmp, 0, 0) + address


def test_an_icmp_error_tells_type_code_and_sender():
    sender = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton("192.0.2.1"))

    refusal = _read_refusal(*IPV4, entry(2, (3, 13), sender))

    assert refusal == Refusal((3, 13), "192.0.2.1")


def test_an_icmp6_error_tells_type_code_and_sender():
    sender = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, "2001:db8::1"), 0)

    refusal = _read_refusal(*IPV6, entry(3, (1, 1), sender))

    assert refusal == Refusal((1, 1), "2001:db8::1")


def test_an_error_of_this_machine_is_no_icmp_error():
    assert _read_refusal(*IPV4, entry(1, (0, 0), b"")) is None


@given(st.sampled_from([IPV4, IPV6, (1, 2)]), st.binary(max_size=60))
def test_no_bytes_make_it_fail(kind, data):
    refusal = _read_refusal(*kind, data)

    assert refusal is None or isinstance(refusal, Refusal)


@pytest.mark.parametrize(
    ("version", "icmp", "words"),
    [
        (4, (3, 10), "host prohibited"),
        (4, (3, 13), "administratively prohibited"),
        (6, (1, 1), "administratively prohibited"),
        (6, (1, 4), "port unreachable"),
        (4, (3, 99), "ICMP type 3 code 99"),
    ],
)
def test_icmp_errors_have_words(version, icmp, words):
    assert icmp_words(version, icmp) == words


def test_an_errno_without_words_of_ours_has_those_of_the_system():
    assert local_words(7) == "argument list too long"
