"""Packets → partitions: what keeps live flows apart besides their ends, one number a packet, written where it is decoded.

    20-31 capture point · 0-19 turns: how often others took over the packet's two places, or an echo's identifier (runs/echoes.py)

A place is what a socket may take over: a TCP port, another port, an echo's identifier, a protocol without ports. Hardly any place of
a busy network has been taken over, so one bit a place says whether there is anything to count: these bits stay in the cache.
Takeovers that packets may still be older than wait in chains by place, and are compared with each packet's time.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp

import numpy as np

from portcall.kernels.borrowing cimport borrow
from portcall.kernels.hashing cimport mix
from portcall.kernels.records cimport NO_PORTS, Frame, Packet

TCP_PORTS, OTHER_PORTS, IDENTIFIERS, PROTOCOLS = range(4)
"""Kinds of places: a place is its kind, shifted left by 16, and a number."""
TURN_BITS = 20
IS_ECHO, HIGH_ASKS = 1 << 19, 1 << 18
"""Turns of an echo: that it is one, and that the high end asks; 16 takeovers:2 · 0 identifier:16."""
MOST_DATAGRAMS = 1 << 12
"""Fragmented datagrams remembered at the least, twice as many at the most: the oldest half goes when there are more."""

cdef enum:
    PLACES = 4 << 16
    KIND_SHIFT = 16
    TCP_KIND = 0
    OTHER_KIND = 1
    IDENTIFIER_KIND = 2
    PROTOCOL_KIND = 3
    POINT_SHIFT = 20
    TURNS = (1 << 19) - 1
    ECHO_BIT = 1 << 19
    HIGH_ASKS_BIT = 1 << 18
    TAKEOVERS = 3
    ECHO_HEADER_BYTES = 8
    ECHO_READ_BYTES = 6
    ICMP = 1
    ICMPV6 = 58
    TCP = 6
    ASKS = 1
    LATER = 2  # Fragmentation
    POINT_SLOTS = 1 << 17
    DATAGRAM_SLOTS = 1 << 13

cdef struct Point:
    uint64_t place  # namespace:32 interface:32
    uint32_t number
    uint32_t is_used

cdef struct Kept:
    uint64_t datagram
    uint32_t point
    uint32_t partition
    uint64_t is_used


cdef class TurnWriter:
    """Writes partitions, of capture points that it has learned. ``echo_roles[256]``: 1 an echo that asks, 2 one that answers."""

    cdef public int64_t last_ns
    cdef const uint8_t[::1] echo_roles
    cdef uint32_t[::1] turns
    cdef uint8_t[::1] has_turns  # bit by place: turns, or a takeover that waits
    cdef int32_t[::1] first_of_place, following  # 1 + its index, 0 for none
    cdef const uint32_t[::1] places
    cdef const int64_t[::1] times_ns
    cdef uint8_t[::1] points, datagrams
    cdef Py_ssize_t point_count, datagram_count
    cdef int newest
    cdef uint64_t seed
    cdef object frame_dtype, packet_dtype

    def __init__(self, const uint8_t[::1] echo_roles, uint64_t seed):
        """``seed`` is what those who send packets cannot know."""
        if echo_roles.shape[0] != 256:
            raise ValueError("a role by type of message is wanted")
        self.echo_roles, self.seed = echo_roles, seed
        self.turns, self.has_turns = np.zeros(PLACES + 1, np.uint32), np.zeros(PLACES // 8 + 1, np.uint8)
        self.first_of_place, self.following = np.zeros(PLACES + 1, np.int32), np.zeros(0, np.int32)
        self.places, self.times_ns = np.zeros(0, np.uint32), np.zeros(0, np.int64)
        self.points = np.zeros(POINT_SLOTS * sizeof(Point), np.uint8)
        self.datagrams = np.zeros(2 * DATAGRAM_SLOTS * sizeof(Kept), np.uint8)

    def count(self, const uint32_t[::1] places):
        """Takeovers that every packet to come is after."""
        cdef Py_ssize_t i
        for i in range(places.shape[0]):
            if places[i] < PLACES:
                self.turns[places[i]] += 1
                self.has_turns[places[i] >> 3] |= 1 << (places[i] & 7)

    def await_packets(self, const uint32_t[::1] places, const int64_t[::1] times_ns):
        """The takeovers that packets may be older than, all of them: those of the last call wait no more."""
        cdef Py_ssize_t i
        if places.shape[0] != times_ns.shape[0]:
            raise ValueError("a time for each place is wanted")
        for i in range(self.places.shape[0]):
            if self.places[i] < PLACES:
                self.first_of_place[self.places[i]] = 0
                if not self.turns[self.places[i]]:
                    self.has_turns[self.places[i] >> 3] &= ~(1 << (self.places[i] & 7))
        self.places, self.times_ns = places, times_ns
        self.following = np.zeros(places.shape[0], np.int32)
        for i in range(places.shape[0]):
            if places[i] < PLACES:
                self.following[i] = self.first_of_place[places[i]]
                self.first_of_place[places[i]] = <int32_t>(i + 1)
                self.has_turns[places[i] >> 3] |= 1 << (places[i] & 7)

    def learn(self, uint32_t namespace, uint32_t interface, uint32_t number):
        """The number of an interface's capture point, below 4096. Where there is no room, the others have to be learned again."""
        cdef Point *point
        cdef uint64_t place = <uint64_t>namespace << 32 | interface
        if self.point_count >= POINT_SLOTS // 2:
            self.points[:] = 0
            self.point_count = 0
        point = self._point(place)
        self.point_count += not point.is_used
        point.place, point.number, point.is_used = place, number, 1

    def write(self, object packets, object frames, const uint8_t[::1] buffer, uint32_t namespace, Py_ssize_t start):
        """Put the partition in place of the namespace of PACKET[start:], which were decoded from FRAME[n] over the buffer.

        Gives how many have theirs: where that is not n, the next one's interface has to be learned first.
        """
        cdef Py_buffer packet_view, frame_view
        cdef Py_ssize_t count
        if packets.dtype is not self.packet_dtype or frames.dtype is not self.frame_dtype:
            self._compare(packets, frames)
        count = borrow(packets, sizeof(Packet), &packet_view)
        try:
            if borrow(frames, sizeof(Frame), &frame_view) != count or start < 0:
                PyBuffer_Release(&frame_view)
                raise ValueError("a frame for each packet is wanted")
            try:
                with nogil:
                    count = self._write(
                        <Packet *>packet_view.buf, <const Frame *>frame_view.buf, start, count, buffer, namespace
                    )
            finally:
                PyBuffer_Release(&frame_view)
        finally:
            PyBuffer_Release(&packet_view)
        return count

    cdef int _compare(self, Packet[::1] packets, const Frame[::1] frames) except -1:
        self.packet_dtype, self.frame_dtype = packets.base.dtype, frames.base.dtype
        return 0

    cdef Py_ssize_t _write(
        self, Packet *packets, const Frame *frames, Py_ssize_t start, Py_ssize_t count,
        const uint8_t[::1] buffer, uint32_t namespace,
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef uint64_t place
        cdef uint64_t known = 0
        cdef uint32_t number = 0
        cdef bint is_known = False
        cdef const Point *point
        for i in range(start, count):
            place = <uint64_t>namespace << 32 | frames[i].interface
            if not is_known or place != known:
                point = self._point(place)
                if not point.is_used:
                    return i
                number, known, is_known = point.number << POINT_SHIFT, place, True
            packets[i].namespace = number | self._turns(&packets[i], &frames[i], buffer)
            if packets[i].fragmentation:
                self._keep_together(&packets[i], number)
            if packets[i].ts_ns > self.last_ns:
                self.last_ns = packets[i].ts_ns
        return count

    cdef inline uint32_t _turns(self, const Packet *packet, const Frame *frame, const uint8_t[::1] buffer) noexcept nogil:
        cdef uint32_t kind
        if packet.verdict == NO_PORTS:
            return self._portless_turns(packet, frame, buffer)
        kind = (TCP_KIND if packet.protocol == TCP else OTHER_KIND) << KIND_SHIFT
        return (
            self._at(kind | packet.source_port, packet.ts_ns) + self._at(kind | packet.target_port, packet.ts_ns)
        ) & TURNS

    cdef inline uint32_t _at(self, uint32_t place, int64_t ts_ns) noexcept nogil:
        """How often others have taken the place over until then."""
        cdef uint32_t turns
        cdef int32_t change
        if not self.has_turns[place >> 3] & 1 << (place & 7):
            return 0
        turns, change = self.turns[place], self.first_of_place[place]
        while change > 0:
            turns += self.times_ns[change - 1] <= ts_ns
            change = self.following[change - 1]
        return turns

    cdef uint32_t _portless_turns(self, const Packet *packet, const Frame *frame, const uint8_t[::1] buffer) noexcept nogil:
        cdef uint64_t at
        cdef uint32_t turns
        cdef uint8_t role
        cdef int order
        if (packet.protocol == ICMP or packet.protocol == ICMPV6) and packet.payload_offset >= ECHO_HEADER_BYTES:
            at = packet.payload_offset - ECHO_HEADER_BYTES
            if at + ECHO_READ_BYTES <= frame.captured and frame.offset + at + ECHO_READ_BYTES <= <uint64_t>buffer.shape[0]:
                at += frame.offset
                role = self.echo_roles[buffer[at]]
                if role:
                    turns = <uint32_t>buffer[at + 4] << 8 | buffer[at + 5]
                    turns |= (self._at(IDENTIFIER_KIND << KIND_SHIFT | turns, packet.ts_ns) & TAKEOVERS) << 16 | ECHO_BIT
                    order = memcmp(packet.source, packet.target, 16)
                    return turns | (HIGH_ASKS_BIT if (order > 0 if role == ASKS else order < 0) else 0)
        return self._at(PROTOCOL_KIND << KIND_SHIFT | packet.protocol, packet.ts_ns) & TURNS

    cdef Point *_point(self, uint64_t place) noexcept nogil:
        """Where it is, or goes: never more than half of the slots are used."""
        cdef Point *points = <Point *>&self.points[0]
        cdef uint64_t slot = mix(place ^ self.seed) & (POINT_SLOTS - 1)
        while points[slot].is_used and points[slot].place != place:
            slot = (slot + 1) & (POINT_SLOTS - 1)
        return &points[slot]

    cdef void _keep_together(self, Packet *packet, uint32_t point) noexcept nogil:
        """A later fragment goes to the partition of its first, where that came before it and is told apart by its turns."""
        cdef Kept *kept = self._kept(packet.datagram, point, self.newest)
        if not kept.is_used:
            kept = self._kept(packet.datagram, point, 1 - self.newest)
        if packet.fragmentation == LATER:
            if kept.is_used:
                packet.namespace = kept.partition
        elif kept.is_used:
            kept.partition = packet.namespace
        elif packet.namespace & ((1 << POINT_SHIFT) - 1):
            self._keep(packet, point)

    cdef void _keep(self, const Packet *packet, uint32_t point) noexcept nogil:
        cdef Kept *kept
        cdef Py_ssize_t i
        if self.datagram_count >= DATAGRAM_SLOTS // 2:
            self.newest, self.datagram_count = 1 - self.newest, 0
            kept = <Kept *>&self.datagrams[0] + self.newest * DATAGRAM_SLOTS
            for i in range(DATAGRAM_SLOTS):
                kept[i].is_used = 0
        kept = self._kept(packet.datagram, point, self.newest)
        kept.datagram, kept.point, kept.partition, kept.is_used = packet.datagram, point, packet.namespace, 1
        self.datagram_count += 1

    cdef Kept *_kept(self, uint64_t datagram, uint32_t point, int generation) noexcept nogil:
        """Where it is in one of the two tables, or goes."""
        cdef Kept *kept = <Kept *>&self.datagrams[0] + generation * DATAGRAM_SLOTS
        cdef uint64_t slot = mix(datagram ^ self.seed ^ point) & (DATAGRAM_SLOTS - 1)
        while kept[slot].is_used and (kept[slot].datagram != datagram or kept[slot].point != point):
            slot = (slot + 1) & (DATAGRAM_SLOTS - 1)
        return &kept[slot]
