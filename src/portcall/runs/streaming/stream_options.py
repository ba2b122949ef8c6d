"""What a user may ask of traffic that has no end, or is more than memory holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from portcall.runs.streaming.expirer import CLOSED_NS, Expirer, timeouts_of
from portcall.runs.streaming.memory_bound import DEFAULT_BYTES, MemoryBound

if TYPE_CHECKING:
    from collections.abc import Callable

    from portcall.inspection.server_names import ServerNames
    from portcall.queries.row_tests import RowTest
    from portcall.records.column_values import Columns
    from portcall.runs.streaming.early_rows import EarlyRows, TakeRows
    from portcall.runs.streaming.spill import Spill

LIVE_IDLE_S = 120.0
"""After so long without a packet a live conversation leaves; many keep themselves alive every half or whole minute."""


class StreamOptions(NamedTuple):
    """How long conversations stay, in how much memory, and who takes rows before the end."""

    idle_timeout_s: float | None = None
    active_timeout_s: float | None = None
    memory_bytes: int | None = None
    take_rows: TakeRows | None = None
    """Gets rows by flow as they leave; None: they wait for the end."""

    def expirer(self, *, has_no_end: bool) -> Expirer:
        """What lets conversations go accordingly; without an end, memory is bounded also where nobody asked for it."""
        size = self._size(has_no_end=has_no_end)
        timeouts = timeouts_of(self.idle_timeout_s, self.active_timeout_s)
        return Expirer(timeouts, None if size is None else MemoryBound(size))

    def early_rows(
        self, names: ServerNames | None, is_shown: RowTest | None, completed: Callable[[Columns], Columns] | None
    ) -> EarlyRows | None:
        """What hands rows out as they leave, as ``EarlyRows`` has it; None where they wait for the end."""
        if not self.take_rows:
            return None
        from portcall.runs.streaming.early_rows import EarlyRows

        return EarlyRows(self.take_rows, names, is_shown, completed)

    def store(self, by: str, *, has_no_end: bool) -> Spill | None:
        """Where rows that leave are kept until the end; None for memory, or where they need not be kept."""
        size = self._size(has_no_end=has_no_end)
        if by != "flow" or size is None or self.take_rows:
            return None
        from portcall.runs.streaming.spill import Spill

        return Spill(size)

    def _size(self, *, has_no_end: bool) -> int | None:
        return DEFAULT_BYTES if self.memory_bytes is None and has_no_end else self.memory_bytes

    def live_expirer(self) -> Expirer:
        """The same for live traffic: what is over leaves once its owners are settled, also where nobody asked."""
        idle_s = LIVE_IDLE_S if self.idle_timeout_s is None else self.idle_timeout_s
        size = self._size(has_no_end=True) or DEFAULT_BYTES
        timeouts = timeouts_of(max(idle_s, CLOSED_NS / 1e9), self.active_timeout_s)
        return Expirer(timeouts, MemoryBound(size))


ALL_STAY = StreamOptions()
"""Nothing leaves before the end unless its table is full."""
