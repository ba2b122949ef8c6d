# What kernels put there for their owner, which has room for it.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from portcall.kernels.payload_bytes cimport PayloadBytes
from portcall.kernels.plain_details cimport Said
from portcall.kernels.records cimport TCP_SYN, Deferred, Hello, Packet, Payload

cdef enum:
    _MOST_KEPT_BYTES = 32768
    HELD_BYTES = 2048  # of one that waits elsewhere for the next, and may have to be left before it


cdef class Deferral:
    cdef Hello[::1] hellos
    cdef Deferred[::1] payloads
    cdef uint8_t[::1] arena
    cdef Py_ssize_t hello_count, hello_next, payload_count, payload_next, arena_used

    cdef bytes bytes_at(self, Py_ssize_t at, Py_ssize_t length)


cdef inline bint has_room(Deferral deferral, const PayloadBytes *sent, int hellos) noexcept nogil:
    """Whether there is room for what becomes of a payload: so many hellos, or itself and two that were held before it."""
    return (
        deferral.hello_count + hellos <= deferral.hellos.shape[0] and deferral.payload_count + 3 <= deferral.payloads.shape[0]
        and deferral.arena_used + min(sent.size, <Py_ssize_t>_MOST_KEPT_BYTES) + 2 * HELD_BYTES <= deferral.arena.shape[0]
    )


cdef inline uint32_t _copy(Deferral deferral, const uint8_t *source, Py_ssize_t size) noexcept nogil:
    """Put bytes into the arena, which has room for them; gives where."""
    cdef Py_ssize_t at = deferral.arena_used
    if size > 0 and size <= deferral.arena.shape[0] - at:
        memcpy(&deferral.arena[at], source, size)
        deferral.arena_used += size
    return <uint32_t>at


cdef inline Hello *next_hellos(Deferral deferral) noexcept nogil:
    """Where the next ones are written, before it is known whether they are left."""
    return &deferral.hellos[deferral.hello_count]


cdef inline void leave_hellos(
    Deferral deferral, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number, int count,
    const Said *said
) noexcept nogil:
    """Leave the next ones, which are about one name; what one says besides is in ``said``, NULL for nothing."""
    cdef Hello *out = next_hellos(deferral)
    cdef uint32_t name_at = _copy(deferral, sent.bytes + out.name_at, out.name_length)
    cdef uint32_t said_length = <uint32_t>said.size if said != NULL else 0
    cdef uint32_t said_at = _copy(deferral, said.bytes, said.size) if said_length else 0
    cdef int i
    for i in range(count):
        out[i].name_at, out[i].row = name_at, payload.row
        out[i].said_at, out[i].said_length = said_at, said_length
        out[i].ts_ns, out[i].number = packet.ts_ns, number
        memcpy(out[i].target, packet.target, 16)
    deferral.hello_count += count


cdef inline void describe(
    Deferred *deferred, const Packet *packet, Py_ssize_t size, const Payload *payload, uint64_t number, const uint64_t *prefixes
) noexcept nogil:
    """All of a payload of which so many bytes are kept but where they are."""
    deferred.prefixes[0], deferred.prefixes[1] = prefixes[0], prefixes[1]
    deferred.length = <uint32_t>size
    deferred.ts_ns, deferred.number, deferred.row = packet.ts_ns, number, payload.row
    memcpy(deferred.source, packet.source, 16)
    memcpy(deferred.target, packet.target, 16)
    deferred.sequence = packet.tcp_sequence + ((packet.tcp_flags & TCP_SYN) != 0)  # a SYN counts as a byte
    deferred.source_port, deferred.target_port = packet.source_port, packet.target_port
    deferred.side, deferred.protocol = payload.side, packet.protocol
    deferred.is_cut, deferred.is_later = <uint64_t>size < packet.payload, payload.is_later != 0


cdef inline void leave_payload(
    Deferral deferral, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number,
    const uint64_t *prefixes
) noexcept nogil:
    """Leave a payload to the dissectors."""
    cdef Deferred *deferred = &deferral.payloads[deferral.payload_count]
    cdef Py_ssize_t size = min(sent.size, <Py_ssize_t>_MOST_KEPT_BYTES)
    describe(deferred, packet, size, payload, number, prefixes)
    deferred.at = _copy(deferral, sent.bytes, size)
    deferral.payload_count += 1


cdef inline void leave_held(Deferral deferral, const Deferred *held, const PayloadBytes *sent) noexcept nogil:
    """Leave a payload that was held before."""
    cdef Deferred *deferred = &deferral.payloads[deferral.payload_count]
    deferred[0] = held[0]
    deferred.at = _copy(deferral, sent.bytes, sent.size)
    deferral.payload_count += 1
