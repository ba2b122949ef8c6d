"""Live traffic for people, on stderr: a table that refreshes in place on a terminal, elsewhere a line an interval.

Rows keep their place: they are ordered when they first appear, by bytes, and new ones go below. Rates are what came
since the last time it was shown: in all, what is new; in a row, also what was found to be its own only now. A row that
lost bytes to such an owner has no rate, rather than a negative one. Everything that is named passes ``visible``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portcall.records.schema import REASONS
from portcall.views.text import bytes_text, visible

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import TextIO

    from rich.console import Group
    from rich.live import Live

    from portcall.records.report import Report

    Row = dict[str, Any]  # Any: plain values of several types, see schema
    Key = tuple[Any, ...]
    Rate = tuple[float, float]

_MOST_ROWS = 20
_MOST_IN_LINE = 3
_NAME_WIDTH = 32


class LiveView:
    """A context manager that shows report after report."""

    def __init__(self, stream: TextIO, source: str) -> None:
        self._stream = stream
        self._source = source
        self._places: dict[Key, int] = {}
        self._before: dict[Key, tuple[int, int]] = {}
        self._before_s: float | None = None
        self._live: Live | None = None

    def __enter__(self) -> LiveView:  # noqa: PYI034 - Self is of Python 3.11
        if self._stream.isatty():
            from rich.console import Console
            from rich.live import Live

            # Names come from others: rich must not read markup or emoji in them.
            console = Console(file=self._stream, markup=False, emoji=False, highlight=False)
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, report: Report, now_s: float) -> None:
        """Show the totals so far, and the rates since the last time."""
        for row in report.rows:
            self._places.setdefault(_key(row), len(self._places))
        since_s = now_s - self._before_s if self._before_s is not None else None
        rates = {_key(row): self._rate(row, since_s) for row in report.rows}
        if self._live:
            self._live.update(self._table(report, rates), refresh=True)
        else:
            self._stream.write(self._line(report, rates, self._total_rate(report, since_s)) + "\n")
            self._stream.flush()
        self._before = {_key(row): _both_ways(row) for row in report.rows}
        self._before_s = now_s

    def _rate(self, row: Row, since_s: float | None) -> Rate:
        return _per_second(_both_ways(row), self._before.get(_key(row), (0, 0)), since_s)

    def _total_rate(self, report: Report, since_s: float | None) -> Rate:
        return _per_second(_sums(map(_both_ways, report.rows)), _sums(self._before.values()), since_s)

    def _table(self, report: Report, rates: dict[Key, Rate]) -> Group:
        from rich.console import Group
        from rich.table import Table

        coverage = report.coverage
        title = f"{self._source}: {coverage.frames} packets, {bytes_text(coverage.bytes)}; Ctrl-C ends it"
        table = Table(box=None, pad_edge=False)
        table.add_column("name", no_wrap=True)
        for heading in ("pid", "up/s", "down/s", "up", "down"):
            table.add_column(heading, justify="right", no_wrap=True)
        largest = sorted(report.rows, key=_size, reverse=True)[:_MOST_ROWS]
        for row in sorted(largest, key=lambda row: self._places[_key(row)]):
            up, down = rates[_key(row)]
            table.add_row(
                visible(_name(row), _NAME_WIDTH),
                str(row.get("pid") or ""),
                bytes_text(int(up)),
                bytes_text(int(down)),
                bytes_text(row["bytes_out"]),
                bytes_text(row["bytes_in"]),
            )
        return Group(visible(title), table)

    def _line(self, report: Report, rates: dict[Key, Rate], total: Rate) -> str:
        up, down = total
        busiest = sorted(report.rows, key=lambda row: sum(rates[_key(row)]), reverse=True)[:_MOST_IN_LINE]
        named = [
            f"{visible(_name(row), _NAME_WIDTH)} {bytes_text(int(sum(rates[_key(row)])))}/s"
            for row in busiest
            if sum(rates[_key(row)])
        ]
        totals = f"up {bytes_text(int(up))}/s, down {bytes_text(int(down))}/s, {report.coverage.frames} packets"
        return "; ".join([totals, ", ".join(named)]) if named else totals


def _both_ways(row: Row) -> tuple[int, int]:
    return row["bytes_out"], row["bytes_in"]


def _sums(counts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    out, in_ = zip(*counts, (0, 0), strict=True)
    return sum(out), sum(in_)


def _per_second(now: tuple[int, int], before: tuple[int, int], since_s: float | None) -> Rate:
    if not since_s:
        return 0.0, 0.0
    out, in_ = (max(now[way] - before[way], 0) / since_s for way in (0, 1))
    return out, in_


def _key(row: Row) -> Key:
    return tuple(row.get(name) for name in ("app", "process", "pid", "service", "host", "unattributed_reason"))


def _name(row: Row) -> str:
    for column in ("app", "process", "service", "host"):
        if row.get(column):
            return str(row[column])
    return f"({REASONS[row['unattributed_reason']]})" if row["unattributed_reason"] else "(unknown)"


def _size(row: Row) -> int:
    return int(row["bytes_out"] + row["bytes_in"])
