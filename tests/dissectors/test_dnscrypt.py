"""DNSCrypt, by the layouts of https://dnscrypt.info/protocol."""

import pytest
from inspecting import TCP, UDP, inspect

from portcall.dissectors import dnscrypt
from portcall.records.detections import WAIT, Role

NONCE = bytes(range(1, 25))
ANSWER = b"r6fnvWj8" + NONCE + bytes(80)
QUESTION = b"\x12\x34\1\0\0\1\0\0\0\0\0\0\x012\x0ddnscrypt-cert\x07example\3com\0\0\x10\0\1"
"""Resolver magic, nonce and sealed box; and the question for a certificate, a TXT record."""
SAMPLES = [(UDP, ANSWER), (UDP, QUESTION), (TCP, b"\0\x70" + ANSWER), (TCP, b"\0\x2d" + QUESTION)]


def over_tcp(message):
    return len(message).to_bytes(2, "big") + message


def test_a_sealed_answer_tells_the_resolver():
    assert inspect(dnscrypt, UDP, ANSWER).role == Role.SERVER
    assert inspect(dnscrypt, TCP, over_tcp(ANSWER)).role == Role.SERVER


def test_a_sealed_question_is_known_by_its_answer():
    question = bytes(40) + NONCE[:12] + bytes(80)

    assert inspect(dnscrypt, UDP, question) is None
    assert inspect(dnscrypt, UDP, question, ANSWER).role == Role.CLIENT


@pytest.mark.parametrize("flags", [b"\1\0", b"\x81\x80"])
def test_the_question_for_a_certificate_tells_and_so_does_its_answer(flags):
    message = QUESTION[:2] + flags + QUESTION[4:]

    detection = inspect(dnscrypt, TCP, over_tcp(message))

    assert detection.role == (Role.SERVER if flags[0] & 0x80 else Role.CLIENT)
    assert detection.details == (("query", "certificate"),)


@pytest.mark.parametrize("message", [QUESTION, ANSWER], ids=["certificate", "answer"])
def test_the_beginning_of_a_message_is_waited_for(message):
    whole = over_tcp(message)

    assert all(inspect(dnscrypt, TCP, whole[:size]) is WAIT for size in range(1, 10))


@pytest.mark.parametrize("size", range(8, 28))
def test_other_short_segments_are_not_waited_for(size):
    assert inspect(dnscrypt, TCP, b"\x17\3\3" + bytes(range(40, 40 + size))) is None
