"""Whose cells are: a flow's, an unmatched fragment's, a datagram's, by one number each; and who they are handed to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.records.flows import FIRST_DATAGRAM, FIRST_FLOW, FIRST_UNMATCHED

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNTED = ("packets", "bytes", "payload")
"""What a cell counts, of each end."""
NO_OWNER = np.uint32(0xFFFFFFFF)
"""Of cells that leave."""


def moved(owners: NDArray[np.uint32], first: int, new: NDArray[np.uint32]) -> None:
    """Put the new ones in place of the owners from ``first`` on."""
    here = _within(owners, first, len(new))
    owners[here] = new[owners[here] - np.uint32(first)]


def turned(cells: NDArray[np.void], sides: NDArray[np.uint8]) -> None:
    """Let what came of each datagram be of the side that sent it, before the datagrams' cells are moved."""
    here = _within(cells["owner"], FIRST_DATAGRAM, len(sides))
    here = here[sides[cells["owner"][here] - np.uint32(FIRST_DATAGRAM)] == 1]
    for column in COUNTED:
        cells[column][here] = cells[column][here][:, ::-1]


def _within(owners: NDArray[np.uint32], first: int, count: int) -> NDArray[np.int64]:
    """Indexes of so many owners from that one on."""
    return np.flatnonzero((owners >= first) & (owners < first + count))


def owners_here(
    owners: NDArray[np.uint32],
    rows: NDArray[np.uint32],
    datagrams: NDArray[np.uint64],
    fragments: NDArray[np.uint32],
) -> NDArray[np.uint32]:
    """The owners of a later shard's cells as numbers of the table that it joined.

    ``rows`` are 1 + where its rows are here, ``datagrams`` the owners that its datagrams have, ``fragments`` those of
    its unmatched fragments.
    """
    found = owners.copy()
    moved(found, FIRST_FLOW, rows + np.uint32(FIRST_FLOW - 1))
    moved(found, FIRST_UNMATCHED, fragments)
    moved(found, FIRST_DATAGRAM, datagrams.astype(np.uint32))
    return found
