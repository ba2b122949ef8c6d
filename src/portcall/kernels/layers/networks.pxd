# The network layer: IPv4 and IPv6 with what they chain before the transport.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from portcall.kernels.layers.cursor cimport BROKEN, CUT, FINISHED, Cursor, big_16, fits, has, header, narrow, save, u16, u32, u8
from portcall.kernels.layers.numbers cimport ETHER_IP, GRE, ICMP, IPV4, IPV6, MPLS, OTHER_PROTOCOL, by_ip_protocol
from portcall.kernels.records cimport FRAGMENT_FIRST, FRAGMENT_LATER, LATER_FRAGMENT, NO_PORTS, Packet

cdef inline int ip_any(Cursor *cursor) noexcept nogil:
    """Raw IP: the version nibble tells which.

    link type: 12 (DLT_RAW where it was written instead of 101), 14 (the same on OpenBSD), 101
    """
    cdef uint8_t version = u8(cursor, cursor.at) >> 4
    if version == 4:
        return IPV4
    elif version == 6:
        return IPV6
    return CUT if cursor.short else BROKEN


cdef inline int ipv4(Cursor *cursor) noexcept nogil:
    """RFC 791 §3.1.

    0 version:4 header:4 (32-bit words)  1 service:8  2 total length:16  4 identification:16
    6 zero:1 whole:1 more:1 fragment offset:13 (8 bytes)  8 hops:8  9 protocol:8  10 checksum:16
    12 source:32  16 target:32  20 options

    link type: 228
    ethertype: 0x0800
    PPP protocol: 0x0021
    NLPID: 0xCC
    address family: 2
    access points: 0x0606
    IP protocol: 4
    next protocol: 1
    """
    cdef Packet *packet = cursor.packet
    cdef size_t at = cursor.at
    cdef const uint8_t *fields = header(cursor, 20)
    cdef size_t length, total
    cdef uint16_t fragment
    if fields == NULL:
        return CUT
    length = (fields[0] & 0x0F) * 4
    if fields[0] >> 4 != 4 or length < 20:
        return BROKEN
    total = big_16(fields + 2)
    if total >= length:
        narrow(cursor, at + total)
    elif total:
        return BROKEN  # 0 is a super-frame that the network card was left to split: it goes to the frame's end
    if not has(cursor, at, length):
        return CUT
    _begin(packet, at, 4, fields[9])
    memcpy(packet.source + 12, fields + 12, 4)
    memcpy(packet.target + 12, fields + 16, 4)
    cursor.at = at + length
    fragment = big_16(fields + 6)
    if fragment & 0x3FFF:
        _note_fragment(packet, big_16(fields + 4))
        if fragment & 0x1FFF:
            return _later_fragment(cursor)
    return _transport(cursor)


cdef inline int ipv6(Cursor *cursor) noexcept nogil:
    """RFC 8200 §3.

    0 version:4 class:8 flow label:20  4 payload length:16  6 next header:8  7 hops:8  8 source:128  24 target:128

    link type: 229
    ethertype: 0x86DD
    PPP protocol: 0x0057
    NLPID: 0x8E
    address family: 10 (Linux), 24 (NetBSD, OpenBSD), 26 (Solaris), 28 (FreeBSD), 30 (Darwin)
    IP protocol: 41
    next protocol: 2
    """
    cdef Packet *packet = cursor.packet
    cdef size_t at = cursor.at, length
    cdef const uint8_t *fields = header(cursor, 40)
    if fields == NULL:
        return CUT
    if fields[0] >> 4 != 6:
        return BROKEN
    length = big_16(fields + 4)
    if length:
        narrow(cursor, at + 40 + length)
    _begin(packet, at, 6, fields[6])
    memcpy(packet.source, fields + 8, 16)
    memcpy(packet.target, fields + 24, 16)
    cursor.at = at + 40
    if length == 0 and packet.protocol == 0 and not _is_jumbogram(cursor):
        return _about(cursor)
    return _extensions(cursor)  # a length of 0 else is a super-frame: it goes to the frame's end


cdef inline bint _is_jumbogram(Cursor *cursor) noexcept nogil:
    """RFC 2675 §2: whether a hop-by-hop option says how long the packet is, more than 65,535 bytes, and none overruns.

    0 next header:8  1 length:8  2 options: 0 kind:8 (0: a byte of padding, C2: jumbo)  1 length:8  2 value
    """
    cdef size_t at = cursor.at + 2, stop = cursor.at + 8 + 8 * <size_t>u8(cursor, cursor.at + 1)
    cdef size_t following
    cdef bint found = False
    while at < stop:
        following = at + 1 if u8(cursor, at) == 0 else at + 2 + <size_t>u8(cursor, at + 1)
        if following > stop or not fits(cursor, at, following - at):
            return False
        if u8(cursor, at) == 0xC2 and following == at + 6:
            if u32(cursor, at + 2) <= 0xFFFF:
                return False
            found = True
        at = following
    return found


cdef inline int _extensions(Cursor *cursor) noexcept nogil:
    """RFC 8200 §4: headers chained by number, all but the fragment header with their length. Where the chain is cut, the
    packet is about what begins it.

    0 next header:8  1 length:8 (8 bytes, without the first 8)  2 ...
    fragment: 0 next header:8  1 reserved:8  2 offset:13 reserved:2 more:1  4 identification:32
    """
    cdef Packet *packet = cursor.packet
    cdef uint8_t first = packet.protocol
    cdef uint16_t fragment
    while _is_extension(packet.protocol):
        if not fits(cursor, cursor.at, 8):
            packet.protocol = first
            return _about(cursor)
        if packet.protocol == 135 and u8(cursor, cursor.at) == 59:
            break  # a mobility message
        if packet.protocol == 44:
            packet.protocol = u8(cursor, cursor.at)
            fragment = u16(cursor, cursor.at + 2)
            cursor.at += 8
            if fragment & 0xFFF9:
                _note_fragment(packet, u32(cursor, cursor.at - 4))
                if fragment & 0xFFF8:
                    return _later_fragment(cursor)
        else:
            if not fits(cursor, cursor.at, 8 + 8 * <size_t>u8(cursor, cursor.at + 1)):
                packet.protocol = first
                return _about(cursor)
            packet.protocol = u8(cursor, cursor.at)
            cursor.at += 8 + 8 * <size_t>u8(cursor, cursor.at + 1)
    if packet.protocol == 51 and not fits(cursor, cursor.at, 8):
        packet.protocol = first
        return _about(cursor)
    return _transport(cursor)


cdef inline bint _is_extension(uint8_t protocol) noexcept nogil:
    """Hop-by-hop, routing, fragment, destination, mobility, host identity, shim6 (IANA ipv6-parameters)."""
    return (protocol == 0 or protocol == 43 or protocol == 44 or protocol == 60 or protocol == 135 or protocol == 139
            or protocol == 140)


cdef inline int authentication_header(Cursor *cursor) noexcept nogil:
    """RFC 4302 §2: 0 next header:8  1 length:8 (32-bit words, less 2)  2 ...

    What has no ports behind it stays a packet of protocol 51.

    IP protocol: 51
    """
    cdef uint8_t protocol = u8(cursor, cursor.at)
    cdef int layer = by_ip_protocol(protocol)
    if not has(cursor, cursor.at, 8):
        return CUT
    cursor.at += 8 + 4 * <size_t>u8(cursor, cursor.at + 1)
    if layer == ICMP or (layer == OTHER_PROTOCOL and not _is_extension(protocol)):
        return _about(cursor)
    cursor.packet.protocol = protocol
    return _extensions(cursor) if cursor.packet.ip_version == 6 else _transport(cursor)


cdef inline int _about(Cursor *cursor) noexcept nogil:
    """Count the packet under the protocol reached, without ports."""
    carry(cursor, 0)
    cursor.packet.verdict = NO_PORTS
    return FINISHED


cdef inline void _begin(Packet *packet, size_t at, uint8_t version, uint8_t protocol) noexcept nogil:
    if packet.ip_version == 0:
        packet.network_offset = <uint16_t>min(at, 0xFFFF)
    memset(packet.source, 0, 32)
    packet.ip_version, packet.protocol = version, protocol
    packet.source_port = packet.target_port = 0
    packet.tcp_flags, packet.tcp_sequence = 0, 0


cdef inline void carry(Cursor *cursor, size_t length) noexcept nogil:
    """Note the payload that begins ``length`` bytes behind the cursor."""
    cdef size_t start = cursor.at + length
    cursor.packet.payload_offset = <uint32_t>start
    cursor.packet.payload = <uint32_t>(cursor.wire_end - start) if start < cursor.wire_end else 0


cdef inline void _note_fragment(Packet *packet, uint32_t identification) noexcept nogil:
    """Fingerprint the datagram. A first fragment keeps it also where it turns out to carry another packet inside."""
    cdef uint64_t words[4]
    cdef uint64_t fingerprint = <uint64_t>identification << 16 | <uint64_t>packet.protocol << 8 | packet.ip_version
    cdef int i
    memcpy(words, packet.source, 32)  # and the target behind it
    for i in range(4):
        fingerprint = (fingerprint ^ words[i]) * <uint64_t>0x9E3779B97F4A7C15
        fingerprint ^= fingerprint >> 29
    packet.datagram = fingerprint
    packet.fragmentation = FRAGMENT_FIRST


cdef inline int _later_fragment(Cursor *cursor) noexcept nogil:
    carry(cursor, 0)
    cursor.packet.fragmentation = FRAGMENT_LATER
    cursor.packet.verdict = LATER_FRAGMENT
    return FINISHED


cdef inline int _transport(Cursor *cursor) noexcept nogil:
    cdef int layer = by_ip_protocol(cursor.packet.protocol)
    if layer == IPV4 or layer == IPV6 or layer == GRE or layer == MPLS or layer == ETHER_IP:
        carry(cursor, 0)
        cursor.packet.verdict = NO_PORTS
        save(cursor)
    return layer
