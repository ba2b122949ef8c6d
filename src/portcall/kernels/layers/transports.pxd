# The transport layer: ports where there are any. A frame counts as soon as its ports were captured, whatever the rest
# of the header says.
from libc.stdint cimport uint8_t

from portcall.kernels.layers.cursor cimport CUT, FINISHED, Cursor, big_16, big_32, fits, header, save, u8
from portcall.kernels.layers.numbers cimport by_udp_port
from portcall.kernels.layers.networks cimport carry
from portcall.kernels.records cimport NO_PORTS, OK, Packet


cdef inline bint _ports(Cursor *cursor) noexcept nogil:
    """0 source port:16  2 target port:16"""
    cdef const uint8_t *ports = header(cursor, 4)
    if ports == NULL:
        return False
    cursor.packet.source_port = big_16(ports)
    cursor.packet.target_port = big_16(ports + 2)
    cursor.packet.verdict = OK
    return True


cdef inline int tcp(Cursor *cursor) noexcept nogil:
    """RFC 9293 §3.1.

    0 source port:16  2 target port:16  4 sequence:32  8 acknowledgement:32  12 header:4 (32-bit words) reserved:4
    13 flags:8  14 window:16  16 checksum:16  18 urgent:16  20 options

    IP protocol: 6
    """
    cdef size_t length = 20
    cdef const uint8_t *fields
    if not _ports(cursor):
        return CUT
    if fits(cursor, cursor.at, 14):
        fields = cursor.bytes + cursor.at
        cursor.packet.tcp_sequence = big_32(fields + 4)
        cursor.packet.tcp_flags = fields[13]
        length = (fields[12] >> 4) * 4
        if length < 20:
            length = 20
    carry(cursor, length)
    return FINISHED


cdef inline int udp(Cursor *cursor) noexcept nogil:
    """RFC 768: 0 source port:16  2 target port:16  4 length:16  6 checksum:16

    IP protocol: 17
    """
    if not _ports(cursor):
        return CUT
    carry(cursor, 8)
    if cursor.inner:
        return _tunnel(cursor)
    return FINISHED


cdef inline int _tunnel(Cursor *cursor) noexcept nogil:
    """The layer inside, where either port says that this is a tunnel."""
    cdef Packet *packet = cursor.packet
    cdef int layer = by_udp_port(packet.target_port)
    if layer == FINISHED:
        layer = by_udp_port(packet.source_port)
    if layer != FINISHED:
        save(cursor)
        cursor.at += 8
    return layer


cdef inline int udp_lite(Cursor *cursor) noexcept nogil:
    """RFC 3828 §3.1: as UDP, with the checksum's coverage for the length

    IP protocol: 136
    """
    if not _ports(cursor):
        return CUT
    carry(cursor, 8)
    return FINISHED


cdef inline int sctp(Cursor *cursor) noexcept nogil:
    """RFC 9260 §3: 0 source port:16  2 target port:16  4 tag:32  8 checksum:32  12 chunks

    IP protocol: 132
    """
    if not _ports(cursor):
        return CUT
    carry(cursor, 12)
    return FINISHED


cdef inline int dccp(Cursor *cursor) noexcept nogil:
    """RFC 4340 §5.1: 0 source port:16  2 target port:16  4 header:8 (32-bit words)  5 ...

    IP protocol: 33
    """
    cdef size_t length = 12
    if not _ports(cursor):
        return CUT
    if fits(cursor, cursor.at, 5):
        length = 4 * <size_t>u8(cursor, cursor.at + 4)
    carry(cursor, length)
    return FINISHED


cdef inline int icmp(Cursor *cursor) noexcept nogil:
    """RFC 792, RFC 4443: 0 type:8  1 code:8  2 checksum:16  4 by type:32  8 data. What it quotes never counts.

    IP protocol: 1, 58 (ICMPv6)
    """
    carry(cursor, 8)
    cursor.packet.verdict = NO_PORTS
    return FINISHED


cdef inline int other_protocol(Cursor *cursor) noexcept nogil:
    """Every IP protocol that no other layer has."""
    carry(cursor, 0)
    cursor.packet.verdict = NO_PORTS
    return FINISHED
