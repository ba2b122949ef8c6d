"""Fills a history while live traffic is counted: a transaction a window, and the time is an argument.

When a window is over, it is written as far as its owners are known, so that a kill loses no more than the one that is
open. Owners and frames that are late come with the next window: then what changed is added, and its cells are let go.
So what it costs goes with what happened in two windows. Windows of a future that cannot be, as where the clock was set
back, are over too, and are kept until the clock is there again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.attribution.window_sums import MOST_ROWS
from portcall.errors import PortcallError
from portcall.records.kept.windows import COUNTED, WINDOW_S, add_counts, bounded
from portcall.records.report import Degradation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from portcall.archive.store import HistoryStore
    from portcall.attribution.window_sums import WindowSums
    from portcall.records.kept.windows import Rows
    from portcall.runs.live import LiveTracker

_SECOND_NS = 1_000_000_000
GRACE_S = 1
"""How long after its end the last frames of a window may come."""
_MOST_WAITING = 30
"""Windows that wait where the file cannot be written; then the oldest are given up."""


class WindowKeeper:
    """Takes windows from the trackers of a run, which all count in WINDOW_S and have ``left`` as their ``windows``."""

    def __init__(self, store: HistoryStore, left: WindowSums, trackers: Callable[[], Iterable[LiveTracker]]) -> None:
        self._store, self.left, self._trackers = store, left, trackers
        self._written: dict[int, Rows] = {}
        """What was written of windows that are not final."""
        self._over_s: int | None = None
        self._dropped = 0
        self._given_up = 0
        self.failure: PortcallError | None = None
        """Why the last windows could not be written."""

    def turn(self, now_ns: int, dropped: int = 0) -> None:
        """Write the windows that are over; to be asked about once a second.

        ``dropped`` are all frames that the kernel dropped so far.
        """
        over_s = (now_ns // _SECOND_NS - GRACE_S) // WINDOW_S * WINDOW_S
        if over_s != self._over_s:
            self._write(over_s, over_s - WINDOW_S, now_ns, dropped)
            self._over_s = over_s

    def finish(self, now_ns: int, dropped: int = 0) -> None:
        """Write all that is left: nothing more is counted, and owners were looked for for the last time."""
        end_s = now_ns // _SECOND_NS + 2 * WINDOW_S
        self._write(end_s, end_s, now_ns, dropped, is_all=True)

    def take_over(self, tracker: LiveTracker) -> None:
        """Go on without a tracker, whose owners were looked for for the last time."""
        _count(tracker, self.left)

    def notes(self) -> list[Degradation]:
        """What could not be kept."""
        if not (self._given_up or self.failure):
            return []
        lost = f"{self._given_up} windows of {WINDOW_S} s were not kept, as the file could not be written"
        reasons = [*([lost] if self._given_up else []), *([str(self.failure)] if self.failure else [])]
        return [Degradation("history", "; ".join(reasons), "make room on the disk, or name another file")]

    def close(self) -> None:
        """Let others fill the file."""
        self._store.close()

    def _write(self, over_s: int, final_s: int, now_ns: int, dropped: int, *, is_all: bool = False) -> None:
        """Write windows that begin before ``over_s``; of those before ``final_s`` nothing more is to come.

        And those that begin so late that they cannot be open either; ``is_all``: no window is open.
        """
        wanted = self._windows(lambda begin_s: is_all or not over_s <= begin_s <= over_s + WINDOW_S)
        changes = {
            begin_s: _difference(wanted.get(begin_s, {}), self._written.get(begin_s, {}))
            for begin_s in wanted.keys() | self._written.keys()
        }
        try:
            self._store.write(
                {begin_s: rows for begin_s, rows in changes.items() if rows},
                final_s=final_s,
                now_s=now_ns // _SECOND_NS,
                dropped=max(dropped - self._dropped, 0),
            )
        except PortcallError as error:
            self.failure = error
            self._give_up(wanted)
            return
        self.failure, self._dropped = None, dropped
        self._written = {begin_s: rows for begin_s, rows in wanted.items() if begin_s >= final_s}
        self._forget(final_s)

    def _windows(self, is_over: Callable[[int], bool]) -> dict[int, Rows]:
        """All that is known of windows that are over, by when they begin."""
        here = self.left.empty()
        for tracker in self._trackers():
            _count(tracker, here)
        wanted: dict[int, Rows] = {}
        for sums in (self.left, here):
            for begin_s, rows in sums.windows.items():
                if is_over(begin_s):
                    of_window = wanted.setdefault(begin_s, {})
                    for key, counts in rows.items():
                        add_counts(of_window, key, counts)
        return {begin_s: bounded(rows, MOST_ROWS) for begin_s, rows in wanted.items()}

    def _forget(self, before_s: int) -> None:
        self.left.forget(before_s)
        for tracker in self._trackers():
            for table in tracker.tables:
                if table.buckets:
                    table.buckets.forget(before_s * _SECOND_NS)

    def _give_up(self, waiting: dict[int, Rows]) -> None:
        """Of too many windows that wait, let the oldest go, for memory is bounded."""
        oldest = sorted(waiting)[:-_MOST_WAITING]
        if oldest:
            self._given_up += len(oldest)
            self._forget(oldest[-1] + WINDOW_S)


def _count(tracker: LiveTracker, sums: WindowSums) -> None:
    """Count the windows of conversations that a tracker has."""
    for table in tracker.tables:
        for part in table.counted_parts():
            sums.add(part.of_wanted(tracker.is_wanted) if tracker.is_wanted else part, tracker.names)
        if table.buckets and not tracker.is_wanted:
            sums.add_on_no_flow(table.buckets.on_no_flow())


def _difference(rows: Rows, written: Rows) -> Rows:
    """What to add to what was written."""
    nothing = [0] * len(COUNTED)
    found = {}
    for key in rows.keys() | written.keys():
        then, now = written.get(key), rows.get(key)
        if then == now:
            continue
        times = (now or then or [])[len(COUNTED) :]
        found[key] = [a - b for a, b in zip((now or nothing), (then or nothing), strict=False)][: len(COUNTED)] + times
    return found
