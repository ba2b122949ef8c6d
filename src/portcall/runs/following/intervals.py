"""Intervals of time, one after the other: which frames belong to the one that is open, and when it is over.

An interval begins at a multiple of its width since 1970, so that all runs have the same ones, and frames tell the time.
It ends with the first frame of a later one, or, where nothing comes, some time after its end by the clock. Time goes
forward only: a frame from before the open interval counts in it, and so does one from a future that cannot be yet.
Only where the clock is set back by more than a minute is the open interval over, or it would last until the clock is
there again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.records.packets import NO_TIME
from portcall.records.plain_data import whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.packets import FrameBatch

_SECOND_NS = 1_000_000_000
_LEAST_QUIET_NS, _MOST_QUIET_NS = 5 * _SECOND_NS, 60 * _SECOND_NS
"""How long nothing came before the clock may end an interval: writers hold packets back."""
_CLOCKS_DIFFER_NS = 60 * _SECOND_NS


class Intervals:
    """The open interval of a run, if any."""

    def __init__(self, width_ns: int, *, is_live: bool = False) -> None:
        """``is_live``: frames come within a second, so a second after its end an interval is over by the clock."""
        self.width_ns = width_ns
        quiet_ns = min(max(width_ns, _LEAST_QUIET_NS), _MOST_QUIET_NS)
        self._quiet_ns, self._grace_ns = (0, _SECOND_NS) if is_live else (quiet_ns, _LEAST_QUIET_NS)
        self.begins_ns: int | None = None
        """When the open interval begins; None where none is open."""
        self.late = 0
        """Frames of the open interval that are of an earlier one."""
        self._fed_ns = 0

    def take(self, batch: FrameBatch, now_ns: int) -> int:
        """How many of the first frames are of the open interval, opened if need be; the next one begins another."""
        times = batch.frames["ts_ns"]
        latest_ns = now_ns + _CLOCKS_DIFFER_NS
        if self.begins_ns is None:
            self._open(times, now_ns, latest_ns)
        begins_ns = self.begins_ns or 0
        is_later = (times >= begins_ns + self.width_ns) & (times <= latest_ns)
        count = int(is_later.argmax()) if is_later.any() else len(times)
        self.late += int(np.count_nonzero((times[:count] < begins_ns) & (times[:count] != NO_TIME)))
        self._fed_ns = now_ns
        return count

    def is_over(self, now_ns: int) -> bool:
        """Whether the open interval has ended by the clock, and nothing of it seems to be on its way any more."""
        if self.begins_ns is None:
            return False
        if now_ns < self.begins_ns - _CLOCKS_DIFFER_NS:
            return True
        is_quiet = now_ns - self._fed_ns >= self._quiet_ns
        return is_quiet and now_ns >= self.begins_ns + self.width_ns + self._grace_ns

    def end(self) -> None:
        """Close the open one."""
        self.begins_ns, self.late = None, 0

    def plain(self) -> list[Any]:  # Any: what JSON has
        """What a checkpoint keeps of it."""
        return [self.begins_ns, self.late, self._fed_ns]

    def restore(self, plain: Any) -> None:  # Any: what JSON has
        """Be as the one that gave this. ValueError or TypeError for what none can give."""
        begins_ns, late, fed_ns = plain
        self.begins_ns = None if begins_ns is None else whole(begins_ns, least=-(1 << 63))
        self.late, self._fed_ns = whole(late), whole(fed_ns)

    def _open(self, times: NDArray[np.int64], now_ns: int, latest_ns: int) -> None:
        usable = times[(times != NO_TIME) & (times <= latest_ns)]
        first_ns = int(usable[0]) if len(usable) else now_ns
        self.begins_ns = first_ns // self.width_ns * self.width_ns
