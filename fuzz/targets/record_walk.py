"""Records of pcap and pcapng, found in a buffer that ends where its bytes end; and the options of their packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from byte_pieces import BytePieces, cut_to_size
from capture_seeds import capture_files
from portcall.kernels.record_walk import PcapngWalk, PcapWalk
from portcall.kernels.recording.packet_options import list_packet_options
from portcall.records.packets import FRAME
from portcall.records.recorded.claims import PACKET_OPTION
from portcall.sources.pcapng import INTERFACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_IS_PCAPNG, _IS_BIG, _IS_END, _LISTS_OPTIONS, _IS_NANOSECONDS = 1, 2, 4, 8, 16
_HEADER_BYTES = (16, 20, 24)
_MOST_FRAMES = 64


def seeds() -> Iterator[bytes]:
    """Each capture behind its header, as both formats, in the byte orders that it may have."""
    for content in capture_files():
        is_pcapng = content.startswith(b"\x0a\x0d\x0d\x0a")
        start = int.from_bytes(content[4:8], "little") % 4096 if is_pcapng else 24
        for flags in (_IS_END | _LISTS_OPTIONS, _IS_BIG | _IS_END):
            yield bytes([is_pcapng * _IS_PCAPNG | flags, 0, 6]) + content[start : start + 4000]


def examine(data: bytes) -> None:
    """Walk over all of it; each frame lies in the buffer, and the walk goes on or stops."""
    pieces = BytePieces(data)
    flags, variant, resolution = pieces.number(), pieces.number(), pieces.number()
    buffer, frames, at = cut_to_size(pieces.rest()), np.zeros(_MOST_FRAMES, FRAME), 0
    is_big = bool(flags & _IS_BIG)
    walk: PcapWalk | PcapngWalk
    if flags & _IS_PCAPNG:
        walk = PcapngWalk(lists_options=bool(flags & _LISTS_OPTIONS))
        walk.big = is_big
        walk.describe(_interfaces(variant, resolution), 1 + variant % 4, 7)
    else:
        walk = PcapWalk(
            big=is_big,
            fraction_ns=1 if flags & _IS_NANOSECONDS else 1000,
            header_bytes=_HEADER_BYTES[variant % len(_HEADER_BYTES)],
            link=1,
            swapped_lengths=resolution % 3,
        )
    while True:
        count = walk.walk(buffer, at, len(buffer), frames, is_end=bool(flags & _IS_END))
        found = frames[:count]
        ends = found["offset"] + found["captured"]
        if not (at <= walk.position <= len(buffer) and (ends <= walk.position).all() and (found["offset"] >= at).all()):
            raise AssertionError("a frame lies elsewhere than where the walk was")
        if count and flags & _IS_PCAPNG and flags & _LISTS_OPTIONS:
            _list_options(found, buffer, is_big=is_big)
        if count < _MOST_FRAMES or walk.position == at:
            return
        at = walk.position


def _interfaces(variant: int, resolution: int) -> NDArray[np.void]:
    from portcall.sources.pcapng import _ticks

    interfaces = np.zeros(1 + variant % 4, INTERFACE)
    interfaces["snap_length"] = variant
    for row in interfaces:
        row["ticks_per_second"], row["remainder_multiplier"], row["remainder_divisor"], row["remainder_shift"] = _ticks(
            resolution
        )
    interfaces["offset_seconds"] = -(1 << 63) if variant & 64 else variant
    return interfaces


def _list_options(frames: NDArray[np.void], buffer: NDArray[np.uint8], *, is_big: bool) -> None:
    options = np.zeros(4, PACKET_OPTION)
    left_out = np.zeros(1, np.uint64)
    while (count := list_packet_options(frames, buffer, is_big, options, left_out)) < 0:
        options = np.zeros(2 * len(options), PACKET_OPTION)
    ends = options[:count]["offset"].astype(np.int64) + options[:count]["length"]
    if (ends > len(buffer)).any() or (options[:count]["frame"] >= len(frames)).any():
        raise AssertionError("an option lies elsewhere than in its packet")
