"""What a written report says of itself, and the words in which what is none is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portcall.errors import PortcallError
from portcall.sources.reports.row_checks import grouping_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from portcall.records.column_values import Columns

    Blocks = Callable[[frozenset[str]], Iterator[Columns]]
    Facts = Mapping[str, Any]  # Any: what JSON has

SCHEMA = 1
"""The version of what is understood, see ``exports.json_envelope``."""


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
