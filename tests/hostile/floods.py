"""Captures that are floods: much of one thing that a table, a cache or a stack has to hold; a function each."""

from __future__ import annotations

import gzip
import struct
import zlib

import zstandard

from capture_bytes import (
    COMMENT,
    IF_TSRESOL,
    enhanced,
    interface,
    name_resolution,
    obsolete,
    pcap_header,
    pcap_record,
    secrets,
    section,
)
from frame_bytes import ETHERNET, ethernet, ipv4, ports, udp
from made_conversations import client_hello
from named_captures import NAME, PORTCALL, custom, section_by, wireshark_block
from portcall.records.recorded.process_blocks import OWN_WRITER, InterfaceLine, own_data

MANY = 20_000
_PIECE = bytes(16 << 20)
_PIECES = 24


def _pcap(frames):
    return pcap_header() + b"".join(pcap_record(frame, seconds=number) for number, frame in enumerate(frames))


def _from(number, content, protocol=17, fragment=0):
    """An IPv4 packet of an address that is the number."""
    packet = bytearray(ipv4(content, protocol, fragment=fragment))
    packet[12:16] = struct.pack(">I", 0x0A000000 + number)
    packet[4:6] = struct.pack(">H", number % 65536)
    return ethernet(0x0800, bytes(packet))


def _name(number):
    label = f"n{number}".encode()
    return bytes([len(label)]) + label + b"\x07example\x00"


def _answer(number):
    question = _name(number) + struct.pack(">HH", 1, 1)
    record = b"\xc0\x0c" + struct.pack(">HHIHI", 1, 1, 300, 4, 0xC0000000 + number)
    return struct.pack(">HHHHHH", number % 65536, 0x8180, 1, 1, 0, 0) + question + record


def dns_names():
    return _pcap(_from(number % 9, udp(_answer(number), source=53, target=4000)) for number in range(MANY))


def _hellos(count):
    one = client_hello("n00000.example.org")
    return (one.replace(b"n00000", f"n{number:05}".encode()) for number in range(count))


def server_names():
    frames = []
    for number, hello in enumerate(_hellos(MANY)):
        tcp = ports(1024 + number % 60_000, 443) + struct.pack(">IIBBHHH", 1, 1, 0x50, 0x18, 1000, 0, 0) + hello
        frames.append(_from(number, tcp, 6))
    return _pcap(frames)


def unfinished_hellos():
    frames = []
    for number, hello in enumerate(_hellos(MANY)):
        tcp = ports(1024, 443) + struct.pack(">IIBBHHH", 1, 1, 0x50, 0x18, 1000, 0, 0) + hello[:100]
        frames.append(_from(number, tcp, 6))
    return _pcap(frames)


def first_fragments():
    return _pcap(_from(number, udp(), fragment=0x2000) for number in range(MANY * 2))


def later_fragments():
    return _pcap(_from(number, b"x" * 40, fragment=7) for number in range(MANY * 2))


def conversations():
    return _pcap(_from(number, udp()) for number in range(MANY * 2))


def comments():
    told = (f"PID: {number}\nCmd: /bin/n{number}\nArgs: " + "x" * 200 for number in range(MANY // 2))
    return section() + interface() + b"".join(enhanced(ETHERNET, (COMMENT, text.encode())) for text in told)


def process_blocks():
    """Of pids that a table of integers which is not keyed puts into few places."""
    blocks = b"".join(wireshark_block((number << 16) & 0xFFFFFFFF, (NAME, b"abc")) for number in range(MANY))
    return section() + interface() + blocks + enhanced(ETHERNET)


def namespaces():
    """As many as interfaces, in a capture that says that portcall wrote it."""
    data = own_data(InterfaceLine(number, f"ns{number}") for number in range(MANY // 4))
    named = b"".join(interface((2, f"eth{number}".encode())) for number in range(MANY // 4))
    frames = b"".join(enhanced(ETHERNET, index=number) for number in range(MANY // 4))
    return section_by(OWN_WRITER.encode()) + named + custom(PORTCALL, data) + frames


def interfaces():
    one = interface((IF_TSRESOL, b"\x09"))
    return section() + one * 100_000 + enhanced(ETHERNET, index=99_999)


def sections():
    return (section() + interface() + enhanced(ETHERNET)) * 5_000


def names_of_the_capture():
    named = (struct.pack(">I", number) for number in range(MANY * 2))
    return section() + interface() + name_resolution(*((one, b"a.example") for one in named)) + enhanced(ETHERNET)


def secrets_of_sessions():
    lines = "".join(f"CLIENT_RANDOM {number:064x} {'0b' * 48}\n" for number in range(MANY * 3))
    return section() + interface() + secrets(lines.encode()) + enhanced(ETHERNET)


def deep_tags():
    return _pcap([ethernet(0x8100, b"\0\1\x81\0" * 300 + b"\0\1\x08\0")] * 1000)


def deep_tunnels():
    packet = ipv4(udp())
    for _ in range(300):
        packet = ipv4(packet, 4)
    return _pcap([ethernet(0x0800, packet)] * 1000)


def absurd_clocks():
    """Times of 2^63, before 1970, and of units that nobody has."""
    kept = section()
    for resolution in (0, 6, 9, 19, 20, 127, 128, 0xBF, 0xC0, 0xFF):
        kept += interface((IF_TSRESOL, bytes([resolution])), (14, struct.pack("<q", -(1 << 63))))
        kept += interface((IF_TSRESOL, bytes([resolution])), (14, struct.pack("<q", (1 << 63) - 1)))
    for index in range(20):
        for ticks in (0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
            kept += enhanced(ETHERNET, ticks=ticks, index=index) + obsolete(ETHERNET, ticks=ticks, index=index)
    return kept


def gzip_bomb():
    return gzip.compress(pcap_header() + pcap_record(ETHERNET), mtime=0) + gzip.compress(_PIECE, mtime=0) * _PIECES


def gzip_bomb_of_frames():
    frames = pcap_record(ETHERNET) * 4000
    return gzip.compress(pcap_header(), mtime=0) + gzip.compress(frames, mtime=0) * 50


def zstd_bomb():
    return zstandard.compress(pcap_header() + pcap_record(ETHERNET)) + zstandard.compress(_PIECE) * _PIECES


def gzip_in_gzip():
    inner = pcap_header() + pcap_record(ETHERNET)
    for _ in range(50):
        inner = gzip.compress(inner, mtime=0)
    return inner


def claims_of_a_large_block():
    """A block of 16 MB that ends early, again and again."""
    packed = zlib.compressobj(wbits=31)
    head = section() + interface() + struct.pack("<II", 5, 16 << 20)
    return packed.compress(head + bytes((16 << 20) - 100)) + packed.flush()


FLOODS = [
    absurd_clocks,
    claims_of_a_large_block,
    comments,
    conversations,
    deep_tags,
    deep_tunnels,
    dns_names,
    first_fragments,
    gzip_bomb,
    gzip_bomb_of_frames,
    gzip_in_gzip,
    interfaces,
    later_fragments,
    names_of_the_capture,
    namespaces,
    process_blocks,
    secrets_of_sessions,
    sections,
    server_names,
    unfinished_hellos,
    zstd_bomb,
]
