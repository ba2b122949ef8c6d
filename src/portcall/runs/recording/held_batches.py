"""Packets that wait for their owners, copied out of the ring: in order, bounded by bytes, with what is between."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from portcall.kernels.gathering import gather

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.packets import FrameBatch
    from portcall.records.recorded.process_blocks import TurnLine
    from portcall.runs.recording.recorded_conversations import Touched

MOST_HELD_BYTES = 1 << 27


@dataclass(slots=True)
class HeldBatch:
    """Some packets, and where they went."""

    number: int
    came_ns: int
    """When it came, by the clock of whoever holds it."""
    frames: NDArray[np.void]
    """FRAME[n] over ``buffer``."""
    buffer: NDArray[np.uint8]
    places: NDArray[np.uint32]
    """uint32[n]: capture points, by number."""
    touched: Touched
    turns: list[TurnLine]
    """What stands before the packets."""

    @property
    def size_bytes(self) -> int:
        """Its memory."""
        return self.frames.nbytes + self.buffer.nbytes


class HeldBatches:
    """A queue of them."""

    def __init__(self, most_bytes: int = MOST_HELD_BYTES) -> None:
        self._most_bytes = most_bytes
        self._batches: deque[HeldBatch] = deque()
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._batches)

    @property
    def is_too_much(self) -> bool:
        """Whether the first must go, known or not."""
        return self._bytes > self._most_bytes

    @property
    def first(self) -> HeldBatch:
        """The one that waits for longest."""
        return self._batches[0]

    def conversations(self, came_before_ns: int) -> NDArray[np.int64]:
        """Those of the batches that came until then."""
        waiting = [held.touched.conversations for held in self._batches if held.came_ns <= came_before_ns]
        return np.unique(np.concatenate(waiting)) if waiting else np.zeros(0, np.int64)

    def add(self, held: HeldBatch) -> None:
        """Put it last."""
        self._batches.append(held)
        self._bytes += held.size_bytes

    def pop(self) -> HeldBatch:
        """Take the first."""
        held = self._batches.popleft()
        self._bytes -= held.size_bytes
        return held


def copied(batch: FrameBatch) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
    """FRAME[n] and buffer of a batch's own: that of the source is written over soon."""
    frames = batch.frames.copy()
    ends = np.cumsum(frames["captured"], dtype=np.uint64)
    buffer = np.empty(max(int(ends[-1]), 1), np.uint8)
    gather(batch.frames, batch.buffer, np.arange(len(frames)), ends - frames["captured"], frames, buffer)
    return frames, buffer
