"""What a user may ask of traffic that has no end, or is more than memory holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from portcall.runs.streaming.expirer import Expirer, timeouts_of
from portcall.runs.streaming.memory_bound import DEFAULT_BYTES, MemoryBound

if TYPE_CHECKING:
    from portcall.runs.streaming.early_rows import TakeRows


class StreamOptions(NamedTuple):
    """How long conversations stay, in how much memory, and who takes rows before the end."""

    idle_timeout_s: float | None = None
    active_timeout_s: float | None = None
    memory_bytes: int | None = None
    take_rows: TakeRows | None = None
    """Gets rows by flow as they leave; None: they wait for the end."""

    def expirer(self, *, has_no_end: bool) -> Expirer:
        """What lets conversations go accordingly; without an end, memory is bounded also where nobody asked for it."""
        size = DEFAULT_BYTES if self.memory_bytes is None and has_no_end else self.memory_bytes
        timeouts = timeouts_of(self.idle_timeout_s, self.active_timeout_s)
        return Expirer(timeouts, None if size is None else MemoryBound(size))


ALL_STAY = StreamOptions()
"""Nothing leaves before the end unless its table is full."""
