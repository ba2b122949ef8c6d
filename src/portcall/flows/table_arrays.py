"""What the arrays are that a flow table is written as, and whether a table can have such ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.records.flows import NEVER, FlowKind
from portcall.records.packets import NO_TIME, Tally, Verdict
from portcall.records.plain_data import below, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PAYLOAD = np.dtype(
    [
        ("packet", "u4"),  # index in the batch
        ("row", "u4"),  # index in ``rows()``
        ("side", "u4"),  # which end of the flow sent it, 0 low, 1 high
        ("is_later", "u4"),  # 1 where a SYN told that others of this end go before it
    ]
)
"""A payload that is wanted."""
_COUNTED = ("tallies", "flows", "datagrams", "unmatched_fragments")
_COUNTS = frozenset({"frames", "bytes", "packets", "payload"})
_MOST_COUNTED = 1 << 58
"""Of all rows together, so that sums stay within 64 bits where shards merge: what 100 Gbit/s bring in months."""
VERDICT_TALLY = np.dtype([("frames", "u8"), ("bytes", "u8"), ("first_ns", "i8"), ("last_ns", "i8")])
"""Frames of one verdict."""


def tallies_of(rows: NDArray[np.void]) -> dict[Verdict, Tally]:
    """Frames and bytes of every verdict that occurred, of VERDICT_TALLY by verdict."""
    return {
        Verdict(verdict): Tally(
            int(row["frames"]),
            int(row["bytes"]),
            None if row["first_ns"] == NEVER else int(row["first_ns"]),
            None if row["last_ns"] == NO_TIME else int(row["last_ns"]),
        )
        for verdict, row in enumerate(rows)
        if row["frames"]
    }


def check_arrays(arrays: Mapping[str, NDArray[Any]]) -> None:
    """ValueError where no flow table can have these rows, datagrams, unmatched fragments and tallies."""
    flows, datagrams = arrays["flows"], arrays["datagrams"]
    rows_of(arrays["tallies"], len(Verdict))
    for name in _COUNTED:
        counts = (arrays[name][column] for column in arrays[name].dtype.names or () if column in _COUNTS)
        below(np.array([column.sum(dtype=np.float64) for column in counts]), _MOST_COUNTED)
    below(flows["earlier"], np.arange(len(flows)) + 1)  # rows before it, so that chains end
    for rows in (flows, datagrams, arrays["unmatched_fragments"]):
        below(rows["first_frame"], _MOST_COUNTED)
    for rows in (flows, arrays["unmatched_fragments"]):
        for column, most in (("first_sender", 2), ("has_syn", 2), ("kind", 1 + max(FlowKind))):
            below(rows[column], most)
    for column in ("first", "latest"):
        below(datagrams[f"{column}_flow"], len(flows) + 1)
        below(datagrams[f"{column}_side"], 2)
    if ((datagrams["first_flow"] == 0) != (datagrams["latest_flow"] == 0)).any():
        raise ValueError("a datagram's first fragment is on no flow")


def tallies_of_nothing() -> NDArray[np.void]:
    """VERDICT_TALLY of each verdict, before there are frames."""
    tallies = np.zeros(len(Verdict), VERDICT_TALLY)
    tallies["first_ns"], tallies["last_ns"] = NEVER, NO_TIME
    return tallies
