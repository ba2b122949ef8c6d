# Fragmented datagrams: later fragments have no ports, so they count where their first does, and wait for it where they came
# before it.
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from portcall.kernels.flow_row cimport local_ends, span
from portcall.kernels.hashing cimport mix
from portcall.kernels.records cimport NEVER, NO_TIME, Datagram, Packet


cdef inline Datagram datagram_of(const Packet *packet) noexcept nogil:
    """The row of a fragment's datagram, before anything is counted."""
    cdef Datagram datagram
    memset(&datagram, 0, sizeof(Datagram))
    memcpy(datagram.source, packet.source, 16)
    memcpy(datagram.target, packet.target, 16)
    datagram.datagram, datagram.namespace = packet.datagram, packet.namespace
    datagram.protocol, datagram.ip_version = packet.protocol, packet.ip_version
    datagram.first_ns, datagram.last_ns = NEVER, NO_TIME
    return datagram


cdef inline Py_ssize_t place_datagram(
    Datagram[::1] datagrams, uint64_t[::1] slots, uint64_t seed, const Datagram *datagram, Py_ssize_t *count
) noexcept nogil:
    """The index of this datagram's row, which is made of it where it is new. A slot is as one of connections."""
    cdef uint64_t mask = slots.shape[0] - 1
    cdef uint32_t hash = <uint32_t>mix(datagram.datagram + seed + datagram.namespace)
    cdef uint64_t slot = hash & mask
    cdef Py_ssize_t row
    while slots[slot]:
        row = <Py_ssize_t><uint32_t>slots[slot] - 1
        if datagrams[row].datagram == datagram.datagram and datagrams[row].namespace == datagram.namespace:
            return row
        slot = (slot + 1) & mask
    row = count[0]
    datagrams[row] = datagram[0]
    slots[slot] = <uint64_t>hash << 32 | <uint64_t>(row + 1)
    count[0] = row + 1
    return row


cdef inline void note_first(Datagram *datagram, uint32_t flow, int side) noexcept nogil:
    """Its first fragment counts in this flow, and so do those to come."""
    if not datagram.first_flow:
        datagram.first_flow, datagram.first_side = flow, side
    datagram.latest_flow, datagram.latest_side = flow, side


cdef inline void note_waiting(Datagram *datagram, const Packet *packet, uint64_t number) noexcept nogil:
    """A later fragment waits for the first one."""
    if not datagram.packets:
        datagram.first_frame = number
    datagram.packets += 1
    datagram.bytes += packet.wire
    datagram.payload += packet.payload
    datagram.local |= local_ends(packet, 0)
    span(packet.ts_ns, &datagram.first_ns, &datagram.last_ns)


cdef inline void join_waiting(Datagram *datagram, const Datagram *later) noexcept nogil:
    """Those of a later shard wait with those here, or for the first one of that shard."""
    if not datagram.packets:
        datagram.first_frame = later.first_frame
    datagram.packets += later.packets
    datagram.bytes += later.bytes
    datagram.payload += later.payload
    datagram.local |= later.local
    datagram.first_ns = min(datagram.first_ns, later.first_ns)
    datagram.last_ns = max(datagram.last_ns, later.last_ns)
    datagram.first_flow, datagram.first_side = later.first_flow, later.first_side
