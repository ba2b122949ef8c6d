"""A capture that was read, for the screen: its reports are frozen, and every question is answered at once."""

from __future__ import annotations

from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING, Any

from portcall.queries.row_filter import compile_where
from portcall.runs.screens.screen_feed import addresses_of, explained, picture, port_of, rows_wanted
from portcall.views.screen.taking import rows_of
from portcall.views.text import count_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.queries.row_tests import RowTest
    from portcall.records.report import Report
    from portcall.runs.offline import Outcome
    from portcall.views.screen.pictures import Picture, ScreenQuestion

    Row = dict[str, Any]  # Any: plain values of several types, see schema

_ORDER = ("app", "process", "user", "service", "host", "query", "flow")
_BUCKETS = 24


class ReadScreen:
    """Feeds the screen from what was read, counted as for a page. ``write_report`` writes one report to a path."""

    def __init__(self, outcome: Outcome, write_report: Callable[[Report, str], str]) -> None:
        report = outcome.noted_report
        assert report.page is not None  # noqa: S101 - it was asked for
        self._names, self._write = outcome.names, write_report
        self._first = report
        self._reports = {one.by: one for one in (report, *report.page.groupings)}
        self._history = _history(report.page.over_time)
        self.take: Callable[[Picture], None] = lambda _picture: None
        """Gets pictures."""

    @property
    def groupings(self) -> tuple[str, ...]:
        """What rows can be grouped by."""
        return tuple(by for by in _ORDER if by in self._reports)

    def printed(self, by: str, where: str | None, top: int | None) -> Report:
        """The report as it is printed in the end, as without a screen."""
        report = self._reports.get(by, self._first)
        rows = rows_of(report)
        test = compile_where(where, report.by) if where else None
        rows = (rows.where(test.among, test.names) if test else rows)[:top]
        left_out = report.rows_left_out + len(report.rows) - len(rows)
        page = self._first.page if report is self._first else None
        return replace(report, rows=rows, rows_left_out=left_out, page=page)

    def ask(self, question: ScreenQuestion) -> None:
        """Hand out the picture of this, from a thread of its own: conversations may be many."""
        Thread(target=lambda: self.take(self._picture(question)), daemon=True).start()

    def _picture(self, question: ScreenQuestion) -> Picture:
        by = question.opened.by if question.opened else question.by
        overview = self._reports.get(by, self._first)
        flows = self._reports["flow"]
        left_out = f"the {count_text(flows.rows_left_out)} smallest conversations are not among them"
        notes = (left_out,) if flows.rows_left_out and (question.opened or question.by == "flow") else ()
        taken = picture(question, overview, lambda: rows_of(flows), None, 0.0)
        taken = replace(taken, notes=notes)
        if question.with_addresses:
            taken = replace(taken, addresses=addresses_of(rows_of(flows)))
        if question.with_processes and "process" in self._reports:
            inner = replace(question, by="process", with_processes=False)
            processes = picture(inner, self._reports["process"], lambda: rows_of(flows), None, 0.0)
            taken = replace(taken, processes=processes)
        if question.by == "app" and not question.opened:
            histories = [self._history.get(row["app"], ()) for row in taken.rows]
            by_key = dict(zip(taken.keys.tolist(), histories, strict=True))
            taken = replace(taken, history=lambda key: by_key.get(key, ()))
        return taken

    def rows_wanted(self, text: str, by: str) -> RowTest:
        """The test that a filter means; UsageError says what of it cannot be understood."""
        return rows_wanted(text, by)

    def explain(self, row: Row, number: int, then: Callable[[Sequence[tuple[str, Sequence[str]]]], None]) -> None:
        """Tell ``then`` headings and sentences about a conversation."""
        then(explained(row, number, self._names))

    def port_of(self, service: str) -> str | None:
        """The port that a service is called after; None where it has none."""
        return port_of(service)

    def write(self, path: str, by: str, then: Callable[[str], None]) -> None:
        """Write the report by that grouping; tell ``then`` what came of it."""
        then(self._write(self._reports.get(by, self._first), path))


def _history(over_time: Report) -> dict[str | None, tuple[float, ...]]:
    """App → bytes of it in each of so many parts of the time."""
    if over_time.window_ns is None or not over_time.bucket_width_ns:
        return {}
    first_ns, last_ns = over_time.window_ns
    width_ns = max((last_ns - first_ns) / _BUCKETS, 1)
    sums: dict[str | None, list[float]] = {}
    for row in over_time.rows:
        if row["bucket_ns"] is not None:
            place = min(max(int((row["bucket_ns"] - first_ns) / width_ns), 0), _BUCKETS - 1)
            sums.setdefault(row["app"], [0.0] * _BUCKETS)[place] += row["bytes_out"] + row["bytes_in"]
    return {app: tuple(counts) for app, counts in sums.items()}
