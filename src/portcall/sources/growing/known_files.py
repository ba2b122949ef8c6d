"""Which of the files that lie there are new, which grew again, and which are copies of those that were read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from portcall.errors import CaptureError
from portcall.sources.growing.followed_file import Beginning, FollowedFile, raw_start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portcall.sources.growing.named_places import Place

_MOST_GONE = 4096
"""Captures remembered that are there no more: a copy may take their place."""
_MOST_PROBLEMS = 1000
_TELLING_BYTES = 4
_FEW_BYTES = 64
"""Fewer may be the same in captures that differ: a header, and not all of a first frame."""


class KnownFiles:
    """Every capture that is followed, by its place on the disk."""

    def __init__(self, known: Sequence[FollowedFile] = ()) -> None:
        self._there = {file.key: file for file in known}
        self._gone: list[FollowedFile] = []
        self._by_beginning: dict[tuple[int, bytes], list[FollowedFile]] = {}
        self._others: dict[tuple[int, int], tuple[int, int]] = {}
        self._copies: dict[tuple[int, int], FollowedFile] = {}
        """Files that are copies of captures that are still there."""
        self.problems: dict[str, CaptureError] = {}
        """What is no capture though it was named, or could not be opened."""
        self.has_pending = False
        """Whether some files say too little yet."""

    @property
    def files(self) -> list[FollowedFile]:
        """All of them, those first that are there no more."""
        return [*self._gone, *self._there.values()]

    @property
    def copies(self) -> list[str]:
        """Captures that are there compressed and not, and are read once."""
        return [file.path for file in self._copies.values()]

    def look_at(self, places: Sequence[Place], opened: Sequence[FollowedFile]) -> Iterator[FollowedFile]:
        """Those to open, or to open again; ``opened`` are open now. Some of these may have moved afterwards."""
        self.has_pending = False
        self._by_beginning = {}
        for file in self.files:
            self._by_beginning.setdefault((file.beginning_bytes, file.beginning), []).append(file)
        self._let_go({(place.status.st_dev, place.status.st_ino) for place in places}, opened)
        for place in places:
            try:
                unread = self._of(place, opened)
            except CaptureError as problem:
                if not isinstance(problem.__cause__, FileNotFoundError):  # else it went while we looked
                    self.note_problem(problem)
                    self._others[place.key] = place.version
            else:
                if unread:
                    yield unread

    def forget(self, file: FollowedFile) -> None:
        """What lies in its place is looked at as if nobody knew it."""
        if self._there.get(file.key) is file:
            del self._there[file.key]
        self._gone = [gone for gone in self._gone if gone is not file]

    def note_gone(self, file: FollowedFile) -> None:
        """It is not in its place any more, but a copy of it may come."""
        self.forget(file)
        if file.frames:
            self._gone.append(file)

    def note_problem(self, problem: CaptureError) -> None:
        """Say it at the end."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems[problem.path] = problem

    def _of(self, place: Place, opened: Sequence[FollowedFile]) -> FollowedFile | None:
        """The capture in a place, where there is something to read of it."""
        file = self._there.get(place.key)
        if file is None:
            return self._new(place, opened)
        is_moved = file.path != place.path
        file.path = place.path
        if file in opened or (file.version == place.version and not is_moved):
            return None
        if not raw_start(place.path).startswith(file.start):
            self._gone.append(self._there.pop(place.key))  # the inode is another file's by now
            return self._new(place, opened)
        if file.is_done or file.size == place.status.st_size:
            file.note_closed(place.status)
            return None
        return file

    def _new(self, place: Place, opened: Sequence[FollowedFile]) -> FollowedFile | None:
        """The capture in a place that nobody knew, where there is something to read of it."""
        beginning = self._beginning(place)
        if beginning is None:
            return None
        file = self._original_of(beginning)
        if file is None:
            file = FollowedFile(place.path, start=raw_start(place.path))
            file.note(beginning)
            self._by_beginning.setdefault((file.beginning_bytes, file.beginning), []).append(file)
            self._put(file, place)
            return file
        if _is_there(file):
            self._copies[place.key] = file
            return None
        self.forget(file)
        is_unread = file.size < 0 and file not in opened  # as it was when we were ended: the copy has the rest
        is_read = file.size >= 0
        self._put(file, place)
        file.start, file.is_compressed = raw_start(place.path), beginning.is_compressed
        if is_read:
            file.note_closed(place.status)
        return file if is_unread else None

    def _beginning(self, place: Place) -> Beginning | None:
        """What a file that nobody knew begins with; None where it is no capture, no new one, or says too little yet."""
        original = self._copies.get(place.key)
        if (original and _is_there(original)) or self._others.get(place.key) == place.version:
            return None
        self._copies.pop(place.key, None)
        beginning = Beginning.of(place.path)
        if len(beginning.plain) < _TELLING_BYTES or not beginning.is_all:
            self.has_pending = True
            return None
        if beginning.is_capture:
            self._others.pop(place.key, None)
            return beginning
        self._others[place.key] = place.version
        if place.is_named:
            self.note_problem(CaptureError(place.path, 0, "this is neither pcap nor pcapng", "Name captures"))
        return None

    def _put(self, file: FollowedFile, place: Place) -> None:
        file.note_place(place.path, place.status)
        self._there[file.key] = file
        self.problems.pop(place.path, None)

    def _original_of(self, copy: Beginning) -> FollowedFile | None:
        """The capture that a file is a copy of which takes its place."""
        for length in sorted({length for length, _ in self._by_beginning}, reverse=True):
            if _FEW_BYTES < length <= len(copy.plain):
                for file in self._by_beginning.get((length, copy.digest(length)), ()):
                    if file.is_compressed != copy.is_compressed or not _is_there(file):  # else it is another one
                        return file
        return None

    def _let_go(self, there: set[tuple[int, int]], opened: Sequence[FollowedFile]) -> None:
        for key in [key for key in self._there if key not in there]:
            file = self._there[key]
            if file not in opened:
                self._gone.append(self._there.pop(key))
        del self._gone[: max(len(self._gone) - _MOST_GONE, 0)]
        for known in (self._others, self._copies):
            for key in [key for key in known if key not in there]:
                del known[key]


def _is_there(file: FollowedFile) -> bool:
    try:
        status = os.stat(file.path)  # noqa: PTH116 - a path need not be text
    except (OSError, ValueError):
        return False
    return (status.st_dev, status.st_ino) == file.key
