"""A report that portcall wrote, as an input: what it says of itself, and its rows, some thousand at once.

    {…"rows":[      --format json       the envelope, then a row per line
    {…}             --format jsonl      a row per line, and nothing else
    PAR1            --format parquet    the envelope is metadata

What begins otherwise is taken for a capture. Whatever is wrong is a PortcallError with the path and the line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portcall.errors import PortcallError
from portcall.records.schema import LIVE_GROUPINGS, column_names
from portcall.sources.reports.row_checks import grouping_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from portcall.records.column_values import Columns

    Blocks = Callable[[frozenset[str]], Iterator[Columns]]
    Facts = Mapping[str, Any]  # Any: what JSON has

SCHEMA = 1
"""The version of what is understood, see ``exports.json_envelope``."""
_PEEKED = 4096
_CSV_HEADERS = tuple(f"{','.join(column_names(by)[:2])},".encode() for by in LIVE_GROUPINGS)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A file that is one."""

    path: str
    by: str
    window_ns: tuple[int, int] | None
    rows_left_out: int | None
    """How many ``--where`` and ``--top`` had left out; None where the format does not tell."""
    is_by_time: bool
    """Whether rows are of buckets of time."""
    blocks: Blocks
    """The rows' columns of these names; to be read once. PortcallError where they are no rows."""


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
        from portcall.sources.reports.parquet_rows import parquet_report

        return parquet_report(path)
    if beginning.startswith(_CSV_HEADERS):
        raise refusal(path, None, "this is a report as csv, which cannot be read back exactly")
    if beginning.removeprefix(_BOM).lstrip()[:1] in (b"{", b"["):
        from portcall.sources.reports.json_rows import json_report

        return json_report(path)
    return None


def described(path: str, facts: Facts, blocks: Blocks) -> WrittenReport:
    """The report whose envelope says this. ValueError where an envelope does not say such things."""
    by = grouping_of(facts.get("by"))
    window = facts.get("window_ns")
    if window is not None and not (isinstance(window, list) and [type(one) for one in window] == [int, int]):
        raise ValueError("'window_ns' is no pair of times")
    left_out = facts.get("rows_left_out", 0)
    if type(left_out) is not int or left_out < 0:
        raise ValueError("'rows_left_out' is no number of rows")
    window_ns = None if window is None else (window[0], window[1])
    return WrittenReport(path, by, window_ns, left_out, bool(facts.get("bucket_width_ns")), blocks)


def check_schema(facts: Facts) -> None:
    """ValueError for an envelope that is of another version, or of something else."""
    if "portcall_baseline" in facts:
        raise ValueError("this is a baseline, which 'portcall read CAPTURE --expect FILE' takes")
    version = facts.get("schema")
    if version is None:
        raise ValueError("this is no report of portcall: it has no 'schema'")
    if version != SCHEMA or type(version) is not int:
        raise ValueError(f"it has schema {str(version)[:20]}, and this portcall reads schema {SCHEMA}")


def refusal(path: str, line: int | None, why: str) -> PortcallError:
    """The error over a file."""
    where = "" if line is None else f" line {line}:"
    return PortcallError(
        f"{path}:{where} {why}. Compare captures, or reports that 'portcall read' or 'live' wrote with "
        "--format json, jsonl or parquet"
    )
