"""Rows with equal keys → groups: one hash table over a chunk's rows, which compares whole keys.

A slot holds 1 + the first row of a group. Groups are numbered in the order in which they appear, so neither the seed nor the
number of slots changes a result; the seed keeps those who choose the keys from choosing their slots. Rows go in strides, as
packets do in ``flow_update``: so memory latencies overlap.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from portcall.kernels.keys cimport are_same, hash_of
from portcall.kernels.prefetching cimport portcall_prefetch

cdef enum:
    STRIDE = 32


def group(const uint64_t[:, ::1] keys, uint64_t seed, uint32_t[::1] slots, int64_t[::1] out_groups, int64_t[::1] out_members):
    """Fill ``out_groups[n]`` with the group of each of keys[n] and ``out_members`` with each group's first row; gives how many.

    ``slots`` are zeros, a power of two of them and more than n.
    """
    cdef Py_ssize_t start = 0, stop, row, width = keys.shape[1], rows = keys.shape[0], count = 0
    cdef uint64_t mask = slots.shape[0] - 1, slot
    cdef uint64_t first[STRIDE]  # the slot at which the search of each row of the stride begins
    cdef const uint64_t *words
    if slots.shape[0] <= rows or slots.shape[0] & mask:
        raise ValueError("grouping wants a power of two of slots, and more of them than rows")
    if out_groups.shape[0] < rows or out_members.shape[0] < rows:
        raise ValueError("grouping wants room for a group and a member a row")
    if rows == 0 or width == 0:
        return 0
    words = &keys[0, 0]
    with nogil:
        while start < rows:
            stop = min(start + STRIDE, rows)
            for row in range(start, stop):
                first[row - start] = hash_of(words + row * width, width, seed) & mask
                portcall_prefetch(&slots[first[row - start]])
            for row in range(start, stop):
                slot = slots[first[row - start]]
                if slot:
                    portcall_prefetch(words + (slot - 1) * width)
            for row in range(start, stop):
                slot = first[row - start]
                while slots[slot] and not are_same(words + row * width, words + (slots[slot] - 1) * width, width):
                    slot = (slot + 1) & mask
                if not slots[slot]:
                    slots[slot] = <uint32_t>(row + 1)
                    out_members[count] = row
                    out_groups[row] = count
                    count += 1
                else:
                    out_groups[row] = out_groups[slots[slot] - 1]
            start = stop
    return count
