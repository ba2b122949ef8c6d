"""JSON lines: one row per line, for jq, data frames and anything that reads as it goes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from portcall.records.report import Report
    from portcall.records.schema import Listing


def row_text(row: dict[str, Any]) -> str:
    """A row as one JSON object, in ASCII: what is not is escaped, as terminals may obey it."""
    try:
        encoded = orjson.dumps(row)
    except TypeError:  # a text with lone surrogates, as the names of files may have
        return _in_ascii()(row)
    return encoded.decode("ascii") if encoded.isascii() else _in_ascii()(row)


@cache
def _in_ascii() -> Callable[[dict[str, Any]], str]:
    from json import JSONEncoder

    return JSONEncoder(separators=(",", ":")).encode


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write every row as one JSON object; non-ASCII and control characters are escaped as JSON does."""
    stream.writelines(row_text(row) + "\n" for row in report.rows)
