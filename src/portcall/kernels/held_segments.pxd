# The first segment of a hello that goes on in the next one: it is kept until that comes, so that both are read as one.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from portcall.kernels.deferral cimport HELD_BYTES, describe
from portcall.kernels.payload_bytes cimport PayloadBytes
from portcall.kernels.records cimport Deferred, Packet, Payload

cdef enum:
    NOBODY = 0xFFFFFFFF  # the row of a place that is free


cdef class HeldSegments:
    cdef Deferred[::1] segments
    cdef uint8_t[::1] arena  # HELD_BYTES of each segment, then two that are joined
    cdef uint32_t[::1] of_row  # 1 + the index of its segment, 0 for none
    cdef Py_ssize_t next


cdef inline Deferred *held_segment(HeldSegments held, uint32_t row) noexcept nogil:
    """The one of a row that has one."""
    return &held.segments[held.of_row[row] - 1]


cdef inline PayloadBytes held_bytes(HeldSegments held, uint32_t row) noexcept nogil:
    """What a row that has one has said in it."""
    cdef Py_ssize_t at = <Py_ssize_t>(held.of_row[row] - 1) * HELD_BYTES
    return PayloadBytes(&held.arena[at], held_segment(held, row).length)


cdef inline uint32_t hold(
    HeldSegments held, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
) noexcept nogil:
    """Keep it, of HELD_BYTES at the most; gives the row whose segment made room for it, the oldest, or NOBODY."""
    cdef Deferred *segment = &held.segments[held.next]
    cdef uint32_t former = segment.row
    cdef uint64_t[2] prefixes = [0, 0]
    if former != NOBODY:
        held.of_row[former] = 0
    describe(segment, packet, sent.size, payload, number, prefixes)
    if 0 < sent.size <= HELD_BYTES:
        memcpy(&held.arena[held.next * HELD_BYTES], sent.bytes, sent.size)
    held.of_row[payload.row] = <uint32_t>(held.next + 1)
    held.next = (held.next + 1) % held.segments.shape[0]
    return former


cdef inline void hold_joined(HeldSegments held, uint32_t row, const PayloadBytes *joined) noexcept nogil:
    """Keep two segments that were joined, of HELD_BYTES at the most, in the place of the first."""
    memcpy(&held.arena[<Py_ssize_t>(held.of_row[row] - 1) * HELD_BYTES], joined.bytes, min(joined.size, <Py_ssize_t>HELD_BYTES))
    held_segment(held, row).length = <uint32_t>min(joined.size, <Py_ssize_t>HELD_BYTES)


cdef inline void let_go(HeldSegments held, uint32_t row) noexcept nogil:
    """Keep the segment of a row that has one no longer. Room that nobody has behind the last that is kept is taken first, so that
    it stays in the cache: most hellos go on at once.
    """
    cdef Py_ssize_t at = <Py_ssize_t>held.of_row[row] - 1
    held_segment(held, row).row = NOBODY
    held.of_row[row] = 0
    if (at + 1) % held.segments.shape[0] == held.next:
        held.next = at
    while held.next and held.segments[held.next - 1].row == NOBODY:
        held.next -= 1


cdef inline bint join(HeldSegments held, const Packet *packet, const PayloadBytes *sent, uint32_t row, PayloadBytes *out) noexcept nogil:
    """Whether a segment follows the one that is held; ``out`` is both as one, until the next are joined."""
    cdef Deferred *first = held_segment(held, row)
    cdef PayloadBytes beginning = held_bytes(held, row)
    cdef Py_ssize_t at = held.segments.shape[0] * HELD_BYTES
    if packet.tcp_sequence != <uint32_t>(first.sequence + first.length) or not 0 < sent.size <= HELD_BYTES:
        return False
    memcpy(&held.arena[at], beginning.bytes, beginning.size)
    memcpy(&held.arena[at + beginning.size], sent.bytes, sent.size)
    out.bytes, out.size = &held.arena[at], beginning.size + sent.size
    return True
