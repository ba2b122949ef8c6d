"""The report of a period that a history has: the sums of its windows, in the columns that every report has.

A name in ``--where`` chooses what is summed, a count which rows are shown; joined by ``and`` both do.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from portcall.archive.history_file import default_path
from portcall.archive.levels import DAY_S, LEVELS, pieces
from portcall.archive.period_sums import PeriodSums
from portcall.attribution.no_flow_rows import covered
from portcall.errors import UsageError
from portcall.isolation import original_environment
from portcall.queries.periods import past_moment_s
from portcall.queries.row_filter import compile_where
from portcall.queries.row_tests import Every, Some
from portcall.records.column_values import Columns, Numbers, Words
from portcall.records.kept.windows import CountedIn
from portcall.records.packets import Tally, Verdict
from portcall.records.report import Degradation, PageReports, Report
from portcall.records.report_rows import Rows, in_order
from portcall.records.schema import WINDOW_COLUMNS, column_names
from portcall.runs.keeping.past_rows import CREDITED_ONCE, ENDS, group_columns, keyed_columns, merged, time_columns
from portcall.system.privileges import user_behind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray

    from portcall.archive.levels import Piece
    from portcall.queries.row_tests import RowTest
    from portcall.records.report import Coverage

GROUPINGS = ("app", "host", "process", "user", "service", "hour", "day", "month")
"""What ``--by`` accepts."""
NEW_GROUPINGS = ("app", "host", "process", "user")
"""Those with names that can be new."""
_HOUR_S = 3600
_WIDTHS_S = {"hour": _HOUR_S, "day": DAY_S, "month": DAY_S}
_CHART_WIDTHS_S = (10, 60, 300, 600, 1800, _HOUR_S, 6 * _HOUR_S, *(DAY_S * times for times in (1, 5, 30, 180)))
_MOST_IN_CHART = 500
_PAGE = ("app", "process", "host", "service")
_NS_PER_S, _NS_PER_MS = 10**9, 10**6


class Period(NamedTuple):
    """From when to before when, in s since 1970 UTC; None for an open end."""

    begin_s: int | None = None
    end_s: int | None = None


class PastOptions(NamedTuple):
    """What is asked of a history."""

    by: str = "app"
    period: Period = Period()
    where: str | None = None
    top: int | None = None
    is_new: bool = False
    """Only what was met in the period for the first time."""
    page: bool = False
    """With what a page shows besides."""


class _Choice(NamedTuple):
    """What somebody chose: among keys, and among rows."""

    keys: RowTest | None
    rows: RowTest | None


def place_of(path: str | PathLike[str] | None) -> Path:
    """Where the file is: there, or where this user's is without a word, who may have called sudo."""
    return default_path(original_environment(), user_behind(os.environ)) if path is None else Path(path)


def period_of(from_: str | None, to: str | None, now_s: int) -> Period:
    """What ``--from`` and ``--to`` say; UsageError for what is no time, and for an empty period."""
    begin_s, end_s = (
        None if text is None else past_moment_s(text, option, now_s)
        for text, option in ((from_, "--from"), (to, "--to"))
    )
    if begin_s is not None and end_s is not None and begin_s >= end_s:
        raise UsageError(f"--to {to}: it is not after --from {from_}")
    return Period(begin_s, end_s)


def report_of(path: Path, options: PastOptions) -> Report:
    """The report. UsageError for what cannot be asked, HistoryError where the file cannot be read."""
    choice = check(options)
    with PeriodSums(path) as sums:
        return Past(sums, options, choice).report()


def check(options: PastOptions) -> _Choice:
    """UsageError for what cannot be asked, before anything is read."""
    if options.is_new and options.by not in NEW_GROUPINGS:
        raise UsageError(f"--new: no {options.by} is new. Use --by {', '.join(NEW_GROUPINGS)}")
    if not options.where:
        return _Choice(None, None)
    test = compile_where(options.where, _schema(options.by), WINDOW_COLUMNS)
    names = {column.name for column in WINDOW_COLUMNS}
    while isinstance(test, Some) and len(test.tests) == 1:
        test = test.tests[0]
    parts = test.tests if isinstance(test, Every) else (test,)
    of_keys = [part for part in parts if part.names <= names]
    of_rows = [part for part in parts if not part.names & names]
    if len(of_keys) + len(of_rows) < len(parts):
        raise UsageError("--where: names choose what is summed, counts choose among sums. Join them with 'and' alone")
    return _Choice(*(Every(tuple(some)) if some else None for some in (of_keys, of_rows)))


def _schema(by: str) -> str:
    return "time" if by in _WIDTHS_S else by


class Past:
    """One period of a history, read once."""

    def __init__(self, sums: PeriodSums, options: PastOptions, choice: _Choice | None = None) -> None:
        self._sums, self._options, self._choice = sums, options, choice or _Choice(None, None)
        span = sums.span_s() or (0, 0)
        begin_s, end_s = options.period
        self._begin_s = max(span[0], span[0] if begin_s is None else begin_s)
        self._end_s = min(span[1], span[1] if end_s is None else end_s)
        sums.gather(self._pieces())
        if self._choice.keys:
            sums.choose(sorted(self._choice.keys.names), self._choice.keys)

    def report(self) -> Report:
        """The one that was asked for."""
        options = self._options
        report = self._report_by(options.by)
        if not options.page:
            return report
        others = [self._report_by(by) for by in _PAGE if by != options.by]
        if not any(row["app_source"] == "process" for one in others if one.by == "process" for row in one.rows):
            others = [one for one in others if one.by != "process"]  # nobody knows owners
        return replace(report, page=PageReports(tuple(others), self._over_time()))

    def sums_by(self, names: Sequence[str], by: str) -> Columns:
        """Sums by columns of a WindowKey, of what rows of grouping ``by`` count; each conversation once by flow."""
        is_once = by in (*CREDITED_ONCE, "flow")
        sums = self._sums.keyed(names, ends=int(ENDS.get(by, CountedIn.FIRST)), is_once=is_once)
        return keyed_columns(names, sums, self._sums.texts({number for one in sums for number in one[: len(names)]}))

    def window_ns(self) -> tuple[int, int]:
        """From when to before when, as far as anything is kept."""
        return self._begin_s * _NS_PER_S, max(self._begin_s, self._end_s) * _NS_PER_S

    def notes(self) -> list[Degradation]:
        """What the period lacks."""
        return self._notes(self._options.by)

    def _pieces(self, widest_s: int = DAY_S) -> list[Piece]:
        return pieces(self._begin_s, self._end_s, self._sums.extent, widest_s)

    def _report_by(self, by: str) -> Report:
        is_asked, schema = by == self._options.by, _schema(by)
        if by in _WIDTHS_S:
            columns = self._by_time(by)
            count = len(columns)
        else:
            groups = self._sums.groups(by, ends=int(ENDS[by]), is_once=by in CREDITED_ONCE)
            count = self._sums.count_groups(by) if self._choice.keys else len(groups)
            texts = self._sums.texts({number for one in groups for number in one.numbers()})
            if self._options.is_new and is_asked:
                met, period = self._sums.first_met_ms(by), self._new_ms()
                groups = [one for one in groups if met.get(texts[one.identity[0]] or "", -1) in period]
            columns = group_columns(by, groups, texts)
        of_all = Rows(column_names(schema), [columns], _order(schema, columns))
        test = self._choice.rows if is_asked else None
        chosen = of_all.where(test.among, test.names) if test else of_all
        chosen = chosen[: self._options.top]
        if by in _WIDTHS_S:
            chosen = chosen.ordered_by("bucket_ns")
        width_ns = _WIDTHS_S[by] * _NS_PER_S if by in ("hour", "day") else None
        left_out, notes = count - len(chosen), self._notes(by)
        return Report(schema, self._source, self._window_ns(), self._coverage(by), chosen, notes, left_out, width_ns)

    def _by_time(self, by: str) -> Columns:
        """A row an hour, a day or a month, of UTC."""
        width_s = _WIDTHS_S[by]
        found = [(one[0] * width_s, one[1:]) for one in self._sums.by_time(self._pieces(width_s), width_s)]
        return time_columns(merged((_month_s(at), counts) for at, counts in found).items() if by == "month" else found)

    def _new_ms(self) -> range:
        """When somebody must have been met first to be new."""
        return range((self._options.period.begin_s or 0) * 1000, self._end_s * 1000)

    def _over_time(self) -> Report:
        """By app, in buckets of time so wide that there are some hundred."""
        extent, span_s = self._sums.extent, max(self._end_s - self._begin_s, 1)
        least_s = next((one.width_s for one in LEVELS if extent.kept.get(one.name, 0) <= self._begin_s), DAY_S)
        widths = [width for width in _CHART_WIDTHS_S if width >= least_s]
        width_s = next((width for width in widths if span_s <= width * _MOST_IN_CHART), widths[-1])
        found = self._sums.by_app_and_time(self._pieces(min(width_s, DAY_S)), width_s)
        columns = time_columns(((one[0] >> 32) * width_s, one[1:]) for one in found)
        numbers = [one[0] & 0xFFFFFFFF for one in found]
        apps = Words.each(map(self._sums.texts(set(numbers)).get, numbers))
        columns = Columns(len(found), {**columns.by_name, "app": apps})
        rows = Rows(column_names("app"), [columns], _order("app", columns)).ordered_by("bucket_ns")
        width_ns = width_s * _NS_PER_S
        return Report("app", self._source, self._window_ns(), self._coverage("app"), rows, [], 0, width_ns)

    @property
    def _source(self) -> str:
        return f"history {self._sums.path}"

    def _window_ns(self) -> tuple[int, int] | None:
        found = self._sums.window_ms()
        return found and (found[0] * _NS_PER_MS, found[1] * _NS_PER_MS)

    def _coverage(self, by: str) -> Coverage:
        """How much came in the period, whatever was chosen of it."""
        is_once = _schema(by) in CREDITED_ONCE
        verdicts = {verdict.reason: verdict for verdict in Verdict if verdict.reason}
        tallies: dict[Verdict, Tally] = {}
        twice = attributed = 0
        rows = self._sums.covered()
        texts = self._sums.texts({number for number, *_ in rows})
        for number, is_first, frames, octets in rows:
            if is_once and not is_first:
                continue
            reason = texts[number]
            attributed += 0 if reason else octets
            if not is_first:
                twice += octets
                continue
            verdict = verdicts.get(reason or "", Verdict.OK)
            known = tallies.get(verdict, Tally(0, 0, None, None))
            tallies[verdict] = known._replace(frames=known.frames + frames, bytes=known.bytes + octets)
        dropped = self._sums.watched(self._begin_s, self._end_s).dropped
        return replace(covered(tallies, twice, attributed), dropped_by_kernel=dropped)

    def _notes(self, by: str) -> list[Degradation]:
        """What the period lacks."""
        notes = []
        whole_s = self._end_s - self._begin_s
        unseen_s = whole_s - self._sums.watched(self._begin_s, self._end_s).seconds
        if unseen_s > max(whole_s // 100, 2 * LEVELS[0].width_s):
            reason = f"nobody watched for {_long(unseen_s)} of {_long(whole_s)}"
            notes.append(Degradation("history", reason, "'portcall live --history' as a service: docs/service.md"))
        parts = self._pieces(_WIDTHS_S.get(by, DAY_S))
        if (
            parts
            and (parts[0].begin_s < self._begin_s or parts[-1].end_s > self._end_s)
            and self._options.period != Period()
        ):
            widest = max(parts[0], parts[-1], key=lambda one: one.level.width_s).level.name
            reason = f"so long ago only {widest} are kept: the first or last one counts as a whole"
            notes.append(Degradation("period", reason, f"let --from and --to be whole {widest}"))
        given_up = self._sums.counters().get("rows given up for room", 0)
        if given_up:
            reason = f"{given_up} rows of windows were given up, the oldest first, as the file had no room"
            notes.append(Degradation("history", reason, "'live --history-size' gives it more"))
        return notes


def _order(by: str, columns: Columns) -> NDArray[np.int64]:
    """Most bytes first."""
    both = [one.values for name in ("bytes_out", "bytes_in") if isinstance(one := columns.by_name[name], Numbers)]
    first = columns.by_name.get(column_names(by)[0])
    texts = first if isinstance(first, Words) else Words.each([None] * len(columns))
    return in_order([texts], both[0] + both[1])


def _month_s(at_s: int) -> int:
    day = datetime.fromtimestamp(at_s, timezone.utc)
    return int(day.replace(day=1, hour=0, minute=0, second=0).timestamp())


def _long(seconds: int) -> str:
    """A time in words, rounded."""
    for name, width_s in (("days", DAY_S), ("h", _HOUR_S), ("min", 60)):
        if seconds >= 2 * width_s:
            return f"{round(seconds / width_s)} {name}"
    return f"{seconds} s"
