"""JSON lines: one row per line, for jq, data frames and anything that reads as it goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from typing import TextIO

    from portcall.model import Report
    from portcall.schema import Listing

_escaped = json.JSONEncoder(separators=(",", ":")).encode


def row_text(row: dict[str, Any]) -> str:
    """A row as one JSON object, in ASCII: what is not is escaped, as terminals may obey it."""
    try:
        encoded = orjson.dumps(row)
    except TypeError:  # a text with lone surrogates, as the names of files may have
        return _escaped(row)
    return encoded.decode("ascii") if encoded.isascii() else _escaped(row)


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write every row as one JSON object; non-ASCII and control characters are escaped as JSON does."""
    stream.writelines(row_text(row) + "\n" for row in report.rows)
