"""Sections of one file that overlap in time, as when files of the same time were put together by ``cat``.

A section is a capture that begins where one ended, or what pcapng calls so. Most files have one, or one later than the
other, and are read straight through. That sections overlap shows when a later one begins before an earlier one ended:
then the file is looked through once, and what goes on in time is one run. Runs are merged like files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from portcall.errors import CaptureError
from portcall.records.packets import NO_TIME
from portcall.sources.captures import open_capture

if TYPE_CHECKING:
    from portcall.records.packets import FrameBatch

MOST_RUNS = 64
"""Of one file: each reads it from its beginning, for a compressed one knows no other way."""


class SectionsOverlapError(Exception):
    """Frames of a file were given too late: all must be read anew, in runs."""


class Run(NamedTuple):
    """Sections that follow each other in time: bytes [start, stop) of a file."""

    first_ns: int
    start: int
    stop: int | None


class SectionTimes:
    """Tells, batch after batch, where a section begins that has earlier frames than the one before it."""

    def __init__(self) -> None:
        self._section_at: int | None = None
        self._reached_ns = NO_TIME

    def goes_back(self, batch: FrameBatch, section_at: int) -> bool:
        """Whether this batch, with frames, is the first of such a section."""
        times = batch.frames["ts_ns"]
        is_new, self._section_at = section_at != self._section_at, section_at
        goes_back = is_new and NO_TIME < times[0] < self._reached_ns
        self._reached_ns = int(times[-1]) if goes_back else max(self._reached_ns, int(times[-1]))
        return bool(goes_back)


def runs_of(path: str) -> list[Run]:
    """The runs of a file; those beyond MOST_RUNS are part of the last one. CaptureError where it cannot be opened."""
    capture = open_capture(path)
    times = SectionTimes()
    begins: list[tuple[int, int]] = []
    try:
        for batch in capture.source.batches():
            if len(batch.frames) and (times.goes_back(batch, capture.section_at()) or not begins):
                begins.append((int(batch.frames["ts_ns"][0]), capture.section_at() if begins else 0))
    except CaptureError:
        pass  # whoever reads the last run meets it again
    begins = begins[:MOST_RUNS] or [(NO_TIME, 0)]
    stops = [start for _, start in begins[1:]]
    return [Run(first_ns, start, stop) for (first_ns, start), stop in zip(begins, [*stops, None], strict=True)]
