"""RTP and RTCP, by the layouts of RFC 3550."""

import struct

from inspecting import UDP, datagrams, inspect

from portcall.dissectors import rtp
from portcall.records.detections import NO_PAYLOAD, WAIT, Ends

ENDS = Ends(UDP, 15580, 16756)


def packet(sequence, source=0x0EAF0EAF, kind=8):
    return struct.pack(">BBHII", 0x80, kind, sequence & 0xFFFF, 160 * sequence & 0xFFFFFFFF, source) + b"\xd5" * 160


REPORT = struct.pack(">BBHI", 0x80, 200, 6, 0xDD3AC170) + bytes(20)
DESCRIPTION = struct.pack(">BBHI", 0x81, 202, 2, 0xDD3AC170) + b"\1\2me"
CIPHERED = [struct.pack(">BBHI", 0x81, 200, 12, 0x549AA5DA) + bytes([i] * 90) for i in range(2)]
SAMPLES = [(UDP, packet(1)), (UDP, packet(2)), (UDP, REPORT + DESCRIPTION), (UDP, CIPHERED[0])]


def test_one_packet_is_not_yet_a_stream():
    assert inspect(rtp, UDP, packet(1)) is WAIT


def test_three_packets_in_order_are_a_stream():
    inspected = rtp.inspect(datagrams(packet(0xFFFE), packet(0xFFFF), packet(0x10000)), NO_PAYLOAD, ENDS)

    assert inspected.protocol == "rtp"
    assert dict(inspected.details) == {"payload_type": "8"}


def test_two_packets_are_enough_when_both_ends_stream():
    sent, answered = datagrams(packet(1), packet(2)), datagrams(packet(7, 5), packet(8, 5))

    assert rtp.inspect(sent, NO_PAYLOAD, ENDS) is WAIT
    assert rtp.inspect(sent, answered, ENDS).protocol == "rtp"


def test_packets_of_several_sources_are_no_stream():
    assert rtp.inspect(datagrams(packet(1, 1), packet(2, 2), packet(3, 3)), NO_PAYLOAD, ENDS) is WAIT


def test_packets_that_leap_are_no_stream():
    assert rtp.inspect(datagrams(packet(1), packet(900), packet(44)), NO_PAYLOAD, ENDS) is WAIT


def test_reports_that_fill_a_datagram_are_rtcp():
    assert inspect(rtp, UDP, REPORT + DESCRIPTION).protocol == "rtcp"
    assert inspect(rtp, UDP, REPORT + DESCRIPTION + b"\x80") is WAIT


def test_ciphered_reports_need_a_second_of_their_source():
    assert rtp.inspect(datagrams(CIPHERED[0]), NO_PAYLOAD, ENDS) is WAIT
    assert rtp.inspect(datagrams(*CIPHERED), NO_PAYLOAD, ENDS).protocol == "rtcp"


def test_unassigned_payload_types_are_not_rtp():
    assert inspect(rtp, UDP, packet(1, kind=50)) is None


def test_an_extension_that_ends_in_its_own_header_is_not_rtp():
    for size in range(12, 17):
        assert inspect(rtp, UDP, b"\x90\0" + bytes(size - 2)) is (WAIT if size == 16 else None)
