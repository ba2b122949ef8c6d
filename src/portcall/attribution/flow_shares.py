"""Conversations as they were counted, share by share, and what follows from each: its client, its service, its names.

What follows is found once, in the order in which conversations lie in memory, and kept as numbers: 18 bytes a
conversation. Rows are picked from all shares, in any order, a column at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.flows.flow_ends import flow_ends
from portcall.records.histories import HISTORY
from portcall.records.report_rows import ROWS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from portcall.flows.cells.flow_cells import Cells
    from portcall.inspection.detection_table import Detected
    from portcall.inspection.server_names import ServerNames
    from portcall.records.ownership import Match


class FlowShare(NamedTuple):
    """Some conversations."""

    flows: NDArray[np.void]
    """FLOW[n]."""
    matches: tuple[Sequence[Match | None], Sequence[Match | None]] | None
    """Whose their low and high ends are."""
    found: Detected | None
    cells: Cells | None = None

    @property
    def rows(self) -> int:
        """Of rows."""
        return len(self.cells.rows if self.cells else self.flows)

    def bytes_both_ways(self) -> NDArray[np.uint64]:
        """uint64[n]: the bytes of each row."""
        counts = self.cells.counts["bytes"] if self.cells else self.flows["bytes"]
        return np.asarray(np.add(counts[:, 0], counts[:, 1], dtype=np.uint64))

    def of_rows(self, column: NDArray[Any]) -> NDArray[Any]:
        """What a column of the conversations is in each row."""
        return column[self.cells.rows] if self.cells else column


class ToldFlows(NamedTuple):
    """What follows from the conversations of a share, one of each."""

    clients_are_low: NDArray[np.bool_]
    evidence: NDArray[np.uint8]
    """OriginatorEvidence for that."""
    by_port: NDArray[np.int32]
    """Service keys by port."""
    services: NDArray[np.int32]
    """Service keys by all that is told."""
    facts: NDArray[np.int32]
    """Numbers of the facts about each, 0 for none."""


class TellingShares:
    """All shares, and what follows from them. ``names`` is what the traffic itself tells."""

    def __init__(self, names: ServerNames | None) -> None:
        self._names = names
        self.shares: list[FlowShare] = []
        self._told: list[ToldFlows] = []
        self._facts: list[NDArray[np.void]] = []
        self._fact_count = 0

    def __len__(self) -> int:
        """Of rows."""
        return sum(share.rows for share in self.shares)

    def told(self) -> list[ToldFlows]:
        """What follows from the conversations of each share."""
        for share in self.shares[len(self._told) :]:
            parts = [self._tell(share, slice(at, at + ROWS_AT_ONCE)) for at in range(0, len(share.flows), ROWS_AT_ONCE)]
            self._told.append(ToldFlows(*map(np.concatenate, zip(*parts, strict=True))))
        if len(self._facts) > 1:
            self._facts = [np.concatenate(self._facts)]
        return self._told

    def facts(self, numbers: NDArray[np.int64]) -> NDArray[np.void]:
        """FACTS[n] with these numbers, from 1 on."""
        return self._facts[0][numbers - 1]

    def merge(self, other: TellingShares) -> None:
        """Take all that another one has."""
        self.shares += other.shares

    def pick(self, rows: NDArray[np.int64]) -> PickedRows:
        """Some rows, in that order."""
        starts = np.cumsum([0, *(share.rows for share in self.shares)])
        if len(self.shares) == 1:
            return PickedRows(len(rows), [_Pick(0, self.shares[0], np.arange(len(rows)), rows)])
        of_share = np.searchsorted(starts, rows, "right") - 1
        # Few bits are sorted by radix.
        by_share = np.argsort(of_share.astype(np.min_scalar_type(len(starts))), kind="stable")
        bounds = np.searchsorted(of_share[by_share], np.arange(len(starts)))
        picks = []
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            places = by_share[bounds[number] : bounds[number + 1]]
            picks.append(_Pick(number, self.shares[number], places, rows[places] - starts[number]))
        return PickedRows(len(rows), picks)

    def _tell(self, share: FlowShare, rows: slice) -> ToldFlows:
        flows, found = share.flows[rows], share.found.part(rows) if share.found else None
        ends = flow_ends(flows, askers=found.askers if self._names and found else None).rows
        clients_are_low, by_port = ends["client_is_low"].copy(), ends["service"].copy()
        services, facts = by_port, np.zeros(len(flows), np.int32)
        if self._names and found:
            distinct, which = self._names.facts(flows, clients_are_low, by_port, found)
            keys = np.array([label.key for label in self._names.told(distinct)], np.int64)
            services = np.where(which > 0, keys[which], by_port)
            facts = np.where(which > 0, which + self._fact_count, 0).astype(np.int32)
            self._facts.append(distinct)
            self._fact_count += len(distinct)
        evidence = ends["evidence"].copy()
        return ToldFlows(clients_are_low, evidence, by_port.astype(np.int32), services.astype(np.int32), facts)


class _Pick(NamedTuple):
    """Rows of one share."""

    number: int
    """Of the share."""
    share: FlowShare
    places: NDArray[np.int64]
    """Where they are wanted."""
    rows: NDArray[np.int64]
    """Indexes in the share."""

    @property
    def flows(self) -> NDArray[np.int64]:
        """Which conversations they are of."""
        return self.share.cells.rows[self.rows].astype(np.int64) if self.share.cells else self.rows


class PickedRows:
    """Some rows of several shares, whose columns can be put together."""

    def __init__(self, count: int, picks: Sequence[_Pick]) -> None:
        self.count = count
        self._picks = [(pick, pick.flows) for pick in picks]

    def __iter__(self) -> Iterator[tuple[int, FlowShare, NDArray[np.int64], NDArray[np.int64]]]:
        """The number of each share, the share, which of its conversations the rows are of, and their places."""
        for pick, flows in self._picks:
            yield pick.number, pick.share, flows, pick.places

    def column(self, dtype: Any, of_share: Callable[[FlowShare], NDArray[Any]]) -> NDArray[Any]:
        """A column of the conversations."""
        column = np.empty(self.count, dtype)
        for pick, flows in self._picks:
            column[pick.places] = of_share(pick.share)[flows]
        return column

    def told(self, dtype: Any, told: Sequence[ToldFlows], name: str) -> NDArray[Any]:
        """A column of what follows from them."""
        column = np.empty(self.count, dtype)
        for pick, flows in self._picks:
            column[pick.places] = getattr(told[pick.number], name)[flows]
        return column

    def records(self, dtype: np.dtype[Any], of_share: Callable[[FlowShare], NDArray[np.void]]) -> NDArray[np.void]:
        """Records of the conversations, each copied at once and not field by field."""
        as_they_are = np.dtype((np.void, dtype.itemsize))
        return self.column(as_they_are, lambda share: of_share(share).view(as_they_are)).view(dtype)

    def found(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The numbers of what was detected in each, and of the packets that told it."""
        numbers, evidence = np.zeros((2, self.count), np.int64)
        for pick, flows in self._picks:
            if pick.share.found:
                numbers[pick.places] = pick.share.found.numbers[flows]
                evidence[pick.places] = pick.share.found.evidence[flows]
        return numbers, evidence

    def entries(self) -> NDArray[np.object_]:
        """What logs say of each."""
        entries = np.empty(self.count, object)
        for pick, flows in self._picks:
            if pick.share.found and pick.share.found.entries is not None:
                entries[pick.places] = pick.share.found.entries[flows]
        return entries

    def histories(self) -> NDArray[np.void]:
        """What the order of the packets tells of each; zeros where nothing is known."""
        return self.records(HISTORY, _histories_of)

    def matches(self) -> tuple[list[Match | None], list[Match | None]]:
        """Whose the low and the high ends are."""
        low: list[Match | None] = [None] * self.count
        high: list[Match | None] = [None] * self.count
        for pick, flows in self._picks:
            for ours, theirs in zip((low, high), pick.share.matches or (), strict=False):
                for place, flow in zip(pick.places.tolist(), flows.tolist(), strict=True):
                    ours[place] = theirs[flow]
        return low, high

    def counts(self, dtype: np.dtype[Any]) -> NDArray[np.void]:
        """The counts of their cells."""
        counts = np.empty(self.count, dtype)
        for pick, _ in self._picks:
            if pick.share.cells:
                counts[pick.places] = pick.share.cells.some(pick.rows).counts
        return counts


def _histories_of(share: FlowShare) -> NDArray[np.void]:
    histories = share.found.histories if share.found else None
    return np.zeros(len(share.flows), HISTORY) if histories is None else histories
