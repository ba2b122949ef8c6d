"""Live traffic for people, on stderr: a table that refreshes in place on a terminal, elsewhere a line an interval.

The table says what happens now: the rows with the greatest rates of the last seconds come first, and rows that are
silent fall out of it, not out of the totals. ``sort="total"`` keeps them, and puts the most bytes first. A line says
what came since the last one. In all, a rate is of what is new; in a row, also of what was found to be its own only now.
Everything that is named passes ``visible``.
"""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.text import Text

from portcall.records.ownership import program_text
from portcall.records.schema import directions
from portcall.views.fitting import TableColumn, fitting_table
from portcall.views.pages import text_of
from portcall.views.rates import Rates
from portcall.views.tables import (
    END_WIDTH,
    NAME_WIDTH,
    end_columns,
    flow_end,
    holder_columns,
    name_or_reason,
    partner_columns,
    question_columns,
)
from portcall.views.text import bytes_text, count_text, note_text, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Literal, TextIO

    from rich.console import Console, Group
    from rich.live import Live

    from portcall.records.report import Degradation, Report

    Row = dict[str, Any]  # Any: plain values of several types, see schema
    Key = tuple[Any, ...]
    Sort = Literal["rate", "total"]

_MOST_ROWS = 20
_MOST_IN_LINE = 3
_LINES_AROUND = 6
"""Of a terminal's lines, those that are no rows: two of title, a header, what is left out, the cursor, one to spare."""
_MOST_NOTES = 3
_WINDOW_S = 3.0
_TOTAL: Key = ("total",)
_FLOW_KEY = ("protocol", "client_ip", "client_port", "server_ip", "server_port", "namespace", "first_ns")
_GROUP_KEY = ("app", "process", "pid", "service", "host", "unattributed_reason", "bucket_ns")
_QUERY_KEY = ("query", "query_type", "client_ip", "unattributed_reason")
_USER_KEY = ("user", "app_source", "unattributed_reason")


class LiveView:
    """A context manager that shows report after report, each of everything so far.

    ``is_shown`` says which rows are; ``most_rows`` is how many at the most, None as many as there is room for.
    ``began_s`` is when counting began, on the clock of ``show``.
    """

    def __init__(
        self,
        stream: TextIO,
        source: str,
        *,
        sort: Sort = "rate",
        most_rows: int | None = None,
        is_shown: Callable[[Row], bool] | None = None,
        began_s: float | None = None,
    ) -> None:
        self._stream, self._source, self._sort = stream, source, sort
        self._most_rows, self._is_shown = most_rows, is_shown
        self._began_s = began_s
        self._rates = Rates(0, began_s)
        self._seen_ns = -1
        self._live: Live | None = None
        self.said: list[Degradation] = []
        """What came up while it ran, and was said in a line."""

    def __enter__(self) -> LiveView:  # noqa: PYI034 - Self is of Python 3.11
        if self._stream.isatty():
            from rich.console import Console
            from rich.live import Live

            # Names come from others: rich must not read markup or emoji in them.
            console = Console(file=self._stream, markup=False, emoji=False, highlight=False)
            if not console.is_dumb_terminal:  # which shows nothing in place
                self._rates = Rates(_WINDOW_S, self._began_s)
                self._live = Live(console=console, auto_refresh=False, transient=True)
                self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, report: Report, now_s: float) -> None:
        """Show the totals so far, and the rates until now."""
        every = list(report.rows)
        self._update(report, every, now_s)
        rows = [row for row in every if self._is_shown is None or self._is_shown(row)]
        if self._live:
            self._live.update(self._table(report, rows, self._live.console), refresh=True)
        else:
            news = [note for note in report.degradations if note not in self.said]
            self.said += news
            for line in [*(visible(f"portcall: {note_text(note)}") for note in news), self._line(report, rows)]:
                self._stream.write(line + "\n")
            self._stream.flush()

    def _update(self, report: Report, rows: Sequence[Row], now_s: float) -> None:
        both_ways = [f"bytes_{direction}" for direction in directions(report.by)]
        counts = {_key(row): (row[both_ways[0]], row[both_ways[1]]) for row in rows}
        # Flows that are silent make no row: one that is new here and began long ago did not send all of it just now.
        is_flow = report.by == "flow"
        older = {_key(row) for row in rows if is_flow and (row["first_ns"] or 0) <= self._seen_ns}
        self._seen_ns = report.window_ns[1] if report.window_ns else -1
        out, in_ = (sum(ways) for ways in zip(*counts.values(), (0, 0), strict=True))
        counts[_TOTAL] = (report.coverage.bytes, 0) if is_flow else (out, in_)
        self._rates.update(counts, now_s, older)

    def _rate(self, row: Row) -> float:
        return sum(self._rates[_key(row)])

    def _table(self, report: Report, rows: Sequence[Row], console: Console) -> Group:
        from rich.console import Group

        speaking = sorted(rows, key=partial(_size, report.by), reverse=True)
        if self._sort == "rate" and self._rates.are_known:
            speaking = sorted(filter(self._rate, speaking), key=self._rate, reverse=True)
        around = _LINES_AROUND + 2 * len(report.degradations[-_MOST_NOTES:])  # a note may take two lines
        shown = speaking[: min(self._most_rows or _MOST_ROWS, max(console.height - around, 1))]
        lines = fitting_table(self._columns(report.by), shown, console.width, _style) if shown else []
        texts = [f"{self._source}; Ctrl-C ends it", self._totals(report)]
        more, silent = len(speaking) - len(shown), len(rows) - len(speaking)
        if self._sort == "total":
            more += report.rows_left_out  # the smallest
        else:
            silent += report.rows_left_out  # by flow: of the last seconds are only those above
        return Group(
            *(_cropped(text, console.width) for text in texts),
            *([text_of(lines)] if lines else []),
            _cropped(_rest(more, silent), console.width),
            *(Text(visible(note_text(note)), "yellow") for note in report.degradations[-_MOST_NOTES:]),
        )

    def _totals(self, report: Report) -> str:
        totals = f"{report.coverage.frames} packets, {bytes_text(report.coverage.bytes)}"
        return f"{totals}; {self._total_rate(report.by)}"

    def _total_rate(self, by: str) -> str:
        out, in_ = self._rates[_TOTAL]
        if by in ("flow", "query"):  # which have no directions that could be added up
            return f"up and down {bytes_text(int(out))}/s"
        return f"up {bytes_text(int(out))}/s, down {bytes_text(int(in_))}/s"

    def _columns(self, by: str) -> tuple[TableColumn, ...]:
        words = ("up", "down") if directions(by) == ("out", "in") else ("to server", "to client")
        counts = [f"bytes_{direction}" for direction in directions(by)]
        rates = [TableColumn(f"{word}/s", 1, partial(self._rate_text, way)) for way, word in enumerate(words)]
        totals = [TableColumn(word, 5, partial(_count_text, name)) for word, name in zip(words, counts, strict=True)]
        if by == "flow":
            return (
                TableColumn("server", 0, partial(flow_end, "server"), END_WIDTH),
                *rates,
                *end_columns(),
                *holder_columns(by),
                *totals,
            )
        if by == "query":
            return (*question_columns(), *rates, *totals)
        return (
            TableColumn(by, 0, partial(name_or_reason, by), NAME_WIDTH),
            *holder_columns(by),
            *rates,
            *totals,
            *partner_columns(by),
        )

    def _rate_text(self, way: int, row: Row) -> str:
        return bytes_text(int(self._rates[_key(row)][way]))

    def _line(self, report: Report, rows: Sequence[Row]) -> str:
        busiest = sorted(rows, key=self._rate, reverse=True)[:_MOST_IN_LINE]
        named = [f"{_title(report.by, row)} {bytes_text(int(self._rate(row)))}/s" for row in busiest if self._rate(row)]
        totals = f"{self._total_rate(report.by)}, {report.coverage.frames} packets"
        return "; ".join([totals, ", ".join(named)]) if named else totals


def _key(row: Row) -> Key:
    """What tells a row from the others of its report, whoever is found to own it."""
    if "query" in row:
        return tuple(row[name] for name in _QUERY_KEY)
    if "client_ip" not in row:
        return tuple(row.get(name) for name in (_USER_KEY if "user" in row else _GROUP_KEY))
    reason = None if row["protocol"] else row["unattributed_reason"]  # of what is on no flow
    return (*(row[name] for name in _FLOW_KEY), reason)


def _title(by: str, row: Row) -> str:
    """What a row is called in a line."""
    if by != "flow":
        return visible(name_or_reason(by, row), NAME_WIDTH)
    client = row["client_process"] and program_text(row["client_process"], row["client_script"])
    client = client or flow_end("client", row)
    return " → ".join(visible(text, END_WIDTH) for text in (client, flow_end("server", row)) if text)


def _rest(more: int, silent: int) -> str:
    words = [f"and {count_text(more)} more"] * bool(more)
    words += [f"{count_text(silent)} silent in the last {_WINDOW_S:.0f} s"] * bool(silent)
    return "; ".join(words)


def _size(by: str, row: Row) -> int:
    return sum(row[f"bytes_{direction}"] for direction in directions(by))


def _count_text(name: str, row: Row) -> str:
    return bytes_text(row[name])


def _style(row: Row) -> str:
    return "dim" if row["unattributed_reason"] else ""


def _cropped(text: str, width: int) -> Text:
    return Text(visible(text, width))


def rehearse() -> None:
    """Draw something into memory: rich loads some of itself, as widths of letters, only when it draws."""
    from rich.console import Console, Group
    from rich.live import Live

    console = Console(file=io.StringIO(), force_terminal=True, width=20)
    with Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        live.update(Group(Text("→ … ▏ é 漢", "dim"), Text("wrapped where it is too long")), refresh=True)
