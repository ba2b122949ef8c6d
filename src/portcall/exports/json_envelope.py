"""JSON: one object, the envelope of the interface; one row per line, so that it can be read, compared and streamed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from portcall.exports.json_lines import row_text
from portcall.schema import Listing

if TYPE_CHECKING:
    from typing import TextIO

    from portcall.model import Report

SCHEMA = 1
"""Version of the envelope and its columns; it grows when one is renamed or dropped."""


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write ``schema source by`` and ``rows``; of a report also ``window_ns coverage degradations rows_left_out``."""
    envelope: dict[str, Any] = {"schema": SCHEMA, "source": report.source, "by": report.by}  # Any: JSON
    if not isinstance(report, Listing):
        envelope |= {
            "window_ns": report.window_ns,
            "coverage": asdict(report.coverage),
            "degradations": [asdict(degradation) for degradation in report.degradations],
            "rows_left_out": report.rows_left_out,
        }
    stream.write(json.dumps(envelope)[:-1] + ', "rows": [')
    separator = "\n"
    for row in report.rows:
        stream.write(separator + row_text(row))
        separator = ",\n"
    stream.write("\n]}\n")
