# Whether the checksum of a transport is right, where all of it was captured.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from portcall.kernels.histories.ip_lengths cimport tcp_header
from portcall.kernels.layers.cursor cimport big_16
from portcall.kernels.records cimport FRAGMENT_NONE, Packet

cdef enum:
    ICMP = 1
    TCP = 6
    UDP = 17
    ICMPV6 = 58
    HEADER_BYTES = 8  # of UDP and ICMP


cdef inline uint64_t _sum(const uint8_t *bytes, Py_ssize_t size) noexcept nogil:
    """RFC 1071: of 16-bit numbers, with a byte of zeros behind an odd one."""
    cdef uint64_t total = 0
    cdef Py_ssize_t at
    for at in range(0, size - 1, 2):
        total += big_16(bytes + at)
    return total + (<uint64_t>bytes[size - 1] << 8 if size & 1 else 0)


cdef inline bint is_wrong(const Packet *packet, const uint8_t *bytes, Py_ssize_t captured) noexcept nogil:
    """Whether the packet was damaged, or its sender left the sum to its card. Fragments, and what was cut, are not judged."""
    cdef Py_ssize_t stop = <Py_ssize_t>packet.payload_offset + packet.payload, start = <Py_ssize_t>packet.payload_offset - HEADER_BYTES
    cdef const uint8_t *header
    cdef uint64_t total
    if packet.fragmentation != FRAGMENT_NONE or stop > captured:
        return False
    if packet.protocol == TCP:
        header = tcp_header(packet, bytes, captured)
        if header == NULL:
            return False
        start = header - bytes
    elif packet.protocol != UDP and packet.protocol != ICMP and packet.protocol != ICMPV6:
        return False
    if start < 0 or start >= stop:
        return False
    if packet.protocol == UDP and packet.ip_version == 4 and start + HEADER_BYTES <= stop and big_16(bytes + start + 6) == 0:
        return False  # it has none (RFC 768)
    total = _sum(bytes + start, stop - start)
    if packet.protocol != ICMP:  # and a pseudo header (RFC 9293 §3.1, RFC 8200 §8.1)
        total += _sum(packet.source, 16) + _sum(packet.target, 16) + packet.protocol + <uint64_t>(stop - start)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total != 0xFFFF
