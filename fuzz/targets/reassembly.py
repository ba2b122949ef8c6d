"""Segments of one end in any order, put together: what comes out is never another byte than went in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byte_pieces import BytePieces, written
from portcall.inspection.reassembly import Datagrams, Stream
from portcall.records.detections import MOST_STREAM_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEQUENCES = 1 << 32
_MOST_SEGMENTS = 200
_MOST_HELD_BYTES = MOST_STREAM_BYTES + 64 * 65535  # 64 segments that wait


def seeds() -> Iterator[bytes]:
    """In order, backwards, repeated, over the end of numbers."""
    segments = [(0, b"abc"), (3, b"defg"), (7, b"hi")]
    for order in (segments, segments[::-1], segments * 2, [(at * 2, sent * 2) for at, sent in segments]):
        for start in (0, _SEQUENCES - 4):
            body = b"".join(((start + at) % _SEQUENCES).to_bytes(4, "little") + written(0, sent) for at, sent in order)
            for flags in (0, 1):
                yield bytes([flags]) + start.to_bytes(4, "little") + body


def examine(data: bytes) -> None:
    """The stream grows or begins earlier, stays within its bounds, and once ended changes no more."""
    pieces = BytePieces(data)
    flags, start = pieces.number(), pieces.number(4)
    stream, datagrams = Stream(start if flags & 1 else None), Datagrams()
    is_ended = False
    for number in range(_MOST_SEGMENTS):
        if not pieces:
            break
        sequence, how, sent = pieces.number(4), pieces.number(), pieces.piece()
        if how & 2:
            sequence = (start + sequence % (2 * MOST_STREAM_BYTES)) % _SEQUENCES
        before = stream.payload()
        is_new = stream.add(sequence, sent, number, is_cut=bool(how & 1))
        after = stream.payload()
        if is_ended and flags & 1 and (is_new or after != before):
            raise AssertionError("a stream that had ended went on")
        if flags & 1 and not after.data.startswith(before.data):
            raise AssertionError("what was said has changed")
        if len(after.data) > MOST_STREAM_BYTES or len(stream) > _MOST_HELD_BYTES:
            raise AssertionError("a stream holds more than it may")
        is_ended = after.is_ended
        datagrams.add(0, sent, number, is_cut=bool(how & 1))
        datagrams.payload()
        if how & 4:
            datagrams.forget_earlier()
