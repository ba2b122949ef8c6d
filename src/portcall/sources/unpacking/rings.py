"""Memory that is shared with whoever decompresses: rings of slots, one for each stream that is read at a time.

It is there before the processes part, takes memory only as slots are filled, and holds no pointers. What stands in a
slot is as little trusted as the file; how much of it counts is said by a message, and checked.

    asked      offset in the file:u64, and its descriptor; then a byte for each slot that is free again
    answered   kind:u8  bytes in the next slot, or of the text behind this:u32  bytes of the file that were read:u64
"""

from __future__ import annotations

import enum
import mmap
import struct

SLOTS, SLOT_BYTES = 16, 1 << 19
"""A slot is a window of frames (``rooms``); so many are in the processors' caches when they are read."""
MOST_RINGS = 16
"""Files that are unpacked at a time. Of more, as where a hundred are merged, the others are where they are counted."""
ASKED = struct.Struct("=Q")
ANSWERED = struct.Struct("=BIQ")
MOST_TEXT_BYTES = 256


class Kind(enum.IntEnum):
    """What an answer says."""

    PIECE = 0
    END = 1
    DAMAGED = 2
    UNREADABLE = 3


class SlotRing:
    """The slots of one stream, in order."""

    def __init__(self, memory: memoryview, number: int) -> None:
        self.number = number
        start = number * SLOTS * SLOT_BYTES
        self._slots = [memory[start + slot * SLOT_BYTES :][:SLOT_BYTES] for slot in range(SLOTS)]
        self._next = 0

    def slot(self) -> memoryview:
        """The next one."""
        return self._slots[self._next]

    def turn(self) -> None:
        """Go on to the one behind it."""
        self._next = (self._next + 1) % SLOTS


def shared_memory() -> memoryview:
    """Room for all rings; OSError where the system refuses it."""
    return memoryview(mmap.mmap(-1, MOST_RINGS * SLOTS * SLOT_BYTES))
