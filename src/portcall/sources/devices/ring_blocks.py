"""The blocks of a ring, in the order in which they are filled: those that are ready make batches over the ring itself.

Who fills them is not known here. Live it is the kernel (``namespace_ring``); a measurement may lay frames out in plain
memory as the kernel would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.kernels import packet_ring as ring
from portcall.records.packets import FRAME, FrameBatch
from portcall.sources.devices.interfaces import LINK_BY_HARDWARE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.sources.devices.ring_size import RingSize

MOST_FRAMES = 1 << 12
"""Of a batch, unless a block alone has more: their packets stay in the second cache while they are counted."""


class RingBlocks:
    """Reads the blocks of ``buffer`` round and round; ``namespace`` is the number that its batches bear."""

    def __init__(self, buffer: NDArray[np.uint8], size: RingSize, namespace: int = 0) -> None:
        self._buffer, self._size, self._namespace = buffer, size, namespace
        self._next = 0
        self._frames = np.zeros(max(MOST_FRAMES, size.block_bytes // ring.LEAST_FRAME_BYTES), FRAME)

    def batches(self) -> Iterator[FrameBatch]:
        """Batches of a few blocks that are ready, at most once around, so that under load the caller gets a word in."""
        block_bytes, left = self._size.block_bytes, self._size.blocks
        while left > 0:
            first = self._next
            blocks = ring.ready(self._buffer, block_bytes, first, MOST_FRAMES)
            if not blocks:
                return
            try:
                count = ring.walk(self._buffer, block_bytes, first, blocks, LINK_BY_HARDWARE, self._frames)
                if count:
                    yield FrameBatch(self._frames[:count], self._buffer, 1, self._namespace)
            finally:  # also where the caller breaks off: a block is never walked twice
                ring.release(self._buffer, block_bytes, first, blocks)
                self._next, left = (first + blocks) % self._size.blocks, left - blocks

    def close(self) -> None:
        """Let go of the memory; a batch that still points into it keeps it."""
        self._buffer = np.zeros(0, np.uint8)
