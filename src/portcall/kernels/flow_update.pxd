from cython cimport final
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from portcall.kernels.flow_slots cimport Stage, Table
from portcall.kernels.records cimport Datagram, Flow, Packet, Payload, VerdictTally
from portcall.kernels.time_cells cimport CellStore


@final
cdef class FlowStore:
    cdef public Flow[::1] flows
    cdef public uint64_t[::1] flow_slots  # a power of two of them; hash in the high half, 1 + row in the low one
    cdef public Datagram[::1] datagrams
    cdef public uint64_t[::1] datagram_slots
    cdef public VerdictTally[::1] tallies  # by verdict
    cdef public uint8_t[::1] inspected  # by row: bit 0, no more payload of the low end is wanted; bit 1, of the high one; empty: none
    cdef public Payload[::1] out_payloads  # a row a packet of a batch
    cdef public CellStore cells  # by time; None where nobody asked
    cdef public uint32_t[::1] out_rows  # of a batch's packets on flows: 2 + twice the row + the side that sent; empty: nobody asks
    cdef Py_ssize_t payload_count
    cdef public Py_ssize_t flow_count, datagram_count
    cdef readonly uint64_t seed
    cdef public uint64_t idle_ns  # a row that was silent for longer is over; 0: none ever is
    cdef object packet_dtype

    cdef int _compare(self, const Packet[::1] packets) except -1
    cdef int _fold(self, const Packet *packets, Py_ssize_t count, uint64_t first_number) except -1
    cdef bint has_room(self, Py_ssize_t count, Py_ssize_t payloads) noexcept nogil
    cdef Py_ssize_t fold_into(self, const Packet *packets, Py_ssize_t count, uint64_t number, Payload *payloads) noexcept nogil
    cdef void _set(self, Table *table, Payload *payloads) noexcept nogil
    cdef void _fold_all(self, const Table *table, const Packet *packets, Py_ssize_t count, uint64_t first_number) noexcept nogil
    cdef void _fold_packet(
        self, const Table *table, const Packet *packet, const Stage *stage, Py_ssize_t index, uint64_t first_number
    ) noexcept nogil
    cdef void _want(self, const Table *table, const Packet *packet, uint32_t row_and_side, Py_ssize_t index) noexcept nogil
    cdef uint32_t _fold_whole(
        self, const Table *table, const Packet *packet, const Stage *stage, uint64_t number
    ) noexcept nogil
    cdef void _note_copy(self, const Table *table, const Packet *packet, const Stage *stage) noexcept nogil
    cdef uint32_t _append(
        self, const Table *table, const Packet *packet, uint64_t slot, uint32_t hash, uint64_t number, uint32_t earlier
    ) noexcept nogil
    cdef void _update(self, Flow *flow, uint32_t row, const Packet *packet, int side) noexcept nogil
    cdef Py_ssize_t _datagram(self, const Datagram *datagram) noexcept nogil
    cdef void _note_first_fragment(self, const Packet *packet, uint32_t row, int side) noexcept nogil
    cdef void _fold_fragment(self, const Table *table, const Packet *packet, uint64_t number) noexcept nogil
    cdef uint32_t _link(self, Py_ssize_t row) noexcept nogil
    cdef uint32_t _absorb_flow(self, const Flow *later, uint64_t frames_before) noexcept nogil
    cdef uint64_t _absorb_datagram(self, const Datagram *later, uint32_t[::1] out_rows, uint64_t frames_before) noexcept nogil
