"""Rates out of counts that only grow: what came in the last seconds, by key.

Only changes are kept, so rows that are silent cost one entry. A count may also fall, where bytes find another owner:
then there is no rate, rather than a negative one. Time is handed in.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    Key = tuple[Any, ...]  # Any: plain values of several types, see schema
    Counts = tuple[int, int]
    Rate = tuple[float, float]

_MOST_KEYS = 1 << 16
"""Silent keys remembered at the most; of others the rate begins when they are seen again."""


class Rates:
    """Bytes a second, in two directions, over the last ``window_s`` seconds, or since the last but one update.

    ``began_s`` is when all counts were 0; without it there are no rates before the second update.
    """

    def __init__(self, window_s: float, began_s: float | None = None) -> None:
        self._window_s = window_s
        self._last: dict[Key, Counts] = {}
        self._changes: deque[tuple[float, float, dict[Key, Counts]]] = deque()  # from when, until when, what came
        self._last_s = began_s

    def update(self, counts: Mapping[Key, Counts], now_s: float, older: Container[Key] = ()) -> None:
        """Take the counts as they are now. Keys that are new begin at 0, but those of ``older`` where they are now."""
        changes = {}
        for key, (out, in_) in counts.items():
            out_before, in_before = self._last.pop(key, (out, in_) if key in older else (0, 0))
            if (out, in_) != (out_before, in_before):
                changes[key] = out - out_before, in_ - in_before
            self._last[key] = out, in_  # the one seen last is the last to be forgotten
        too_many = len(self._last) - max(_MOST_KEYS, len(counts))
        for key in list(islice(self._last, max(too_many, 0))):
            del self._last[key]
        if self._last_s is not None and now_s > self._last_s:
            self._changes.append((self._last_s, now_s, changes))
        self._last_s = now_s
        while len(self._changes) > 1 and self._changes[0][0] < now_s - self._window_s:
            self._changes.popleft()

    @property
    def are_known(self) -> bool:
        """Whether some time has passed."""
        return bool(self._changes)

    def __getitem__(self, key: Key) -> Rate:
        """Bytes a second in each direction."""
        if not self._changes:
            return 0.0, 0.0
        length_s = self._changes[-1][1] - self._changes[0][0]
        known = [changes[key] for _, _, changes in self._changes if key in changes]
        out, in_ = (max(sum(change[way] for change in known), 0) / length_s for way in (0, 1))
        return out, in_
