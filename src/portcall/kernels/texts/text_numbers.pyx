"""Texts that were met, numbered in the order in which they came: all in one arena, found by a hash of a secret seed.

A text of 30 bytes takes 50, where Python's dictionary and its objects take 200.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

import numpy as np

from portcall.kernels.hashing cimport mix

cdef enum:
    LEAST_TEXTS = 1 << 8
    LEAST_BYTES = 1 << 13
    _BYTES_OF_A_TEXT = 16

MOST_BYTES = (1 << 32) - 1
"""Of all texts together."""

BYTES_OF_A_TEXT = _BYTES_OF_A_TEXT
"""About what one takes besides itself."""


cdef inline uint64_t _hash(const uint8_t *text, Py_ssize_t size, uint64_t seed) noexcept nogil:
    cdef uint64_t value = seed ^ <uint64_t>size, word
    cdef Py_ssize_t at = 0
    while at < size:
        word = 0
        memcpy(&word, text + at, min(8, size - at))
        value = mix(value ^ word) + seed
        at += 8
    return mix(value)


cdef class TextNumbers:
    """Numbers from 0 on. ``seed`` keeps those who choose the texts from choosing where they are looked for."""

    cdef uint8_t[::1] arena
    cdef uint32_t[::1] ends  # where in the arena each text ends
    cdef uint32_t[::1] slots  # 1 + the number of a text, 0 for none; half of them are empty at least
    cdef uint64_t seed
    cdef readonly Py_ssize_t used
    """Bytes of all texts together."""
    cdef Py_ssize_t count

    def __init__(self, uint64_t seed):
        self.seed = seed
        self.arena = np.empty(LEAST_BYTES, np.uint8)
        self.ends = np.empty(LEAST_TEXTS, np.uint32)
        self.slots = np.zeros(2 * LEAST_TEXTS, np.uint32)
        self.count = self.used = 0

    def __len__(self):
        return self.count

    def __getitem__(self, Py_ssize_t number):
        """The text with this number."""
        cdef Py_ssize_t begin, size
        if not 0 <= number < self.count:
            raise IndexError("no text has this number")
        begin = self.ends[number - 1] if number else 0
        size = self.ends[number] - begin
        return (<const char *>&self.arena[begin])[:size] if size else b""

    def find(self, bytes text not None):
        """The number of a text; -1 for one that was never added."""
        return <Py_ssize_t>self.slots[self._slot(text, len(text))] - 1

    def add(self, bytes text not None):
        """The number of a text, a new one if it never came. OverflowError where all together are too long."""
        cdef Py_ssize_t size = len(text), slot = self._slot(text, size)
        if self.slots[slot]:
            return <Py_ssize_t>self.slots[slot] - 1
        if self.used + size > <Py_ssize_t>MOST_BYTES:
            raise OverflowError("texts take no more than 4 GiB")
        if self.used + size > self.arena.shape[0]:
            self.arena = _grown(self.arena, self.used, max(2 * self.arena.shape[0], self.used + size))
        if self.count == self.ends.shape[0]:
            self.ends = _grown(self.ends, self.count, 2 * self.count)
            self._spread(4 * self.count)
            slot = self._slot(text, size)
        if size:
            memcpy(&self.arena[self.used], <const char *>text, size)
        self.used += size
        self.ends[self.count] = <uint32_t>self.used
        self.slots[slot] = <uint32_t>(self.count + 1)
        self.count += 1
        return self.count - 1

    cdef Py_ssize_t _slot(self, const uint8_t *text, Py_ssize_t size) noexcept:
        """Where a text is, or belongs."""
        cdef Py_ssize_t mask = self.slots.shape[0] - 1, slot = _hash(text, size, self.seed) & mask, begin, number
        while self.slots[slot]:
            number = self.slots[slot] - 1
            begin = self.ends[number - 1] if number else 0
            if self.ends[number] - begin == size and (size == 0 or memcmp(&self.arena[begin], text, size) == 0):
                break
            slot = (slot + 1) & mask
        return slot

    cdef void _spread(self, Py_ssize_t slots):
        """Put all texts in so many slots."""
        cdef Py_ssize_t number, begin = 0, slot
        self.slots = np.zeros(slots, np.uint32)
        for number in range(self.count):
            slot = _hash(&self.arena[0] + begin, self.ends[number] - begin, self.seed) & (slots - 1)
            while self.slots[slot]:
                slot = (slot + 1) & (slots - 1)
            self.slots[slot] = <uint32_t>(number + 1)
            begin = self.ends[number]


def _grown(values, used, size):
    """An array with the same first values, and room for so many."""
    grown = np.empty(size, np.asarray(values).dtype)
    grown[:used] = values[:used]
    return grown
