# What came of each flow in each bucket of time: cells in the order in which they were begun. A packet is counted in the latest
# cell of its flow where that is of its bucket and has room, else it begins one; so a flow may have several of one bucket, mostly
# where packets are not in order of time, and whoever reads cells adds them up. No table of buckets is needed: a cell's times say which it is of.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from portcall.kernels.records cimport NO_TIME, Packet, TimeCell

cdef enum:
    ERA_BITS = 53  # 104 days in nanoseconds: clocks that were not set yet are in another one
    ERAS = 2048  # in all time that numbers can say

cdef extern from "stdint.h" nogil:
    const uint64_t MOST_PACKETS "UINT16_MAX"
    const uint64_t MOST_BYTES "UINT32_MAX"

cdef struct Cells:
    # The arrays of a CellStore, which has checked them: there is room for a cell a packet, and for each owner.
    TimeCell *cells
    uint32_t *latest  # by owner: 1 + the index of its latest cell
    Py_ssize_t count
    int64_t width_ns
    int64_t first_ns  # the bucket of the packet before: its first and last moment
    int64_t last_ns
    int64_t *eras  # of each era of time the numbers of its first and last bucket; NULL where nobody counts buckets
    int64_t spanned  # buckets from the first to the last of all eras


cdef inline int64_t bucket_number(int64_t ts_ns, int64_t width_ns) noexcept nogil:
    """Which bucket a time is in, rounded down also before 1970; NO_TIME for none."""
    if ts_ns == NO_TIME:
        return NO_TIME
    return ts_ns // width_ns - (ts_ns % width_ns < 0)


cdef inline bint has_room(const TimeCell *cell, int side, uint64_t packets, uint64_t wire, uint64_t payload) noexcept nogil:
    """Whether so much more can be counted in a cell."""
    return (
        cell.packets[side] + packets <= MOST_PACKETS and cell.bytes[side] + wire <= MOST_BYTES
        and cell.payload[side] + payload <= MOST_BYTES
    )


cdef void enter_bucket(Cells *store, int64_t ts_ns) noexcept nogil


cdef inline void note_cell(Cells *store, uint32_t owner, const Packet *packet, int side) noexcept nogil:
    """Count a packet in its owner's cell; ``side`` is 0 where the low end sent it, 1 where the high end did."""
    cdef TimeCell *cell
    cdef int64_t ts_ns = packet.ts_ns
    cdef uint32_t latest = store.latest[owner]
    if not store.first_ns <= ts_ns <= store.last_ns:
        enter_bucket(store, ts_ns)
    cell = &store.cells[latest - 1] if latest else NULL
    if (
        cell == NULL or not store.first_ns <= cell.first_ns <= store.last_ns
        or not has_room(cell, side, 1, packet.wire, packet.payload)
    ):
        cell = &store.cells[store.count]
        memset(cell, 0, sizeof(TimeCell))
        store.count += 1
        store.latest[owner] = <uint32_t>store.count
        cell.owner, cell.first_ns, cell.last_ns = owner, ts_ns, ts_ns
    cell.packets[side] += 1
    cell.bytes[side] += packet.wire
    cell.payload[side] += packet.payload
    if ts_ns < cell.first_ns:
        cell.first_ns = ts_ns
    if ts_ns > cell.last_ns:
        cell.last_ns = ts_ns


cdef class CellStore:
    cdef public TimeCell[::1] cells
    cdef public uint32_t[::1] latest
    cdef public int64_t[:, ::1] eras
    cdef Cells state

    cdef Cells *reserved(self, Py_ssize_t packets, Py_ssize_t flows) except NULL
    cdef void _put(self, const TimeCell *cell) noexcept nogil
