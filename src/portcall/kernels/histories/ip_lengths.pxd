# The headers of a packet that was decoded already, found again: the IP header that its addresses are from, and a TCP header.
# A PACKET has no room for where they are, for nobody else asks. Every byte is read after a check of what was captured.
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp

from portcall.kernels.layers.cursor cimport big_16, big_32
from portcall.kernels.records cimport Packet

cdef enum:
    NOWHERE = -1
    IPV4_BYTES = 20
    IPV6_BYTES = 40
    TCP_BYTES = 20
    MOST_TCP_BYTES = 60
    MOST_STEPS = 1 << 11  # between a packet's payload and its IP header there is less, however many headers it has


cdef inline bint _is_ip_header(const Packet *packet, const uint8_t *bytes, Py_ssize_t captured, Py_ssize_t at) noexcept nogil:
    if packet.ip_version == 4:
        return (at + IPV4_BYTES <= captured and bytes[at] >> 4 == 4 and memcmp(bytes + at + 12, packet.source + 12, 4) == 0
                and memcmp(bytes + at + 16, packet.target + 12, 4) == 0)
    return (at + IPV6_BYTES <= captured and bytes[at] >> 4 == 6 and memcmp(bytes + at + 8, packet.source, 16) == 0
            and memcmp(bytes + at + 24, packet.target, 16) == 0)


cdef inline Py_ssize_t _ip_header(const Packet *packet, const uint8_t *bytes, Py_ssize_t captured) noexcept nogil:
    """Where it begins: the nearest one before the payload that has the packet's addresses; NOWHERE if none has."""
    cdef Py_ssize_t first = packet.network_offset
    cdef Py_ssize_t at = packet.payload_offset - (IPV6_BYTES if packet.ip_version == 6 else IPV4_BYTES)
    if at - first > MOST_STEPS:
        first = at - MOST_STEPS
    while at >= first:
        if _is_ip_header(packet, bytes, captured, at):
            return at
        at -= 1
    return NOWHERE


cdef inline uint32_t ip_length(const Packet *packet, const uint8_t *bytes, Py_ssize_t captured) noexcept nogil:
    """Bytes of the IP packet, header included, as its header says: 0 of IPv4's super-frames, which the card was left to split."""
    cdef Py_ssize_t at = _ip_header(packet, bytes, captured)
    cdef uint32_t stop = packet.payload_offset + packet.payload
    if at == NOWHERE:
        return stop - packet.network_offset if stop > packet.network_offset else 0
    return big_16(bytes + at + 2) if packet.ip_version == 4 else IPV6_BYTES + big_16(bytes + at + 4)


cdef inline const uint8_t *tcp_header(const Packet *packet, const uint8_t *bytes, Py_ssize_t captured) noexcept nogil:
    """Its bytes, 20 at the least; NULL where they were not captured, or it is none that a connection has."""
    cdef Py_ssize_t size = TCP_BYTES, at
    while size <= MOST_TCP_BYTES:
        at = <Py_ssize_t>packet.payload_offset - size
        if at < 0:
            return NULL
        if (at + TCP_BYTES <= captured and bytes[at + 12] >> 4 == size >> 2 and big_16(bytes + at) == packet.source_port
                and big_16(bytes + at + 2) == packet.target_port and big_32(bytes + at + 4) == packet.tcp_sequence):
            return bytes + at
        size += 4
    return NULL
