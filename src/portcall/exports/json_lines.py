"""JSON lines: one row per line, for jq, data frames and anything that reads as it goes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from portcall.records.report import Report
    from portcall.records.report_rows import Rows
    from portcall.records.schema import Listing


def row_text(row: Any) -> str:  # Any: what JSON has
    """A row, or a value in it, as JSON in ASCII: what is not is escaped, as terminals may obey it."""
    try:
        encoded = orjson.dumps(row)
    except TypeError:  # a text with lone surrogates, as the names of files may have
        return _in_ascii()(row)
    return encoded.decode("ascii") if encoded.isascii() else _in_ascii()(row)


@cache
def _in_ascii() -> Callable[[Any], str]:
    from json import JSONEncoder

    return JSONEncoder(separators=(",", ":")).encode


def write_rows(rows: Rows | list[dict[str, Any]], stream: TextIO, between: str, end: str, head: str = "") -> None:
    """Write ``head``, and every row as one JSON object, with what stands between two of them and behind each."""
    if isinstance(rows, list):
        stream.write(head)
        stream.writelines(f"{between * bool(at)}{row_text(row)}{end}" for at, row in enumerate(rows))
        return
    from portcall.exports._row_writer import RowWriter  # NumPy, which listings do without

    before = [f"{row_text(name)}:" for name in rows.names]
    literals = [f"{between}{{{before[0]}", *(f",{name}" for name in before[1:])]
    RowWriter(rows.names, literals, f"}}{end}", row_text, '"').write(rows, stream, head, len(between))


def append(rows: Rows, stream: TextIO, *, is_first: bool) -> None:
    """Write rows behind others, if any."""
    del is_first  # there is nothing to begin with
    write_rows(rows, stream, "", "\n")


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write every row as one JSON object; non-ASCII and control characters are escaped as JSON does."""
    write_rows(report.rows, stream, "", "\n")
