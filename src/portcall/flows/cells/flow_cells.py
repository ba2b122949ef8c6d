"""Cells: what came of some flows in each bucket of time, one for each flow and bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.flows.cell_owners import COUNTED
from portcall.flows.row_chunks import picked
from portcall.labels.bucketing import bucket_numbers
from portcall.records.flows import TIME_SUM

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_LOOKED_AT_ONCE = 1 << 16


class Cells(NamedTuple):
    """What came of some flows, bucket by bucket; ordered by flow, then by time."""

    rows: NDArray[np.integer[Any]]
    """uint32[m] or int64[m]: which of the flows each is of."""
    counts: NDArray[np.void]
    """TIME_CELL[m] or TIME_SUM[m], one for each flow and bucket; perhaps part of a table, and valid as long."""
    width_ns: int
    """Of a bucket."""

    @property
    def numbers(self) -> NDArray[np.int64]:
        """int64[m]: the numbers of their buckets."""
        return bucket_numbers(self.counts["first_ns"], self.width_ns)

    def some(self, cells: slice | NDArray[np.int64]) -> Cells:
        """Some of the cells, of the same flows; copies, unless they follow one another."""
        counts = self.counts[cells] if isinstance(cells, slice) else picked(self.counts, cells)
        return Cells(self.rows[cells], counts, self.width_ns)

    def part(self, rows: slice) -> Cells:
        """Those of flows that follow one another."""
        some = self.some(slice(*np.searchsorted(self.rows, np.array([rows.start, rows.stop], self.rows.dtype))))
        return some._replace(rows=some.rows - self.rows.dtype.type(rows.start))

    def at(self, rows: NDArray[np.int64]) -> Cells:
        """Those of some flows, in that order."""
        of_row, which = spread(*(np.searchsorted(self.rows, rows, side) for side in ("left", "right")))
        return Cells(of_row, picked(self.counts, which), self.width_ns)

    def kept(self, keep: Callable[[NDArray[Any]], NDArray[Any]]) -> Cells:
        """The same with what ``keep`` gives for its arrays."""
        return Cells(keep(self.rows), keep(self.counts), self.width_ns)

    def copied(self) -> Cells:
        """The same, whatever becomes of the table."""
        return self._replace(counts=self.counts.copy())


def spread(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every number of each range, with the range's index before it."""
    counts = ends - starts
    of_range = np.repeat(np.arange(len(starts)), counts)
    return of_range, np.arange(len(of_range)) + np.repeat(starts - np.cumsum(counts) + counts, counts)


def _are_in_order(cells: Cells) -> bool:
    """Whether they are in order of flow, then of bucket, one of each; looked at a piece at a time."""
    for start in range(0, len(cells.rows), _LOOKED_AT_ONCE):
        some = cells.some(slice(start, start + _LOOKED_AT_ONCE + 1))
        if ((np.diff(some.rows) == 0) & (np.diff(some.numbers) <= 0)).any():
            return False
    return True


def added(cells: Cells) -> Cells:
    """One cell for each flow and bucket, in order of both, of cells in order of flows."""
    if _are_in_order(cells):
        return cells
    rows, numbers = cells.rows, cells.numbers
    order = np.lexsort((numbers, rows))
    rows, numbers, counts = rows[order], numbers[order], cells.some(order).counts
    starts = np.flatnonzero(np.r_[True, (np.diff(rows) != 0) | (np.diff(numbers) != 0)])
    sums = counts[starts].astype(TIME_SUM)
    for column in COUNTED:
        sums[column] = np.add.reduceat(counts[column], starts, dtype=np.uint64)
    sums["first_ns"] = np.minimum.reduceat(counts["first_ns"], starts)
    sums["last_ns"] = np.maximum.reduceat(counts["last_ns"], starts)
    return Cells(rows[starts], sums, cells.width_ns)


def with_sides(cells: Cells, sides: NDArray[np.int64]) -> Cells:
    """Cells of flows of which ``sides[n]`` says from which of the flows each end's count is."""
    is_whole = sides[:, 0] == sides[:, 1]
    low, high = (cells.at(sides[:, side]) for side in (0, 1))
    high = high.some(np.flatnonzero(~is_whole[high.rows]))
    parts = [low.counts, high.counts]
    for part, rows, other in ((parts[0], low.rows, 1), (parts[1], high.rows, 0)):
        for column in COUNTED:
            part[column][~is_whole[rows], other] = 0
    rows, counts = np.concatenate([low.rows, high.rows]), np.concatenate(parts)
    order = np.argsort(rows, kind="stable")
    order = order[(counts["packets"][order] > 0).any(axis=1)]
    return added(Cells(rows[order], counts[order], cells.width_ns))
