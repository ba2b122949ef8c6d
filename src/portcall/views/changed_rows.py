"""What changed between two sides, for people: how much on either, the rows that changed, and what is the same in all.

A mark stands beside each word, so that colour is never the only sign. All text passes ``visible``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from portcall.records.schema import REASONS
from portcall.views.fitting import TableColumn
from portcall.views.lists import Sheet, write_list
from portcall.views.text import bytes_text, count_text, duration_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from portcall.records.report import DiffCoverage, SideTotals
    from portcall.records.schema import Listing

    Row = dict[str, Any]  # Any: plain values of several types, see schema

_NAME_WIDTH = 32
_HOST_WIDTH = 47  # a long IPv6 address
_LEAST_NAME_WIDTH = 12
_MARKS = {"new": "+", "gone": "-", "grown": ">", "shrunk": "<", "same": "="}
_STYLES = {"new": "green", "gone": "red", "grown": "yellow", "shrunk": "yellow", "same": ""}
_KEYS = ("app", "process", "user", "service", "host")
_MOST_PERCENT = 1000


def write_changes(
    listing: Listing,
    stream: TextIO,
    *,
    shows_same: bool = False,
    most_rows: int | None = None,
    width: int | None = None,
) -> None:
    """Write the rows of ``diff``; those that are the same only where somebody chose rows."""
    rows = [row for row in listing.rows if shows_same or row["change"] != "same"]
    footnotes = [] if shows_same else [_same(listing.rows)] if len(rows) < len(listing.rows) else []
    heading = _heading(listing.compared) if listing.compared else ""
    sheet = Sheet(_columns(rows), rows, heading, lambda row: _STYLES[row["change"]], footnotes)
    write_list(listing, stream, lambda _: sheet, most_rows=most_rows, width=width)


def _heading(coverage: DiffCoverage) -> str:
    counts = [f"{count_text(coverage.changes[change].rows)} {change}" for change in _MARKS]
    return f"{_side(coverage.before)} → {_side(coverage.after)}: {', '.join(counts)}"


def _side(side: SideTotals) -> str:
    length = "" if side.window_ns is None else f" in {duration_text(side.window_ns[1] - side.window_ns[0])}"
    return f"{bytes_text(side.bytes)}{length}"


def _same(rows: Sequence[Row]) -> str:
    same = [row for row in rows if row["change"] == "same"]
    before, after = (bytes_text(sum(row[f"bytes_{side}"] for row in same)) for side in ("before", "after"))
    return f"and {count_text(len(same))} the same: {before} → {after}"


def _columns(rows: Sequence[Row]) -> tuple[TableColumn, ...]:
    keys = [key for key in _KEYS if any(row[key] is not None for row in rows)] or ["app"]
    first, *others = keys

    def named(row: Row) -> str:
        reason = row["unattributed_reason"]
        return row[first] or f"({REASONS.get(reason, reason) if reason else 'without a name'})"

    return (
        TableColumn("change", 0, lambda row: f"{_MARKS[row['change']]} {row['change']}", 8),
        TableColumn(first, 0.1, named, _NAME_WIDTH, least=_LEAST_NAME_WIDTH),
        *(TableColumn(key, 0.2, partial(_text, key), _HOST_WIDTH, least=_LEAST_NAME_WIDTH) for key in others),
        TableColumn("before", 2, lambda row: bytes_text(row["bytes_before"])),
        TableColumn("after", 2, lambda row: bytes_text(row["bytes_after"])),
        TableColumn("change by", 3, _change),
        TableColumn("ratio", 4, _ratio),
        TableColumn("flows", 5, lambda row: f"{count_text(row['flows_before'])} → {count_text(row['flows_after'])}"),
    )


def _text(key: str, row: Row) -> str:
    return row[key] or ""


def _change(row: Row) -> str:
    sign = "-" if row["bytes_change"] < 0 else "+"
    return f"{sign}{bytes_text(abs(row['bytes_change']))}"


def _ratio(row: Row) -> str:
    percent = row["ratio_percent"]
    if percent is None or row["change"] in ("new", "gone"):
        return ""
    return f"{percent} %" if percent < _MOST_PERCENT else f"× {count_text(percent // 100)}"
