"""Rows with equal keys → groups: one hash table over a chunk's rows, which compares whole keys.

A slot holds 1 + the number of a group. Groups are numbered in the order in which they appear, so neither the seed nor the
number of slots changes a result; the seed keeps those who choose the keys from choosing their slots.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef inline uint64_t _hash(const uint64_t[:, ::1] keys, Py_ssize_t row, uint64_t seed) noexcept nogil:
    cdef uint64_t value = seed
    cdef Py_ssize_t column
    for column in range(keys.shape[1]):
        value = (value ^ keys[row, column]) * <uint64_t>0xBF58476D1CE4E5B9  # of splitmix64, as the next
        value ^= value >> 29
    value *= <uint64_t>0x94D049BB133111EB
    return value ^ (value >> 32)


cdef inline bint _same(const uint64_t[:, ::1] keys, Py_ssize_t one, Py_ssize_t other) noexcept nogil:
    cdef uint64_t differs = 0
    cdef Py_ssize_t column
    for column in range(keys.shape[1]):
        differs |= keys[one, column] ^ keys[other, column]
    return differs == 0


def group(const uint64_t[:, ::1] keys, uint64_t seed, uint32_t[::1] slots, int64_t[::1] out_groups, int64_t[::1] out_members):
    """Fill ``out_groups[n]`` with the group of each of keys[n] and ``out_members`` with each group's first row; gives how many.

    ``slots`` are zeros, a power of two of them and more than n.
    """
    cdef Py_ssize_t row, count = 0
    cdef uint64_t mask = slots.shape[0] - 1, slot
    if slots.shape[0] <= keys.shape[0] or slots.shape[0] & mask:
        raise ValueError("grouping wants a power of two of slots, and more of them than rows")
    with nogil:
        for row in range(keys.shape[0]):
            slot = _hash(keys, row, seed) & mask
            while slots[slot] and not _same(keys, row, out_members[slots[slot] - 1]):
                slot = (slot + 1) & mask
            if not slots[slot]:
                out_members[count] = row
                count += 1
                slots[slot] = <uint32_t>count
            out_groups[row] = slots[slot] - 1
    return count
