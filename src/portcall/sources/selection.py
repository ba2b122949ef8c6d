"""Some frames of a capture: those for which a test holds, numbered as if there were no others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from portcall.records.packets import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from portcall.records.packets import FrameBatch


def selected(batches: Iterator[FrameBatch], matches: Callable[[FrameBatch], NDArray[np.bool_]]) -> Iterator[FrameBatch]:
    """The same batches with the frames that match; what the capture itself says of hosts and secrets stays."""
    number = 1
    for batch in batches:
        chosen = batch.some(matches(batch))
        if len(chosen.frames) or batch.host_names or batch.key_log or batch.turns:
            yield chosen._replace(first_number=number)
        number += len(chosen.frames)


@dataclass(slots=True)
class TimeWindow:
    """The time in which frames count: from ``from_ns`` on, and before ``to_ns``; None for no bound."""

    from_ns: int | None = None
    to_ns: int | None = None
    timeless: int = 0
    """Frames without a time, which lie in no window."""

    def matches(self, batch: FrameBatch) -> NDArray[np.bool_]:
        """bool[n]: whether each frame lies in it."""
        times: NDArray[np.int64] = batch.frames["ts_ns"]
        matches = times != NO_TIME
        self.timeless += len(times) - int(np.count_nonzero(matches))
        if self.from_ns is not None:
            matches &= times >= self.from_ns
        if self.to_ns is not None:
            matches &= times < self.to_ns
        return np.asarray(matches)
