"""A part of one large plain capture, between two records: what stands before its first packet, and then these bytes.

Where a part begins and ends follows from two places in the file alone (``record_start``), so whoever reads the part
behind begins where this one ends. Reading proves it, and ``PartRead`` says how far that came.
"""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from portcall.errors import CaptureError
from portcall.sources.consecutive import ConsecutiveCaptures
from portcall.sources.decompression import is_compressed
from portcall.sources.lakes.record_starts import leading_bytes, record_start
from portcall.sources.lakes.remote_files import is_remote, open_remote
from portcall.sources.streams import TELLING_BYTES, opened, why
from portcall.sources.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from portcall.records.packets import FrameBatch
    from portcall.records.recorded.claims import OwnersInside


class PartRead(NamedTuple):
    """Which bytes of a file were read, and whether they mean the same as in the whole."""

    entry: int
    exit: int
    """Behind the last whole record."""
    wanted_exit: int | None
    """Where it should end; None for the end of the file."""
    tells_others: bool
    """Whether something in it means something for packets behind it, who were not told."""


class CapturePart:
    """The part of a file from the first record at or behind ``start`` up to the first one at or behind ``stop``."""

    def __init__(
        self, path: str, start: int, stop: int | None, owners: Callable[[], OwnersInside] | None = None
    ) -> None:
        self._path, file = path, open_seekable(path)
        leading = leading_bytes(file)
        if not leading:
            file.close()
            raise CaptureError(path, 0, "this capture cannot be read in parts", "Read it with --range-bytes 0")
        size = file.seek(0, io.SEEK_END)
        self._first = len(leading.data)
        found = record_start(file, start, leading) if start > self._first else self._first
        end = record_start(file, stop, leading) if stop is not None else None
        self._entry = size if found is None else found
        self._wanted_exit = size if end is None and stop is not None else end
        self._window = Window(opened(path, _Spliced(leading.data, file, self._entry, self._wanted_exit), size)[0])
        self._captures = ConsecutiveCaptures(path, self._window, owners)

    def batches(self) -> Iterator[FrameBatch]:
        """Its frames; CaptureError after the last whole record, where it ends inside one."""
        with closing(self._window):
            yield from self._captures.batches()

    def read(self) -> PartRead:
        """How far it was read."""
        exit_at = self._entry + self._window.position - self._first
        return PartRead(self._entry, exit_at, self._wanted_exit, self._window.told_at >= self._first)


def open_seekable(path: str) -> BinaryIO:
    """A file or an object, as it is stored. CaptureError where it cannot be read."""
    if is_remote(path):
        return io.BufferedReader(open_remote(path)[0])
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise CaptureError(path, None, why(error)) from error


def part_places(path: str, part_bytes: int) -> list[int]:
    """Where parts of about that size may begin: 0 first; only that where the file cannot be read in parts."""
    with open_seekable(path) as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        if size < 2 * part_bytes or is_compressed(file.read(TELLING_BYTES)) or not leading_bytes(file):
            return [0]
    return list(range(0, size - part_bytes // 2, part_bytes))


class _Spliced(io.RawIOBase):
    """Some bytes, and then those of a file from ``start`` up to ``stop``."""

    def __init__(self, before: bytes, file: BinaryIO, start: int, stop: int | None) -> None:
        self._before, self._file, self._left = before, file, None if stop is None else max(stop - start, 0)
        file.seek(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # Any: a writable buffer
        view = memoryview(buffer).cast("B")
        if self._before:
            count = min(len(view), len(self._before))
            view[:count], self._before = self._before[:count], self._before[count:]
            return count
        if self._left is not None:
            view = view[: self._left]
        count = self._file.readinto(view) if view else 0  # type: ignore[attr-defined]  # files have it
        if self._left is not None:
            self._left -= count
        return int(count)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
