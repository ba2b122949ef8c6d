"""Which files are meant by what was named, again and again: looked for only when a folder has changed.

A folder's time of change tells of files that came, went or were renamed. As it counts in ticks of the system's clock, a
second look follows a second later, and one comes every few seconds in any case. Looking takes a twentieth of the time
at the most.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from portcall.errors import CaptureError, UsageError
from portcall.sources.captures import expand
from portcall.sources.folders import Walk, is_folder
from portcall.sources.streams import why

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOK_S = 5.0
_AGAIN_S = 1.0
_LOOK_COST = 20
"""How many times longer than the last look took the next one waits at least."""
_IDLE_COST = 100
"""The same where nothing seems to have changed."""


class Place(NamedTuple):
    """A regular file that lies there now."""

    path: str
    status: os.stat_result
    is_named: bool
    """Whether it was named itself, and not the folder that it is in."""

    @property
    def key(self) -> tuple[int, int]:
        """Where it is on the disk."""
        return self.status.st_dev, self.status.st_ino

    @property
    def version(self) -> tuple[int, int]:
        """What is another once it was written to."""
        return self.status.st_size, self.status.st_mtime_ns


class NamedPlaces:
    """The files that patterns mean now."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """UsageError where one of them is no file and no folder that could be followed."""
        self._patterns = patterns
        self.problems: dict[str, CaptureError] = {}
        """What could not be looked into, by path."""
        self._changed: dict[str, int] = {}
        self._looks_at_s = 0.0
        self._may_look_s = 0.0
        for pattern in expand(patterns):
            _check(pattern)

    def are_due(self, now_s: float) -> bool:
        """Whether to look now."""
        if now_s < self._may_look_s:
            return False
        if now_s >= self._looks_at_s:
            return True
        if self._now_changed(self._changed) != self._changed:
            self._looks_at_s = now_s
            return True
        return False

    def look(self, now_s: float) -> list[Place]:
        """All that are there, in order of their paths as far as folders have one."""
        was_changed = self._changed
        self.problems.clear()
        found: dict[tuple[int, int], Place] = {}
        folders: list[str] = []
        for pattern in self._patterns:
            folders.append(os.path.dirname(pattern) or ".")  # noqa: PTH120 - of a pattern, not of a path
            for path in expand([pattern]):
                if is_folder(path):
                    folders += self._walked(path, found)
                else:
                    self._note_named(path, found)
        self._changed = self._now_changed(dict.fromkeys(folders, 0))
        self._looks_at_s = now_s + (LOOK_S if was_changed == self._changed else _AGAIN_S)
        return list(found.values())

    def look_soon(self, at_s: float) -> None:
        """Look again then, at the latest."""
        self._looks_at_s = min(self._looks_at_s, at_s)

    def looked(self, took_s: float, now_s: float) -> None:
        """What a look, and what followed from it, has cost."""
        self._may_look_s = now_s + _LOOK_COST * took_s
        if self._looks_at_s >= now_s + _AGAIN_S:
            self._looks_at_s = max(self._looks_at_s, now_s + _IDLE_COST * took_s)

    def _walked(self, folder: str, found: dict[tuple[int, int], Place]) -> list[str]:
        def note(entry: os.DirEntry[str]) -> bool:
            status = entry.stat()
            found.setdefault((status.st_dev, status.st_ino), Place(entry.path, status, is_named=False))
            return True

        walk = Walk(folder, note)
        for problem in walk.problems:
            if not isinstance(problem.__cause__, FileNotFoundError):  # it went while we looked
                self.problems[problem.path] = problem
        return walk.folders

    def _note_named(self, path: str, found: dict[tuple[int, int], Place]) -> None:
        try:
            status = Path(path).stat()
        except FileNotFoundError:
            return  # it may come
        except OSError as error:
            self.problems[path] = CaptureError(path, None, why(error))
            return
        if stat.S_ISREG(status.st_mode):
            found[status.st_dev, status.st_ino] = Place(path, status, is_named=True)

    def _now_changed(self, folders: dict[str, int]) -> dict[str, int]:
        times = {}
        for folder in folders:
            try:
                times[folder] = Path(folder).stat().st_mtime_ns
            except OSError:
                times[folder] = -1
        return times


def _check(path: str) -> None:
    if path == "-":
        raise UsageError("standard input is read to its end anyway, as long as that takes: leave out --follow")
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        if not Path(path).absolute().parent.is_dir():
            raise UsageError(f"{path}: there is no folder in which it could come to be") from None
        return
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {why(error) if isinstance(error, OSError) else error}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UsageError(f"{path} is neither a file nor a folder: only those can be followed")
