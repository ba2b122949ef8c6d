"""A copy is the same packet a moment later, whatever switches and routers change on its way; all else is a packet."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6MLReport2, IPv6, IPv6ExtHdrHopByHop
from scapy.layers.l2 import ARP, Dot1Q, Ether

from portcall.decoding.copies import PACKETS_REMEMBERED, Copies
from portcall.decoding.decoder import Decoder
from portcall.kernels.copy_table import CopyTable
from portcall.records.packets import FRAME, NO_TIME, FrameBatch, Verdict

MICROSECOND, MILLISECOND = 1000, 1_000_000
START = 1_700_000_000 * 10**9
SEGMENT = TCP(sport=40000, dport=80, flags="PA", seq=7, ack=9) / b"a request with some words"
ACKNOWLEDGEMENT = TCP(sport=40000, dport=80, flags="A", seq=7, ack=9)
V4 = {"src": "10.0.0.1", "dst": "192.0.2.1"}
V6 = {"src": "2001:db8::1", "dst": "2001:db8::2"}
MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}


def frame(packet, **link):
    return bytes(Ether(**{**MACS, **link}) / packet)


def batch_of(frames):
    """A batch of (ns after the start, or None for no time; content)."""
    rows = np.zeros(len(frames), FRAME)
    contents = [content for _, content in frames]
    rows["ts_ns"] = [NO_TIME if at is None else START + at for at, _ in frames]
    rows["captured"] = rows["wire"] = list(map(len, contents))
    rows["offset"] = np.cumsum([0, *map(len, contents[:-1])])
    rows["link"] = 1
    return FrameBatch(rows, np.frombuffer(b"".join(contents), np.uint8), 1)


def are_copies(*frames, removes=True):
    """Which of them are found to be copies of earlier ones."""
    batch, copies = batch_of(frames), Copies(removes=removes)
    packets = Decoder().decode(batch).copy()
    copies.find(batch, packets)
    found = packets["verdict"] == Verdict.DUPLICATE
    assert copies.is_exact == (len(frames) < 1000)  # more at once share places
    assert not removes or copies.found == found.sum()
    return found.tolist() if removes else copies.found


ORIGINAL = IP(id=7, ttl=64, **V4) / SEGMENT
SAME = {
    "to the byte": frame(ORIGINAL),
    "behind another link header": frame(ORIGINAL, src="02:00:00:00:00:09", dst="02:00:00:00:00:08"),
    "with a VLAN tag": frame(Dot1Q(vlan=5) / ORIGINAL),
    "with two": frame(Dot1Q(vlan=5) / Dot1Q(vlan=6) / ORIGINAL),
    "after a router": frame(IP(id=7, ttl=63, **V4) / SEGMENT),
    "with another class of service": frame(IP(id=7, tos=0xB8, **V4) / SEGMENT),
    "padded": frame(ORIGINAL) + bytes(9),
}
OTHERS = {
    "a retransmission": frame(IP(id=8, **V4) / SEGMENT),
    "behind address translation": frame(IP(id=7, src="198.51.100.1", dst=V4["dst"]) / SEGMENT),
    "with another payload": frame(IP(id=7, **V4) / TCP(bytes(SEGMENT)[:-1] + b"X")),
    "with another port": frame(IP(id=7, **V4) / TCP(bytes(SEGMENT)[:2] + b"\0\x51" + bytes(SEGMENT)[4:])),
    "another fragment": frame(IP(id=7, frag=100, **V4) / SEGMENT),
    "of another version": frame(IPv6(**V6) / SEGMENT),
}


@pytest.mark.parametrize("removes", [True, False])
@pytest.mark.parametrize("same", SAME)
def test_the_same_packet_is_a_copy(same, removes):
    found = are_copies((0, frame(ORIGINAL)), (5 * MICROSECOND, SAME[same]), removes=removes)

    assert found == ([False, True] if removes else 1)


@pytest.mark.parametrize("removes", [True, False])
@pytest.mark.parametrize("other", OTHERS)
def test_another_packet_is_none(other, removes):
    found = are_copies((0, frame(ORIGINAL)), (5 * MICROSECOND, OTHERS[other]), removes=removes)

    assert found == ([False, False] if removes else 0)


def test_ipv6_packets_are_copies_with_fewer_hops_too():
    packets = [IPv6(hlim=hops, tc=hops, fl=1, **V6) / UDP(sport=40000, dport=53) / b"asked" for hops in (64, 63)]

    assert are_copies(*[(i, frame(packet)) for i, packet in enumerate(packets)]) == [False, True]


@pytest.mark.parametrize(
    ("later_ns", "is_copy"),
    [(0, True), (5 * MILLISECOND, True), (-5 * MILLISECOND, True), (6 * MILLISECOND, False), (-6 * MILLISECOND, False)],
)
def test_a_copy_comes_within_five_milliseconds(later_ns, is_copy):
    assert are_copies((0, frame(ORIGINAL)), (later_ns, frame(ORIGINAL))) == [False, is_copy]


@pytest.mark.parametrize("packet", [IPv6(**V6) / SEGMENT, IP(id=0, flags="DF", **V4) / SEGMENT])
def test_a_retransmission_that_nothing_numbers_comes_later(packet):
    """RFC 6298: not before a second, in practice not before 200 ms."""
    assert are_copies((0, frame(packet)), (200 * MILLISECOND, frame(packet))) == [False, False]


REPEATED = [
    IPv6(**V6) / ACKNOWLEDGEMENT,
    IP(id=0, flags="DF", **V4) / ACKNOWLEDGEMENT,
    IPv6(**V6) / TCP(sport=40000, dport=80, flags="R", seq=7),
    IPv6(**V6) / IPv6ExtHdrHopByHop() / ICMPv6MLReport2(),
]


@pytest.mark.parametrize("packet", REPEATED, ids=["ack", "ack without id", "reset", "report"])
def test_what_repeats_itself_is_no_copy(packet):
    assert are_copies(*[(i * MICROSECOND, frame(packet)) for i in range(4)]) == [False] * 4


NUMBERED = [
    IPv6(**V6) / ICMPv6EchoRequest(id=1, seq=2),
    IP(id=0, **V4) / ICMP(id=1, seq=2),
    IPv6(**V6) / TCP(sport=40000, dport=80, flags="S", seq=6),
    IPv6(**V6) / UDP(sport=40000, dport=53) / b"asked",
    IPv6(**V6, nh=50) / bytes(40),
]


@pytest.mark.parametrize("packet", NUMBERED, ids=["echo", "echo of IPv4", "opening", "datagram", "encrypted"])
def test_what_its_content_numbers_is_a_copy(packet):
    assert are_copies(*[(i * MICROSECOND, frame(packet)) for i in range(2)]) == [False, True]


def test_among_copies_they_are_copies():
    opening = IPv6(**V6) / TCP(sport=40000, dport=80, flags="S", seq=6)
    packets = [opening, opening, IPv6(**V6) / ACKNOWLEDGEMENT, IPv6(**V6) / ACKNOWLEDGEMENT]

    assert are_copies(*[(i, frame(packet)) for i, packet in enumerate(packets)]) == [False, True, False, True]


def test_acknowledgements_that_ipv4_numbers_are_copies():
    assert are_copies(*[(i, frame(IP(id=3, **V4) / ACKNOWLEDGEMENT)) for i in range(3)]) == [False, True, True]


def test_frames_without_ip_or_without_time_are_not_compared():
    asked = frame(ARP(), dst="ff:ff:ff:ff:ff:ff")

    assert are_copies((0, asked), (1, asked), (None, frame(ORIGINAL)), (None, frame(ORIGINAL))) == [False] * 4


def test_what_carries_an_error_is_compared_as_a_whole():
    errors = [IP(id=5, **V4) / ICMP(type=3, code=1) / IP(id=i, **V4) / SEGMENT for i in (1, 1, 2)]

    assert are_copies(*[(i, frame(error)) for i, error in enumerate(errors)]) == [False, True, False]


def test_only_the_latest_packets_are_remembered():
    """A table of one place knows the last two packets."""
    first, second, third = frame(ORIGINAL), frame(IP(id=8, **V4) / SEGMENT), frame(IP(id=9, **V4) / SEGMENT)
    seen = np.zeros(2, [("digest", "u8"), ("ts_ns", "i8")])
    table = CopyTable(seen, window_ns=MILLISECOND, seed=1, most_bytes=28, removes=False)
    batch = batch_of(list(enumerate([first, first, second, first, third, second, first])))

    table.find(Decoder().decode(batch), batch.frames, batch.buffer)

    assert table.found == 3
    assert table.displaced == 2


def test_a_table_has_places_for_two():
    with pytest.raises(ValueError, match="two at least"):
        CopyTable(np.zeros(1, [("digest", "u8"), ("ts_ns", "i8")]), window_ns=1, seed=1, most_bytes=28, removes=False)


def test_who_shares_a_place_depends_on_a_secret_so_then_about_so_many_are_copies():
    contents = [frame(IP(id=1 + i, **V4) / SEGMENT) for i in range(PACKETS_REMEMBERED // 4)]
    together, one_by_one = (
        batch_of([(i * microseconds * MICROSECOND, content) for i, content in enumerate(contents)])
        for microseconds in (0, 5001)
    )
    crowded, spread = Copies(removes=False), Copies(removes=False)

    crowded.find(together, Decoder().decode(together))
    spread.find(one_by_one, Decoder().decode(one_by_one))

    assert (crowded.is_exact, spread.is_exact) == (False, True)


@pytest.mark.slow
def test_a_long_capture_is_looked_at_in_part_and_says_about_how_many():
    contents = [
        frame(IP(id=1 + i % 65000, **V4) / UDP(sport=40000, dport=9) / struct.pack(">I", i)) for i in range(3000)
    ]
    copies, decoder = Copies(removes=False), Decoder()

    for start in range(0, 1000 * MILLISECOND, 10 * MILLISECOND):
        doubled = [(start + i * MICROSECOND, content) for i, content in enumerate(contents) for _ in range(2)]
        batch = batch_of(doubled)
        packets = decoder.decode(batch)
        copies.find(batch, packets)
        assert not (packets["verdict"] == Verdict.DUPLICATE).any()

    assert not copies.is_exact
    assert copies.found == pytest.approx(300_000, rel=0.05)


@pytest.mark.parametrize("removes", [True, False])
def test_bytes_of_any_kind_are_read_within_their_frames(removes):
    chance = random.Random(3)
    originals = [frame(ORIGINAL), frame(IPv6(**V6) / SEGMENT), frame(Dot1Q(vlan=5) / ORIGINAL)]
    frames = []
    for i in range(3000):
        content = bytearray(chance.choice(originals))
        for _ in range(chance.randrange(4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        frames.append((i, bytes(content[: chance.randrange(len(content) + 1)])))

    are_copies(*frames, removes=removes)


def test_frames_and_packets_must_be_the_same():
    batch, copies = batch_of([(0, frame(ORIGINAL))] * 2), Copies(removes=True)

    with pytest.raises(ValueError, match="the frames that the packets were decoded from"):
        copies.find(batch._replace(frames=batch.frames[:1]), Decoder().decode(batch))
