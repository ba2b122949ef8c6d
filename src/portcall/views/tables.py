"""A report as a table: a line of totals, the rows with most bytes, and what people should know about them.

Which columns there are room for is decided by rank, so a narrow terminal loses the least important first. All text of
rows passes ``visible``; numbers are rounded, exact ones are in the exports.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from portcall.schema import REASONS, directions
from portcall.views.text import bytes_text, columns, count_text, duration_text, share_text, visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from portcall.model import Report

    Row = dict[str, Any]  # Any: plain values of several types, see schema

MOST_ROWS = 25
"""Rows shown unless ``--top`` says otherwise."""
WIDTH_WITHOUT_TERMINAL = 100

_PID = "pid"  # a column that only those tables have in which a process is known
_BAR_WIDTH = 10
_GAP = 2
_NAME_WIDTH = 32  # of an app, service or host
_LEAST_NAME_WIDTH = 8
_END_WIDTH = 47  # a bracketed IPv6 address and a port


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of the table; when room gets short the highest rank goes first."""

    title: str
    rank: int
    text: Callable[[Row], str]
    most: int | None = None
    """Terminal columns that its texts take at the most; None for numbers, which are never cut."""


def write_table(report: Report, stream: TextIO, most_rows: int | None = MOST_ROWS, width: int | None = None) -> None:
    """Write the report for people."""
    write_rendered(stream, lambda console, is_plain: _render(report, console, most_rows, is_plain=is_plain), width)


def write_rendered(stream: TextIO, render: Callable[[Console, bool], None], width: int | None = None) -> None:
    """Write what ``render(console, is_plain)`` prints; ``is_plain`` where only ASCII can be shown.

    As wide as the terminal and in colour, elsewhere 100 columns of plain text.
    """
    is_terminal = stream.isatty()
    # Rendered into memory and written at once: rich answers a closed pipe by leaving the program by itself.
    buffer = io.StringIO()
    terminal = Console(file=stream)
    console = Console(
        file=buffer,
        width=width or (terminal.width if is_terminal else WIDTH_WITHOUT_TERMINAL),
        force_terminal=is_terminal,
        no_color=terminal.no_color,
        color_system="auto" if is_terminal else None,
        highlight=False,
    )
    is_plain = not (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")
    render(console, is_plain)
    text = buffer.getvalue()
    if not is_terminal:
        text = "".join(line.rstrip() + "\n" for line in text.splitlines())
    stream.write(text.encode("ascii", "backslashreplace").decode() if is_plain else text)


def _render(report: Report, console: Console, most_rows: int | None, *, is_plain: bool) -> None:
    rows = report.rows[:most_rows]
    credited = report.coverage.bytes + report.coverage.bytes_credited_twice
    console.print(Text(_totals(report, credited)), end="\n\n" if rows else "\n")
    if rows:
        console.print(_table(report.by, rows, credited, console.width, is_plain=is_plain))
    hidden = len(report.rows) - len(rows) + report.rows_left_out
    if hidden:
        rest = credited - sum(_bytes(report.by, row) for row in rows)
        console.print(Text(f"and {count_text(hidden)} more: {bytes_text(rest)}"))
    for degradation in report.degradations:
        words = f"note: {degradation.feature}: {degradation.reason}. Remedy: {degradation.remedy}"
        console.print(Text(visible(words), style="yellow"))


def _totals(report: Report, credited: int) -> str:
    coverage, window_ns = report.coverage, report.window_ns
    words = [f"{count_text(coverage.frames)} packets", bytes_text(coverage.bytes)]
    if window_ns:
        words.append(duration_text(window_ns[1] - window_ns[0]))
    words.append(f"{share_text(coverage.bytes_attributed, credited)} of bytes attributed")
    return ", ".join(words)


def _table(by: str, rows: list[Row], credited: int, width: int, *, is_plain: bool) -> Table:
    choice = (_flow_columns if by == "flow" else _group_columns)(by, credited, is_plain=is_plain)
    cells = {column: [visible(column.text(row), column.most) for row in rows] for column in choice}
    cells = {column: texts for column, texts in cells.items() if column.title != _PID or any(texts)}
    widths = {column: max(map(columns, [column.title, *texts])) for column, texts in cells.items()}
    fitting, name_width = _fitting(widths, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column in fitting:
        justify: Any = "right" if column.most is None else "left"  # Any: rich's JustifyMethod
        table.add_column(Text(column.title), justify=justify, no_wrap=True)
    for number, row in enumerate(rows):
        name, *others = (cells[column][number] for column in fitting)
        style = "dim" if row["unattributed_reason"] else ""
        table.add_row(*map(Text, [visible(name, name_width), *others]), style=style)
    return table


def _fitting(widths: dict[_Column, int], width: int) -> tuple[list[_Column], int]:
    """The columns that there is room for, and the width of the first, which stays always and may be cut to a third."""
    name, *others = widths
    name_width = min(widths[name], max(_LEAST_NAME_WIDTH, width // 3))
    while True:
        room = width - sum(widths[column] + _GAP for column in others)
        if room >= name_width or not others:
            return [name, *others], min(widths[name], room)
        last = max(column.rank for column in others)
        others = [column for column in others if column.rank < last]


def _group_columns(by: str, credited: int, *, is_plain: bool) -> tuple[_Column, ...]:
    return (
        _Column(by, 0, lambda row: row[by] or _reason(row), _NAME_WIDTH),
        _Column(_PID, 2, lambda row: str(row["pid"] or "")),
        _Column("bytes", 1, lambda row: bytes_text(_bytes(by, row))),
        *_share_columns(by, credited, is_plain=is_plain),
        _Column("out", 5, lambda row: bytes_text(row["bytes_out"])),
        _Column("in", 5, lambda row: bytes_text(row["bytes_in"])),
        _Column("flows", 4, lambda row: count_text(row["flows"])),
        _Column("packets", 8, lambda row: count_text(row["packets_out"] + row["packets_in"])),
        *([] if by == "host" else [_Column("top host", 7, lambda row: row["top_host"] or "", _NAME_WIDTH)]),
        *([] if by == "service" else [_Column("services", 9, lambda row: " ".join(row["services"]), _NAME_WIDTH)]),
    )


def _flow_columns(by: str, credited: int, *, is_plain: bool) -> tuple[_Column, ...]:
    return (
        _Column("server", 0, lambda row: _end(row, "server") or _reason(row), _END_WIDTH),
        _Column("client", 4, lambda row: _end(row, "client"), _END_WIDTH),
        _Column("app", 2, lambda row: row["app"] or "", _NAME_WIDTH),
        _Column("bytes", 1, lambda row: bytes_text(_bytes(by, row))),
        *_share_columns(by, credited, is_plain=is_plain),
        _Column("to server", 6, lambda row: bytes_text(row["bytes_to_server"])),
        _Column("to client", 6, lambda row: bytes_text(row["bytes_to_client"])),
        _Column("protocol", 5, lambda row: row["protocol"] or "", _NAME_WIDTH),
        _Column("state", 7, lambda row: row["state"] or "", _NAME_WIDTH),
        _Column("duration", 8, _duration),
    )


def _share_columns(by: str, credited: int, *, is_plain: bool) -> tuple[_Column, _Column]:
    return (
        _Column("share", 3, lambda row: share_text(_bytes(by, row), credited)),
        _Column("", 3, lambda row: _bar(_bytes(by, row), credited, is_plain=is_plain), _BAR_WIDTH),
    )


def _bar(part: int, whole: int, *, is_plain: bool) -> str:
    """A bar of eighths of a character, at least one where there is anything."""
    eighths = -(-part * _BAR_WIDTH * 8 // whole) if whole else 0
    if is_plain:
        return "#" * (-(-eighths // 8))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _bytes(by: str, row: Row) -> int:
    return sum(row[f"bytes_{direction}"] for direction in directions(by))


def _reason(row: Row) -> str:
    reason = row["unattributed_reason"]
    if reason is None:
        return "(without a name)"  # processes may call themselves nothing
    return f"({REASONS.get(reason, reason)})"


def _end(row: Row, end: str) -> str:
    address, port = row[f"{end}_ip"], row[f"{end}_port"]
    if address is None or row[f"{end}_port_class"] is None:
        return address or ""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _duration(row: Row) -> str:
    return "" if row["first_ns"] is None else duration_text(row["last_ns"] - row["first_ns"])
