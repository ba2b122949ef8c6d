"""Widths of buckets of time that a user names: ``--bucket 1s`` → what to count in.

    auto          as wide as it takes for at most some hundred buckets        500ms  1s  5min  1h  1d

A whole number and its unit: us, ms, s, min, h or d.
"""

from __future__ import annotations

import re

from portcall.errors import UsageError
from portcall.labels.bucketing import AUTO, WIDEST_NS, Bucketing
from portcall.records.report import Degradation

_UNITS_NS = {"us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}
_WIDTH = re.compile(rf"(\d{{1,19}})({'|'.join(_UNITS_NS)})", re.ASCII)


def bucketing_of(bucket: str | None, by: str) -> Bucketing | None:
    """What ``--bucket`` asks for; None for no buckets, by time for ``auto``. UsageError for what is no width."""
    if by == "query" and bucket is not None:
        raise UsageError("--by query: questions are not counted by time. Leave out --bucket, or use --by host")
    if bucket is None:
        return AUTO if by == "time" else None
    if bucket == "auto":
        return AUTO
    match = _WIDTH.fullmatch(bucket)
    width_ns = int(match[1]) * _UNITS_NS[match[2]] if match else 0
    if not 0 < width_ns <= WIDEST_NS:
        raise UsageError(f"--bucket {bucket}: no width of time. Write it like 500ms, 1s, 5min, 1h or 1d, or auto")
    return Bucketing(width_ns)


def notes_of_buckets(bucketing: Bucketing | None, width_ns: int | None) -> list[Degradation]:
    """That buckets became wider than was asked for."""
    if bucketing is None or bucketing.most is not None or not width_ns or width_ns == bucketing.width_ns:
        return []
    asked, wide = map(_width_text, (bucketing.width_ns, width_ns))
    reason = f"so many of {asked} had no room, so each is {wide} wide"
    return [Degradation("buckets", reason, "ask for wider ones, or choose with --filter, --from and --to")]


def _width_text(width_ns: int) -> str:
    """As a user may write it, with a space."""
    unit = next((unit for unit, ns in reversed(_UNITS_NS.items()) if width_ns % ns == 0), "us")
    return f"{width_ns // _UNITS_NS[unit]} {unit}"
