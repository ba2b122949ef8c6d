"""How many bytes have an app, counted once for each end that flows are credited to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.attribution.principals import principal_of
from portcall.labels.service_keys import are_attributed
from portcall.records.flows import FlowKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.attribution.principals import Matches

_BOTH = 3
"""Of FLOW_ENDS.local: both ends are."""


def of_local_ends(ends: NDArray[np.void], matches: tuple[Matches, Matches]) -> tuple[Matches, Matches]:
    """Whose the low and the high ends are, None for those that are not local."""
    low, high = (
        [match if bits & bit else None for match, bits in zip(end, ends["local"].tolist(), strict=True)]
        for end, bit in zip(matches, (1, 2), strict=True)
    )
    return low, high


def more_by_owners(
    flows: NDArray[np.void],
    ends: NDArray[np.void],
    by_port: NDArray[np.int64],
    matches: tuple[Matches, Matches],
    *,
    both_ends: bool,
) -> int:
    """Bytes of FLOW[n] that have an app by their owners, less those that have one by their services.

    Sums by host, service or time say of the latter only. ``both_ends`` as ``credit`` has it.
    """
    keys = by_port.tolist()
    by_owner = np.array(
        [
            [principal_of(match, key).unattributed_reason is None for match, key in zip(end, keys, strict=True)]
            for end in of_local_ends(ends, matches)
        ],
        np.int64,
    )
    more = by_owner - are_attributed(ends["service"])
    is_low = np.where(np.isin(ends["local"], (0, _BOTH)), ends["client_is_low"], ends["local"] == 1)
    times = np.where(is_low, *more)
    if both_ends:
        other = (ends["local"] == _BOTH) & (flows["kind"] != FlowKind.UNMATCHED)
        times = times + np.where(is_low, *more[::-1]) * other
    return int((flows["bytes"].sum(axis=1).astype(np.int64) * times).sum())


def bytes_of(sums: NDArray[np.void]) -> int:
    """All bytes of some sums, both ways."""
    return int(sums["bytes_out"].sum()) + int(sums["bytes_in"].sum())
