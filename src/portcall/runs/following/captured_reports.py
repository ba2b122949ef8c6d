"""Live capture for programs: reports of everything so far, one after the other."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from portcall.runs.live_loop import INTERVAL_S
from portcall.runs.live_run import LiveRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.records.report import Report
    from portcall.runs.live_run import LiveOptions


def captured(options: LiveOptions, duration_s: float | None, every_s: float | None = None) -> Iterator[Report]:
    """A report of everything so far every so often, and one at the end: after the time, or an interrupt (Ctrl-C).

    The capture is opened when the first is asked for, and closed after the last.
    """
    with LiveRun(options) as run:
        yield from _reports(run, duration_s, every_s)


def _reports(run: LiveRun, duration_s: float | None, every_s: float | None) -> Iterator[Report]:
    end = math.inf if duration_s is None else time.monotonic() + duration_s
    try:
        while every_s and time.monotonic() + every_s < end:
            _watch_until(run, time.monotonic() + every_s, every_s)
            yield run.report()
        _watch_until(run, end, INTERVAL_S)
    except KeyboardInterrupt:
        pass  # it ends the watching, not the report
    run.settle()
    yield run.report()


def _watch_until(run: LiveRun, end: float, interval_s: float) -> None:
    left_s = max(end - time.monotonic(), 0)
    run.watch(lambda: time.monotonic() >= end, interval_s=min(interval_s, left_s))
