"""IKE and ESP in UDP, by the layouts of RFC 7296 and 3948."""

from inspecting import UDP, inspect

from portcall.dissectors import ike
from portcall.records.detections import Role

IKE = b"INITSPI8" + bytes(8) + b"\x21\x20\x22\x08" + bytes(4) + (28 + 8).to_bytes(4, "big") + bytes(8)
IKE_ANSWER = b"INITSPI8RESPSPI8" + b"\x21\x20\x22\x20" + bytes(4) + (28 + 8).to_bytes(4, "big") + bytes(8)
ESP = b"SPI1" + b"\0\0\0\7" + bytes(40)
SAMPLES = [(UDP, IKE), (UDP, bytes(4) + IKE_ANSWER), (UDP, ESP)]


def test_ike_tells_its_version_and_who_began():
    assert dict(inspect(ike, UDP, IKE).details) == {"version": "2"}
    assert inspect(ike, UDP, IKE).role == Role.CLIENT
    assert inspect(ike, UDP, IKE_ANSWER).role == Role.SERVER


def test_only_the_first_message_of_version_1_tells_who_began():
    first, later = (
        b"INITSPI8" + other + b"\x01\x10\x02\0" + bytes(4) + b"\0\0\0\x1c" for other in (bytes(8), b"RESPSPI8")
    )

    assert [inspect(ike, UDP, message).role for message in (first, later)] == [Role.CLIENT, None]


def test_ike_may_follow_the_marker_of_nat_traversal():
    assert inspect(ike, UDP, bytes(4) + IKE).protocol == "ike"


def test_a_length_that_is_not_the_datagrams_is_not_ike():
    assert inspect(ike, UDP, IKE + b"\0") is None


def test_esp_in_udp_counts_on_its_port_only():
    assert inspect(ike, UDP, ESP, source_port=4500, target_port=4500).protocol == "ipsec-nat-t"
    assert inspect(ike, UDP, ESP) is None


def test_a_keep_alive_may_turn_into_ike():
    assert not inspect(ike, UDP, b"\xff", target_port=4500).is_final
