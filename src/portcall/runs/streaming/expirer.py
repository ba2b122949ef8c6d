"""Expirer: lets conversations go while their table is fed, by timeouts and by bounds, and counts why.

Time is that of the packets, so a capture that is read fast expires as it did when it was captured. A look at all rows
costs as much as there are rows, so it comes a few times within a timeout; rows move only when many leave, or some have
waited. So what it costs goes with what is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from portcall.flows.expiry import Timeouts, are_expired, longest_idle
from portcall.records.packets import NO_TIME
from portcall.records.report import Degradation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from portcall.flows.table import FlowTable
    from portcall.runs.streaming.memory_bound import MemoryBound

Left_co = TypeVar("Left_co", covariant=True)
Left = TypeVar("Left")


class Leavable(Protocol[Left_co]):
    """A table of conversations that may leave."""

    @property
    def flows(self) -> FlowTable:
        """Its flows."""

    def evict(
        self, are_leaving: NDArray[np.bool_], before_ns: int, take: Callable[[Left_co], None]
    ) -> NDArray[np.int64]:
        """Let rows go, as ``InspectedTable.evict`` does."""


CLOSED_NS = 3_000_000_000
"""How long a closed connection stays, where timeouts are asked for: its last packets may be sent again."""
_LOOKS = 8
"""At all rows within the least timeout."""
_FEW_ROWS = 1 << 16
"""So many are moved without thinking."""
_FEW_LEAVE = 8
"""What leaves of more rows is few where it is less than this part."""
_LEAST_ROWS = 1 << 14
"""That stay, however little memory there is."""
_SAMPLE = 64
_TABLE, _MEMORY = "the table of conversations", "memory"
_REMEDIES = {
    _TABLE: "read fewer captures at a time, or choose with --filter",
    _MEMORY: "--memory SIZE gives more, --idle-timeout S lets go sooner",
}


def timeouts_of(idle_s: float | None, active_s: float | None) -> Timeouts:
    """What a user asks for; a connection that is closed is over sooner than one that is idle."""
    idle_ns, active_ns = (None if seconds is None else round(seconds * 1e9) for seconds in (idle_s, active_s))
    return Timeouts(idle_ns, active_ns, None if idle_ns is None else min(idle_ns, CLOSED_NS))


@dataclass(slots=True)
class Expirer:
    """Looks after one table that is fed."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    memory: MemoryBound | None = None
    cut_off: int = 0
    """Conversations that left as they had been active for too long."""
    pushed_out: dict[str, int] = field(default_factory=dict)
    """Conversations that left early, by what there was no room in."""
    _pressed_by: str | None = None
    _looked_ns: int | None = None
    _moved_ns: int = 0

    @property
    def is_asked(self) -> bool:
        """Whether somebody asked for more than that all have room."""
        return bool(self.timeouts) or self.memory is not None

    def turn(self, table: Leavable[Left], now_ns: int | None, frames: int, take: Callable[[Left], None]) -> None:
        """Let go what is over by the time of packets, if they have one, and what there is no room for.

        ``take`` gets what leaves; ``frames`` came since the last turn.
        """
        if self.timeouts and now_ns is not None and self._is_time_to_look(now_ns):
            self._expire(table, now_ns, take)
        self.is_pressed(table.flows, frames)
        rows, what = len(table.flows), self._pressed_by
        if what == _TABLE:
            self._push_out(table, what, (rows + 1) // 2, take)
            if table.flows.is_full:
                self._push_out(table, what, len(table.flows), take)
        elif what:
            self._push_out(table, what, min(rows // 4, rows - _LEAST_ROWS), take)
        self._pressed_by = None

    def is_pressed(self, flows: FlowTable, frames: int) -> bool:
        """Whether, after so many frames more, conversations must leave at the next turn to make room."""
        if flows.is_full:
            self._pressed_by = _TABLE
        elif self.memory and self.memory.is_exceeded(frames):
            self._pressed_by = _MEMORY
        return self._pressed_by is not None

    def notes(self) -> list[Degradation]:
        """What left early, and why."""
        notes = []
        if self.cut_off:
            reason = f"{self.cut_off} conversations were cut as they were active for longer than --active-timeout"
            notes.append(Degradation("flows", reason, "each is several rows; a longer timeout cuts less"))
        for what, rows in self.pushed_out.items():
            reason = f"{rows} conversations, those idle for longest, left early as there was no more room in {what}"
            notes.append(Degradation("flows", f"{reason}; one that went on is several rows", _REMEDIES[what]))
        return notes

    def _is_time_to_look(self, now_ns: int) -> bool:
        """Whether some part of the least timeout is over; where the clock was set back, it begins anew."""
        if self._looked_ns is not None and 0 <= now_ns - self._looked_ns < self._look_ns:
            return False
        if self._looked_ns is None or now_ns < self._looked_ns:
            self._moved_ns = now_ns
        self._looked_ns = now_ns
        return True

    @property
    def _look_ns(self) -> int:
        return min(timeout for timeout in self.timeouts if timeout is not None) // _LOOKS

    def _expire(self, table: Leavable[Left], now_ns: int, take: Callable[[Left], None]) -> None:
        rows = table.flows.rows()
        expired = are_expired(rows, now_ns, self.timeouts)
        count = int(np.count_nonzero(expired))
        may_wait = len(rows) > _FEW_ROWS and now_ns - self._moved_ns < _LOOKS // 2 * self._look_ns
        if may_wait and count < len(rows) // _FEW_LEAVE:
            return
        waits_since_ns = now_ns - max(timeout for timeout in self.timeouts if timeout is not None)
        self._moved_ns = now_ns
        if self.timeouts.active_ns is not None:
            over = are_expired(rows[expired], now_ns, self.timeouts._replace(active_ns=None))
            self.cut_off += count - int(np.count_nonzero(over))
        table.evict(expired, waits_since_ns, take)

    def _push_out(self, table: Leavable[Left], what: str, most: int, take: Callable[[Left], None]) -> None:
        if most > 0:
            chosen = longest_idle(table.flows.rows(), most)
            self.pushed_out[what] = self.pushed_out.get(what, 0) + most
            table.evict(chosen, NO_TIME, take)


def time_of(times_ns: NDArray[np.int64]) -> int | None:
    """The time in the middle of a batch, so one packet with a wrong one changes nothing; None where none has one."""
    known = times_ns[:: len(times_ns) // _SAMPLE + 1]
    known = known[known != NO_TIME]
    return int(np.partition(known, len(known) // 2)[len(known) // 2]) if len(known) else None
