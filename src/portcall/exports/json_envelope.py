"""JSON: one object, the envelope of the interface; one row per line, so that it can be read, compared and streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.exports.json_lines import row_text, write_rows
from portcall.records.envelope import envelope

if TYPE_CHECKING:
    from typing import TextIO

    from portcall.records.report import Report
    from portcall.records.schema import Listing

SCHEMA = 1
"""Version of the envelope and its columns; it grows when one is renamed or dropped."""


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write ``schema source window_ns coverage degradations rows``, and ``by`` and ``rows_left_out``."""
    head = row_text({"schema": SCHEMA, **envelope(report)})[:-1] + ',"rows":[' + "\n" * bool(report.rows)
    write_rows(report.rows, stream, ",\n", "", head)
    stream.write("\n]}\n")
