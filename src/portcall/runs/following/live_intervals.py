"""Live traffic in intervals: each has tables of its own, which are matched on for a while after its end.

The frames' time says to which interval they belong, as for captures. A report is due when the owners of the last
packets can be known. What outlives an interval is who held which socket, what resolvers told, and where ports went.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from portcall.runs.following.intervals import Intervals
from portcall.runs.packet_clock import SETTLE_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from portcall.records.ownership import OwnerEvents
    from portcall.records.packets import FrameBatch
    from portcall.runs.live import LiveTracker

_MATCH_NS = 1_000_000_000
"""After the owners of the last packets can be known, they are matched once more within this time."""


class Ended(NamedTuple):
    """An interval whose report is due."""

    begins_ns: int
    tracker: LiveTracker
    late: int
    """Frames that are of an earlier interval."""


class IntervalTracker:
    """Counts like the ``LiveTracker`` of the open interval, and keeps those that have ended until they are settled."""

    def __init__(
        self,
        tracker: LiveTracker,
        width_ns: int,
        clock_ns: Callable[[], int] = time.time_ns,
        waiting_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """``tracker`` was fed nothing yet; ``clock_ns`` is the time of day, ``waiting_ns`` a clock that nobody sets."""
        self._tracker, self._clock_ns, self._waiting_ns = tracker, clock_ns, waiting_ns
        self._intervals = Intervals(width_ns, is_live=True)
        self._settling: list[tuple[int, Ended]] = []
        self.recorder = None

    @property
    def open(self) -> LiveTracker:
        """That of the open interval."""
        return self._tracker

    @property
    def trackers(self) -> list[LiveTracker]:
        """That of the open interval, and before it those that are not settled."""
        return [*(ended.tracker for _, ended in self._settling), self._tracker]

    def note(self, events: OwnerEvents) -> None:
        """Take in what the owners reported."""
        self._tracker.note(events)

    def feed(self, batch: FrameBatch) -> None:
        """Count one batch, which may end the open interval."""
        now_ns = self._clock_ns()
        while (count := self._intervals.take(batch, now_ns)) < len(batch.frames):
            self._tracker.feed(batch._replace(frames=batch.frames[:count]))
            self.end_interval()
            batch = batch._replace(frames=batch.frames[count:], first_number=batch.first_number + count)
        self._tracker.feed(batch)

    def unknown_ends(self) -> NDArray[np.void]:
        """FLOW_END[n] of new rows for which no socket was seen."""
        return self._tracker.unknown_ends()

    def match(self) -> None:
        """Find owners in all intervals that are not settled."""
        for _ in self.matching():
            pass

    def matching(self) -> Iterator[None]:
        """The same in steps of some milliseconds."""
        for _, ended in self._settling:
            yield from ended.tracker.matching()
        yield from self._tracker.matching()

    def end_interval(self) -> None:
        """End the open interval, if there is one."""
        begins_ns = self._intervals.begins_ns
        if begins_ns is None:
            return
        due_ns = self._waiting_ns() + SETTLE_NS + _MATCH_NS
        self._settling.append((due_ns, Ended(begins_ns, self._tracker, self._intervals.late)))
        self._intervals.end()
        self._tracker = self._tracker.successor()

    def settled(self) -> list[Ended]:
        """The intervals whose reports are due now, in order; to be asked for after each ``matching``."""
        if self._intervals.is_over(self._clock_ns()):
            self.end_interval()
        now_ns = self._waiting_ns()
        due = [ended for due_ns, ended in self._settling if due_ns <= now_ns]
        self._settling = self._settling[len(due) :]
        return due

    def finish(self) -> list[Ended]:
        """All that are left: nothing more is counted, and they were matched for the last time."""
        self.end_interval()
        left = [ended for _, ended in self._settling]
        self._settling = []
        return left
