"""Threads that read, walk, decode and count ahead of who asks for the batches of plain captures, one after the other.

Who asks inspects payloads, and does whatever threads leave to it: blocks that are no packets, damage, a table that must
grow. All of it is in order, so whatever comes out is what comes out of one thread. Batches are counted before those
before them are inspected, so which payloads are still wanted is asked when their turn comes. Of several captures nobody
knows yet whose frames come first, so those are not counted ahead.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np

from portcall.flows.table_arrays import PAYLOAD
from portcall.kernels.stages.window_ring import WindowRing
from portcall.records.packets import FRAME, PACKET, FrameBatch
from portcall.runs.tracker import Ahead
from portcall.sources import rooms as size
from portcall.sources.window import Taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from portcall.kernels.record_walk import RecordWalk
    from portcall.runs.tracker import Tracker

MOST_THREADS = 8
"""More find nothing to do: walking, counting and inspecting are each done by one at a time."""
_WINDOWS_A_THREAD = 4
_MOST_WINDOWS = 24
_LEAST_WINDOWS = 2  # for fewer no thread is begun


class WorkAhead:
    """Threads for one capture at a time. ``tracker`` is what its batches are fed to."""

    def __init__(
        self,
        tracker: Tracker,
        jobs: int,
        *,
        decodes: bool = True,
        counts: bool,
        may_begin: Callable[[], bool] = lambda: True,
    ) -> None:
        """``decodes``: all frames of a capture are. ``counts``: in order, so they may be once that ``may_begin``."""
        self._tracker, self._decodes, self._counts, self._may_begin = tracker, decodes or counts, counts, may_begin
        self._jobs = min(jobs, MOST_THREADS)
        self._threads: list[threading.Thread] = []
        self._ring: WindowRing | None = None
        self._has_rooms = False
        self._taken: tuple[NDArray[np.void] | None, Ahead | None] = None, None
        self.position = 0
        """Offset in the file behind the window that was taken last."""

    def begin(self, descriptor: int, offset: int) -> bool:
        """Begin with a file at that offset; False where it is small, or another one was read."""
        if self._ring or os.fstat(descriptor).st_size - offset < _LEAST_WINDOWS * size.WINDOW_BYTES:
            return False
        self._make_rooms()
        self.position = offset
        self._ring = WindowRing(
            self._bytes,
            self._frames,
            self._packets,
            self._payloads,
            size.HEAD_BYTES,
            descriptor=descriptor,
            offset=offset,
            decoder=self._tracker.decoder.kernel if self._decodes else None,
            copies=self._tracker.copies.table if self._tracker.copies else None,
        )
        for number in range(1, self._jobs):
            # Python waits for threads at its end, unless they are daemons; no end shall wait for these.
            thread = threading.Thread(target=self._ring.work, args=(number,), name=f"reading {number}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more threads
                break
            self._threads.append(thread)
        return True

    def take(self, held: memoryview, walk: RecordWalk | None) -> Taken:
        """The next window behind what is held, walked over by ``walk``; of no bytes at the end."""
        ring = self._ring
        if ring is None:
            raise ValueError("taking wants a file that was begun")
        if self._counts and not ring.counts and self._may_begin():
            self._count_from_here(ring)
        while (slot := ring.take(held, walk)) < 0:
            pass  # and Python looks for signals
        (start, end, self.position), count, counted = ring.known_of(slot)
        frames = None if count is None else self._frames[slot, :count]
        self._taken = (frames, self._ahead(slot, count, counted) if count and self._decodes else None)
        return Taken(self._bytes[slot], start, end, end - size.HEAD_BYTES, frames)

    def of(self, batch: FrameBatch) -> Ahead | None:
        """What was done with a batch, or a slice of one; None where nothing was."""
        frames, ahead = self._taken
        if frames is None or ahead is None or frames is batch.frames:
            return ahead
        first = (_address(batch.frames) - _address(frames)) // frames.itemsize
        if ahead.payloads is not None or not 0 <= first <= len(frames) - len(batch.frames):
            return None
        return ahead._replace(packets=ahead.packets[first : first + len(batch.frames)])

    def close(self) -> None:
        """Nobody will take more; afterwards no thread reads the file, and another may begin if nothing was counted."""
        if self._ring:
            self._ring.stop()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        if not self._counts:
            self._ring, self._taken = None, (None, None)

    def inspect_counted(self) -> None:
        """Inspect, when it is closed, what was counted and is not taken any more, as at an interrupt."""
        while self._ring and (slot := self._ring.take_counted()) >= 0:
            _, count, counted = self._ring.known_of(slot)
            if count and counted:
                batch = FrameBatch(self._frames[slot, :count], self._bytes[slot], 1)
                self._tracker.feed(batch, self._ahead(slot, count, counted))

    def _make_rooms(self) -> None:
        """For windows and what is found in them; those of the capture before serve again."""
        if self._has_rooms:
            return
        count = min(_WINDOWS_A_THREAD * self._jobs, _MOST_WINDOWS)
        self._bytes = np.zeros((count + 1, size.HEAD_BYTES + size.WINDOW_BYTES), np.uint8)
        self._frames = np.zeros((count, size.FRAMES_AT_ONCE), FRAME)
        self._packets = np.zeros((count, size.FRAMES_AT_ONCE if self._decodes else 1), PACKET)
        has_payloads = self._counts and self._tracker.names
        self._payloads = np.zeros((count, size.FRAMES_AT_ONCE if has_payloads else 0), PAYLOAD)
        self._has_rooms = True

    def _ahead(self, slot: int, count: int, counted: tuple[int, int, bool] | None) -> Ahead:
        packets = self._packets[slot, :count]
        if counted is None:
            return Ahead(packets, None, fills=False)
        _, payloads, fills = counted
        return Ahead(packets, self._payloads[slot, :payloads], fills)

    def _count_from_here(self, ring: WindowRing) -> None:
        """Have the next windows counted: all before them is."""
        tables = self._tracker.tables
        if tables and not tables[-1].flows.is_full:
            ring.count_into(*tables[-1].flows.room(), self._tracker.frames + 1)


def _address(array: NDArray[np.void]) -> int:
    return int(array.__array_interface__["data"][0])
