"""The conversations with most bytes of any number of them, in bounded memory: those that a page has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.attribution.attribution import Attribution
    from portcall.attribution.principals import Matches
    from portcall.inspection.detection_table import Detected


class _Share(NamedTuple):
    """FLOW[n] as they were counted, see ``Attribution.add``."""

    flows: NDArray[np.void]
    low: Matches | None
    high: Matches | None
    found: Detected | None

    def some(self, rows: NDArray[np.int64]) -> _Share:
        """Those rows."""
        listed = rows.tolist()
        low, high = (end and [end[row] for row in listed] for end in (self.low, self.high))
        return _Share(self.flows[rows], low, high, self.found and self.found.part(listed))


class GreatestFlows:
    """Keeps ``most`` conversations, and up to as many again until it sorts out the smallest; None: keeps all."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._shares: list[_Share] = []
        self._count = 0
        self.left_out = 0
        """Conversations that are no longer here."""

    def add(self, flows: NDArray[np.void], low: Matches | None, high: Matches | None, found: Detected | None) -> None:
        """Take FLOW[n], which must not change afterwards."""
        if len(flows):
            self._shares.append(_Share(flows, low, high, found))
            self._count += len(flows)
            self._sort_out()

    def merge(self, other: GreatestFlows) -> None:
        """Take what another one has."""
        self._shares += other._shares
        self._count += other._count
        self.left_out += other.left_out
        self._sort_out()

    def hand_to(self, attribution: Attribution) -> None:
        """Have those that are here counted."""
        for share in self._shares:
            attribution.add(*share)

    def _sort_out(self) -> None:
        if self._most is None or self._count <= 2 * self._most:
            return
        counts = np.concatenate([share.flows["bytes"].sum(axis=1) for share in self._shares])
        is_kept = np.zeros(len(counts), np.bool_)
        is_kept[np.argpartition(counts, -self._most)[-self._most :]] = True
        ends = np.cumsum([len(share.flows) for share in self._shares])[:-1]
        parts = zip(self._shares, np.split(is_kept, ends), strict=True)
        self._shares = [share.some(np.flatnonzero(kept)) for share, kept in parts if kept.any()]
        self.left_out += self._count - self._most
        self._count = self._most
