"""Following captures: what is there is counted, and then whatever comes, until somebody ends it.

Between two looks the run sleeps, and wakes for signals. After every batch the state is one that could be saved: what
was counted, and how many frames of each capture that is. What goes out goes through ``Outputs``, in three steps around
a save, so that neither side of it is ever ahead of the other.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from portcall.errors import PortcallError
from portcall.records.plain_data import items
from portcall.records.report import Degradation
from portcall.runs.following.checkpoint import Saved
from portcall.runs.following.counting import Counting
from portcall.runs.following.intervals import Intervals
from portcall.sources.growing.followed_captures import FollowedCaptures
from portcall.sources.growing.followed_file import FollowedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.endings import Wishes
    from portcall.errors import CaptureError
    from portcall.records.report import Report
    from portcall.runs.following.checkpoint import Checkpoint
    from portcall.runs.reading import Reading
    from portcall.sources.growing.followed_captures import Given

POLL_S = 0.25
SAVE_S = 2.0
SAVE_COST = 20
"""How many times longer than the last save, or look, took the next one waits at least."""
_GLANCE_S = 1.0
_LAST_S = 2.0


class Outputs(Protocol):
    """Where reports of intervals go, so that each is there once, whatever happens meanwhile."""

    def prepare(self, report: Report, begins_ns: int) -> None:
        """Write the report of an interval where nobody sees it yet."""

    def plain(self) -> Any:  # Any: what JSON has
        """What a checkpoint must know of what was prepared."""

    def publish(self) -> None:
        """Show what was prepared."""

    def restore(self, plain: Any) -> None:  # Any: what JSON has
        """Finish, or take back, what was not published when this was saved."""


@dataclass(frozen=True, slots=True)
class Tellings:
    """Whom to tell, while it runs."""

    glance: Callable[[Report], None] | None = None
    """Shows how far it is; None: nobody looks."""
    report: Callable[[Report], None] = lambda _: None
    """Takes a report that was asked for."""


class FollowRun:
    """One run over captures that grow."""

    def __init__(
        self,
        patterns: Sequence[str],
        reading: Reading,
        *,
        checkpoint: Checkpoint | None = None,
        every_ns: int | None = None,
        outputs: Outputs | None = None,
    ) -> None:
        """With ``every_ns`` there are reports of intervals so wide, which go to ``outputs``."""
        self._reading, self._checkpoint, self._outputs = reading, checkpoint, outputs
        self._source = ", ".join(patterns)
        self._intervals = Intervals(every_ns) if every_ns else None
        known, partial = self._restored(checkpoint.load() if checkpoint else None)
        self.captures = FollowedCaptures(patterns, time.monotonic, known)
        self._counting = Counting(reading, is_saved=checkpoint is not None, before=partial)
        self._save_at_s = self._glance_at_s = 0.0
        self._is_changed = True
        self._save(may_fail=False)

    def follow(self, wishes: Wishes, tellings: Tellings) -> None:
        """Count until it is asked to end, and then what is there by then, unless that takes long."""
        poll = select.poll()
        poll.register(wishes.descriptor, select.POLLIN)
        while not wishes.is_asked:
            for given in self.captures.turn():
                self._count(given)
                if not self._goes_on(wishes, tellings):
                    break
            else:
                if self._intervals and self._intervals.is_over(time.time_ns()):
                    self._end_interval()
                self._goes_on(wishes, tellings)
                poll.poll(1000 * POLL_S)
                wishes.heard()
        ends_s = time.monotonic() + _LAST_S
        for given in self.captures.turn():
            self._count(given)
            if time.monotonic() >= ends_s:
                break

    def finish(self) -> Report | None:
        """What was counted, saved and reported; None where the reports are of intervals, the last of which is out now.

        What only the end of a capture tells is reported, but not saved where it may yet be told otherwise.
        """
        if not self._intervals:
            self._save()
        for given in self.captures.finish():
            self._count(given)
        if self._intervals:
            self._end_interval()
            self._save()
            return None
        return self._counting.last_report(self._source, [*self.captures.notes, *self._notes()])

    @property
    def problems(self) -> list[CaptureError]:
        """What could not be read."""
        return self.captures.problems

    def close(self) -> None:
        """Close everything."""
        self.captures.close()
        if self._checkpoint:
            self._checkpoint.close()

    def _count(self, given: Given) -> None:
        batch = given.batch
        while True:
            count = self._intervals.take(batch, time.time_ns()) if self._intervals else len(batch.frames)
            for chosen in self._reading.chosen(iter((batch._replace(frames=batch.frames[:count]),))):
                self._counting.feed(chosen)
            given.file.frames = max(given.file.frames, batch.first_number + count - 1)
            self._is_changed = True
            if count == len(batch.frames):
                return
            self._end_interval()
            batch = batch._replace(frames=batch.frames[count:], first_number=batch.first_number + count)

    def _goes_on(self, wishes: Wishes, tellings: Tellings) -> bool:
        """Do what is due; whether nobody wants to end it."""
        now_s = time.monotonic()
        if now_s >= self._save_at_s:
            self._save()
        if wishes.wants_new_file() and self._intervals:
            self._end_interval()
        if wishes.wants_report():
            tellings.report(self._report())
        if tellings.glance and now_s >= self._glance_at_s:
            tellings.glance(self._report())
            self._glance_at_s = self._later(_GLANCE_S, now_s)
        return not wishes.is_asked

    def _report(self) -> Report:
        return self._counting.report(self._source, [*self.captures.notes, *self._notes()])

    def _notes(self) -> list[Degradation]:
        if not self._intervals or not self._intervals.late:
            return []
        reason = f"{self._intervals.late} frames are of earlier intervals, but came in this one"
        return [Degradation("intervals", reason, "let the writer flush each packet (tcpdump -U)")]

    def _end_interval(self) -> None:
        """Report the open interval, and begin to count anew."""
        if not self._intervals or not self._outputs or self._intervals.begins_ns is None:
            return
        report = self._counting.last_report(self._source, [*self.captures.notes, *self._notes()])
        self._outputs.prepare(report, self._intervals.begins_ns)
        self._intervals.end()
        self._counting = self._counting.begun_anew()
        self._is_changed = True
        self._save()
        self._outputs.publish()

    def _save(self, *, may_fail: bool = True) -> None:
        """Save what has changed; PortcallError before anything is counted, and where intervals would be told twice."""
        if not self._checkpoint or not self._is_changed:
            return
        began_s = time.monotonic()
        state = {
            "files": [file.plain() for file in self.captures.files],
            "intervals": self._intervals.plain() if self._intervals else None,
            "outputs": self._outputs.plain() if self._outputs else None,
        }
        self._checkpoint.save(Saved(state, self._counting.saved()), may_fail=may_fail and not self._intervals)
        self._is_changed = self._checkpoint.failure is not None
        self._save_at_s = self._later(SAVE_S, began_s)

    def _later(self, least_s: float, began_s: float) -> float:
        """When to do it again: after so long at the least, and seldom enough."""
        now_s = time.monotonic()
        return now_s + max(least_s, SAVE_COST * (now_s - began_s))

    def _restored(self, saved: Saved | None) -> tuple[list[FollowedFile], bytes | None]:
        """The captures that were known, and what was counted of them."""
        if saved is None:
            return [], None
        try:
            known = [FollowedFile.of_plain(plain) for plain in items(saved.state["files"])]
            if self._intervals:
                self._intervals.restore(saved.state["intervals"])
            if self._outputs:
                self._outputs.restore(saved.state["outputs"])
        except (ValueError, KeyError, TypeError) as error:
            path = self._checkpoint.path if self._checkpoint else ""
            raise PortcallError(
                f"--checkpoint {path}: it is damaged: {error}. Remove it to count from the beginning"
            ) from error
        return known, saved.partial or None
