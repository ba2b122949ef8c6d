"""Rows that leave a flow table, with all that belongs to them, and what is left behind them.

A row leaves with the one that it goes on in, or stays with it. Later fragments that waited for their first leave with
its row; those that waited too long for one leave as unmatched fragments. What stays moves together and keeps its order,
so whoever knows rows by their index is told the new ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.flows.cell_owners import NO_OWNER
from portcall.flows.continuations import Continued, continued
from portcall.flows.fragments import settled
from portcall.flows.reserved_memory import release_left
from portcall.flows.row_chunks import Conversations
from portcall.records.flows import FIRST_DATAGRAM, FIRST_FLOW, FIRST_UNMATCHED, NEVER
from portcall.records.packets import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.flows.cells.by_row import CellsByRow
    from portcall.flows.time_buckets import TimeBuckets

_MOVED_AT_ONCE = 1 << 14
LEAVING_AT_ONCE = 1 << 14
"""Rows that are handed out together, unless somebody wants more."""


class Eviction:
    """What leaves a table with some of its rows, as things stand before the next update.

    ``before_ns``: fragments that wait for a first since then wait no more. ``idle_ns`` as ``continued`` has it.
    """

    def __init__(
        self,
        flows: NDArray[np.void],
        datagrams: NDArray[np.void],
        unmatched_fragments: NDArray[np.void],
        are_leaving: NDArray[np.bool_],
        before_ns: int,
        idle_ns: int = 0,
    ) -> None:
        self._flows, self._datagrams = flows, datagrams
        self.continued = continued(flows, idle_ns)
        both = are_leaving[self.continued.beginnings] & are_leaving[self.continued.continuations]
        leave = are_leaving.copy()
        leave[self.continued.beginnings] = leave[self.continued.continuations] = both
        self.rows = np.flatnonzero(leave)
        """int64[m]: the indexes of the rows that leave."""
        self.kept = np.flatnonzero(~leave)
        """int64[k]: those of the others; where each is among them is its new index."""
        self.numbers = np.cumsum(~leave, dtype=np.uint32)
        self.numbers[leave] = 0
        """uint32[n]: 1 + the new index, 0 for those that leave."""
        leave_by_number = np.concatenate([np.zeros(1, np.bool_), leave])
        self._first_leaves = leave_by_number[datagrams["first_flow"]]
        self._latest_leaves = leave_by_number[datagrams["latest_flow"]]
        is_lost = (datagrams["first_flow"] == 0) & (datagrams["packets"] > 0)
        is_given_up = is_lost & (datagrams["last_ns"] < before_ns)
        self._are_gone = is_given_up | (self._first_leaves & self._latest_leaves)
        decided = datagrams
        if (is_lost & ~is_given_up).any():
            decided = datagrams.copy()
            decided["packets"][is_lost & ~is_given_up] = 0
        self._fragments = settled(unmatched_fragments, decided)

    def __len__(self) -> int:
        """How many rows of conversations and of unmatched fragments leave, before those that continue are joined."""
        return len(self.rows) + len(self._fragments.unmatched)

    def chunks(self, rows: int = LEAVING_AT_ONCE) -> Iterator[tuple[NDArray[np.int64], NDArray[np.void]]]:
        """What leaves, so many conversations at once, each with its row's index; -1 for unmatched fragments."""
        waiting = self._datagrams[self._first_leaves & (self._datagrams["packets"] > 0)]
        yield from Conversations(self._flows, self.continued, waiting).chosen(self.rows, rows)
        if len(self._fragments.unmatched):
            yield np.full(len(self._fragments.unmatched), -1), self._fragments.unmatched

    def continued_leaving(self) -> Continued:
        """The rows among those that leave that go on in another one."""
        leave = self.numbers[self.continued.beginnings] == 0
        return Continued(*(some[leave] for some in self.continued))

    def cells(self, buckets: TimeBuckets) -> CellsByRow:
        """What came of each by time."""
        return buckets.by_row(len(self._flows), self._fragments, *self.continued)

    def datagrams_left(self) -> NDArray[np.void]:
        """DATAGRAM[d] of those that stay, whose rows have their new indexes."""
        left: NDArray[np.void] = self._datagrams[~self._are_gone].copy()
        first_leaves, latest_leaves = self._first_leaves[~self._are_gone], self._latest_leaves[~self._are_gone]
        for name in ("packets", "bytes", "payload", "local", "first_frame"):
            left[name][first_leaves] = 0
        left["first_ns"][first_leaves], left["last_ns"][first_leaves] = NEVER, NO_TIME
        for name in ("flow", "side"):
            left[f"first_{name}"][first_leaves] = left[f"latest_{name}"][first_leaves]
            left[f"latest_{name}"][latest_leaves] = left[f"first_{name}"][latest_leaves]
        for column in ("first_flow", "latest_flow"):
            self.renumber(left[column])
        return left

    def renumber(self, numbers: NDArray[np.uint32]) -> None:
        """Put in, for 1 + the index of a row, 1 + its new one, 0 where it leaves; 0 stays."""
        named = np.flatnonzero(numbers)
        numbers[named] = self.numbers[numbers[named] - 1]

    def owners_left(self, owners: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """uint32[c]: the new owner of each cell by its former one; NO_OWNER of what left."""
        left = owners.copy()
        left[owners >= FIRST_UNMATCHED] = NO_OWNER
        datagrams = (np.cumsum(~self._are_gone) - 1 + FIRST_DATAGRAM).astype(np.uint32)
        datagrams[self._are_gone | self._first_leaves] = NO_OWNER  # what waited left with its row
        flows = self.numbers + np.uint32(FIRST_FLOW - 1)
        flows[self.rows] = NO_OWNER
        for first, new in ((FIRST_DATAGRAM, datagrams), (FIRST_FLOW, flows)):
            here = np.flatnonzero((owners >= first) & (owners < first + len(new)))
            left[here] = new[owners[here] - np.uint32(first)]
        return left

    def move(self, column: NDArray[Any]) -> None:
        """Move what a column has of the rows that stay, and leave zeros behind it; memory that nobody used stays so."""
        records = column.view(np.dtype((np.void, column.itemsize)))  # each at once, and not field by field
        kept, count, before = self.kept, len(self.kept), len(self._flows)
        moved = int(np.searchsorted(kept - np.arange(count), 1))  # all before them stay where they are
        for start in range(moved, count, _MOVED_AT_ONCE):
            some = kept[start : start + _MOVED_AT_ONCE]
            _put(records[start : start + len(some)], records[some])
        release_left(column, count, before)
        for start in range(count, before, _MOVED_AT_ONCE):
            here = records[start : min(start + _MOVED_AT_ONCE, before)]
            _put(here, np.zeros(len(here), here.dtype))


def _put(places: NDArray[np.void], records: NDArray[np.void]) -> None:
    """Put records in these places, where that changes anything: to read what is zeros takes no memory."""
    if places.view(np.uint8).any() or records.view(np.uint8).any():
        places[:] = records
