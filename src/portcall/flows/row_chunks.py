"""Rows of a flow table as conversations, some thousand at once: what continues joined, what waited credited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.flows.continuations import join
from portcall.flows.fragments import credit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.flows.continuations import Continued

CHUNK_ROWS = 1 << 16
CELL_CHUNK_ROWS = 1 << 14
"""Where each has cells of time as well, which are copied."""


class Conversations:
    """FLOW[n], a whole table, with what belongs together.

    ``waiting`` are DATAGRAM[m] whose fragments came before the first one, and count with that.
    """

    def __init__(self, flows: NDArray[np.void], continued: Continued, waiting: NDArray[np.void]) -> None:
        self._flows, self._waiting = flows, waiting
        self._gone, self._before = continued.continuations, continued.beginnings  # in order of the former
        order = np.argsort(self._before)
        self._begins, self._after = self._before[order], self._gone[order]
        owners = waiting["first_flow"].astype(np.int64) - 1
        at, goes_on = _places(self._gone, owners)
        owners[goes_on] = self._before[at[goes_on]]
        self._owners = owners

    def all(self, rows: int = CHUNK_ROWS) -> Iterator[tuple[NDArray[np.int64], NDArray[np.void]]]:
        """All in pieces, each with its rows' indexes; one may be the table itself."""
        for start in range(0, len(self._flows), rows):
            chunk = self._flows[start : start + rows]
            here = np.arange(start, start + len(chunk))
            first, end = np.searchsorted(self._gone, [start, start + len(chunk)])
            begin, begin_end = np.searchsorted(self._begins, [start, start + len(chunk)])
            if first == end and begin == begin_end and not len(self._waiting):
                yield here, chunk
                continue
            heads = np.delete(here, self._gone[first:end] - start)
            yield heads, self._joined(heads)

    def chosen(
        self, chosen: NDArray[np.int64], rows: int = CHUNK_ROWS
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.void]]]:
        """The same of some rows, in ascending order, as copies; each of them is chosen with what it goes on in."""
        _, goes_on = _places(self._gone, chosen)
        heads = chosen[~goes_on]
        for start in range(0, len(heads), rows):
            some = heads[start : start + rows]
            yield some, self._joined(some)

    def _joined(self, heads: NDArray[np.int64]) -> NDArray[np.void]:
        """FLOW[k]: a copy of some rows that continue no others, each with the row that it goes on in."""
        chunk = picked(self._flows, heads)
        at, is_here = _places(heads, self._begins)
        at = at[is_here]
        if len(at):
            both = chunk[at]
            join(both, self._flows[self._after[is_here]])
            chunk[at] = both
        if len(self._waiting):
            at, is_here = _places(heads, self._owners)
            credited = self._waiting[is_here]
            credited["first_flow"] = at[is_here] + 1
            credit(chunk, 0, credited)
        return chunk


def picked(rows: NDArray[np.void], places: NDArray[np.integer[Any]]) -> NDArray[np.void]:
    """Some records as they are, each copied at once and not field by field."""
    some: NDArray[np.void] = rows.view(np.dtype((np.void, rows.dtype.itemsize)))[places]
    return some.view(rows.dtype)


def _places(rows: NDArray[np.int64], sought: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each of the sought ones is among ascending rows, and whether it is."""
    at = np.searchsorted(rows, sought)
    is_there = at < len(rows)
    is_there[is_there] = rows[at[is_there]] == sought[is_there]
    return at, is_there
