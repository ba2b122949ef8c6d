"""Live traffic for the screen: the thread that counts takes the pictures, between two turns.

Only that thread looks at what is counted. What the screen wants is left for it, and a pipe wakes it; so a key is
answered from the picture that is there, and a new question within some milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from portcall.attribution.attribution import Attribution
from portcall.runs.owned_table import with_capture_points
from portcall.runs.screens.screen_feed import addresses_of, explained, picture, port_of, rows_wanted
from portcall.views.screen.row_rates import RowRates
from portcall.views.screen.taking import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.queries.row_tests import RowTest
    from portcall.records.column_values import Columns
    from portcall.records.report import Report
    from portcall.records.report_rows import Rows
    from portcall.runs.live_run import LiveRun
    from portcall.runs.owned_table import Part
    from portcall.views.screen.pictures import Picture, ScreenQuestion

    Row = dict[str, Any]  # Any: plain values of several types, see schema

_MOST_CLOSED = 2000
"""Conversations that left memory and are still shown."""
_MOST_CLOSED_AT_ONCE = 500


class LiveScreen:
    """Feeds the screen from a live run. ``write_report`` writes one report to a path; a context, which closes it."""

    def __init__(self, capture: LiveRun, write_report: Callable[[Report, str], str]) -> None:
        self._capture, self._write_report = capture, write_report
        self._wanted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.descriptor, self._bell = os.pipe()
        """Readable where the screen wants something."""
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._bell, False)
        self._question: ScreenQuestion | None = None
        self._rates: dict[object, RowRates] = {}
        self._began_s = time.monotonic()
        self._closed: deque[Columns] = deque()
        self.is_over = False
        """Whether the screen has ended."""
        self.take: Callable[[Picture], None] = lambda _picture: None
        """Gets pictures, in the counting thread."""
        capture.tracker.settled.also = self._keep_closed

    def __enter__(self) -> LiveScreen:  # noqa: PYI034 - Self is of Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.tracker.settled.also = None
        os.close(self.descriptor)
        os.close(self._bell)

    def turn(self) -> None:
        """Do what the screen wants, in the counting thread."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.descriptor, 256):
                pass
        while not self._wanted.empty():
            self._wanted.get()()

    def on_interval(self) -> None:
        """Take the next picture, in the counting thread."""
        if self._question is not None:
            self.take(self._picture(self._question))

    def stop(self) -> None:
        """The screen has ended; from its thread."""
        self.is_over = True
        self._wake()

    def ask(self, question: ScreenQuestion) -> None:
        """Hand out pictures of this from now on; from the screen's thread."""

        def begin() -> None:
            self._question = question
            self.on_interval()

        self._want(begin)

    def rows_wanted(self, text: str, by: str) -> RowTest:
        """The test that a filter means; UsageError says what of it cannot be understood."""
        return rows_wanted(text, by)

    def explain(self, row: Row, number: int, then: Callable[[Sequence[tuple[str, Sequence[str]]]], None]) -> None:
        """Tell ``then`` headings and sentences about a conversation."""
        self._want(lambda: then(explained(row, number, self._capture.tracker.names)))

    def port_of(self, service: str) -> str | None:
        """The port that a service is called after; None where it has none."""
        return port_of(service)

    def write(self, path: str, by: str, then: Callable[[str], None]) -> None:
        """Write what was counted so far, as it would be printed at the end; tell ``then`` what came of it."""
        del by  # a run has one report, that which was asked for
        self._want(lambda: then(self._write_report(self._capture.report(), path)))

    def _want(self, wish: Callable[[], None]) -> None:
        self._wanted.put(wish)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is full, so it wakes
            os.write(self._bell, b".")

    def _picture(self, question: ScreenQuestion) -> Picture:
        now_s = time.monotonic()
        opened = question.opened
        by = opened.by if opened else question.by
        overview = self._capture.look(by if by in self._capture.options.looks_by else "app")
        flows: list[Rows] = []

        def conversations() -> Rows:
            if not flows:
                report = overview if overview.by == "flow" else self._capture.look("flow")
                flows.append(self._with_closed(rows_of(report)))
            return flows[0]

        about = (question.by, opened and (opened.by, opened.title))
        taken = picture(question, overview, conversations, self._rates_of(about), now_s)
        if question.with_addresses:
            taken = replace(taken, addresses=addresses_of(conversations()))
        if question.with_processes and not opened:
            inner = replace(question, by="process", with_processes=False)
            processes = self._capture.look("process")
            taken = replace(
                taken, processes=picture(inner, processes, conversations, self._rates_of(("process", None)), now_s)
            )
        return taken

    def _rates_of(self, about: tuple[str, object]) -> RowRates:
        """The rates of one table; of an opened row only as long as it is seen."""
        if about not in self._rates:
            self._rates = {one: rates for one, rates in self._rates.items() if one[1] is None}  # type: ignore[index] # a pair
            is_first = not self._rates and about[1] is None
            self._rates[about] = RowRates(self._began_s if is_first else None)
        return self._rates[about]

    def _keep_closed(self, part: Part) -> None:
        """Make rows of the last of those that leave, as nothing else will know them later."""
        tracker = self._capture.tracker
        names, points = tracker.names, tracker.points.names
        last = slice(max(len(part.flows) - _MOST_CLOSED_AT_ONCE, 0), None)
        attribution = Attribution("flow", self._capture.options.local, names, points)
        found = part.detected and part.detected.part(last)
        attribution.add(with_capture_points(part.flows[last]), part.low[last], part.high[last], found)
        self._closed.extend(attribution.rows({}).blocks())
        while sum(map(len, self._closed)) > _MOST_CLOSED and len(self._closed) > 1:
            self._closed.popleft()

    def _with_closed(self, rows: Rows) -> Rows:
        for columns in self._closed:
            rows = rows.followed_by(columns)
        return rows
