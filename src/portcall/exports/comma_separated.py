r"""CSV: a header line, then a row per line (RFC 4180, but lines end in \n as everywhere else on Unix).

Null is an empty cell and a list is joined by ``;``. What is not printable in a text is written as in Python, ``\x1b``.
A text that spreadsheets would take for a formula, and run, has an apostrophe before it, which keeps them from it.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from portcall.records.printable_text import printable
from portcall.records.schema import column_names

if TYPE_CHECKING:
    from typing import TextIO

    from portcall.records.report import Report
    from portcall.records.report_rows import Rows
    from portcall.records.schema import Listing


_FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - the wide ones, which Excel takes too
"""How formulas begin in what people open CSV with; a packet may put them in a name."""


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write the header and all rows."""
    names = column_names(report.by)
    if isinstance(report.rows, list):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(row[name]) for name in names] for row in report.rows)
        return
    append(report.rows, stream, is_first=True)


def append(rows: Rows, stream: TextIO, *, is_first: bool) -> None:
    """Write rows behind others; the first ones have the header before them."""
    from portcall.exports._row_writer import RowWriter  # NumPy, which listings do without

    names = rows.names
    before = ["", *("," for _ in names[1:])]
    RowWriter(names, before, "\n", _encoded).write(rows, stream, f"{','.join(names)}\n" * is_first)


def _encoded(value: Any) -> str:  # Any: as below
    """A cell as it stands in a line."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([_cell(value), None])  # alone, null would be quoted
    return line.getvalue().removesuffix(",")


def _cell(value: Any) -> Any:  # Any: a plain value of several types
    if isinstance(value, list):
        return ";".join(map(_harmless, map(str, value)))
    return _harmless(value) if isinstance(value, str) else value


def _harmless(text: str) -> str:
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULAS) else text
