"""Captures written byte by byte, in every variant, and what our sources read of them.

pcap by draft-ietf-opsawg-pcap, its variants by libpcap's sf-pcap.c; pcapng by draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from portcall.errors import CaptureError
from portcall.sources.captures import open_capture

MICROSECONDS, NANOSECONDS, MODIFIED = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
ETHERNET = 1
SIMPLE_PACKET, NAME_RESOLUTION, STATISTICS, SECRETS, CUSTOM = 3, 4, 5, 10, 0xBAD
END_OF_OPTIONS, COMMENT, EPB_FLAGS, IF_TSRESOL, IF_TSOFFSET = 0, 1, 2, 9, 14


class Read(NamedTuple):
    """One frame as a source gave it."""

    ts_ns: int
    captured: int
    wire: int
    link: int
    interface: int
    content: bytes


def read_frames(path):
    """(frames, the error that ended them or None)."""
    frames = []
    try:
        for batch in open_capture(str(path)).source.batches():
            assert batch.first_number == len(frames) + 1
            frames += [_read(frame, batch.buffer) for frame in batch.frames]
    except CaptureError as error:
        return frames, error
    return frames, None


def _read(frame, buffer):
    start, captured = int(frame["offset"]), int(frame["captured"])
    content = buffer[start : start + captured].tobytes()
    numbers = (int(frame[name]) for name in ("ts_ns", "captured", "wire", "link", "interface"))
    return Read(*numbers, content)


def pcap_header(order="<", magic=MICROSECONDS, minor=4, link=ETHERNET):
    return struct.pack(f"{order}IHHiIII", magic, 2, minor, 0, 0, 65535, link)


def pcap_record(content, *, order="<", seconds=1_700_000_000, fraction=0, wire=None, extra=b""):
    """A record; ``extra`` is what a variant puts behind the four numbers."""
    wire = len(content) if wire is None else wire
    return struct.pack(f"{order}IIII", seconds, fraction, len(content), wire) + extra + content


def block(kind, body, order="<"):
    padded = body + bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(padded) + 12)
    return struct.pack(f"{order}I", kind) + length + padded + length


def options(*pairs, order="<"):
    packed = [struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in pairs]
    return b"".join([*packed, bytes(4)]) if pairs else b""


def section(order="<"):
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(*pairs, order="<", link=ETHERNET, snap=0):
    return block(1, struct.pack(f"{order}HHI", link, 0, snap) + options(*pairs, order=order), order)


def name_resolution(*entries, order="<"):
    """What hosts are called, each entry an address and its names."""
    records = b""
    for address, *names in entries:
        value = address + b"".join(name + b"\0" for name in names)
        records += struct.pack(f"{order}HH", 1 if len(address) == 4 else 2, len(value)) + value + bytes(-len(value) % 4)
    return block(NAME_RESOLUTION, records + bytes(4), order)


def secrets(data, *, order="<", kind=0x544C534B):
    """Secrets, of TLS unless said otherwise."""
    return block(SECRETS, struct.pack(f"{order}II", kind, len(data)) + data, order)


def enhanced(content, *pairs, order="<", ticks=0, index=0, wire=None):
    wire = len(content) if wire is None else wire
    head = struct.pack(f"{order}IIIII", index, ticks >> 32, ticks & 0xFFFFFFFF, len(content), wire)
    return block(6, head + content + bytes(-len(content) % 4) + options(*pairs, order=order), order)


def obsolete(content, *, order="<", ticks=0, index=0):
    head = struct.pack(f"{order}HHIIII", index, 7, ticks >> 32, ticks & 0xFFFFFFFF, len(content), len(content))
    return block(2, head + content, order)


def simple(content, *, order="<", wire=None):
    return block(SIMPLE_PACKET, struct.pack(f"{order}I", len(content) if wire is None else wire) + content, order)
