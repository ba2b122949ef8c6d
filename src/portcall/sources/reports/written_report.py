"""A report that portcall wrote, as an input: what it says of itself, and its rows, some thousand at once.

    {…"rows":[      --format json       the envelope, then a row per line
    {…}             --format jsonl      a row per line, and nothing else
    PAR1            --format parquet    the envelope is metadata

What begins otherwise is taken for a capture. Whatever is wrong is a PortcallError with the path and the line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from portcall.records.schema import LIVE_GROUPINGS, column_names
from portcall.sources.reports.described_report import refusal
from portcall.sources.reports.json_rows import json_report
from portcall.sources.reports.parquet_rows import parquet_report

if TYPE_CHECKING:
    from portcall.sources.reports.described_report import WrittenReport

_PEEKED = 4096
_CSV_HEADERS = tuple(f"{','.join(column_names(by)[:2])},".encode() for by in LIVE_GROUPINGS)
_BOM = b"\xef\xbb\xbf"


def written_report(path: str) -> WrittenReport | None:
    """The report in a file; None for what is none, such as a capture, a folder, a pipe, or nothing at all."""
    try:
        if path == "-" or not Path(path).is_file():
            return None
        with Path(path).open("rb") as stream:
            beginning = stream.read(_PEEKED)
    except (OSError, ValueError):
        return None  # who reads captures says why
    if beginning.startswith(b"PAR1"):
        return parquet_report(path)
    if beginning.startswith(_CSV_HEADERS):
        raise refusal(path, None, "this is a report as csv, which cannot be read back exactly")
    if beginning.removeprefix(_BOM).lstrip()[:1] in (b"{", b"["):
        return json_report(path)
    return None
