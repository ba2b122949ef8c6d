"""What changed from one side to the other: new, gone, grown, shrunk, or the same.

New is what only the second side has, gone what only the first has, however little. Grown is what has at least so many
times the bytes (``Thresholds.ratio``) and at least so many bytes more (``Thresholds.least_bytes``); shrunk the same the
other way round. The rest is the same. Every key of both sides makes a row, so rows add up to both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.comparison.keyed_sums import Counts
from portcall.records.report import ChangeTotals, DiffCoverage, SideTotals
from portcall.records.schema import column_names

if TYPE_CHECKING:
    from portcall.comparison.keyed_sums import KeyedSums, SumKey

    Row = dict[str, Any]  # Any: plain values of several types, see schema

NEW, GONE, GROWN, SHRUNK, SAME = CHANGES = ("new", "gone", "grown", "shrunk", "same")
DEFAULT_RATIO = 2.0
DEFAULT_LEAST_BYTES = 10_000


class Thresholds(NamedTuple):
    """From where on something has changed."""

    ratio: float = DEFAULT_RATIO
    """So many times the bytes of the other side, at least 1."""
    least_bytes: int = DEFAULT_LEAST_BYTES
    """And so many bytes more than that has."""
    times_as_long: float = 1
    """How many times as long the second side is, where rates are compared: so many times the bytes are the same."""


class Side(NamedTuple):
    """One side: what it is, and its sums."""

    source: str
    window_ns: tuple[int, int] | None
    sums: KeyedSums


def difference(before: Side, after: Side, thresholds: Thresholds = Thresholds()) -> tuple[list[Row], DiffCoverage]:  # noqa: B008 - a tuple
    """The rows of ``diff``, what changed by most bytes first, and the sums of both sides."""
    keys = dict.fromkeys([*before.sums.by_key, *after.sums.by_key])
    names = before.sums.key_columns
    rows = [_row(names, key, before.sums, after.sums, thresholds) for key in keys]
    told = (*names, "unattributed_reason")
    rows.sort(key=lambda row: (-abs(row["bytes_change"]), *(str(row[name] or "") for name in told)))
    totals = {change: ChangeTotals() for change in CHANGES}
    for row in rows:
        totals[row["change"]] = totals[row["change"]].plus(row["bytes_before"], row["bytes_after"])
    return rows, DiffCoverage(_totals(before), _totals(after), totals)


def _row(names: tuple[str, ...], key: SumKey, before: KeyedSums, after: KeyedSums, thresholds: Thresholds) -> Row:
    old, new = before.by_key.get(key), after.by_key.get(key)
    was, now = old or Counts(), new or Counts()
    return {
        **dict.fromkeys(column_names("diff")),
        "change": NEW if old is None else GONE if new is None else _change(was.bytes, now.bytes, thresholds),
        **dict(zip(names, key.values, strict=True)),
        "bytes_before": was.bytes,
        "bytes_after": now.bytes,
        "bytes_change": now.bytes - was.bytes,
        "ratio_percent": int(100 * now.bytes / (was.bytes * thresholds.times_as_long)) if was.bytes else None,
        "flows_before": was.flows,
        "flows_after": now.flows,
        "packets_before": was.packets,
        "packets_after": now.packets,
        "unattributed_reason": key.reason,
    }


def _change(was: int, now: int, thresholds: Thresholds) -> str:
    expected = was * thresholds.times_as_long
    if abs(now - expected) < thresholds.least_bytes:
        return SAME
    if now > expected and now >= expected * thresholds.ratio:
        return GROWN
    if expected > now and expected >= now * thresholds.ratio:
        return SHRUNK
    return SAME


def _totals(side: Side) -> SideTotals:
    total = side.sums.total
    return SideTotals(side.source, side.window_ns, total.bytes, total.flows, total.packets)
