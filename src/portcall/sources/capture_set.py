"""Many captures as one, in order of time: files, pipes and standard input.

What begins when comes from a look at each first frame. A file is closed again after that look, so thousands may be
named; a pipe stays open, with what it has told. The same file under two names is read once.
"""

from __future__ import annotations

import stat
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.errors import CaptureError
from portcall.records.packets import NO_TIME
from portcall.records.report import Degradation
from portcall.sources.captures import first_ns, open_capture
from portcall.sources.folders import NamedFiles
from portcall.sources.merging import MOST_OPEN, Merge, Waiting
from portcall.sources.section_runs import SectionsOverlapError, SectionTimes, runs_of
from portcall.system.scarcity import open_files_allowed

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from portcall.records.packets import FrameBatch
    from portcall.records.recorded.claims import OwnersInside
    from portcall.sources.captures import Capture
    from portcall.sources.window import ReadsAhead


_AS_FILES = "read them from files, not from a pipe, and few in one file"


class CaptureSet:
    """The captures that patterns mean, read as one. What cannot be read is a problem, and ends nothing else."""

    def __init__(
        self,
        patterns: Sequence[str],
        progress: Callable[[int, int | None], None] | None = None,
        *,
        in_runs: bool = False,
        owners: Callable[[], OwnersInside] | None = None,
    ) -> None:
        """``progress`` is called with bytes read and bytes in all (None with a pipe).

        ``in_runs``: look through every file for sections that overlap, and merge them too. ``owners`` makes what reads
        whom a capture names; None: nobody does.
        """
        self._owners = owners
        named = NamedFiles(patterns)
        self.problems = named.problems
        """Captures, or ends of captures, that could not be read."""
        self._in_folders = len(named.problems)
        self.notes = named.notes
        """What else is to be said of them, once they are read."""
        self._progress = progress
        self._paths = self._each_once(named.paths)
        self._total = None if any(map(is_pipe, self._paths)) else sum(map(_size, self._paths))
        self._bytes_read: dict[str, int] = {}
        self._in_runs = in_runs
        self.ahead: ReadsAhead | None = None
        """What may read ahead of one plain file at a time; None: nobody does."""

    @property
    def paths(self) -> Sequence[str]:
        """The files that are read."""
        return self._paths

    @property
    def is_alone(self) -> bool:
        """Whether there is one capture, read from its beginning to its end."""
        return len(self._paths) == 1 and not self._in_runs

    @property
    def has_pipe(self) -> bool:
        """Whether one of them has no end that is known."""
        return self._total is None

    @property
    def is_unreadable(self) -> bool:
        """Whether nothing of any of them could be read."""
        return len([problem for problem in self.problems[self._in_folders :] if problem.is_whole]) == len(self._paths)

    def batches(self) -> Iterator[FrameBatch]:
        """Their frames, batch after batch, each valid until the next is asked for.

        SectionsOverlapError where the files must be read in runs, and can be.
        """
        if self.is_alone:
            yield from self._of_path(self._paths[0])
            return
        merge = Merge(list(self._waiting()), min(MOST_OPEN, (open_files_allowed() or 2 * MOST_OPEN) // 2))
        yield from merge.batches()
        if merge.late:
            self.notes.append(_too_many(merge.late))

    def _each_once(self, paths: Sequence[str]) -> list[str]:
        named: dict[tuple[int, int] | str, str] = {}
        for path in paths:
            identity = _identity(path)
            first = named.get(identity)
            if first is None:
                named[identity] = path
                continue
            reason = f"{path} is named twice" if path == first else f"{path} is the same file as {first}"
            self.notes.append(Degradation("captures", f"{reason}; it is read once", "name each capture once"))
        return list(named.values())

    def _waiting(self) -> Iterator[Waiting]:
        for path in self._paths:
            try:
                if is_pipe(path):
                    yield self._begun(path)
                elif self._in_runs:
                    for run in runs_of(path):
                        yield Waiting(run.first_ns, partial(self._of_path, path, run.start, run.stop))
                else:
                    yield Waiting(first_ns(path), partial(self._of_path, path))
            except CaptureError as problem:
                self.problems.append(problem)

    def _begun(self, path: str) -> Waiting:
        """A pipe, read up to its first frame."""
        batches = self._of(open_capture(path, owners=self._owners))
        told = []
        for batch in batches:
            told.append(batch)
            if len(batch.frames):
                return Waiting(int(batch.frames["ts_ns"][0]), lambda: chain(told, batches))
        return Waiting(NO_TIME, lambda: iter(told))

    def _of_path(self, path: str, start: int = 0, stop: int | None = None) -> Iterator[FrameBatch]:
        try:
            capture = open_capture(path, start, stop, self._owners, None if self._in_runs else self.ahead)
        except CaptureError as problem:
            self.problems.append(problem)
        else:
            yield from self._of(capture)

    def _of(self, capture: Capture) -> Iterator[FrameBatch]:
        times = SectionTimes()
        try:
            for batch in capture.source.batches():
                if len(batch.frames) and times.goes_back(batch, capture.section_at()):
                    self._note_overlap(capture.path)
                yield batch
                if self._progress:
                    self._bytes_read[capture.path] = max(self._bytes_read.get(capture.path, 0), capture.bytes_read())
                    self._progress(sum(self._bytes_read.values()), self._total)
        except CaptureError as problem:
            self.problems.append(problem)
        self.notes += capture.notes()

    def _note_overlap(self, path: str) -> None:
        if self._total is not None and not self._in_runs:
            raise SectionsOverlapError(path)
        note = Degradation("order", f"sections of {path} overlap in time and were read one after the other", _AS_FILES)
        if note not in self.notes:
            self.notes.append(note)


def _status(path: str) -> os.stat_result | None:
    """What the system knows of a file; None where there is none, or nobody may ask."""
    try:
        return None if path == "-" else Path(path).stat()
    except (OSError, ValueError):  # no path has a zero byte
        return None


def is_pipe(path: str) -> bool:
    """Whether it can be read once only."""
    status = _status(path)
    return path == "-" or (status is not None and not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode))


def _size(path: str) -> int:
    status = _status(path)
    return status.st_size if status else 0


def _identity(path: str) -> tuple[int, int] | str:
    """What is equal for two names of one file."""
    status = None if is_pipe(path) else _status(path)
    return (status.st_dev, status.st_ino) if status else path


def _too_many(late: int) -> Degradation:
    reason = f"{late} captures began while as many as can be read at once were open, so their frames came late"
    return Degradation("order", reason, "merge them first: mergecap -w merged.pcapng FILE…; or raise 'ulimit -n'")
