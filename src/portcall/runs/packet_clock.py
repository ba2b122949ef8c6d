"""When packets pass now, by their own times, and which rows may still find an owner: a clock that may be set.

Time goes forward by the greatest time that was seen, as batches of several interfaces come a little out of order. What
is more than SETTLE_NS earlier was sent after the clock was set back, and time goes on from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.records.flows import NEVER
from portcall.records.packets import NO_TIME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SETTLE_NS = 3_000_000_000
"""How long after a row's last packet its owner may still be found."""


class PacketClock:
    """The time of packets, for one tracker."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._matched_until_ns = self._greatest_ns = 0

    def note(self, times_ns: NDArray[np.int64]) -> None:
        """Take in the times of a batch."""
        newest_ns = int(times_ns.max(initial=NO_TIME))
        if newest_ns > self.now_ns or NO_TIME < newest_ns < self.now_ns - SETTLE_NS:
            self.now_ns = newest_ns
            self._greatest_ns = max(self._greatest_ns, newest_ns)

    def span_to_match(self) -> tuple[int, int]:
        """From when to when the last packets were of rows that are to be matched now, for the last time or again.

        Once the clock was set back, rows of the time before, which is later, are matched once more and then no longer.
        """
        was_back = self.now_ns < self._greatest_ns - SETTLE_NS and self._matched_until_ns <= self.now_ns
        since_ns = min(self._matched_until_ns, self.now_ns) - SETTLE_NS
        self._matched_until_ns = self.now_ns
        return since_ns, self.now_ns if was_back else NEVER
