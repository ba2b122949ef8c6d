"""Rows by flow that are kept outside of memory until somebody asks for them, a bounded number of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.attribution.flow_rows import FlowRows
from portcall.attribution.flow_shares import FlowShare, TellingShares
from portcall.attribution.kept_matches import KeptMatches
from portcall.flows.cells.flow_cells import Cells
from portcall.inspection.detection_table import Detected
from portcall.labels.bucketing import bucket_starts
from portcall.labels.port_services import PROTOCOL_NAMES
from portcall.records.column_values import Words
from portcall.records.flows import FLOW, TIME_SUM
from portcall.records.report import Degradation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from portcall.attribution.kept_matches import RowStore
    from portcall.attribution.principals import Matches
    from portcall.inspection.server_names import ServerNames
    from portcall.records.column_values import Columns
    from portcall.records.packets import CapturePoint

_KEPT_AT_ONCE = 1 << 14
_MOST_TOUCHED_BYTES = 16 << 20
"""Of kept rows that some may be picked from before those rest: a page is in memory as a whole, with those around it."""


class KeptFlowRows(FlowRows):
    """As ``FlowRows``, of which no more than some thousand are in memory.

    Which bytes have an app is settled when rows are added; what else is told of them, when somebody asks.
    """

    is_kept = True

    def __init__(self, names: ServerNames | None, capture_points: Sequence[CapturePoint], store: RowStore) -> None:
        super().__init__(names, capture_points)
        self._store = store
        self._kept: list[FlowShare] = []
        self._kept_bytes_attributed = self._left_out = self._touched_bytes = 0

    @property
    def left_out(self) -> int:
        """Rows for which there was no room, those of the fewest bytes."""
        return self._left_out

    def add(
        self,
        flows: NDArray[np.void],
        matches: tuple[Matches, Matches] | None = None,
        found: Detected | None = None,
        cells: Cells | None = None,
    ) -> None:
        """Take FLOW[n], as ``FlowRows`` does."""
        super().add(flows, matches, found, cells)
        if super().__len__() >= _KEPT_AT_ONCE:
            self._kept_bytes_attributed += super().bytes_attributed()
            self._keep(self._all.shares, None)
            self._all = TellingShares(self._names)
            if sum(share.rows for share in self._kept) > self._store.most_rows:
                self._leave_out()

    def __len__(self) -> int:
        """How many rows."""
        return sum(share.rows for share in self._kept) + super().__len__()

    def take(self, rows: NDArray[np.int64], names: frozenset[str] | None = None) -> Columns:
        """The columns of some conversations, as ``FlowRows`` gives them."""
        gathered = FlowRows(self._names, self._capture_points)
        share = self._gathered([*self._kept, *self._all.shares], rows)
        gathered.add(share.flows, share.matches, share.found, share.cells)
        self._rest()
        return gathered.take(np.arange(len(rows)), names)

    def protocols(self) -> Words:
        """The protocol of each."""
        return Words(self._of_kept(lambda share: share.of_rows(share.flows["protocol"]), np.uint8), PROTOCOL_NAMES)

    def bytes_both_ways(self) -> NDArray[np.int64]:
        """int64[n]: the bytes of each."""
        return self._of_kept(FlowShare.bytes_both_ways, np.int64)

    def bucket_starts(self) -> NDArray[np.int64]:
        """int64[n]: when the bucket of each begins, NO_TIME for none."""
        width_ns = self._width_ns

        def numbers(share: FlowShare) -> NDArray[np.int64]:
            return share.cells._replace(width_ns=width_ns).numbers if share.cells else np.zeros(0, np.int64)

        return bucket_starts(self._of_kept(numbers, np.int64), width_ns)

    def bytes_attributed(self) -> int:
        """Bytes of those that have an app, those that were left out among them."""
        return self._kept_bytes_attributed + super().bytes_attributed()

    def _of_kept(self, column: Callable[[FlowShare], NDArray[Any]], dtype: Any) -> NDArray[Any]:
        """A column of all rows."""
        columns = self._columns_of([*self._kept, *self._all.shares], column, dtype)
        return np.concatenate([*columns, np.zeros(0, dtype)])

    def _columns_of(
        self, shares: Sequence[FlowShare], column: Callable[[FlowShare], NDArray[Any]], dtype: Any
    ) -> list[NDArray[Any]]:
        """A column of each, of which no more than one is in memory at a time."""
        columns = []
        for share in shares:
            columns.append(column(share).astype(dtype))
            self._store.rest()
        return columns

    def _leave_out(self) -> None:
        """Keep half of the bound, the rows of most bytes."""
        shares, sizes = self._kept, self._columns_of(self._kept, FlowShare.bytes_both_ways, np.int64)
        every = np.concatenate(sizes)
        most = self._store.most_rows // 2
        least = np.partition(every, len(every) - most)[len(every) - most]
        self._kept = []
        for share, size in zip(shares, sizes, strict=True):
            greater = np.flatnonzero(size > least)
            if len(greater):
                self._keep([share], greater)
        self._left_out += len(every) - sum(share.rows for share in self._kept)

    def _keep(self, shares: Sequence[FlowShare], rows: NDArray[np.int64] | None) -> None:
        share, keep = self._gathered(shares, rows), self._store.kept
        matches = share.matches and (
            KeptMatches(share.matches[0], self._store),
            KeptMatches(share.matches[1], self._store),
        )
        found, cells = share.found and share.found.kept(keep), share.cells and share.cells.kept(keep)
        self._kept.append(FlowShare(keep(share.flows), matches, found, cells))
        self._rest()

    def _gathered(self, shares: Sequence[FlowShare], rows: NDArray[np.int64] | None) -> FlowShare:
        """Some rows of all shares together, or all of them, in one."""
        every = TellingShares(self._names)
        every.shares += shares
        picked = every.pick(np.arange(len(every)) if rows is None else rows)
        found = cells = None
        if any(share.found for share in shares):
            numbers, evidence = picked.found()
            askers = picked.column(np.uint8, lambda share: share.found.askers if share.found else _nobody(share))
            found = Detected(numbers.astype(np.int32), evidence.astype(np.uint64), askers)
        if self._width_ns:
            cells = Cells(np.arange(picked.count), picked.counts(TIME_SUM), self._width_ns)
        matches = picked.matches() if any(share.matches for share in shares) else None
        return FlowShare(picked.records(FLOW, self._flows_of), matches, found, cells)

    def _flows_of(self, share: FlowShare) -> NDArray[np.void]:
        """Its rows, to pick from; those that were picked from before may rest."""
        self._touched_bytes += share.flows.nbytes
        if self._touched_bytes > _MOST_TOUCHED_BYTES:
            self._store.rest()
            self._touched_bytes = share.flows.nbytes
        return share.flows

    def _rest(self) -> None:
        for share in self._kept:
            for matches in share.matches or ():
                if isinstance(matches, KeptMatches):
                    matches.rest()
        self._store.rest()


def _nobody(share: FlowShare) -> NDArray[np.uint8]:
    return np.zeros(len(share.flows), np.uint8)


def note_of_left_out(rows: int) -> list[Degradation]:
    """That so many rows found no room where rows are kept."""
    reason = f"there was no room for {rows} rows, those of the fewest bytes, which are left out"
    remedy = "--format jsonl with --idle-timeout writes all rows as they leave"
    return [Degradation("rows", reason, remedy)] if rows else []
