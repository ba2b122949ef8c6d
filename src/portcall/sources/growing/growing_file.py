"""A file that somebody still writes, as the bytes that are there by now: at its end it is waited for, not ended.

What was read stays as it was, for captures only grow. Where the file is cut, or written anew under its old inode, as
``tcpdump -W`` and ``logrotate``'s copytruncate do, its first bytes or its length tell, and nothing more is read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

START_BYTES = 64
"""Of a file's first bytes: a header and a first record, whose time no other file of the same place has."""

BEGINNING_BYTES = 4096
"""Of a capture's plain bytes, by which its copies are known: headers, and some records."""


def start_of(descriptor: int) -> bytes:
    """The first bytes of an opened file, as far as they are there."""
    return os.pread(descriptor, START_BYTES, 0)


class GrowingFile:
    """A file to read to its present end, and then on."""

    def __init__(self, path: str, pause: Callable[[], bool]) -> None:
        """``pause`` returns when there may be more: True, or False where nobody wants to wait any longer.

        OSError where the file cannot be opened.
        """
        self._raw = Path(path).open("rb", buffering=0)  # noqa: SIM115 - ``close`` closes it
        self._pause = pause
        self._position = 0
        self.start = start_of(self._raw.fileno())
        """Its first bytes, up to START_BYTES, as they were when they were read."""
        self.was_rewritten = False
        """Whether it was cut or written anew, so that what was read is there no more."""

    def status(self) -> os.stat_result:
        """What the system knows of it, whatever it is called by now."""
        return os.fstat(self._raw.fileno())

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as bytes are there; wait where there are none; 0 once that is given up."""
        while True:
            count = self._raw.readinto(buffer) or 0
            if not self._is_as_before():
                self.was_rewritten = True
                return 0
            if count:
                self._position += count
                return count
            if not self._pause():
                return 0

    def beginning(self) -> bytes:
        """More of its first bytes: BEGINNING_BYTES, as far as they are there."""
        return os.pread(self._raw.fileno(), BEGINNING_BYTES, 0)

    def close(self) -> None:
        """Close it."""
        self._raw.close()

    def _is_as_before(self) -> bool:
        """Whether what was read so far is still there; looked at after each read, for a cut comes before new bytes."""
        now = start_of(self._raw.fileno())
        if now[: len(self.start)] != self.start or self.status().st_size < self._position:
            return False
        self.start = now
        return True
