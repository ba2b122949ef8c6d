"""The cells of a flow table by its rows, as things stand: each row with what it continues in, and its fragments."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.flows.cell_owners import moved, turned
from portcall.flows.cells.flow_cells import Cells, added, spread
from portcall.flows.reserved_memory import release_between
from portcall.flows.row_chunks import picked
from portcall.records.flows import FIRST_DATAGRAM, FIRST_FLOW, FIRST_UNMATCHED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.flows.fragments import SettledFragments


class Moves(NamedTuple):
    """Whose cells are another row's as things stand."""

    fragments: SettledFragments
    beginnings: NDArray[np.int64]
    """Of each of ``continuations`` the row that it continues."""
    continuations: NDArray[np.int64]


def settle(cells: NDArray[np.void], fragments: SettledFragments) -> None:
    """Give the cells of datagrams, and of fragments without a first, to whom these belong."""
    turned(cells, fragments.sides)
    moved(cells["owner"], FIRST_UNMATCHED, fragments.former)
    moved(cells["owner"], FIRST_DATAGRAM, fragments.owners)


class CellsByRow:
    """The cells of a table that is not updated meanwhile, by flow: rows of the table, then unmatched fragments.

    ``starts`` are where the cells of each flow begin, where those of fragments do, and how many there are.
    """

    def __init__(
        self, table: NDArray[np.void], count: int, starts: NDArray[np.uint32], moves: Moves, width_ns: int
    ) -> None:
        """``table`` has ``count`` cells in order of their rows."""
        self._table, self._starts, self._width_ns = table, starts, width_ns
        self._flows = len(starts) - 2
        self._more, self._rows_of_more = self._moved(moves, count)
        self._let_go = 0

    def of(self, rows: NDArray[np.int64]) -> Cells:
        """The cells of some rows, in ascending order; -1 are the unmatched fragments, one after the other."""
        is_fragment = rows < 0
        wanted = rows.copy()
        wanted[is_fragment] = self._flows + np.arange(np.count_nonzero(is_fragment))
        own = self._own(np.where(is_fragment, self._flows, rows), is_fragment)
        of_row, places = spread(*(np.searchsorted(self._rows_of_more, wanted, side) for side in ("left", "right")))
        if not len(places):
            return added(own)
        of_both = np.concatenate([own.rows, of_row])
        order = np.argsort(of_both, kind="stable")
        return added(Cells(of_both[order], np.concatenate([own.counts, self._more[places]])[order], self._width_ns))

    def let_go(self, rows: NDArray[np.int64]) -> None:
        """Give back the memory of the cells of these rows: nobody asks for them, or for those before them, again."""
        if len(rows) and rows[-1] >= 0:
            end = int(self._starts[rows[-1] + 1])
            release_between(self._table, self._let_go or int(self._starts[0]), end)
            self._let_go = end

    def _own(self, rows: NDArray[np.int64], are_none: NDArray[np.bool_]) -> Cells:
        """Those that were counted for these rows themselves."""
        starts, ends = self._starts[rows].astype(np.int64), self._starts[rows + 1].astype(np.int64)
        ends[are_none] = starts[are_none]
        if len(rows) and (starts[1:] == ends[:-1]).all():
            of_each = np.repeat(np.arange(len(rows), dtype=np.uint32), ends - starts)
            return Cells(of_each, self._table[starts[0] : ends[-1]], self._width_ns)
        of_row, places = spread(starts, ends)
        return Cells(of_row, picked(self._table, places), self._width_ns)

    def _moved(self, moves: Moves, count: int) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        """TIME_CELL[m], copies of those that were counted for others, and the row of each, in ascending order."""
        starts, ends = (self._starts[moves.continuations + more].astype(np.int64) for more in (0, 1))
        _, continued = spread(starts, ends)
        places = np.concatenate([np.arange(self._starts[0]), continued, np.arange(self._starts[self._flows], count)])
        cells = picked(self._table, places[self._table["owner"][places] >= FIRST_DATAGRAM])
        settle(cells, moves.fragments)
        rows = cells["owner"].astype(np.int64) - FIRST_FLOW
        rows[cells["owner"] >= FIRST_UNMATCHED] += self._flows + FIRST_FLOW - FIRST_UNMATCHED
        at = np.searchsorted(moves.continuations, rows)
        continues = np.append(moves.continuations, np.iinfo(np.int64).min)[at] == rows
        rows[continues] = moves.beginnings[at[continues]]
        order = np.argsort(rows, kind="stable")
        order = order[np.searchsorted(rows[order], 0) :]  # without those of datagrams of which nothing waits
        return cells[order], rows[order]
