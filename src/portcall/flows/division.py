"""A flow table in parts: rows that belong together, with the fragments that wait beside them, as arrays of their own.

What may yet become one row must be in one part. The rows of two addresses are, whatever their ports, and so are the
fragments between them, which have none: ``pair_hashes`` tells by the addresses alone, the same in every process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.flows.table_arrays import tallies_of_nothing
from portcall.records.flows import FIRST_DATAGRAM, FIRST_FLOW, FIRST_UNMATCHED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Constants of splitmix64 (Steele, Lea and Flood 2014).
_ODD, _FIRST, _SECOND = (np.uint64(one) for one in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


class Chosen(NamedTuple):
    """Which rows of a table are in a part, as masks."""

    flows: NDArray[np.bool_]
    datagrams: NDArray[np.bool_]
    """Their rows are among these."""
    unmatched: NDArray[np.bool_]

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not (self.flows.any() or self.datagrams.any() or self.unmatched.any())


def pair_hashes(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """uint64[n] of two addresses each, uint8[n, 16]; the same whichever comes first."""
    return _mixed(_address_hashes(one) + _address_hashes(other))


def numbers_in(chosen: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """uint32[n]: 1 + the index of each row among the chosen ones, 0 for the others."""
    numbers = np.cumsum(chosen, dtype=np.uint32)
    numbers[~chosen] = 0
    return numbers


def part_of_table(arrays: Mapping[str, NDArray[Any]], chosen: Chosen) -> dict[str, NDArray[Any]]:
    """What ``FlowTable.of_arrays`` makes a table of that has these rows, and no frame that is on no flow."""
    numbers = numbers_in(chosen.flows)
    flows, datagrams = arrays["flows"][chosen.flows], arrays["datagrams"][chosen.datagrams]
    for column in (flows["earlier"], datagrams["first_flow"], datagrams["latest_flow"]):
        named = np.flatnonzero(column)
        column[named] = numbers[column[named] - 1]
    part = {
        "flows": flows,
        "datagrams": datagrams,
        "unmatched_fragments": arrays["unmatched_fragments"][chosen.unmatched],
        "tallies": tallies_of_nothing(),
    }
    if "cells" in arrays:
        cells = arrays["cells"].copy()
        owners = cells["owner"].astype(np.int64)
        cells["owner"] = 0
        for first, which in zip(
            (FIRST_DATAGRAM, FIRST_FLOW, FIRST_UNMATCHED), (chosen[1], chosen[0], chosen[2]), strict=True
        ):
            here = np.flatnonzero((owners >= first) & (owners < first + len(which)))
            new = numbers_in(which)[owners[here] - first].astype(np.int64)
            cells["owner"][here] = np.where(new > 0, new + first - 1, 0)
        part["cells"] = cells[cells["owner"] > 0]
    return part


def on_no_flow(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The same of the frames that are on no flow, which are in no part."""
    rest = {name: arrays[name][:0] for name in ("flows", "datagrams", "unmatched_fragments")}
    rest["tallies"] = arrays["tallies"]
    if "cells" in arrays:
        rest["cells"] = arrays["cells"][arrays["cells"]["owner"] < FIRST_DATAGRAM]
    return rest


def _address_hashes(addresses: NDArray[np.uint8]) -> NDArray[np.uint64]:
    words = np.ascontiguousarray(addresses).view("<u8").astype(np.uint64).reshape(-1, 2)
    return _mixed(_mixed(words[:, 0] + _ODD) ^ words[:, 1])


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit reaches every other."""
    words = (words ^ words >> np.uint64(30)) * _FIRST
    words = (words ^ words >> np.uint64(27)) * _SECOND
    return words ^ words >> np.uint64(31)
