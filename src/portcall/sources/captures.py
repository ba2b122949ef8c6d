"""Saved captures: which files are meant, and what each of them holds.

Each source has ``batches()``: FrameBatch after FrameBatch, and at damage a CaptureError after everything that came
before it. Which format a stream holds its first four bytes tell. What none of ours is, tshark may know: it is asked
last, where it is installed.
"""

from __future__ import annotations

import glob
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from portcall.errors import CaptureError, UsageError
from portcall.records.packets import NO_TIME
from portcall.sources.consecutive import MAGICS, ConsecutiveCaptures
from portcall.sources.lakes.remote_files import is_remote, listed
from portcall.sources.streams import open_stream
from portcall.sources.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from portcall.records.packets import FrameBatch
    from portcall.records.recorded.claims import OwnersInside
    from portcall.records.report import Degradation
    from portcall.sources.window import ReadsAhead

_NEITHER = "this is neither pcap nor pcapng"
_GLOB = frozenset("*?[")


class Source(Protocol):
    """Frames in, from wherever they come."""

    def batches(self) -> Iterator[FrameBatch]:
        """Batch after batch, each valid until the next is asked for."""


class Capture(NamedTuple):
    """An opened capture: its frames, and how far it is read."""

    path: str
    source: Source
    bytes_read: Callable[[], int]
    """Bytes of the file read so far, compressed as they are."""
    bytes_total: int | None
    """Bytes of the file, None for a pipe."""
    notes: Callable[[], list[Degradation]]
    """What was found besides frames, once it is read."""
    section_at: Callable[[], int]
    """Where in the plain bytes the section of the latest batch begins."""


def open_capture(
    path: str,
    start: int = 0,
    stop: int | None = None,
    owners: Callable[[], OwnersInside] | None = None,
    ahead: ReadsAhead | None = None,
) -> Capture:
    """Open a capture by what it holds; CaptureError where it is not one.

    ``start`` and ``stop`` are offsets of its sections, for those in between. ``owners`` makes what reads whom it names;
    ``ahead`` reads ahead of it if it can.
    """
    stream, bytes_read, bytes_total = open_stream(path)
    window = Window(stream, stop, ahead=ahead)
    captures = ConsecutiveCaptures(path, window, owners)
    window.pass_to(start)
    if _is_known(captures, window):
        return Capture(path, captures, bytes_read, bytes_total, captures.notes, captures.section_at)
    window.close()
    if window.is_empty:
        raise CaptureError(path, 0, "the file is empty", "Was the capture stopped before its first frame?")
    return _open_converted(path, owners)


def _open_converted(path: str, owners: Callable[[], OwnersInside] | None) -> Capture:
    """A capture in a format that only tshark reads."""
    if not Path(path).is_file():  # what a pipe has told is gone
        raise CaptureError(path, 0, _NEITHER, "Other formats are read from files only")
    from portcall.sources import tshark

    if not tshark.is_installed():
        raise CaptureError(path, 0, _NEITHER, f"For other formats, {tshark.REMEDY}")
    window = Window(tshark.ConvertedStream(path))
    captures = ConsecutiveCaptures(path, window, owners)
    try:
        _is_known(captures, window)
    except CaptureError as problem:
        raise CaptureError(path, 0, _NEITHER, problem.reason) from problem
    return Capture(path, captures, lambda: window.position, None, captures.notes, captures.section_at)


def _is_known(captures: ConsecutiveCaptures, window: Window) -> bool:
    try:
        return captures.is_known
    except CaptureError:
        window.close()
        raise


def expand(patterns: Sequence[str]) -> list[str]:
    """The files that are meant: patterns as the shell has them, for those that reach us unexpanded, and addresses."""
    paths: list[str] = []
    for pattern in patterns:
        if is_remote(pattern):
            paths += listed(pattern)
            continue
        # Not Path.glob: it refuses absolute patterns.
        found = sorted(glob.glob(pattern, recursive=True)) if _GLOB & set(pattern) else []  # noqa: PTH207
        if "**" in pattern:  # it means the files in the folders that it means
            found = [path for path in found if not Path(path).is_dir()]
        paths.extend(found or [pattern])
    if paths.count("-") > 1:
        raise UsageError("standard input ('-') can be read only once")
    return paths


def is_capture(path: str) -> bool:
    """Whether a file begins as pcap or pcapng, compressed or not; CaptureError where it cannot be opened."""
    stream, _, _ = open_stream(path)
    start = memoryview(bytearray(4))
    filled = 0
    with closing(stream):
        try:
            while filled < len(start) and (count := stream.readinto(start[filled:])):
                filled += count
        except CaptureError:
            return False
    return start.tobytes() in MAGICS


def first_ns(path: str) -> int:
    """Time of a capture's first frame, NO_TIME where it has none; CaptureError where it cannot be opened."""
    try:
        for batch in open_capture(path).source.batches():
            if len(batch.frames):
                return int(batch.frames["ts_ns"][0])
    except CaptureError as problem:
        if problem.offset is None:
            raise
    return NO_TIME
