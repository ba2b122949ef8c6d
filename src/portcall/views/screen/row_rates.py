"""Rates and histories of many rows at once: arrays of counts in, bytes a second out.

As ``views.rates``, but for tens of thousands of rows, and with what the last intervals brought, for sparklines. Time is
handed in.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.views.screen.lasting_order import looked_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WINDOW_S = 3.0
"""How far back rates look."""
INTERVALS = 24
"""That a sparkline shows."""
_MOST_WITH_HISTORY = 4096
"""Rows of which so many intervals are kept; of more only those that rates need, or memory would be filled."""


class _Counts(NamedTuple):
    taken_s: float
    keys: NDArray[np.uint64]
    counts: NDArray[np.float64]
    """float64[2, n]"""


class RowRates:
    """Rates of one grouping's rows. ``began_s`` is when all counts were 0; without it they begin later."""

    def __init__(self, began_s: float | None = None) -> None:
        self._past: deque[_Counts] = deque()
        if began_s is not None:
            self._past.append(_Counts(began_s, np.zeros(0, np.uint64), np.zeros((2, 0))))

    def update(
        self, keys: NDArray[np.uint64], totals: NDArray[np.int64], now_s: float
    ) -> tuple[NDArray[np.float64], bool]:
        """(float64[2, n], whether they are known): bytes a second of each row, never below 0."""
        base = None
        for past in self._past:  # the youngest that is as old as rates look back, else the oldest
            if base is None or past.taken_s <= now_s - WINDOW_S:
                base = past
        rates, is_known = np.zeros(totals.shape), base is not None and now_s > base.taken_s
        if base is not None and is_known:
            before = np.stack([looked_up(base.keys, way, keys) for way in base.counts])
            rates = np.maximum(totals - before, 0) / (now_s - base.taken_s)
        order = np.argsort(keys)
        self._past.append(_Counts(now_s, keys[order], totals[:, order].astype(np.float64)))
        self._forget(len(keys), now_s)
        return rates, is_known

    def _forget(self, rows: int, now_s: float) -> None:
        has_history = rows <= _MOST_WITH_HISTORY
        while len(self._past) > INTERVALS + 1:
            self._past.popleft()
        while not has_history and len(self._past) > 2 and self._past[1].taken_s <= now_s - WINDOW_S:  # noqa: PLR2004
            self._past.popleft()

    def history(self) -> RateHistory:
        """What the last intervals brought, frozen."""
        return RateHistory(tuple(self._past))


class RateHistory:
    """Asks for the rates of one key in the last intervals."""

    def __init__(self, past: Sequence[_Counts]) -> None:
        self._past = past

    def __call__(self, key: int) -> Sequence[float]:
        """Bytes a second in each interval, oldest first."""
        asked = np.array([key], np.uint64)
        sums = [
            (counts.taken_s, sum(float(looked_up(counts.keys, way, asked)[0]) for way in counts.counts))
            for counts in self._past
        ]
        pairs = itertools.pairwise(sums)
        return [max(now - was, 0) / (now_s - was_s) for (was_s, was), (now_s, now) in pairs if now_s > was_s]
