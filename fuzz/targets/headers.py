"""The headers of one frame, in a buffer that ends with it: every link type, both layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from byte_pieces import cut_to_size
from capture_seeds import frames
from portcall.decoding.decoder import Decoder
from portcall.records.packets import FRAME, Fragmentation, FrameBatch, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

_OUTER, _INNER = Decoder("outer"), Decoder("inner")
_LINKS = 512
_LONGEST_HEADER_BYTES = 1020  # DCCP's
MOST_BYTES = 2048


def seeds() -> Iterator[bytes]:
    """A frame of each link type that the tests know, and those of the captures."""
    from frame_bytes import BY_LINK

    for link, content in BY_LINK.values():
        yield link.to_bytes(2, "little") + content
    for frame in frames():
        yield frame.link.to_bytes(2, "little") + frame.content[:MOST_BYTES]


def examine(data: bytes) -> None:
    """Each frame has a verdict, and its payload begins within it, or behind a header that is cut short."""
    content = cut_to_size(data[2:])
    row = np.zeros(1, FRAME)
    row["captured"], row["wire"] = len(content), len(content) + 4
    row["link"] = int.from_bytes(data[:2], "little") % _LINKS
    for decoder in (_OUTER, _INNER):
        packet = decoder.decode(FrameBatch(row, content, 1))[0]
        verdict, _ = Verdict(int(packet["verdict"])), Fragmentation(int(packet["fragmentation"]))
        if verdict is Verdict.OK and packet["payload_offset"] > len(content) + _LONGEST_HEADER_BYTES:
            raise AssertionError("a payload begins behind its frame")
