# Where in the table the row of a packet is: open addressing, each slot 32 bits of hash over 1 + the row. Packets are looked up
# stride after stride, so that slots and rows are on their way from memory before their turn.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from portcall.kernels.hashing cimport Keys, hash_flow
from portcall.kernels.prefetching cimport portcall_prefetch
from portcall.kernels.records cimport FIRST_FLOW, TCP_FIN, TCP_RST, TCP_SYN, Flow, Packet, Payload
from portcall.kernels.time_cells cimport Cells

cdef enum:
    STRIDE = 8
    STAGES = 32  # for three strides; a power of two

cdef struct Stage:
    uint32_t hash
    uint64_t slot  # the first of this hash, or the empty one that ended the search


cdef struct Table:
    # The arrays of connections, checked once a batch: slots are found by mask, rows only through slots.
    Flow *flows
    uint64_t *slots
    uint64_t mask
    Keys keys
    const uint8_t *inspected  # NULL where nobody listens
    Cells *cells  # NULL where nobody asked for buckets of time
    uint32_t *rows  # NULL where nobody asks which row a packet is in
    Payload *payloads  # what is wanted, one a packet


cdef inline uint64_t _find_tag(const Table *table, uint32_t hash) noexcept nogil:
    """The slot of the first row with this hash, or the empty slot that ends its run."""
    cdef uint64_t slot = hash & table.mask
    while table.slots[slot] and table.slots[slot] >> 32 != hash:
        slot = (slot + 1) & table.mask
    return slot


cdef inline void hash_stride(
    const Table *table, const Packet *packets, Py_ssize_t start, Py_ssize_t stop, Stage *out_stages
) noexcept nogil:
    """Hash them, and ask for their slots."""
    cdef Py_ssize_t i
    cdef uint32_t hash
    for i in range(start, stop):
        hash = hash_flow(&packets[i], &table.keys)
        out_stages[i & (STAGES - 1)].hash = hash
        portcall_prefetch(&table.slots[hash & table.mask])


cdef inline void find_stride(
    const Table *table, const Packet *packets, Py_ssize_t start, Py_ssize_t stop, Stage *out_stages
) noexcept nogil:
    """Find their slots, and ask for their rows and what was inspected of them."""
    cdef Py_ssize_t i
    cdef uint64_t slot
    cdef uint32_t row
    cdef const uint8_t *flow
    for i in range(start, stop):
        slot = _find_tag(table, out_stages[i & (STAGES - 1)].hash)
        out_stages[i & (STAGES - 1)].slot = slot
        row = <uint32_t>table.slots[slot]
        if row:
            flow = <const uint8_t *>&table.flows[row - 1]
            portcall_prefetch(flow)
            portcall_prefetch(flow + 64)
            if table.cells != NULL:
                portcall_prefetch(&table.cells.latest[FIRST_FLOW + row - 1])
            if table.inspected != NULL:
                portcall_prefetch(table.inspected + row - 1)
            if packets[i].tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST):
                portcall_prefetch(flow + 128)  # the milestones


cdef inline uint32_t hash_row(const Flow *flow, const Keys *keys) noexcept nogil:
    """The hash of the row's packets."""
    cdef Packet packet
    memcpy(packet.source, flow.low, 16)
    memcpy(packet.target, flow.high, 16)
    packet.source_port, packet.target_port = flow.low_port, flow.high_port
    packet.protocol, packet.ip_version, packet.namespace = flow.protocol, flow.ip_version, flow.namespace
    return hash_flow(&packet, keys)


cdef inline bint move_slots(const uint64_t[::1] former, const uint32_t[::1] numbers, uint64_t[::1] slots) noexcept nogil:
    """Fill empty slots, a power of two, from former ones; whether there is room. ``numbers[i]`` is 1 + the new index of row i, 0
    where it is gone; without any rows keep theirs.
    """
    cdef Py_ssize_t i, room = slots.shape[0] - 1
    cdef uint64_t slot, mask = slots.shape[0] - 1
    cdef uint32_t row
    for i in range(former.shape[0]):
        row = <uint32_t>former[i]
        if row and numbers.shape[0]:
            row = numbers[row - 1]
        if row:
            room -= 1
            if room < 0:
                return False
            slot = former[i] >> 32 & mask
            while slots[slot]:
                slot = (slot + 1) & mask
            slots[slot] = former[i] >> 32 << 32 | row
    return True
