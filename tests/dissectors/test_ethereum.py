"""Ethereum's peers, by the layouts of devp2p."""

from inspecting import TCP, UDP, inspect

from portcall.dissectors import ethereum
from portcall.records.detections import WAIT

SIGNED = bytes(range(96)) + b"\1"
FIND = SIGNED + b"\3" + b"\xf8\x47" + b"\xb8\x40" + bytes(64) + b"\x84\x5f\0\0\0"
RECORD_WANTED = SIGNED + b"\5" + b"\xc5\x84\x5f\0\0\0"
AUTHENTICATION = (400).to_bytes(2, "big") + b"\4" + bytes(399)
ANSWER = (300).to_bytes(2, "big") + b"\4" + bytes(299)
SAMPLES = [(UDP, FIND), (UDP, RECORD_WANTED), (TCP, AUTHENTICATION), (TCP, ANSWER)]


def test_discovery_tells_on_any_port():
    assert dict(inspect(ethereum, UDP, FIND).details) == {"part": "discovery"}
    assert inspect(ethereum, UDP, RECORD_WANTED).protocol == "ethereum"


def test_a_list_has_to_fill_the_datagram_and_fit_its_kind():
    assert inspect(ethereum, UDP, FIND + b"\0") is None
    assert inspect(ethereum, UDP, SIGNED + b"\2" + FIND[98:]) is None


def test_a_handshake_tells_on_its_port_or_when_it_is_answered():
    assert inspect(ethereum, TCP, AUTHENTICATION) is None
    assert inspect(ethereum, TCP, AUTHENTICATION, target_port=30303).protocol == "ethereum"
    assert inspect(ethereum, TCP, AUTHENTICATION, ANSWER).protocol == "ethereum"


def test_a_handshakes_first_bytes_are_waited_for():
    assert inspect(ethereum, TCP, AUTHENTICATION[:30], target_port=30303) is WAIT
