"""The files of a recording: made so that nobody's other file is touched, and whole to the last block written.

Whoever opens them has given up root for the user who called sudo, so they belong to that user, and lie where that user
may write. Rights are no way around: a symbolic link is not followed, and files of a rotation are only ever made new.
Names are found in a folder that was opened once, so nobody can put another one in its place.

    FILE.pcapng                               without rotation; what was there is replaced
    FILE-20261130T090000Z-00001.pcapng …      with it, in order of time
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from portcall.errors import PortcallError
from portcall.system.privileges import file_user

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from portcall.recording.rotation import Rotation

STDOUT = "-"
_MODE = 0o600
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_THERE = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_MOST_NAMES_TRIED = 1000
_STDOUT_FILE = 1
_PIPE_BYTES = 4096
"""What a pipe takes at once if it takes anything: PIPE_BUF of Linux."""
_PATIENCE_MS, _STANDS_STILL_MS = 500, 2000


class _Made(NamedTuple):
    """A file of this run."""

    name: str
    device: int
    inode: int


class CaptureFiles:
    """Where a recording is written: stdout, a file, or one after the other."""

    def __init__(self, path: str, rotation: Rotation, option: str = "-w") -> None:
        """Open the first; PortcallError, which names the option, where it cannot be made."""
        self.path, self.rotation = path, rotation
        self.written_bytes = 0
        """Of the file that is open."""
        self.files_made = self.files_removed = 0
        self.is_ending: Callable[[], bool] = lambda: False
        """Whether to wait no more for whoever reads a pipe."""
        self.stands_still: Callable[[], None] = lambda: None
        """Called once each time that whoever reads a pipe has taken nothing for two seconds."""
        self.stood_still_s = 0.0
        """In all."""
        self._made: deque[_Made] = deque()
        self._folder = self._file = -1
        place = Path(path)
        self._stem, self._suffix = (place.stem, place.suffix) if place.suffix else (place.name, "")
        try:
            if path != STDOUT:
                self._folder = os.open(place.parent, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
            self._open()
        except OSError as error:
            self.close()
            raise PortcallError(f"{option} {path}: cannot be written: {_why(error)}") from error

    @property
    def name(self) -> str:
        """What people call it."""
        return "stdout" if self.path == STDOUT else self.path

    @property
    def is_seekable(self) -> bool:
        """Whether it is a file that can be cut."""
        return stat.S_ISREG(os.fstat(self._file).st_mode)

    def write(self, data: bytes | NDArray[np.uint8]) -> None:
        """Write whole blocks. OSError where there is no room; a file then ends after the last whole one before."""
        rest: memoryview = memoryview(data)  # type: ignore[arg-type] # NumPy's arrays are buffers
        most_bytes = len(rest) if self.is_seekable else _PIPE_BYTES
        try:
            while rest:
                self._wait_for_reader(most_bytes)
                rest = rest[os.write(self._file, rest[:most_bytes]) :]
        except OSError:
            if self.is_seekable:
                os.ftruncate(self._file, self.written_bytes)
            raise
        self.written_bytes += len(data)

    def _wait_for_reader(self, most_bytes: int) -> None:
        """Of a pipe, until it takes so much without waiting: nothing would end a write that waits."""
        if most_bytes != _PIPE_BYTES or not hasattr(select, "poll"):
            return
        waiting = select.poll()
        waiting.register(self._file, select.POLLOUT)
        waited_ms = 0
        while not waiting.poll(_PATIENCE_MS):
            if self.is_ending():
                raise BlockingIOError(errno.EAGAIN, "nobody reads it")
            waited_ms += _PATIENCE_MS
            if waited_ms == _STANDS_STILL_MS:
                self.stands_still()
                self.stood_still_s += _STANDS_STILL_MS / 1000
            elif waited_ms > _STANDS_STILL_MS:
                self.stood_still_s += _PATIENCE_MS / 1000

    def begin_next(self) -> None:
        """Go on in another file, and remove the oldest of this run where there are too many. OSError without room."""
        os.close(self._file)
        self._file = -1
        self._open()
        while self.rotation.keep is not None and len(self._made) > self.rotation.keep:
            self._remove(self._made.popleft())

    def close(self) -> None:
        """Close what is open; stdout stays."""
        for descriptor in (self._file, self._folder):
            if descriptor > _STDOUT_FILE:
                os.close(descriptor)
        self._file = self._folder = -1

    def _open(self) -> None:
        if self.path == STDOUT:
            self._file = _STDOUT_FILE
        elif self.rotation.is_wanted:
            self._file = self._make_numbered()
        else:
            self._file = self._make_or_replace(Path(self.path).name)
        self.written_bytes = 0
        self.files_made += 1

    def _make_numbered(self) -> int:
        """A new file; one that is there already, of whomever, stays what it is."""
        began = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        for number in range(self.files_made + 1, self.files_made + _MOST_NAMES_TRIED):
            name = f"{self._stem}-{began}-{number:05}{self._suffix}"
            try:
                made = os.open(name, _NEW, _MODE, dir_fd=self._folder)
            except FileExistsError:
                continue
            status = os.fstat(made)
            self._made.append(_Made(name, status.st_dev, status.st_ino))
            return made
        raise FileExistsError(0, "files of that name are there already")

    def _make_or_replace(self, name: str) -> int:
        try:
            return os.open(name, _NEW, _MODE, dir_fd=self._folder)
        except FileExistsError:
            pass
        there = os.open(name, _THERE, dir_fd=self._folder)
        status = os.fstat(there)
        try:
            if stat.S_ISREG(status.st_mode):
                if status.st_uid != file_user() or status.st_nlink > 1:
                    raise PermissionError(0, "it is another user's file, or has several names")
                os.fchmod(there, _MODE)
                os.ftruncate(there, 0)
        except OSError:
            os.close(there)
            raise
        return there

    def _remove(self, made: _Made) -> None:
        """Remove a file of this run, if the name still means it."""
        try:
            there = os.stat(made.name, dir_fd=self._folder, follow_symlinks=False)
            if (there.st_dev, there.st_ino) == (made.device, made.inode):
                os.unlink(made.name, dir_fd=self._folder)
                self.files_removed += 1
        except FileNotFoundError:
            pass  # somebody was faster


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "there is no such folder"
    if error.errno == errno.ELOOP:
        return "it is a symbolic link, which is not followed; name the file that it means"
    reason = (error.strerror or str(error)).lower()
    if isinstance(error, PermissionError) and hasattr(os, "geteuid") and "SUDO_UID" in os.environ and os.geteuid():
        return f"{reason}; it is written as the user who called sudo: choose a folder of that user's"
    return reason
