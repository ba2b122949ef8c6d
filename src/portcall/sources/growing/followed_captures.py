"""Captures that grow, and folders into which more of them come, as frames: each frame once.

What is there is read in order of first frames, then of names, each capture to its present end; afterwards whatever
grows is read on. A capture that nobody writes any more, because a later one is there, is closed after a while; should
it grow nevertheless, it is opened again, and what was counted of it is passed over. So closing is never wrong.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from portcall.errors import CaptureError
from portcall.records.packets import NO_TIME
from portcall.records.report import Degradation
from portcall.sources.captures import first_ns
from portcall.sources.growing.known_files import KnownFiles
from portcall.sources.growing.named_places import NamedPlaces
from portcall.sources.growing.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from portcall.records.packets import FrameBatch
    from portcall.sources.growing.followed_file import FollowedFile

MOST_OPEN = 64
"""Captures that are open at once at the most, with 0.4 MB each."""
IDLE_S = 3.0
_BYTES_A_SECOND = 20_000_000
"""To open a capture again costs its size, so a large one is kept open for longer."""
_SOON_S = 1.0
_BATCHES_AT_ONCE = 64
_MOST_NOTES = 100
_UNFINISHED = ("the file ends inside", "the compressed data end here: the file is cut short")
"""How reasons begin that more bytes may take away."""


class Given(NamedTuple):
    """Frames of a capture. Whoever has counted some of them says so in ``file.frames``."""

    file: FollowedFile
    batch: FrameBatch


@dataclass(slots=True, eq=False)
class _Open:
    file: FollowedFile
    tail: Tail
    grew_s: float
    seen: tuple[int, int] | None = None
    """What the file was like when it was read to its end; None where it was not."""

    def version(self) -> tuple[int, int]:
        """What is another once somebody wrote to it."""
        status = self.tail.status()
        return status.st_size, status.st_mtime_ns

    def has_grown(self) -> bool:
        """Whether there may be more of it."""
        return not self.tail.is_over and self.seen != self.version()


class FollowedCaptures:
    """All captures that are followed: a file once, by whatever name it goes."""

    def __init__(self, patterns: Sequence[str], clock: Callable[[], float], known: Sequence[FollowedFile] = ()) -> None:
        """``known`` are those that were followed before; ``clock`` gives seconds. UsageError for what is no file."""
        self._places = NamedPlaces(patterns)
        self._clock = clock
        self._known = KnownFiles(known)
        self._open: list[_Open] = []
        self._waiting: list[tuple[bool, int, str, FollowedFile]] = []
        self._notes: list[Degradation] = []
        self._rewritten: list[str] = []

    @property
    def files(self) -> list[FollowedFile]:
        """Every capture that is known, with what was counted of it."""
        for opened in self._open:
            opened.file.note_beginning(opened.tail.beginning())
        return self._known.files

    @property
    def problems(self) -> list[CaptureError]:
        """What could not be read."""
        of_files = [file.problem for file in self._known.files if file.problem]
        return [*of_files, *self._known.problems.values(), *self._places.problems.values()]

    @property
    def notes(self) -> list[Degradation]:
        """What else is to be said."""
        notes = [*self._notes, *_notes_of_copies(self._known.copies)]
        if not self._rewritten:
            return notes
        reason = (
            f"{len(self._rewritten)} times a file was cut or written anew, first {self._rewritten[0]}; "
            "what it had and was not read before is lost"
        )
        note = Degradation("captures", reason, "keep more files (tcpdump -W, dumpcap -b files:N)")
        return [*notes, note]

    def turn(self) -> Iterator[Given]:
        """All that is there now, batch after batch, each valid until the next is asked for."""
        yield from self._look()
        grown = [*self._open]
        while True:
            grown = [opened for opened in grown if opened.has_grown()]
            if grown:
                for opened in grown:
                    yield from self._some_of(opened)
            elif self._waiting:
                grown = self._begun()
                if len(self._open) > MOST_OPEN:
                    yield from self._closed(self._open[0])
            else:
                break
        yield from self._close_settled()

    def finish(self) -> Iterator[Given]:
        """What the ends of captures tell, once nothing more is waited for."""
        while self._open:
            yield from self._closed(self._open[0])

    def close(self) -> None:
        """Close all of them."""
        while self._open:
            self._open.pop().tail.close()

    def _look(self) -> Iterator[Given]:
        """Look for captures that came or grew; gives what is left of those whose copies have taken their place."""
        began_s = self._clock()
        if not self._places.are_due(began_s):
            return
        places = self._places.look(began_s)
        opened = self.files and [one.file for one in self._open]
        before = {id(one.file): one.file.key for one in self._open}
        for file in self._known.look_at(places, opened):
            if not any(waiting is file for *_, waiting in self._waiting):
                self._wait(file)
        self._waiting.sort(key=lambda one: one[:3])
        if self._known.has_pending:
            self._places.look_soon(began_s + _SOON_S)
        ended_s = self._clock()
        self._places.looked(ended_s - began_s, ended_s)
        for one in [one for one in self._open if one.file.key != before[id(one.file)]]:
            yield from self._closed(one)

    def _wait(self, file: FollowedFile) -> None:
        try:
            begins_ns = first_ns(file.path)
        except CaptureError as problem:
            self._note_gone(file, problem)
            return
        self._waiting.append((begins_ns == NO_TIME, begins_ns, file.path, file))

    def _note_gone(self, file: FollowedFile, problem: CaptureError) -> None:
        self._known.note_gone(file)
        if not isinstance(problem.__cause__, FileNotFoundError):  # else it went since we looked
            self._known.note_problem(problem)

    def _some_of(self, opened: _Open) -> Iterator[Given]:
        """A few batches of one, so that the others have their turn."""
        for _ in range(_BATCHES_AT_ONCE):
            version = opened.version()
            batch = opened.tail.next()
            if batch is None:
                opened.seen = version
                break
            opened.grew_s = self._clock()
            yield Given(opened.file, batch)
        if opened.tail.is_over:
            self._settle(opened)

    def _begun(self) -> list[_Open]:
        """The next one that waits, opened; none where it is there no more."""
        *_, file = self._waiting.pop(0)
        try:
            tail = Tail(file.path, file.frames)
        except CaptureError as problem:
            self._note_gone(file, problem)
            return []
        status = tail.status()
        if (status.st_dev, status.st_ino) != file.key:  # it was replaced since we looked
            tail.close()
            self._known.note_gone(file)
            self._places.look_soon(self._clock())
            return []
        file.start, file.size, file.problem = tail.start, -1, None
        self._open.append(_Open(file, tail, self._clock()))
        return self._open[-1:]

    def _close_settled(self) -> Iterator[Given]:
        """Close those that nobody seems to write any more, and the first where too many are open."""
        now_s = self._clock()
        for opened in tuple(self._open):
            idle_s = IDLE_S + opened.tail.status().st_size / _BYTES_A_SECOND
            is_settled = self._is_followed_by_another(opened) and now_s - opened.grew_s >= idle_s
            if is_settled or len(self._open) > MOST_OPEN:
                yield from self._closed(opened)

    def _is_followed_by_another(self, opened: _Open) -> bool:
        """Whether a capture that was begun later has frames."""
        at = self._open.index(opened)
        return any(later.file.frames for later in self._open[at + 1 :])

    def _closed(self, opened: _Open) -> Iterator[Given]:
        for batch in opened.tail.end():
            yield Given(opened.file, batch)
        self._settle(opened)

    def _settle(self, opened: _Open) -> None:
        """It is over: remember how."""
        file, tail = opened.file, opened.tail
        status: os.stat_result | None = tail.status()
        file.note_beginning(tail.beginning())
        is_last = not self._is_followed_by_another(opened)
        tail.close()
        self._open.remove(opened)
        self._notes += tail.notes[: max(_MOST_NOTES - len(self._notes), 0)]
        if tail.was_rewritten:
            self._rewritten.append(file.path)
            self._known.forget(file)
            self._places.look_soon(self._clock())
            return
        is_unfinished = tail.problem is not None and tail.problem.reason.startswith(_UNFINISHED)
        if tail.problem and is_unfinished and is_last:
            at = f"byte {tail.problem.offset:,}".replace(",", " ")
            reason = f"what {file.path} has from {at} on is no whole record yet, and does not count"
            self._notes.append(Degradation("captures", reason, "read it again when it is whole"))
        elif tail.problem:
            file.problem = tail.problem
        file.is_done = tail.problem is not None and not is_unfinished
        if status and (status.st_dev, status.st_ino) != file.key:  # a copy has taken its place
            status = _status(file.path)
        if status:
            file.note_closed(status)


def _notes_of_copies(paths: Sequence[str]) -> list[Degradation]:
    if not paths:
        return []
    reason = f"{len(paths)} captures are there compressed and not, as {paths[0]}, and count once"
    return [Degradation("captures", reason, "read them without --follow if they are not the same")]


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - a path need not be text
    except (OSError, ValueError):
        return None
