"""TimeBuckets: what came of each flow, and of each verdict, in each bucket of time.

Beside a flow table stands a table of cells (TIME_CELL), one for each flow and bucket that it had a packet in. The
kernel ``flow_update`` fills both. Cells only add up, so they merge as flows do; and they become fewer where buckets
become wider, which they do before there are too many of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.flows.cell_owners import NO_OWNER, moved, owners_here, turned
from portcall.flows.cells.by_row import CellsByRow, Moves, settle
from portcall.flows.cells.flow_cells import Cells, added
from portcall.flows.reserved_memory import release, release_left, reserved, reserved_rows
from portcall.flows.row_chunks import picked
from portcall.kernels.time_cells import CellStore
from portcall.labels.bucketing import Bucketing, next_width
from portcall.records.flows import FIRST_DATAGRAM, FIRST_FLOW, FIRST_UNMATCHED, TIME_CELL
from portcall.records.packets import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from portcall.flows.fragments import SettledFragments

MAX_CELLS = 1 << 23
"""Of a table, 336 MB; before there are more, buckets become wider."""
_ROOM = 1 << 16  # for the cells of one batch
_ERAS = 1 << 11  # as the kernel has them


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
        settle(self.cells, fragments)
        self.store.latest[FIRST_DATAGRAM : FIRST_DATAGRAM + len(fragments.owners)] = 0

    def by_row(
        self,
        flows: int,
        fragments: SettledFragments,
        beginnings: NDArray[np.int64],
        continuations: NDArray[np.int64],
    ) -> CellsByRow:
        """The cells by row of a table of so many flows, of which some continue others, until the next update.

        They are brought in order of their rows, in place.
        """
        starts = np.zeros(flows + 2, np.uint32)
        self.store.arrange(starts, np.empty(self.count, np.uint32))
        return CellsByRow(self._cells, self.count, starts, Moves(fragments, beginnings, continuations), self.width_ns)

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
            Verdict(verdict): added(Cells(np.zeros(len(part), np.uint32), part, self.width_ns))
            for verdict, part in parts.items()
        }

    def _spanned(self) -> int:
        """The same as the store says, where one that two eras share counts once."""
        firsts, lasts = self._eras[self._eras[:, 0] <= self._eras[:, 1]].T
        return self.store.spanned - int(np.count_nonzero(firsts[1:] == lasts[:-1]))
