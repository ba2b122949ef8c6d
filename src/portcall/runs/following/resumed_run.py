"""Reading saved captures with a checkpoint: a run that was ended goes on where it was, and reports as one would.

The frames of captures are in one order, whoever reads them, so a checkpoint says how many were counted. Those are
walked over again, which takes a fraction of the time that counting takes, and the captures must be as they were.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from portcall.errors import CaptureError, PortcallError, UsageError
from portcall.records.plain_data import items, octets, text, whole
from portcall.runs.following.checkpoint import Saved
from portcall.runs.following.counting import Counting
from portcall.runs.following.follow_run import SAVE_COST, SAVE_S
from portcall.sources.capture_set import CaptureSet, is_pipe
from portcall.sources.folders import NamedFiles
from portcall.sources.growing.followed_file import raw_start
from portcall.sources.section_runs import SectionsOverlapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from portcall.endings import Stop
    from portcall.records.packets import FrameBatch
    from portcall.records.report import Report
    from portcall.runs.following.checkpoint import Checkpoint
    from portcall.runs.reading import Reading


class ResumedRun:
    """One run over saved captures."""

    def __init__(
        self,
        patterns: Sequence[str],
        reading: Reading,
        checkpoint: Checkpoint,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> None:
        """PortcallError where the captures are others than those of the checkpoint, or cannot be read twice."""
        self._patterns, self._reading, self._checkpoint, self._progress = patterns, reading, checkpoint, progress
        self._files = _as_they_are(NamedFiles(patterns).paths)
        self._frames, self._in_runs, partial = 0, False, None
        saved = checkpoint.load()
        if saved:
            self._restore(saved)
            partial = saved.partial or None
        self._counting = Counting(reading, is_saved=True, before=partial)
        self._captures = CaptureSet(patterns, progress, in_runs=self._in_runs)
        self._save_at_s = 0.0
        self._save(may_fail=False)

    @property
    def problems(self) -> list[CaptureError]:
        """What could not be read."""
        return self._captures.problems

    def read(self, stop: Stop) -> None:
        """Count all, or until it is asked to end; saved every few seconds and at the end."""
        try:
            self._read(stop)
        except SectionsOverlapError:
            self._captures = CaptureSet(self._patterns, self._progress, in_runs=True)
            self._frames, self._in_runs = 0, True
            self._counting = Counting(self._reading, is_saved=True)
            self._read(stop)
        if self._captures.is_unreadable and not stop.is_asked:
            raise PortcallError(str(self.problems[0])) from self.problems[0]
        self._save()

    def report(self) -> Report:
        """What was counted."""
        return self._counting.last_report(", ".join(self._patterns), self._captures.notes)

    def _read(self, stop: Stop) -> None:
        for batch in self._not_counted():
            for chosen in self._reading.chosen(iter((batch,))):
                self._counting.feed(chosen)
            self._frames += len(batch.frames)
            if stop.is_asked:
                return
            if time.monotonic() >= self._save_at_s:
                self._save()

    def _not_counted(self) -> Iterator[FrameBatch]:
        """The frames behind those that were counted, with all that captures say beside their frames."""
        counted = self._frames
        for batch in self._captures.batches():
            passed = min(counted, len(batch.frames))
            counted -= passed
            new = batch._replace(frames=batch.frames[passed:], first_number=batch.first_number + passed)
            if len(new.frames) or batch.host_names or batch.key_log:
                yield new

    def _save(self, *, may_fail: bool = True) -> None:
        """Save it; PortcallError only before anything is counted: later that would be lost."""
        began_s = time.monotonic()
        state = {"captures": self._files, "frames": self._frames, "in_runs": self._in_runs}
        self._checkpoint.save(Saved(state, self._counting.saved()), may_fail=may_fail)
        now_s = time.monotonic()
        self._save_at_s = now_s + max(SAVE_S, SAVE_COST * (now_s - began_s))

    def _restore(self, saved: Saved) -> None:
        path, anew = self._checkpoint.path, "Remove it to count from the beginning, or name another file"
        try:
            self._frames = whole(saved.state["frames"], most=1 << 48)
            self._in_runs = bool(saved.state["in_runs"])
            then = {text(name): [whole(size), octets(start).hex()] for name, size, start in _threes(saved)}
        except (ValueError, KeyError, TypeError) as error:
            raise PortcallError(f"--checkpoint {path}: it is damaged: {error}. {anew}") from error
        now = {name: [size, start] for name, size, start in self._files}
        if then != now:
            other = next(name for name in {**then, **now} if then.get(name) != now.get(name))
            name = octets(other).decode("utf-8", "surrogateescape")
            what = "is new" if other not in then else "is not there any more" if other not in now else "has changed"
            raise PortcallError(
                f"--checkpoint {path}: {name} {what} since it was written. {anew}; --follow reads what comes and grows"
            )


def _threes(saved: Saved) -> Iterator[list[Any]]:  # Any: what JSON has
    return (items(one, 3) for one in items(saved.state["captures"]))


def _as_they_are(paths: Sequence[str]) -> list[list[Any]]:  # Any: what JSON has
    """Path, size and first bytes of each. UsageError for one that can be read once only."""
    files = []
    for path in dict.fromkeys(paths):
        if is_pipe(path):
            raise UsageError(f"{path}: a pipe cannot be read again from where a checkpoint was written. Save it first")
        name = path.encode("utf-8", "surrogateescape").hex()
        try:
            files.append([name, _size(path), raw_start(path).hex()])
        except (OSError, ValueError, CaptureError):  # what is wrong with it is said when it is read
            files.append([name, 0, ""])
    return files


def _size(path: str) -> int:
    return os.stat(path).st_size  # noqa: PTH116 - a path need not be text
