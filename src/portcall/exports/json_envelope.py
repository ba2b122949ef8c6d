"""JSON: one object, the envelope of the interface; one row per line, so that it can be read, compared and streamed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from portcall.exports.json_lines import row_text, row_texts

if TYPE_CHECKING:
    from typing import TextIO

    from portcall.records.report import Report
    from portcall.records.schema import Listing

SCHEMA = 1
"""Version of the envelope and its columns; it grows when one is renamed or dropped."""


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write ``schema source window_ns coverage degradations rows``, and ``by`` and ``rows_left_out``."""
    envelope = {
        "schema": SCHEMA,
        "source": report.source,
        "by": report.by,
        "window_ns": report.window_ns,
        "coverage": report.coverage and asdict(report.coverage),
        "degradations": [asdict(degradation) for degradation in report.degradations],
        "rows_left_out": report.rows_left_out,
    }
    stream.write(row_text(envelope)[:-1] + ',"rows":[')
    texts = row_texts(report.rows, ",\n", "")
    stream.write(next(texts, "")[1:])  # no comma before the first one
    stream.writelines(texts)
    stream.write("\n]}\n")
