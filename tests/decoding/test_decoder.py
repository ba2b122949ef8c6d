"""Frames → packets, on frames written byte by byte: every link type and layer, cut anywhere, and bytes of no sense."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from frame_bytes import (
    BY_LAYER,
    BY_LINK,
    BY_TUNNEL,
    CONTENT,
    ETHERNET,
    IP4,
    IP6,
    LATER_LABEL,
    OUTER_PORTS,
    PORTS,
    ethernet,
    gre,
    ipv4,
    ipv6,
    ports,
    snap,
    tcp,
    udp,
    wifi,
)
from layer_declarations import announced, layers
from portcall.decoding.decoder import Decoder
from portcall.records.packets import FRAME, NO_TIME, PACKET, Direction, Fragmentation, FrameBatch, Verdict

LAYERS = ("outer", "inner")
LINKS = {number for numbers, _ in announced("link type", layers()) for number in numbers}
ETHERNET_LINK, RAW_LINK = 1, 101
WALKED = {**BY_LINK, **{name: (ETHERNET_LINK, frame) for name, frame in BY_LAYER.items()}}
WITHOUT_PACKETS = {253, 271}  # netlink, vsock


def batch_of(frames):
    """One batch of (link, content, bytes on the wire)."""
    rows = np.zeros(len(frames), FRAME)
    buffer = np.frombuffer(b"".join(content for _, content, _ in frames) + b"\0", np.uint8)
    rows["link"], rows["captured"], rows["wire"] = zip(
        *((link, len(content), wire) for link, content, wire in frames), strict=True
    )
    rows["offset"] = np.cumsum([0, *rows["captured"][:-1]])
    return FrameBatch(rows, buffer, 1)


def decode(*frames, layer="outer"):
    return Decoder(layer).decode(batch_of(frames))


def decode_one(link, content, layer="outer", wire=None):
    [packet] = decode((link, content, len(content) if wire is None else wire), layer=layer)
    return packet


def facts(packet):
    return Verdict(packet["verdict"]), (packet["source_port"], packet["target_port"]), packet["protocol"]


def carried(packet, content):
    start = packet["payload_offset"]
    return content[start : start + packet["payload"]]


# --- what frames hold


def test_every_listed_link_type_has_a_frame_here():
    assert {link for link, _ in BY_LINK.values()} | WITHOUT_PACKETS == LINKS


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", WALKED)
def test_the_ports_inside_are_found(name, layer):
    link, content = WALKED[name]

    packet = decode_one(link, content, layer)

    assert facts(packet) == (Verdict.OK, PORTS, 17)


@pytest.mark.parametrize("name", WALKED)
def test_the_payload_is_what_the_transport_carries_without_padding_or_trailer(name):
    link, content = WALKED[name]

    packet = decode_one(link, content)

    assert carried(packet, content) == CONTENT


@pytest.mark.parametrize("name", BY_TUNNEL)
def test_a_tunnel_is_its_outer_datagram_unless_the_inner_view_is_asked_for(name):
    port, content = BY_TUNNEL[name]

    outer, inner = (facts(decode_one(ETHERNET_LINK, content, layer)) for layer in LAYERS)

    assert outer == (Verdict.OK, (OUTER_PORTS, port), 17)
    assert inner == (Verdict.OK, PORTS, 17)


@pytest.mark.parametrize("name", BY_TUNNEL)
def test_a_tunnel_with_nothing_readable_inside_is_its_outer_datagram(name):
    port, _ = BY_TUNNEL[name]

    packet = decode_one(RAW_LINK, ipv4(udp(b"\xff" * 40, OUTER_PORTS, port)), "inner")

    assert facts(packet) == (Verdict.OK, (OUTER_PORTS, port), 17)


@pytest.mark.parametrize("link", sorted(WITHOUT_PACKETS))
def test_links_without_packets_are_not_ip(link):
    assert facts(decode_one(link, bytes(60)))[0] == Verdict.NOT_IP


@pytest.mark.parametrize("link", sorted({0, 2, 5, 147, 230, 4242, 65535} - LINKS))
def test_an_unlisted_link_type_is_unsupported(link):
    assert facts(decode_one(link, ETHERNET)) == (Verdict.UNSUPPORTED_LINK, (0, 0), 0)


TRANSPORTS = {
    "tcp": (6, tcp()),
    "udp": (17, udp()),
    "dccp": (33, ports() + b"\x04" + bytes(11)),
    "sctp": (132, ports() + bytes(12)),
    "udplite": (136, udp()),
}


@pytest.mark.parametrize("name", TRANSPORTS)
@pytest.mark.parametrize("network", [ipv4, ipv6])
def test_every_transport_with_ports_is_read(network, name):
    protocol, content = TRANSPORTS[name]

    assert facts(decode_one(RAW_LINK, network(content, protocol))) == (Verdict.OK, PORTS, protocol)


@pytest.mark.parametrize("protocol", [1, 2, 50, 58, 89, 103, 112, 253])
def test_protocols_without_ports_are_on_a_flow_of_their_own(protocol):
    assert facts(decode_one(RAW_LINK, ipv4(udp(), protocol))) == (Verdict.NO_PORTS, (0, 0), protocol)


@pytest.mark.parametrize("quoted", [IP4, IP6, ipv4(tcp(), 6)])
def test_what_icmp_quotes_never_counts(quoted):
    """Destination unreachable, time exceeded, redirect; with and without what RFC 4884 appends."""
    for kind, protocol, network in ((3, 1, ipv4), (11, 1, ipv4), (5, 1, ipv4), (1, 58, ipv6), (3, 58, ipv6)):
        for layer in LAYERS:
            packet = decode_one(RAW_LINK, network(bytes([kind, 0]) + bytes(6) + quoted, protocol), layer)

            assert facts(packet) == (Verdict.NO_PORTS, (0, 0), protocol)


def test_addresses_are_the_packets_own():
    four, six = decode((RAW_LINK, IP4, 99), (RAW_LINK, IP6, 99))

    assert (four["ip_version"], six["ip_version"]) == (4, 6)
    assert (four["source"].tobytes(), four["target"].tobytes()) == (
        bytes(12) + b"\x0a\0\0\x01",
        bytes(12) + b"\x0a\0\0\x02",
    )
    assert (six["source"].tobytes(), six["target"].tobytes()) == (IP6[8:24], IP6[24:40])


def test_tcp_flags_and_sequence_are_kept():
    packet = decode_one(RAW_LINK, ipv4(tcp(flags=0x12), 6))

    assert (packet["tcp_flags"], packet["tcp_sequence"]) == (0x12, 7)


def fragment_of(number, offset=0, network=4):
    """A part of UDP datagram ``number``, at ``offset`` in units of 8 bytes, of which more follow."""
    if network == 6:
        return ipv6(struct.pack(">BBHI", 17, 0, offset << 3 | 1, number) + udp(), 44)
    whole = ipv4(udp(), fragment=0x2000 | offset)
    return whole[:4] + struct.pack(">H", number) + whole[6:]


@pytest.mark.parametrize("network", [4, 6])
def test_later_fragments_have_no_ports(network):
    packet = decode_one(RAW_LINK, fragment_of(7, 1, network))

    assert facts(packet) == (Verdict.LATER_FRAGMENT, (0, 0), 17)
    assert packet["fragmentation"] == Fragmentation.LATER


@pytest.mark.parametrize("network", [4, 6])
def test_the_parts_of_one_datagram_and_no_other_have_one_fingerprint(network):
    first, later, last, other = (
        decode_one(RAW_LINK, fragment_of(number, offset, network))["datagram"]
        for number, offset in ((7, 0), (7, 1), (7, 90), (8, 1))
    )

    assert first == later == last != other


def test_a_whole_datagram_in_a_fragment_header_is_no_fragment():
    packet = decode_one(RAW_LINK, ipv6(bytes([17, 0, 0, 0, 0, 0, 0, 9]) + udp(), 44))

    assert packet["fragmentation"] == Fragmentation.NONE


def test_a_super_frame_without_total_length_goes_to_its_end():
    content = bytearray(IP4)
    content[2:4] = b"\0\0"

    packet = decode_one(RAW_LINK, bytes(content))

    assert (facts(packet), packet["payload"]) == ((Verdict.OK, PORTS, 17), len(CONTENT))


def test_payload_counts_what_was_on_the_wire_where_less_was_captured():
    packet = decode_one(RAW_LINK, IP4[:30], wire=len(IP4))

    assert packet["payload"] == len(CONTENT)


@pytest.mark.parametrize(
    ("content", "direction"),
    [
        (b"\0\0" + bytes(12) + b"\x08\0" + IP4, Direction.INBOUND),
        (b"\0\x02" + bytes(12) + b"\x08\0" + IP4, Direction.INBOUND),
        (b"\0\x03" + bytes(12) + b"\x08\0" + IP4, Direction.UNKNOWN),
        (b"\0\x04" + bytes(12) + b"\x08\0" + IP4, Direction.OUTBOUND),
    ],
)
def test_cooked_frames_say_their_direction(content, direction):
    assert decode_one(113, content)["direction"] == direction


def aggregate(*contents, order=b"\x88\1"):
    """An A-MSDU of these LLC packets."""
    subframes = [bytes(12) + len(content).to_bytes(2, "big") + content for content in contents]
    filled = [subframe.ljust(-(-len(subframe) // 4) * 4, b"\0") for subframe in subframes]
    return order + bytes(22) + b"\x80\0" + b"".join(filled)


def segment(source_port, payload):
    header = struct.pack(">HHIIBBHHH", source_port, 80, 1, 1, 0x50, 0x18, 1024, 0, 0)
    return snap(0x0800, ipv4(header + payload, 6))


EMPTY = segment(1, b"")
ARP = snap(0x0806, bytes(28))


@pytest.mark.parametrize(
    ("subframes", "source_port", "payload"),
    [
        ([EMPTY, segment(2, b"GET /")], 2, b"GET /"),
        ([EMPTY, EMPTY, snap(0x0800, ipv4(udp(b"question", 3)))], 3, b"question"),
        ([EMPTY, snap(0x86DD, ipv6(udp(b"query", 4)))], 4, b"query"),
        ([segment(5, b"first"), segment(6, b"second")], 5, b"first"),
        ([ARP, segment(7, b"")], 7, b""),
        ([EMPTY, ARP], 1, b""),
    ],
)
def test_of_several_packets_in_one_frame_the_first_that_carries_something_counts(subframes, source_port, payload):
    frame = aggregate(*subframes)

    packet = decode_one(105, frame)

    assert (Verdict(packet["verdict"]), packet["source_port"], packet["wire"]) == (Verdict.OK, source_port, len(frame))
    assert carried(packet, frame) == payload


def test_packets_that_the_capture_has_cut_off_a_frame_are_not_looked_for():
    frame = aggregate(EMPTY, segment(2, b"GET /"))

    for captured in range(len(aggregate(EMPTY)), len(aggregate(EMPTY)) + 14 + 8 + 20 + 13):
        assert facts(decode_one(105, frame[:captured], wire=len(frame)))[:2] == (Verdict.OK, (1, 80))


@pytest.mark.parametrize("length", [b"\0\0", b"\xff\xff"])
def test_subframes_that_lie_about_their_length_end_the_search(length):
    frame = aggregate(*[ARP] * 400)
    lying = frame[: 26 + 12] + length + frame[26 + 14 :]

    assert facts(decode_one(105, lying))[0] in {Verdict.NOT_IP, Verdict.TRUNCATED, Verdict.MALFORMED}


@pytest.mark.parametrize("flags", [0x41, 0x40])
def test_encrypted_wifi_is_not_ip(flags):
    assert facts(decode_one(105, wifi(IP4, flags=flags)))[0] == Verdict.NOT_IP


@pytest.mark.parametrize("ethertype", [0x0806, 0x88CC, 0x8863, 0x888E])
def test_other_ethertypes_are_not_ip(ethertype):
    assert facts(decode_one(ETHERNET_LINK, ethernet(ethertype, bytes(46))))[0] == Verdict.NOT_IP


CONTRADICTIONS = {
    "IPv4 header of 16 bytes": b"\x44" + IP4[1:],
    "IPv4 total shorter than its header": IP4[:2] + b"\0\x13" + IP4[4:],
    "version 5": b"\x55" + IP4[1:],
    "UDP beyond the total length": IP4[:2] + b"\0\x16" + IP4[4:],
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_headers_that_contradict_themselves_are_malformed(name):
    assert facts(decode_one(RAW_LINK, CONTRADICTIONS[name]))[0] == Verdict.MALFORMED


def test_frames_outside_the_buffer_are_malformed():
    batch = batch_of([(RAW_LINK, IP4, len(IP4))] * 4)
    batch.frames["offset"] = [len(batch.buffer), 2**63, 2**64 - 1, len(batch.buffer) - len(IP4) + 1]

    assert set(Decoder().decode(batch)["verdict"]) == {Verdict.MALFORMED}


def test_rows_in_are_rows_out_and_keep_time_and_size():
    batch = batch_of([(RAW_LINK, IP4, 1000), (RAW_LINK, IP4, 2000), (RAW_LINK, b"", 30), (RAW_LINK, b"", 0)])
    batch.frames["ts_ns"] = [5, NO_TIME, 7, 8]

    packets = Decoder().decode(batch)

    assert packets.dtype == PACKET
    assert packets["ts_ns"].tolist() == [5, NO_TIME, 7, 8]
    assert packets["wire"].tolist() == [1000, 2000, 30, 0]
    assert packets["verdict"].tolist() == [Verdict.OK, Verdict.OK, Verdict.TRUNCATED, Verdict.NOT_IP]


# --- frames cut anywhere


IPV6_CHAINS = {
    "hop-by-hop options",
    "routing header",
    "destination options",
    "IPv6 first fragment",
    "IPv6 whole fragment",
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", WALKED)
def test_a_frame_cut_before_its_ports_is_never_on_a_flow_with_ports(name, layer):
    link, content = WALKED[name]
    whole = content.rindex(ports()) + 4

    packets = decode(*((link, content[:length], len(content)) for length in range(len(content))), layer=layer)

    for length, packet in enumerate(packets):
        verdict, found, _ = facts(packet)
        assert (verdict == Verdict.OK) == (length >= whole), length
        assert found == (PORTS if length >= whole else (0, 0)), length


@pytest.mark.parametrize("name", WALKED)
def test_a_frame_cut_before_its_ports_says_so(name):
    """But for what chains more headers: cut behind the first, it is a flow without ports of the first's protocol."""
    link, content = WALKED[name]
    whole = content.rindex(ports()) + 4
    chains = content.count(IP4[12:20]) + content.count(IP6[8:40]) > 1 or name in IPV6_CHAINS

    packets = decode(*((link, content[:length], len(content)) for length in range(1, whole)))

    assert set(packets["verdict"]) <= ({Verdict.TRUNCATED, Verdict.NO_PORTS} if chains else {Verdict.TRUNCATED})


@pytest.mark.parametrize("name", BY_TUNNEL)
def test_a_cut_tunnel_has_the_inner_ports_or_the_outer_ones(name):
    port, content = BY_TUNNEL[name]
    outer, inner = content.index(ports(OUTER_PORTS, port)) + 4, content.rindex(ports()) + 4

    packets = decode(*((ETHERNET_LINK, content[:n], len(content)) for n in range(len(content))), layer="inner")

    for length, packet in enumerate(packets):
        expected = PORTS if length >= inner else (OUTER_PORTS, port) if length >= outer else (0, 0)
        assert facts(packet)[1] == expected, length


# --- bytes of no sense


def check_bounds(packets, frames):
    """What holds of every packet, whatever the frame."""
    assert len(packets) == len(frames)
    for packet, (_, content, _) in zip(packets, frames, strict=True):
        verdict = Verdict(packet["verdict"])
        has_flow = verdict in (Verdict.OK, Verdict.NO_PORTS, Verdict.LATER_FRAGMENT)
        assert packet["ip_version"] in ((4, 6) if has_flow else (0, 4, 6))
        if verdict == Verdict.OK:
            assert ports(packet["source_port"], packet["target_port"]) in content
        else:
            assert verdict == Verdict.NO_PORTS or (packet["source_port"], packet["target_port"]) == (0, 0)


@settings(max_examples=examples(300))
@given(
    st.lists(st.tuples(st.sampled_from(sorted(LINKS)), st.binary(max_size=120), st.integers(0, 2**32 - 1)), min_size=1)
)
@pytest.mark.parametrize("layer", LAYERS)
def test_random_bytes_of_any_link_type_get_a_verdict(layer, frames):
    check_bounds(decode(*frames, layer=layer), frames)


SEEDS = [*WALKED.values(), *((ETHERNET_LINK, frame) for _, frame in BY_TUNNEL.values())]


@settings(max_examples=examples(500))
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
    st.integers(0, 200),
)
@pytest.mark.parametrize("layer", LAYERS)
def test_real_frames_with_changed_bytes_get_a_verdict(layer, seed, changes, cut):
    link, content = seed
    changed = bytearray(content)
    for at, value in changes:
        changed[at % len(changed)] = value
    frames = [(link, bytes(changed), len(content)), (link, bytes(changed[:cut]), len(content))]

    check_bounds(decode(*frames, layer=layer), frames)


def nested(times, wrap, content):
    for _ in range(times):
        content = wrap(content)
    return content


BOMBS = {
    "802.1Q tags": (1, ethernet(0x8100, b"\0\x05\x81\0" * 5000)),
    "MPLS labels": (1, ethernet(0x8847, LATER_LABEL * 10_000)),
    "IPv4 in IPv4": (101, nested(1000, lambda inside: ipv4(inside, 4), IP4)),
    "IPv6 in IPv6": (101, nested(1000, lambda inside: ipv6(inside, 41), IP6)),
    "GRE in IPv4": (101, nested(1000, lambda inside: ipv4(gre(0x0800, inside), 47), IP4)),
    "PPI in PPI": (192, struct.pack("<BBHI", 0, 0, 8, 192) * 5000),
    "hop-by-hop options": (101, ipv6(b"\0\0" + bytes(6 + 8 * 5000), 0)),
    "GRE routes": (101, ipv4(gre(0x0800, b"\0\x01\0\0" * 5000, 0x4000, bytes(4)), 47)),
    "PPP multilink": (9, b"\x00\x3d\xc0\0\0\x01" * 5000),
    "NSH in NSH": (1, ethernet(0x894F, b"\x0f\xc2\x01\x04\0\0\0\0" * 5000)),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", BOMBS)
def test_a_frame_of_endless_depth_is_on_no_flow_with_ports(name, layer):
    link, content = BOMBS[name]

    verdict, found, _ = facts(decode_one(link, content, layer))

    assert verdict in (Verdict.MALFORMED, Verdict.NO_PORTS, Verdict.NOT_IP)
    assert found == (0, 0)
