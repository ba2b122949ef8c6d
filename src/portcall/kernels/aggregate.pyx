"""Rows with equal keys, brought together by hash tables that compare whole keys: ``group`` numbers the groups of a chunk's
rows, a ``SumTable`` makes one sum a key, for rows that arrive chunk after chunk.

Groups are numbered, and sums stand, in the order in which their keys appear, so neither the seed nor the number of slots
changes a result; the seed keeps those who choose the keys from choosing their slots. Rows go in strides, as packets do in
``flow_update``: so memory latencies overlap.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from portcall.kernels.prefetching cimport portcall_prefetch

cdef enum:
    STRIDE = 32


cdef inline uint64_t _hash(const uint64_t *key, Py_ssize_t width, uint64_t seed) noexcept nogil:
    cdef uint64_t value = seed
    cdef Py_ssize_t column
    for column in range(width):
        value = (value ^ key[column]) * <uint64_t>0xBF58476D1CE4E5B9  # of splitmix64, as the next
        value ^= value >> 29
    value *= <uint64_t>0x94D049BB133111EB
    return value ^ (value >> 32)


cdef inline bint _are_same(const uint64_t *one, const uint64_t *other, Py_ssize_t width) noexcept nogil:
    cdef uint64_t differs = 0
    cdef Py_ssize_t column
    for column in range(width):
        differs |= one[column] ^ other[column]
    return differs == 0


def group(const uint64_t[:, ::1] keys, uint64_t seed, uint32_t[::1] slots, int64_t[::1] out_groups, int64_t[::1] out_members):
    """Fill ``out_groups[n]`` with the group of each of keys[n] and ``out_members`` with each group's first row; gives how many.

    ``slots`` are zeros, a power of two of them and more than n. Each then holds 1 + the first row of a group.
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
                first[row - start] = _hash(words + row * width, width, seed) & mask
                portcall_prefetch(&slots[first[row - start]])
            for row in range(start, stop):
                slot = slots[first[row - start]]
                if slot:
                    portcall_prefetch(words + (slot - 1) * width)
            for row in range(start, stop):
                slot = first[row - start]
                while slots[slot] and not _are_same(words + row * width, words + (slots[slot] - 1) * width, width):
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


cdef inline void _sum(const uint64_t *row, const Layout *ends, uint64_t *total) noexcept nogil:
    cdef Py_ssize_t word
    for word in range(ends.key, ends.added):
        total[word] += row[word]
    for word in range(ends.added, ends.least):
        total[word] = min(<int64_t>total[word], <int64_t>row[word])
    for word in range(ends.least, ends.greatest):
        total[word] = max(<int64_t>total[word], <int64_t>row[word])


cdef class SumTable:
    """Sums in arrays that it is handed by ``begin``; a slot holds 1 + the place of a sum.

    A row is words of 64 bits: first its ``key``, then what is ``added``, then what is kept where it is ``least``, and where
    ``greatest``, both as signed numbers.
    """

    def __init__(self, key: int, added: int, least: int, greatest: int, seed: int):
        if key < 1 or min(added, least, greatest) < 0:
            raise ValueError("summing wants a key of one word at least")
        self.ends = Layout(key, key + added, key + added + least, key + added + least + greatest)
        self.seed = seed

    def begin(self, uint64_t[:, ::1] sums, uint32_t[::1] slots, Py_ssize_t count):
        """Go on with these sums, of which ``count`` are there; ``slots`` are zeros, a power of two of them, more than there are
        sums.
        """
        cdef uint64_t mask = slots.shape[0] - 1, slot
        cdef uint64_t first[STRIDE]  # the slot at which the search of each row of the stride begins
        cdef Py_ssize_t start = 0, stop, row
        if sums.shape[1] != self.ends.greatest or not 0 <= count <= sums.shape[0]:
            raise ValueError("summing wants sums as wide as its rows, and as many as it is told")
        if slots.shape[0] <= sums.shape[0] or slots.shape[0] & mask:
            raise ValueError("summing wants a power of two of slots, and more of them than sums")
        with nogil:
            while start < count:
                stop = min(start + STRIDE, count)
                for row in range(start, stop):
                    first[row - start] = _hash(&sums[row, 0], self.ends.key, self.seed) & mask
                    portcall_prefetch(&slots[first[row - start]])
                for row in range(start, stop):
                    slot = first[row - start]
                    while slots[slot]:
                        slot = (slot + 1) & mask
                    slots[slot] = <uint32_t>(row + 1)
                start = stop
        self.sums, self.slots, self.count, self.room = sums, slots, count, sums.shape[0]

    def add(self, const uint64_t[:, ::1] rows):
        """Count rows[n] in; there must be room for as many new sums."""
        cdef Py_ssize_t start = 0, count = rows.shape[0]
        if rows.shape[1] != self.ends.greatest or count > self.room - self.count:
            raise ValueError("summing wants rows as wide as its sums, and room for a sum a row")
        with nogil:
            while start < count:
                self.add_stride(&rows[start, 0], min(start + STRIDE, count) - start)
                start += STRIDE

    cdef void add_stride(self, const uint64_t *rows, Py_ssize_t count) noexcept nogil:
        # 1 to STRIDE rows, for which there is room. The arrays were checked in begin: slots are found by mask, sums only
        # through slots.
        cdef uint64_t *sums = &self.sums[0, 0]
        cdef uint32_t *slots = &self.slots[0]
        cdef uint64_t mask = self.slots.shape[0] - 1, slot
        cdef uint64_t first[STRIDE]  # as in begin
        cdef Layout ends = self.ends
        cdef Py_ssize_t row, width = ends.greatest, sums_now = self.count
        cdef const uint64_t *words
        for row in range(count):
            first[row] = _hash(rows + row * width, ends.key, self.seed) & mask
            portcall_prefetch(&slots[first[row]])
        for row in range(count):
            slot = slots[first[row]]
            if slot:
                portcall_prefetch(sums + (slot - 1) * width)
                portcall_prefetch(sums + slot * width - 1)
        for row in range(count):
            words, slot = rows + row * width, first[row]
            while slots[slot] and not _are_same(words, sums + (slots[slot] - 1) * width, ends.key):
                slot = (slot + 1) & mask
            if slots[slot]:
                _sum(words, &ends, sums + (slots[slot] - 1) * width)
            else:
                memcpy(sums + sums_now * width, words, width * sizeof(uint64_t))
                sums_now += 1
                slots[slot] = <uint32_t>sums_now
        self.count = sums_now
