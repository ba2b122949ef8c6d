"""What came of flows by time, as rows: flows with the counts of one bucket, and what is on no flow.

A flow is what it is in all of its buckets: its ends, its names and its state are those of the whole conversation. Only
what is counted, and the times of it, are of the bucket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.attribution.flow_columns import sent_by, times
from portcall.flows.aggregation import CREDIT
from portcall.flows.cells.flow_cells import Cells, added
from portcall.flows.row_chunks import picked
from portcall.labels.bucketing import bucket_numbers, bucket_starts
from portcall.labels.service_keys import ServiceKind, first_key
from portcall.records.column_values import Columns, Numbers, Words
from portcall.records.flows import TIME_SUM
from portcall.records.report_rows import ROWS_AT_ONCE
from portcall.records.schema import directions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from portcall.records.column_values import ColumnValues
    from portcall.records.packets import Verdict

_COUNTS = ("packets", "bytes", "payload")


def by_bucket(
    flows: NDArray[np.void], ends: NDArray[np.void], cells: Cells | None, width_ns: int
) -> Iterator[tuple[NDArray[np.void], NDArray[np.void], NDArray[np.int64] | None]]:
    """FLOW[m] and FLOW_ENDS[m], one for each cell, with its counts and times, and its bucket's number; some at once.

    Without cells they are as they are.
    """
    if cells is None:
        yield flows, ends, None
        return
    flows = np.ascontiguousarray(flows)
    for start in range(0, len(cells.rows), ROWS_AT_ONCE):
        some = cells.some(slice(start, start + ROWS_AT_ONCE))
        parts, counts = picked(flows, some.rows), some.counts
        for name in (*_COUNTS, "first_ns", "last_ns"):
            parts[name] = counts[name]
        yield parts, picked(ends, some.rows), bucket_numbers(counts["first_ns"], width_ns)


def bucket_column(numbers: NDArray[np.int64], width_ns: int) -> Numbers:
    """Where buckets begin; null for that of frames without a time."""
    return times(bucket_starts(numbers, width_ns))


def cell_columns(counts: NDArray[np.void], client_is_low: NDArray[np.bool_], width_ns: int) -> dict[str, ColumnValues]:
    """What rows by flow have of their cells, whose counts are given."""
    columns: dict[str, ColumnValues] = {
        f"{name}_to_{end}": Numbers(sent_by(counts[name], is_low).astype(np.int64))
        for end, is_low in (("server", client_is_low), ("client", ~client_is_low))
        for name in _COUNTS
    }
    columns["first_ns"], columns["last_ns"] = times(counts["first_ns"]), times(counts["last_ns"])
    columns["bucket_ns"] = bucket_column(bucket_numbers(counts["first_ns"], width_ns), width_ns)
    return columns


def columns_on_no_flow(by: str, verdict: Verdict, cells: Sequence[Cells], width_ns: int) -> Columns:
    """The rows of frames that are on no flow, one a bucket; they count as in, or towards the client."""
    counts = _gathered(cells, width_ns)
    out, back = directions(by)
    nothing = np.zeros(len(counts), np.int64)
    columns: dict[str, ColumnValues] = {}
    for name in _COUNTS:
        columns[f"{name}_{out}"] = Numbers(nothing)
        columns[f"{name}_{back}"] = Numbers(nothing if name == "payload" else counts[name][:, 0].astype(np.int64))
    if by != "flow":
        columns["flows"], columns["services"] = Numbers(nothing), Words(nothing, [[]])
    columns["first_ns"], columns["last_ns"] = times(counts["first_ns"]), times(counts["last_ns"])
    columns["bucket_ns"] = bucket_column(bucket_numbers(counts["first_ns"], width_ns), width_ns)
    columns["unattributed_reason"] = Words(nothing, [verdict.reason])
    return Columns(len(counts), columns)


def sums_on_no_flow(cells: Cells) -> NDArray[np.void]:
    """CREDIT[m] of frames that are on no flow, for rows that tell no service apart."""
    counts = cells.counts
    sums = np.zeros(len(counts), CREDIT)
    sums["service"], sums["bucket"] = first_key(ServiceKind.UNMATCHED), cells.numbers
    sums["packets_in"], sums["bytes_in"] = counts["packets"][:, 0], counts["bytes"][:, 0]
    sums["first_ns"], sums["last_ns"] = counts["first_ns"], counts["last_ns"]
    return sums


def _gathered(cells: Sequence[Cells], width_ns: int) -> NDArray[np.void]:
    """TIME_SUM, one a bucket so wide."""
    counts = np.concatenate([some.counts.astype(TIME_SUM) for some in cells])
    counts = counts[np.argsort(counts["first_ns"], kind="stable")]
    return added(Cells(np.zeros(len(counts), np.int64), counts, width_ns)).counts
