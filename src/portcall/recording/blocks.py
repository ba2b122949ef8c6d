"""Blocks of pcapng (draft-ietf-opsawg-pcapng) other than packets, as bytes in the host's order.

block   0 type:32  4 length:32  8 body  then length:32
option  0 code:16  2 length:16  4 value, padded to 4 bytes
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECTION, _INTERFACE, _NAMES, _STATISTICS = 0x0A0D0D0A, 1, 4, 5
MOST_OPTION_BYTES = 0xFFFF
_BYTE_ORDER = 0x1A2B3C4D
_UNKNOWN_LENGTH = -1
_HARDWARE, _SYSTEM, _APPLICATION = 2, 3, 4
_NAME, _DESCRIPTION, _TIME_RESOLUTION, _FILTER, _INTERFACE_SYSTEM = 2, 3, 9, 11, 12
_NANOSECONDS = b"\x09"
_FILTER_AS_TEXT = b"\0"
_RECEIVED, _DROPPED = 4, 5
_START, _END = 2, 3
_DELIVERED = 8
_RECORD_OF_LENGTH = {4: 1, 16: 2}
_MOST_NAMES_BYTES = 1 << 20


class CaptureWriter(NamedTuple):
    """What wrote a capture, and on what machine."""

    hardware: str
    system: str
    application: str


class RecordedInterface(NamedTuple):
    """An interface as its capture describes it."""

    link: int
    """LINKTYPE_ number."""
    snap_length: int
    name: str | None = None
    namespace: str | None = None
    """Of the network namespace, None for one's own."""
    filter: str | None = None
    system: str = ""


class Passed(NamedTuple):
    """What passed an interface while a capture was written."""

    written: int = 0
    """Packets of it in the capture."""
    dropped: int | None = None
    """Packets that the kernel dropped, None where another interface's block says it."""
    first_ns: int = 0
    last_ns: int = 0


def block(kind: int, body: bytes) -> bytes:
    """A block around a body, which is padded."""
    body = padded(body)
    length = struct.pack("=I", len(body) + 12)
    return struct.pack("=I", kind) + length + body + length


def options(values: Iterable[tuple[int, bytes]], order: str = "=") -> bytes:
    """Options in that order, each cut at what an option holds, and the end of options; nothing without any."""
    written = b"".join(option(code, value, order) for code, value in values)
    return written + bytes(4) if written else b""


def option(code: int, value: bytes, order: str = "=") -> bytes:
    """One option, cut at what it holds."""
    value = value[:MOST_OPTION_BYTES]
    return struct.pack(f"{order}HH", code, len(value)) + padded(value)


def padded(data: bytes) -> bytes:
    """Up to a multiple of 4 bytes."""
    return data + bytes(-len(data) % 4)


def section_header(writer: CaptureWriter) -> bytes:
    """The beginning of a section of unknown length."""
    words = ((_HARDWARE, writer.hardware), (_SYSTEM, writer.system), (_APPLICATION, writer.application))
    said = [(code, word.encode()) for code, word in words if word]
    return block(_SECTION, struct.pack("=IHHq", _BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH) + options(said))


def interface_description(interface: RecordedInterface) -> bytes:
    """An interface whose times are ns."""
    said = {
        _NAME: (interface.name or "").encode(),
        _DESCRIPTION: f"network namespace {interface.namespace}".encode() if interface.namespace else b"",
        _TIME_RESOLUTION: _NANOSECONDS,
        _FILTER: _FILTER_AS_TEXT + interface.filter.encode() if interface.filter else b"",
        _INTERFACE_SYSTEM: interface.system.encode(),
    }
    header = struct.pack("=HHI", interface.link, 0, interface.snap_length)
    return block(_INTERFACE, header + options([(code, value) for code, value in said.items() if value]))


def interface_statistics(number: int, passed: Passed) -> bytes:
    """What passed an interface, by its number."""
    said = [(_START, _moment(passed.first_ns)), (_END, _moment(passed.last_ns))] if passed.written else []
    if passed.dropped is not None:
        said += [(_RECEIVED, struct.pack("=Q", passed.written + passed.dropped))]
        said += [(_DROPPED, struct.pack("=Q", passed.dropped))]
    said += [(_DELIVERED, struct.pack("=Q", passed.written))]
    return block(_STATISTICS, struct.pack("=I", number) + _moment(passed.last_ns) + options(said))


def name_resolution(names: Iterable[tuple[bytes, str]]) -> bytes:
    """(address of 4 or 16 bytes, name) pairs, in as many blocks as they need; nothing without any."""
    blocks, records = [], b""
    for address, name in names:
        value = address + name.encode() + b"\0"
        if len(value) > MOST_OPTION_BYTES:
            continue
        records += struct.pack("=HH", _RECORD_OF_LENGTH[len(address)], len(value)) + padded(value)
        if len(records) > _MOST_NAMES_BYTES:
            blocks.append(block(_NAMES, records + bytes(4)))
            records = b""
    if records:
        blocks.append(block(_NAMES, records + bytes(4)))
    return b"".join(blocks)


def _moment(time_ns: int) -> bytes:
    """A time in ns as blocks have it: the high half first, whatever the order of bytes."""
    return struct.pack("=II", time_ns >> 32 & 0xFFFFFFFF, time_ns & 0xFFFFFFFF)
