"""OpenVPN, by the layouts of its ssl_pkt.h."""

import pytest
from inspecting import TCP, UDP, inspect

from portcall.dissectors import openvpn
from portcall.records.detections import WAIT, Role

SESSION, OTHER = bytes.fromhex("0102030405060708"), bytes.fromhex("1112131415161718")
RESET = b"\x38" + SESSION + bytes(5)
ANSWER = b"\x40" + OTHER + b"\1\0\0\0\0" + SESSION + bytes(4)
DIGESTED = b"\x38" + SESSION + b"d" * 20 + b"\0\0\0\1" + b"\x57\xc2\x0c\x2a" + bytes(5)
DIGESTED_ANSWER = (
    b"\x40" + OTHER + b"e" * 20 + b"\0\0\0\1" + b"\x57\xc2\x0c\x2d" + b"\1" + bytes(4) + SESSION + bytes(4)
)
CRYPTED_ANSWER = b"\x40" + OTHER + b"\0\0\0\1" + b"\x57\xc2\x0c\x2d" + b"f" * 40
SAMPLES = [(UDP, RESET), (UDP, ANSWER), (UDP, DIGESTED), (UDP, CRYPTED_ANSWER), (TCP, b"\0\x0e" + RESET)]


def test_a_plain_reset_of_openvpn_tells_on_any_port():
    assert inspect(openvpn, UDP, RESET).role == Role.CLIENT
    assert inspect(openvpn, UDP, ANSWER).role == Role.SERVER
    assert inspect(openvpn, TCP, len(RESET).to_bytes(2, "big") + RESET).role == Role.CLIENT


@pytest.mark.parametrize("answer", [DIGESTED_ANSWER, CRYPTED_ANSWER], ids=["tls-auth", "tls-crypt"])
def test_a_protected_reset_needs_its_answer_or_its_port(answer):
    assert inspect(openvpn, UDP, DIGESTED) is None
    assert inspect(openvpn, UDP, DIGESTED, target_port=1194).protocol == "openvpn"
    assert inspect(openvpn, UDP, DIGESTED, answer).protocol == "openvpn"


def test_the_answer_to_a_protected_reset_tells_its_server():
    assert inspect(openvpn, UDP, DIGESTED_ANSWER, DIGESTED).role == Role.SERVER


def test_half_a_reset_is_waited_for():
    assert inspect(openvpn, TCP, b"\0\x0e" + RESET[:5]) is WAIT
