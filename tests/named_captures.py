"""Captures that name processes, written byte by byte in each format; nothing here is read from the package.

Numbers are those of Wireshark's wiretap/pcapng-wireshark-custom.c, Apple's pcap-ng.h and pktap.h, ptcpdump's and
RustNet's writers, PCAPdroid's pcap_dump.c, pymobiledevice3's pcapd.py and draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import ipaddress
import struct
import zlib

from capture_bytes import (
    COMMENT,
    CUSTOM,
    EPB_FLAGS,
    block,
    enhanced,
    interface,
    options,
    pcap_header,
    pcap_record,
    section,
)

HERE, THERE = ("10.9.0.2", 40000), ("203.0.113.9", 80)
IN, OUT = 1, 2
TCP, UDP = 6, 17
SYN, SYN_ACK, ACK, FIN_ACK = 0x02, 0x12, 0x10, 0x11
SECONDS = 1_700_000_000
WIRESHARK, PCAPDROID, PORTCALL = 32622, 62652, 32473
PROCESS = 8
NAME, PATH, COMMAND_LINE, PARENT, USER_ID, USER, START = 2, 3, 4, 5, 6, 7, 9


def packet(source, target, *, protocol=TCP, flags=ACK, content=b"", sequence=1, link=True):
    """A frame from one (address, port) to another."""
    if protocol == TCP:
        inner = struct.pack(">HHIIBBHHH", source[1], target[1], sequence, 1, 0x50, flags, 1000, 0, 0) + content
    else:
        inner = struct.pack(">HHHH", source[1], target[1], 8 + len(content), 0) + content
    addresses = [ipaddress.ip_address(address) for address, _ in (source, target)]
    packed = b"".join(address.packed for address in addresses)
    if addresses[0].version == 4:
        ip, ethertype = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(inner), 7, 0, 64, protocol, 0), 0x0800
    else:
        ip, ethertype = struct.pack(">IHBB", 6 << 28, len(inner), protocol, 64), 0x86DD
    return (bytes(range(12)) + struct.pack(">H", ethertype) if link else b"") + ip + packed + inner


def connection(here=HERE, there=THERE, *, protocol=TCP, link=True):
    """(frame, which way) of a short conversation that the first end begins."""
    if protocol == UDP:
        asked, answered = (
            packet(*ends, protocol=UDP, content=b"x", link=link) for ends in ((here, there), (there, here))
        )
        return [(asked, OUT), (answered, IN)]
    sent = [(SYN, OUT), (SYN_ACK, IN), (ACK, OUT), (FIN_ACK, OUT), (FIN_ACK, IN), (ACK, OUT)]
    return [
        (packet(*((here, there) if way == OUT else (there, here)), flags=flags, link=link), way) for flags, way in sent
    ]


def pid_option(pid, tid=0, order="<"):
    return PROCESS, struct.pack(order + "II", pid, tid)


def comment(text):
    return COMMENT, text if isinstance(text, bytes) else text.encode()


def way_option(way, order="<"):
    return EPB_FLAGS, struct.pack(order + "I", way)


def custom(enterprise, data, order="<"):
    return block(CUSTOM, struct.pack(order + "I", enterprise) + data, order)


def wireshark_block(pid, *pairs, order="<", entry=3, length=None):
    """A process information block; its data are little-endian whatever the section."""
    body = struct.pack("<I", pid) + options(*pairs)
    head = struct.pack("<II", entry, len(body) if length is None else length)
    return custom(WIRESHARK, head + body, order)


def process_block(pid, name, start=None, *, order="<", user=None):
    start_option = [] if start is None else [(START, struct.pack("<Q", int(start * 10**9)))]
    user_option = [] if user is None else [(USER_ID, struct.pack("<I", user))]
    return wireshark_block(pid, (NAME, name.encode()), *user_option, *start_option, order=order)


def section_by(writer, order="<"):
    """A section header that says who wrote it."""
    head = struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)
    return block(0x0A0D0D0A, head + options((4, writer), order=order), order)


def packets(frames, *pairs, order="<", seconds=SECONDS, index=0, directed=True):
    """Blocks of (frame, way), with the same options, or what ``pairs`` of a frame's number gives."""
    blocks = []
    for number, (frame, way) in enumerate(frames):
        said = list(pairs[0](number) if pairs and callable(pairs[0]) else pairs)
        said += [way_option(way, order)] if directed and way else []
        ticks = seconds * 10**6 + 1000 * number
        blocks.append(enhanced(frame, *said, order=order, ticks=ticks, index=index))
    return b"".join(blocks)


def pcapng(*blocks, order="<", writer=None, link=1):
    return (
        (section_by(writer, order) if writer else section(order)) + interface(order=order, link=link) + b"".join(blocks)
    )


def darwin_block(pid, name, order="<"):
    body = struct.pack(order + "I", pid) + options((2, name.encode()), (4, bytes(16)), order=order)
    return block(0x80000001, body, order)


def pktap_first(frame, way, pid, name, effective=(-1, ""), length=108):
    header = struct.pack("<III24sI", length, 1, 1, b"en0", way) + struct.pack("<III", 2, 14, 0)
    header += struct.pack("<i17s3xI", pid, name.encode(), 0) + struct.pack("<HH", 6, 0)
    header += struct.pack("<i17s3x", effective[0], effective[1].encode())
    return header.ljust(length, b"\xee") + frame


def pktap_second(frame, way, pid, name, effective=(-1, "")):
    names = b"en0".ljust(24, b"\0") + name.encode().ljust(17, b"\0") + effective[1].encode().ljust(17, b"\0")
    at = [0, 0, 40, 64 if name else 0, 81 if effective[1] else 0]
    head = struct.pack("<B5BHHHHHIII", 40 + len(names), *at, 1, 14, 0, 6, 6, 2, 0, 0)
    return head + struct.pack("<iiI", pid, effective[0], way | 0x80000) + names + frame


def pcap(frames, link=1, seconds=SECONDS):
    records = [pcap_record(frame, seconds=seconds, fraction=1000 * i) for i, frame in enumerate(frames)]
    return pcap_header(link=link) + b"".join(records)


def with_trailer(frame, user, app):
    """What PCAPdroid writes behind a frame, which it gives an Ethernet header of zeros."""
    padded = frame + bytes(-len(frame) % 4)
    whole = padded + struct.pack(">Ii20s", 0x01072021, user, app.encode())
    return whole + struct.pack(">I", zlib.crc32(whole))


def user_block(user, package, app, order="<"):
    names = package.encode() + app.encode()
    data = struct.pack(order + "HBBIBB", 1, 1, 0, user, len(package.encode()), len(app.encode())) + names
    return custom(PCAPDROID, data, order)
