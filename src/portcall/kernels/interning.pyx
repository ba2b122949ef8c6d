"""Names, and other bytes, that were met before → the number that their owner gave them, so that meeting them again costs no Python.

Bounded: a table that is full is emptied, and its names are learnt anew as they come.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

import numpy as np

cdef enum:
    ENTRIES = 1 << 15
    MOST_NAMES = 1 << 14
    TEXT_BYTES = 1 << 20
    ABOUT_BYTES = 4
    _MOST_NAME_BYTES = 1023

MOST_NAME_BYTES = _MOST_NAME_BYTES
"""A longer name is not learnt."""


cdef inline uint64_t _hash(uint16_t kind, int32_t about, const uint8_t *name, Py_ssize_t size, uint64_t seed) noexcept nogil:
    cdef uint64_t value = seed ^ <uint64_t>kind << 48 ^ <uint64_t>size << 32 ^ <uint32_t>about, word
    cdef Py_ssize_t at = 0
    while at < size:
        word = 0
        memcpy(&word, name + at, min(8, size - at))
        value = (value ^ word) * <uint64_t>0xBF58476D1CE4E5B9  # of splitmix64, as the next
        value ^= value >> 29
        at += 8
    value *= <uint64_t>0x94D049BB133111EB
    return value ^ (value >> 32)


cdef class NameNumbers:
    """Numbers from 1 on, by kind, name, and what number the name is about. ``seed`` keeps those who choose the names from
    choosing their entries.
    """

    def __init__(self, uint64_t seed):
        self.seed = seed
        self.text = np.zeros(TEXT_BYTES, np.uint8)
        self.forget()

    def learn(self, uint16_t kind, bytes name, int32_t number, int32_t about=0):
        """From now on this name has this number, until so many others are learnt that it is forgotten."""
        cdef Py_ssize_t entry, size = len(name)
        cdef uint64_t hash = _hash(kind, about, name, size, self.seed)
        if number <= 0:
            raise ValueError("numbers begin at 1")
        if size > _MOST_NAME_BYTES:
            return
        if self.count == MOST_NAMES or self.text_used + ABOUT_BYTES + size > TEXT_BYTES:
            self.forget()
        entry = self._entry(hash, kind, about, name, size)
        if not self.values[entry]:
            memcpy(&self.text[self.text_used], &about, ABOUT_BYTES)
            if size:
                memcpy(&self.text[self.text_used + ABOUT_BYTES], <const uint8_t *>name, size)
            self.tags[entry] = hash >> 32 << 32 | <uint64_t>self.text_used
            self.text_used += ABOUT_BYTES + size
            self.count += 1
        self.values[entry] = <uint64_t>size << 48 | <uint64_t>kind << 32 | <uint32_t>number

    def number(self, uint16_t kind, bytes name, int32_t about=0):
        """The name's number; 0 where it is not known."""
        return self.find(kind, about, name, len(name))

    def forget(self):
        """Forget every name."""
        self.tags, self.values = np.zeros((2, ENTRIES), np.uint64)
        self.count = self.text_used = 0

    cdef int32_t find(self, uint16_t kind, int32_t about, const uint8_t *name, Py_ssize_t size) noexcept nogil:
        """The number of a name that lies anywhere; 0 where it is not known."""
        if size < 0 or size > _MOST_NAME_BYTES:
            return 0
        return <int32_t><uint32_t>self.values[
            self._entry(_hash(kind, about, name, size, self.seed), kind, about, name, size)
        ]

    cdef Py_ssize_t _entry(self, uint64_t hash, uint16_t kind, int32_t about, const uint8_t *name, Py_ssize_t size) noexcept nogil:
        """The name's entry, or the empty one where it belongs; at the most half of them are taken."""
        cdef Py_ssize_t entry = hash & (ENTRIES - 1), at
        cdef uint64_t wanted = <uint64_t>size << 16 | kind
        while self.values[entry]:
            at = <Py_ssize_t><uint32_t>self.tags[entry]
            if (
                self.values[entry] >> 32 == wanted and self.tags[entry] >> 32 == hash >> 32
                and memcmp(&self.text[at], &about, ABOUT_BYTES) == 0
                and (size == 0 or memcmp(&self.text[at + ABOUT_BYTES], name, size) == 0)
            ):
                break
            entry = (entry + 1) & (ENTRIES - 1)
        return entry
