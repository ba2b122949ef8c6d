"""Frames as blocks of a capture that portcall writes, and read again: what comes back is what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from byte_pieces import BytePieces, cut_to_size, written
from capture_seeds import frames
from portcall.kernels.record_walk import PcapngWalk
from portcall.kernels.recording.packet_blocks import write_packet_blocks
from portcall.recording.capture_section import FRAME_PLAN
from portcall.records.packets import FRAME
from portcall.sources.pcapng import INTERFACE

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK_BYTES = 44
_MOST_FRAMES = 32


def seeds() -> Iterator[bytes]:
    """Frames of the captures, two at once."""
    found = frames()
    for one, other in zip(found[::2], found[1::2], strict=False):
        yield bytes([96, 8]) + b"\1\0\2\0abcd" + written(0, one.content, 4, other.content)


def examine(data: bytes) -> None:
    """Blocks end where they say they do, and the walk finds each frame."""
    pieces = BytePieces(data)
    snap, pooled = pieces.number() * 4, pieces.number() & ~3
    pool = cut_to_size(pieces.take(pooled).ljust(pooled, b"\0"))
    contents: list[bytes] = []
    plans = np.zeros(_MOST_FRAMES, FRAME_PLAN)
    while pieces and len(contents) < _MOST_FRAMES:
        how = pieces.number()
        plans[len(contents)] = (0xFFFFFFFF if how & 128 else 0, how, 0, min(how & ~3 & 127, pooled))
        contents.append(pieces.piece())
    rows = np.zeros(len(contents), FRAME)
    rows["captured"] = [len(content) for content in contents]
    rows["wire"] = rows["captured"] + 4
    rows["offset"] = np.cumsum(rows["captured"]) - rows["captured"]
    rows["ts_ns"] = (1 << 62) + np.arange(len(rows))
    buffer = cut_to_size(b"".join(contents))
    if not len(buffer) or not pooled:
        return  # these are refused
    plans = plans[: len(rows)]
    room = (
        int(np.minimum(rows["captured"], snap).sum())
        + len(rows) * (_BLOCK_BYTES + 4)
        + int(plans["options_bytes"].sum())
    )
    out = np.zeros(room, np.uint8)
    length = write_packet_blocks(rows, buffer, plans, pool, snap, out)
    walk, interfaces, found = PcapngWalk(), np.zeros(1, INTERFACE), np.zeros(_MOST_FRAMES + 1, FRAME)
    interfaces["ticks_per_second"], interfaces["remainder_multiplier"], interfaces["remainder_divisor"] = 10**9, 1, 1
    walk.describe(interfaces, 1, 0)
    blocks = cut_to_size(out[:length].tobytes())
    count = walk.walk(blocks, 0, length, found)
    expected = [content[:snap] for content, plan in zip(contents, plans, strict=True) if plan["interface"] == 0]
    got = [blocks[int(one["offset"]) :][: int(one["captured"])].tobytes() for one in found[:count]]
    if got != expected or walk.position != length:
        raise AssertionError("what was written is not what is read")
