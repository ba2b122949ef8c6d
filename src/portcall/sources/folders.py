"""Folders as captures: every file below one that begins as a capture does, whatever its name.

Files of a folder come before those of the folders in it, each in order of their names. Links to files are followed,
links to folders are not, so no walk goes round. Hidden files and folders (``.name``) are passed over, as globs pass
them over; so is what is no capture. Both are counted and said. What may not be read is a problem.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.errors import CaptureError
from portcall.records.report import Degradation
from portcall.sources.captures import expand, is_capture
from portcall.sources.streams import why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MOST_ENTRIES = 100_000
"""Files and folders below one that is named."""


class NamedFiles:
    """The files that patterns mean, those in folders included."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.paths: list[str] = []
        """Files that were named, whatever they are, and captures that were found in folders."""
        self.problems: list[CaptureError] = []
        """Folders without captures, and what in them could not be read."""
        self.notes: list[Degradation] = []
        """What was passed over."""
        for path in expand(patterns):
            if path != "-" and is_folder(path):
                self._add(Walk(path))
            else:
                self.paths.append(path)

    def _add(self, walk: Walk) -> None:
        self.paths += walk.captures
        self.problems += walk.problems
        if walk.captures:
            if walk.passed_over:
                reason = (
                    f"read {_counted(len(walk.captures), 'capture')} in {walk.folder}, passed over {walk.passed_over}"
                )
                self.notes.append(Degradation("captures", reason, "name a file to have it read whatever it is"))
        elif not walk.problems:
            among = f", but {walk.passed_over}" if walk.passed_over else ""
            remedy = "Name a folder with pcap or pcapng files in it, plain or compressed, or the files themselves"
            self.problems.append(CaptureError(walk.folder, None, f"no capture is in this folder{among}", remedy))


def is_folder(path: str) -> bool:
    """Whether it is one, as far as anybody may ask."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):  # no path has a zero byte
        return False


class Walk:
    """A folder and all below it, looked through."""

    def __init__(
        self,
        folder: str,
        is_wanted: Callable[[os.DirEntry[str]], bool] | None = None,
        most_entries: int = MOST_ENTRIES,
    ) -> None:
        """``is_wanted`` tells what counts as a capture; None: its first bytes."""
        self.folder, self._most_entries = folder, most_entries
        self.folders: list[str] = []
        """All that were listed."""
        self.captures: list[str] = []
        self.problems: list[CaptureError] = []
        self._is_wanted = is_wanted or _begins_as_capture
        self._entries = self._others = self._hidden = 0
        for entry in self._files():
            self._look_at(entry)

    @property
    def passed_over(self) -> str:
        """What was, in words; nothing where nothing was."""
        counts = (_counted(self._others, "other file"), _counted(self._hidden, "hidden one"))
        return " and ".join(count for count in counts if not count.startswith("0 "))

    def _files(self) -> Iterator[os.DirEntry[str]]:
        """All but folders, those of a folder in order of their names. A stack, for folders nest deeper than calls."""
        folders = [self.folder]
        while folders and self._entries <= self._most_entries:
            entries = self._listed(folders.pop())
            shown = [entry for entry in entries if not entry.name.startswith(".")]
            self._hidden += len(entries) - len(shown)
            folders += [entry.path for entry in reversed(shown) if _is_inner_folder(entry)]
            yield from (entry for entry in shown if not _is_inner_folder(entry))

    def _listed(self, folder: str) -> list[os.DirEntry[str]]:
        self.folders.append(folder)
        try:
            with os.scandir(folder) as found:
                entries = list(islice(found, self._most_entries - self._entries + 1))
        except OSError as error:
            self.problems.append(CaptureError(folder, None, why(error)))
            return []
        self._entries += len(entries)
        if self._entries > self._most_entries:
            entries.pop()
            reason = f"more than {self._most_entries} files and folders are in it, and the others were not looked at"
            self.problems.append(CaptureError(self.folder, None, reason, "Name the folders in it"))
        return sorted(entries, key=lambda entry: entry.name)

    def _look_at(self, entry: os.DirEntry[str]) -> None:
        try:
            if entry.is_file() and self._is_wanted(entry):
                self.captures.append(entry.path)
            else:
                self._others += 1
        except CaptureError as problem:
            self.problems.append(problem)
        except OSError as error:  # as of a link that leads to itself
            self.problems.append(CaptureError(entry.path, None, why(error)))


def _begins_as_capture(entry: os.DirEntry[str]) -> bool:
    return is_capture(entry.path)


def _is_inner_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
