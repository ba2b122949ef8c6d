"""STUN and TURN, with messages built by RFC 8489 and the test vectors of RFC 5769."""

import struct

import pytest
from inspecting import NO_PAYLOAD, TCP, UDP, datagrams, inspect

from portcall.dissectors import stun
from portcall.records.detections import WAIT, Detection, Ends, Name, NameKind, Role

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b15126"
    "3b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
"""RFC 5769 §2.1, a binding request of "STUN test client"."""


def message(kind, *attributes, cookie=b"\x21\x12\xa4\x42"):
    body = b"".join(
        struct.pack(">HH", type_, len(value)) + value + bytes(-len(value) % 4) for type_, value in attributes
    )
    return struct.pack(">HH", kind, len(body)) + cookie + TRANSACTION + body


ALLOCATE = message(0x0003, (0x0019, b"\x11\0\0\0"))
CLASSIC = message(0x0001, cookie=b"\xaa\xbb\xcc\xdd")
CLASSIC_ANSWER = message(0x0101, (0x0001, bytes.fromhex("00011234c0000201")), cookie=b"\xaa\xbb\xcc\xdd")
SAMPLES = [(UDP, REQUEST), (UDP, ALLOCATE), (UDP, CLASSIC), (UDP, CLASSIC_ANSWER), (TCP, ALLOCATE)]


def test_a_binding_request_names_its_program_and_who_asks():
    inspected = inspect(stun, UDP, REQUEST)

    assert (inspected.protocol, inspected.role) == ("stun", Role.CLIENT)
    assert dict(inspected.details) == {"method": "binding", "software": "STUN test client"}


def test_who_asks_for_an_allocation_is_the_client():
    assert inspect(stun, UDP, ALLOCATE).role == Role.CLIENT
    assert inspect(stun, UDP, message(0x0113, (0x0014, b"example.org"))).role == Role.SERVER


def test_what_is_sent_unasked_tells_the_client_at_a_relay_only():
    roles = [inspect(stun, UDP, message(kind)).role for kind in (0x0011, 0x0016, 0x0017)]

    assert roles == [None, Role.CLIENT, Role.SERVER]


def test_the_realm_of_a_relay_is_told():
    assert dict(inspect(stun, UDP, message(0x0113, (0x0014, b"example.org"))).details)["realm"] == "example.org"


@pytest.mark.parametrize(
    ("realm", "names"),
    [
        (b"relay.example.org", [Name(NameKind.REALM, "relay.example.org")]),
        (b"realm", []),
        (b"192.0.2.1", []),
        (b"my own realm.org", []),
        (b"example.\x1b[2J", []),
    ],
)
def test_a_realm_that_is_a_domain_names_the_server(realm, names):
    assert list(inspect(stun, UDP, message(0x0113, (0x0014, realm))).names) == names


def test_a_stream_is_waited_for_until_the_header_is_whole():
    assert inspect(stun, TCP, ALLOCATE[:19]) is WAIT
    assert inspect(stun, TCP, ALLOCATE).protocol == "stun"


def test_a_datagram_of_another_length_is_not_stun():
    assert inspect(stun, UDP, REQUEST + b"\0") is None


def test_a_bare_request_without_cookie_needs_its_port_or_its_answer():
    assert inspect(stun, UDP, CLASSIC) is None
    assert inspect(stun, UDP, CLASSIC, target_port=3478).protocol == "stun"
    assert inspect(stun, UDP, CLASSIC, CLASSIC_ANSWER).protocol == "stun"


def test_an_answer_without_cookie_tells_by_its_attributes():
    assert inspect(stun, UDP, CLASSIC_ANSWER).protocol == "stun"
    assert inspect(stun, UDP, message(0x0101, (0x7777, b"abcd"), cookie=b"\xaa\xbb\xcc\xdd")) is None


# --- calls: STUN first, then DTLS (RFC 7983)

PEERS = Ends(UDP, 50000, 50001)
DTLS_ALERT = bytes.fromhex("15feff00000000000000000002022f")
"""One record of DTLS 1.0 (RFC 6347 §4.1) with a fatal alert."""


def test_a_binding_is_not_the_last_word_of_peers():
    assert not stun.inspect(datagrams(REQUEST), NO_PAYLOAD, PEERS).is_final
    assert inspect(stun, UDP, ALLOCATE).is_final


def test_a_conversation_that_goes_on_with_dtls_is_dtls():
    assert stun.inspect(datagrams(REQUEST, DTLS_ALERT), NO_PAYLOAD, PEERS).protocol == "dtls"
    assert stun.inspect(datagrams(REQUEST, DTLS_ALERT, REQUEST), NO_PAYLOAD, PEERS).protocol == "dtls"


def test_it_is_dtls_for_the_end_that_still_says_stun():
    assert stun.inspect(datagrams(REQUEST), datagrams(DTLS_ALERT), PEERS) == Detection("dtls", is_final=False)
    assert stun.inspect(datagrams(DTLS_ALERT), datagrams(REQUEST), PEERS).protocol == "dtls"


def test_dtls_without_stun_is_not_told_here():
    assert stun.inspect(datagrams(DTLS_ALERT), NO_PAYLOAD, PEERS) is None


def test_what_is_no_dtls_leaves_it_stun():
    rtp = bytes.fromhex("806f000100000000deadbeef") + bytes(20)

    assert stun.inspect(datagrams(REQUEST, b"\x16\xfe\xff", REQUEST), datagrams(rtp), PEERS).protocol == "stun"
