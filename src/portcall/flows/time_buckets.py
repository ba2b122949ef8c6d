"""TimeBuckets: what came of each flow, and of each verdict, in each bucket of time.

Beside a flow table stands a table of cells (TIME_CELL), one for each flow and bucket that it had a packet in. The
kernel ``flow_update`` fills both. Cells only add up, so they merge as flows do; and they become fewer where buckets
become wider, which they do before there are too many of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.flows.cell_owners import COUNTED, NO_OWNER, moved, owners_here, turned
from portcall.flows.reserved_memory import release, release_left, reserved, reserved_rows
from portcall.flows.row_chunks import picked
from portcall.kernels.time_cells import CellStore
from portcall.labels.bucketing import Bucketing, bucket_numbers, next_width
from portcall.records.flows import FIRST_DATAGRAM, FIRST_FLOW, FIRST_UNMATCHED, TIME_CELL, TIME_SUM
from portcall.records.packets import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from portcall.flows.fragments import SettledFragments

MAX_CELLS = 1 << 23
"""Of a table, 336 MB; before there are more, buckets become wider."""
_ROOM = 1 << 16  # for the cells of one batch
_ERAS = 1 << 11  # as the kernel has them


class Cells(NamedTuple):
    """What came of some flows, bucket by bucket; ordered by flow, then by time."""

    rows: NDArray[np.int64]
    """int64[m]: which of the flows each is of."""
    table: NDArray[np.void]
    """TIME_CELL[n] or TIME_SUM[n], with these cells among others."""
    places: NDArray[np.int64]
    """int64[m]: where in the table each is, one for each flow and bucket."""
    width_ns: int
    """Of a bucket."""

    @staticmethod
    def of_all(rows: NDArray[np.int64], table: NDArray[np.void], width_ns: int) -> Cells:
        """All cells of a table."""
        return Cells(rows, table, np.arange(len(table)), width_ns)

    @property
    def counts(self) -> NDArray[np.void]:
        """A copy of each."""
        return picked(self.table, self.places)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """int64[m]: the numbers of their buckets."""
        return bucket_numbers(self.table["first_ns"][self.places], self.width_ns)

    def some(self, cells: slice | NDArray[np.int64]) -> Cells:
        """Some of the cells, of the same flows."""
        return Cells(self.rows[cells], self.table, self.places[cells], self.width_ns)

    def part(self, rows: slice) -> Cells:
        """Those of flows that follow one another."""
        some = self.some(slice(*np.searchsorted(self.rows, [rows.start, rows.stop])))
        return some._replace(rows=some.rows - rows.start)

    def at(self, rows: NDArray[np.int64]) -> Cells:
        """Those of some flows, in that order."""
        of_row, which = _spread(*(np.searchsorted(self.rows, rows, side) for side in ("left", "right")))
        return Cells(of_row, self.table, self.places[which], self.width_ns)

    def kept(self, keep: Callable[[NDArray[Any]], NDArray[Any]]) -> Cells:
        """The same with what ``keep`` gives for its arrays."""
        return Cells(keep(self.rows), keep(self.table), keep(self.places), self.width_ns)

    def copied(self) -> Cells:
        """The same, whatever becomes of the table."""
        return Cells.of_all(self.rows, self.counts, self.width_ns)


class TimeBuckets:
    """The cells of a flow table with room for ``flows`` rows."""

    def __init__(self, bucketing: Bucketing, flows: int, max_cells: int = MAX_CELLS) -> None:
        self.bucketing = bucketing
        self._cells = reserved_rows(max_cells + _ROOM, TIME_CELL, 2 * _ROOM)
        self.store = CellStore(bucketing.width_ns)
        self.store.cells = self._cells
        self.store.latest = reserved(FIRST_FLOW + flows, np.dtype(np.uint32))
        self._eras = np.tile(np.array([1, 0], np.int64), (0 if bucketing.most is None else _ERAS, 1))
        self.store.eras = self._eras

    @property
    def count(self) -> int:
        """How many cells there are."""
        return self.store.count

    @property
    def width_ns(self) -> int:
        """How wide buckets are now."""
        return self.store.width_ns

    @property
    def cells(self) -> NDArray[np.void]:
        """TIME_CELL[n]: the table itself, valid until the next update."""
        return self._cells[: self.count]

    @property
    def is_full(self) -> bool:
        """Whether another batch may not fit, even where all time is one bucket."""
        return self.count + _ROOM > len(self._cells)

    def settle(self) -> None:
        """Make buckets wider until there are few enough, and room for the cells of another batch."""
        most = self.bucketing.most
        while self.is_full or (most is not None and self.store.spanned > most and self._spanned() > most):
            wider = next_width(self.width_ns)
            if wider is None:
                return
            self.widen(wider)

    def widen(self, width_ns: int) -> None:
        """Go on with buckets of that width, a multiple of theirs."""
        if width_ns != self.width_ns:
            self.store.widen(width_ns)
            release(self._cells, self.count)

    def renumber(self, owners: NDArray[np.uint32]) -> None:
        """Give cells other owners, and let go those that have none."""
        before = self.count
        self.store.renumber(owners)
        release_left(self._cells, self.count, before)

    def forget(self, before_ns: int) -> None:
        """Let the cells of buckets go that begin before, where a bucket begins."""
        cells = self.cells
        if len(cells) and (is_past := cells["first_ns"] < before_ns).any():
            self.renumber(np.where(is_past, NO_OWNER, cells["owner"]))

    def add(self, cells: NDArray[np.void], width_ns: int) -> None:
        """Take in cells of others, whose owners are known here, and whose buckets were so wide."""
        self.widen(max(width_ns, self.width_ns))
        for start in range(0, len(cells), _ROOM):
            if self.is_full:  # even at the widest: what two tables hold has room in one
                twice = reserved_rows(2 * len(self._cells), TIME_CELL, self.count + 2 * _ROOM)
                twice[: self.count] = self.cells
                self._cells = self.store.cells = twice
            self.store.append(cells[start : start + _ROOM])
            self.settle()

    def restore(self, cells: NDArray[np.void], width_ns: int, flows: int, datagrams: int, unmatched: int) -> None:
        """Take in the cells of a table with so many rows of each kind. ValueError where it cannot have them."""
        owners = cells["owner"].astype(np.int64)
        known = ((0, len(Verdict)), (FIRST_DATAGRAM, datagrams), (FIRST_FLOW, flows), (FIRST_UNMATCHED, unmatched))
        if (
            datagrams > FIRST_FLOW - FIRST_DATAGRAM
            or not np.any([(owners >= first) & (owners < first + count) for first, count in known], axis=0).all()
        ):
            raise ValueError("a cell's owner is none")
        if (cells["first_ns"] > cells["last_ns"]).any() or not self.can_become(width_ns):
            raise ValueError("cells are of other times than their buckets")
        self.add(cells, width_ns)

    def can_become(self, width_ns: int) -> bool:
        """Whether buckets that begin so narrow may become so wide."""
        width: int | None = self.bucketing.width_ns
        while width is not None and width < width_ns:
            width = next_width(width)
        return width == width_ns

    def settle_fragments(self, fragments: SettledFragments) -> None:
        """Give the cells of datagrams, which are forgotten, to those whose fragments these are now."""
        self._settle(self.cells, self.cells["owner"], fragments)
        self.store.latest[FIRST_DATAGRAM : FIRST_DATAGRAM + len(fragments.owners)] = 0

    def by_row(
        self,
        flows: int,
        fragments: SettledFragments,
        beginnings: NDArray[np.int64],
        continuations: NDArray[np.int64],
    ) -> CellsByRow:
        """The cells by row of a table of so many flows, of which some continue others."""
        cells, owners = self.cells, self.cells["owner"].copy()
        if fragments.sides.any():
            cells = cells.copy()
        self._settle(cells, owners, fragments)
        if len(continuations):
            kept = np.arange(FIRST_FLOW, FIRST_FLOW + flows, dtype=np.uint32)
            kept[continuations] = beginnings + FIRST_FLOW
            moved(owners, FIRST_FLOW, kept)
        return CellsByRow(cells, owners, flows, self.width_ns)

    @staticmethod
    def _settle(cells: NDArray[np.void], owners: NDArray[np.uint32], fragments: SettledFragments) -> None:
        turned(cells, fragments.sides)
        moved(owners, FIRST_UNMATCHED, fragments.former)
        moved(owners, FIRST_DATAGRAM, fragments.owners)

    def merge(
        self,
        later: TimeBuckets,
        rows: NDArray[np.uint32],
        datagrams: NDArray[np.uint64],
        fragments: Sequence[NDArray[np.int64]],
    ) -> None:
        """Take in the cells of the shard that follows.

        ``rows`` are 1 + where its rows are here. ``datagrams`` are twice what owns its datagrams' cells here, + 1 where
        their ends are the other way round. ``fragments`` are where unmatched ones are now: those of here, and its own.
        """
        former, new = ((places + FIRST_UNMATCHED).astype(np.uint32) for places in fragments)
        moved(self.cells["owner"], FIRST_UNMATCHED, former)
        cells = later.cells.copy()
        turned(cells, (datagrams & np.uint64(1)).astype(np.uint8))
        cells["owner"] = owners_here(cells["owner"], rows, datagrams >> np.uint64(1), new)
        self.add(cells, later.width_ns)

    def on_no_flow(self) -> dict[Verdict, Cells]:
        """What came of frames that are on no flow, by their verdict, as of one flow each."""
        places = np.flatnonzero(self.cells["owner"] < FIRST_DATAGRAM)
        cells = picked(self.cells, places)
        parts = {verdict: cells[cells["owner"] == verdict] for verdict in np.unique(cells["owner"]).tolist()}
        return {
            Verdict(verdict): added(Cells.of_all(np.zeros(len(part), np.int64), part, self.width_ns))
            for verdict, part in parts.items()
        }

    def _spanned(self) -> int:
        """The same as the store says, where one that two eras share counts once."""
        firsts, lasts = self._eras[self._eras[:, 0] <= self._eras[:, 1]].T
        return self.store.spanned - int(np.count_nonzero(firsts[1:] == lasts[:-1]))


class CellsByRow:
    """The cells of a table that is not updated meanwhile, by flow: rows of the table, then unmatched fragments."""

    def __init__(self, cells: NDArray[np.void], owners: NDArray[np.uint32], flows: int, width_ns: int) -> None:
        """TIME_CELL[n] and whose each is: rows of a table with so many flows, unmatched fragments, and others."""
        self._cells, self._width_ns, self._flows = cells, width_ns, flows
        keys = owners.astype(np.int64)
        keys -= FIRST_FLOW
        keys[owners >= FIRST_UNMATCHED] += flows + FIRST_FLOW - FIRST_UNMATCHED
        keys <<= 32
        for start in range(0, len(keys), _ROOM):  # all at once would take as much memory again
            some = keys[start : start + _ROOM]
            some |= np.arange(start, start + len(some))
        keys.sort()
        self._keys = keys[np.searchsorted(keys, 0) :]  # without those of datagrams and verdicts

    def of(self, rows: NDArray[np.int64]) -> Cells:
        """The cells of some rows; -1 are the unmatched fragments, one after the other."""
        is_fragment = rows < 0
        wanted = rows.copy()
        wanted[is_fragment] = self._flows + np.arange(np.count_nonzero(is_fragment))
        starts, ends = (np.searchsorted(self._keys, (wanted + more) << 32) for more in (0, 1))
        of_row, places = _spread(starts, ends)
        return added(Cells(of_row, self._cells, self._keys[places] & 0xFFFFFFFF, self._width_ns))


def _spread(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every number of each range, with the range's index before it."""
    counts = ends - starts
    of_range = np.repeat(np.arange(len(starts)), counts)
    return of_range, np.arange(len(of_range)) + np.repeat(starts - np.cumsum(counts) + counts, counts)


def added(cells: Cells) -> Cells:
    """One cell for each flow and bucket, in order of both, of cells in order of flows."""
    rows, numbers = cells.rows, cells.numbers
    if not ((np.diff(rows) == 0) & (np.diff(numbers) <= 0)).any():
        return cells
    order = np.lexsort((numbers, rows))
    rows, numbers, counts = rows[order], numbers[order], cells.some(order).counts
    starts = np.flatnonzero(np.r_[True, (np.diff(rows) != 0) | (np.diff(numbers) != 0)])
    sums = counts[starts].astype(TIME_SUM)
    for column in COUNTED:
        sums[column] = np.add.reduceat(counts[column], starts, dtype=np.uint64)
    sums["first_ns"] = np.minimum.reduceat(counts["first_ns"], starts)
    sums["last_ns"] = np.maximum.reduceat(counts["last_ns"], starts)
    return Cells.of_all(rows[starts], sums, cells.width_ns)


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
    return added(Cells.of_all(rows[order], counts[order], cells.width_ns))
