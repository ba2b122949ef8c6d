"""First segments of hellos that go on in the next one, a bounded number: the oldest gives way."""

from libc.stdint cimport uint8_t, uint32_t

from portcall.kernels.deferral cimport HELD_BYTES
from portcall.kernels.records cimport Deferred

MOST_HELD_BYTES = HELD_BYTES
"""Of one segment; a longer one is not held."""


cdef class HeldSegments:
    """``segments`` with their bytes in ``arena``, MOST_HELD_BYTES for each and for two more, which are joined; ``of_row`` is zeros, a
    number for each row of the table. Kernels fill them through ``held_segments.pxd``.
    """

    def __init__(self, Deferred[::1] segments not None, uint8_t[::1] arena not None, uint32_t[::1] of_row not None):
        cdef Py_ssize_t i
        if segments.shape[0] == 0 or arena.shape[0] < (segments.shape[0] + 2) * HELD_BYTES:
            raise ValueError("held segments want room for one at least, and for two that are joined")
        self.segments, self.arena, self.of_row = segments, arena, of_row
        for i in range(segments.shape[0]):
            segments[i].row = NOBODY

    def renumber(self, const uint32_t[::1] numbers not None):
        """Rows have new indexes: 1 + that of each, 0 for one that is gone; ``of_row`` was moved by whoever owns it."""
        cdef Py_ssize_t i
        for i in range(self.segments.shape[0]):
            if self.segments[i].row < numbers.shape[0]:
                self.segments[i].row = numbers[self.segments[i].row] - 1 if numbers[self.segments[i].row] else NOBODY
