"""Rows with equal keys → one sum a key, for rows that arrive chunk after chunk.

A row is words of 64 bits: first its key, then what is added, then what is kept where it is least, and where greatest, both as
signed numbers. A slot holds 1 + the place of a sum. Sums stand in the order in which their keys appear, so neither the seed nor
the number of slots changes a result. Rows go in strides, as packets do in ``flow_update``: so memory latencies overlap.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from portcall.kernels.keys cimport are_same, hash_of
from portcall.kernels.prefetching cimport portcall_prefetch

cdef enum:
    STRIDE = 32


cdef inline void _sum(const uint64_t *row, const Layout *ends, uint64_t *total) noexcept nogil:
    cdef Py_ssize_t word
    for word in range(ends.key, ends.added):
        total[word] += row[word]
    for word in range(ends.added, ends.least):
        total[word] = min(<int64_t>total[word], <int64_t>row[word])
    for word in range(ends.least, ends.greatest):
        total[word] = max(<int64_t>total[word], <int64_t>row[word])


cdef class SumTable:
    """Sums in arrays that it is handed by ``begin``. ``key``, ``added``, ``least`` and ``greatest`` words make a row."""

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
                    first[row - start] = hash_of(&sums[row, 0], self.ends.key, self.seed) & mask
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
            first[row] = hash_of(rows + row * width, ends.key, self.seed) & mask
            portcall_prefetch(&slots[first[row]])
        for row in range(count):
            slot = slots[first[row]]
            if slot:
                portcall_prefetch(sums + (slot - 1) * width)
                portcall_prefetch(sums + slot * width - 1)
        for row in range(count):
            words, slot = rows + row * width, first[row]
            while slots[slot] and not are_same(words, sums + (slots[slot] - 1) * width, ends.key):
                slot = (slot + 1) & mask
            if slots[slot]:
                _sum(words, &ends, sums + (slots[slot] - 1) * width)
            else:
                memcpy(sums + sums_now * width, words, width * sizeof(uint64_t))
                sums_now += 1
                slots[slot] = <uint32_t>sums_now
        self.count = sums_now
