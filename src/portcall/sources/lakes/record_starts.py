"""Where a record of a capture begins, at or behind a place in the middle of it: for those who read only a part.

Nothing marks a record, so a place is believed where several headers in a row make sense, each as far behind the one
before as that says. What a packet carries may be a capture itself, and be believed. So this is a guess: it is proven by
whoever reads the bytes before it, and ends exactly there.

A part means nothing without what stands before its capture's first packet: ``leading_bytes``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from typing import BinaryIO

    from numpy.typing import NDArray

_PCAP_HEADER_BYTES, _RECORD_BYTES = 24, 16
_MICROSECONDS, _NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
_SECTION = b"\x0a\x0d\x0d\x0a"
_PACKET_BLOCKS = (2, 3, 6)
_INNER_BLOCKS = (*_PACKET_BLOCKS, 5)
_LEAST_BLOCK_BYTES, _MOST_BLOCK_BYTES = 12, 16 << 20
_MOST_LEADING_BYTES = 1 << 20
_MOST_FRAME_BYTES = 262_144
_YEAR_S = 366 * 86_400
_IN_A_ROW = 6
_LOOKED_THROUGH = 8 << 20
"""Bytes in which a record must begin; no frame is larger."""


class Leading(NamedTuple):
    """What stands before the first packet of a capture."""

    data: bytes
    big: bool
    is_pcapng: bool
    second: int
    """When the first packet came, as pcap counts."""
    least_fraction: int
    """That no fraction of a second reaches."""


def leading_bytes(file: BinaryIO) -> Leading | None:
    """What each part of a plain capture must be told first; None for a file that cannot be read in parts."""
    file.seek(0)
    start = file.read(_MOST_LEADING_BYTES)
    if start[:4] == _SECTION:
        return _leading_blocks(start)
    if len(start) < _PCAP_HEADER_BYTES + _RECORD_BYTES:
        return None
    for order in "<>":
        magic, major, minor = struct.unpack(order + "IHH", start[:8])
        if magic in (_MICROSECONDS, _NANOSECONDS) and (major, minor) == (2, 4):
            (second,) = struct.unpack(order + "I", start[_PCAP_HEADER_BYTES:][:4])
            fraction = 10**6 if magic == _MICROSECONDS else 10**9
            return Leading(
                start[:_PCAP_HEADER_BYTES], order == ">", is_pcapng=False, second=second, least_fraction=fraction
            )
    return None


def record_start(file: BinaryIO, at: int, leading: Leading) -> int | None:
    """Offset of the first record that seems to begin there or behind; None where none does, or the file ends before."""
    file.seek(at)
    data = file.read(_LOOKED_THROUGH)
    is_end = len(data) < _LOOKED_THROUGH
    lengths = _block_lengths(data, at, leading) if leading.is_pcapng else _record_lengths(data, leading)
    for place in np.flatnonzero(lengths).tolist():
        end, count = place, 0
        while count < _IN_A_ROW and end < len(lengths) and lengths[end]:
            end, count = end + int(lengths[end]), count + 1
        if count == _IN_A_ROW or (is_end and end == len(data)):
            return at + place
    return None


def _leading_blocks(start: bytes) -> Leading | None:
    order = ">" if start[8:12] == b"\x1a\x2b\x3c\x4d" else "<"
    at = 0
    while at + 8 <= len(start):
        kind, length = struct.unpack_from(order + "II", start, at)
        if kind in _PACKET_BLOCKS:
            return Leading(start[:at], order == ">", is_pcapng=True, second=0, least_fraction=0)
        if length % 4 or not _LEAST_BLOCK_BYTES <= length <= len(start) - at or (at and start[at:][:4] == _SECTION):
            return None
        at += length
    return None


def _record_lengths(data: bytes, leading: Leading) -> NDArray[np.int64]:
    """int64[n]: how long the record is that begins at each byte; 0 where none does."""
    words = _words(data, leading)
    count = max(len(data) - _RECORD_BYTES + 1, 0)
    second, fraction, captured, wire = (words[at : at + count].astype(np.int64) for at in (0, 4, 8, 12))
    fits = (captured <= wire) & (wire <= _MOST_FRAME_BYTES) & (captured > 0) & (fraction < leading.least_fraction)
    fits &= np.abs(second - leading.second) < _YEAR_S
    lengths = np.zeros(len(data) + 1, np.int64)
    lengths[:count][fits] = captured[fits] + _RECORD_BYTES
    return lengths


def _block_lengths(data: bytes, at: int, leading: Leading) -> NDArray[np.int64]:
    """The same of blocks, which begin at every fourth byte of a file and end with their length."""
    words = _words(data, leading).astype(np.int64)
    places = np.arange(-at % 4, max(len(data) - _LEAST_BLOCK_BYTES + 1, 0), 4)
    kinds, sizes = words[places], words[places + 4]
    fits = (
        np.isin(kinds, _INNER_BLOCKS) & (sizes % 4 == 0) & (sizes >= _LEAST_BLOCK_BYTES) & (sizes <= _MOST_BLOCK_BYTES)
    )
    places, sizes = places[fits], sizes[fits]
    ends = places + sizes - 4
    inside = ends + 4 <= len(data)
    places, sizes, ends = places[inside], sizes[inside], ends[inside]
    same = words[ends] == sizes
    lengths = np.zeros(len(data) + 1, np.int64)
    lengths[places[same]] = sizes[same]
    return lengths


def _words(data: bytes, leading: Leading) -> NDArray[np.uint32]:
    """uint32[n - 3]: the four bytes from each byte on."""
    count = max(len(data) - 3, 0)
    order = ">u4" if leading.big else "<u4"
    padded = np.frombuffer(data + bytes(8), np.uint8)
    words = np.zeros(count + 4, np.uint32)
    for shift in range(4):
        of_shift = padded[shift : shift + (len(padded) - shift) // 4 * 4].view(order)
        words[shift::4] = of_shift[: len(words[shift::4])]
    return words[:count] if count else words[:0]
