# Packets in packets: each function reads one tunnel header and names what is inside.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from portcall.kernels.layers.cursor cimport NOTHING, Cursor, has, u16, u32, u8
from portcall.kernels.layers.numbers cimport (
    ETHERNET, IPV4, IPV6, IP_ANY, PPP, WIFI_SWAPPED, by_ethertype, by_gre_protocol, by_next_protocol,
)


cdef inline int gre(Cursor *cursor) noexcept nogil:
    """RFC 2784, RFC 2890; version 1 is RFC 2637.

    0 checksum:1 routing:1 key:1 sequence:1 strict:1 recursion:3 acknowledgement:1 (version 1) flags:4 version:3
    2 ethertype:16  (checksum:16 offset:16)  (key:32)  (sequence:32)  (acknowledgement:32)  (routes)

    IP protocol: 47
    UDP port: 4754 (RFC 8086)
    """
    cdef uint16_t flags = u16(cursor, cursor.at), kind = u16(cursor, cursor.at + 2)
    cdef int layer
    cursor.at += 4
    if flags & 0xC000:
        cursor.at += 4
    if flags & 0x2000:
        cursor.at += 4
    if flags & 0x1000:
        cursor.at += 4
    if (flags & 7) == 1 and flags & 0x0080:
        cursor.at += 4
    if flags & 0x4000:
        _skip_routes(cursor)
    if kind == 0x88BE and not flags & 0x1000:
        return ETHERNET  # ERSPAN type I has no header of its own
    layer = by_gre_protocol(kind)
    if layer != NOTHING:
        return layer
    return by_ethertype(kind) if kind > 1500 else NOTHING


cdef inline void _skip_routes(Cursor *cursor) noexcept nogil:
    """RFC 1701: 0 family:16  2 offset:8  3 length:8  4 route; a family of 0 ends the list."""
    cdef uint16_t family
    cdef uint8_t length
    while has(cursor, cursor.at, 4):
        family = u16(cursor, cursor.at)
        length = u8(cursor, cursor.at + 3)
        cursor.at += 4 + length
        if family == 0:
            break


cdef inline int erspan_2(Cursor *cursor) noexcept nogil:
    """draft-foschiano-erspan §4.2: 8 bytes, then Ethernet.

    ethertype: 0x88BE
    """
    cursor.at += 8
    return ETHERNET


cdef inline int erspan_3(Cursor *cursor) noexcept nogil:
    """draft-foschiano-erspan §4.3: 12 bytes, 8 more where the last bit says so, then Ethernet.

    ethertype: 0x22EB
    """
    cursor.at += 20 if u8(cursor, cursor.at + 11) & 1 else 12
    return ETHERNET


cdef inline int wccp(Cursor *cursor) noexcept nogil:
    """Web cache redirection: version 2 puts 4 bytes before the IPv4 header.

    GRE protocol: 0x883E
    """
    if u8(cursor, cursor.at) >> 4 != 4:
        cursor.at += 4
    return IPV4


cdef inline int gre_meta_data(Cursor *cursor) noexcept nogil:
    """Cisco meta data, which in GRE begin with the ethertype: 0 ethertype:16  2 version:8  3 length:8  4 option:16 ...

    GRE protocol: 0x8909
    """
    cdef uint16_t kind = u16(cursor, cursor.at)
    cursor.at += 8
    return by_ethertype(kind)


cdef inline int ether_ip(Cursor *cursor) noexcept nogil:
    """RFC 3378: 0 version:4 reserved:12

    IP protocol: 97
    """
    cursor.at += 2
    return ETHERNET


cdef inline int nsh(Cursor *cursor) noexcept nogil:
    """RFC 8300 §2.2: 0 version:2 ... hops:6 length:6 (32-bit words)  2 kind:8  3 next protocol:8

    ethertype: 0x894F
    next protocol: 4
    """
    cdef uint8_t length = u8(cursor, cursor.at + 1) & 0x3F, protocol = u8(cursor, cursor.at + 3)
    if length < 2:
        return NOTHING
    cursor.at += 4 * <size_t>length
    return by_next_protocol(protocol)


cdef inline int vxlan(Cursor *cursor) noexcept nogil:
    """RFC 7348 §5: 0 flags:8  1 reserved:24  4 network:24  7 reserved:8

    UDP port: 4789
    """
    cursor.at += 8
    return ETHERNET


cdef inline int vxlan_gpe(Cursor *cursor) noexcept nogil:
    """draft-ietf-nvo3-vxlan-gpe: 0 flags:8  1 reserved:16  3 next protocol:8  4 network:24  7 reserved:8

    UDP port: 4790 (RFC 9637)
    """
    cdef uint8_t protocol = u8(cursor, cursor.at + 3)
    cursor.at += 8
    return by_next_protocol(protocol)


cdef inline int geneve(Cursor *cursor) noexcept nogil:
    """RFC 8926 §3.4: 0 version:2 options:6 (32-bit words)  1 flags:8  2 ethertype:16  4 network:24  7 reserved:8

    UDP port: 6081
    """
    cdef uint8_t first = u8(cursor, cursor.at)
    cdef uint16_t kind = u16(cursor, cursor.at + 2)
    cursor.at += 8 + 4 * <size_t>(first & 0x3F)
    return by_ethertype(kind) if kind > 1500 else NOTHING


cdef inline int gtp_u(Cursor *cursor) noexcept nogil:
    """3GPP TS 29.281 §5.1.

    0 version:3 (1) type:1 (1) spare:1 extension:1 sequence:1 n-pdu:1  1 message:8 (255: a packet)  2 length:16
    4 tunnel:32  (8 sequence:16  10 n-pdu:8  11 extension:8, if any of the three bits)
    extension: 0 length:8 (32-bit words) ... last next:8

    UDP port: 2152
    """
    cdef uint8_t flags = u8(cursor, cursor.at), message = u8(cursor, cursor.at + 1), extension, length
    if flags >> 4 != 3 or message != 255:
        return NOTHING
    cursor.at += 8
    if flags & 7:
        extension = u8(cursor, cursor.at + 3) if flags & 4 else 0
        cursor.at += 4
        while extension and has(cursor, cursor.at, 4):
            length = u8(cursor, cursor.at)
            if length == 0:
                return NOTHING
            cursor.at += 4 * <size_t>length
            extension = u8(cursor, cursor.at - 1)
    return IP_ANY


cdef inline int teredo(Cursor *cursor) noexcept nogil:
    """RFC 4380 §5.1.1: IPv6, behind an authentication (0001) or an origin (0000) indication or both.

    0 kind:16 = 0001  2 identifier length:8  3 value length:8  4 both  nonce:64  confirmation:8
    0 kind:16 = 0000  2 port:16  4 address:32

    UDP port: 3544
    """
    if u16(cursor, cursor.at) == 1:
        cursor.at += 13 + <size_t>u8(cursor, cursor.at + 2) + u8(cursor, cursor.at + 3)
    if u16(cursor, cursor.at) == 0:
        cursor.at += 8
    return IPV6 if u8(cursor, cursor.at) >> 4 == 6 else NOTHING


cdef inline int l2tp(Cursor *cursor) noexcept nogil:
    """RFC 2661 §3.1, data messages.

    0 control:1 length:1 reserved:2 sequence:1 reserved:1 offset:1 priority:1 reserved:4 version:4 (2)
    (length:16)  tunnel:16  session:16  (sequence:16 expected:16)  (offset:16, padding)

    UDP port: 1701
    """
    cdef uint16_t flags = u16(cursor, cursor.at)
    if flags & 0x8000 or (flags & 0x0F) != 2:
        return NOTHING
    cursor.at += 6
    if flags & 0x4000:
        cursor.at += 2
    if flags & 0x0800:
        cursor.at += 4
    if flags & 0x0200:
        cursor.at += 2 + <size_t>u16(cursor, cursor.at)
    return PPP


cdef inline int lisp(Cursor *cursor) noexcept nogil:
    """RFC 9300 §5.3: 0 flags:8  1 nonce or version:24  4 instance and locators:32, then IP

    UDP port: 4341
    """
    cursor.at += 8
    return IP_ANY


cdef inline int lisp_control(Cursor *cursor) noexcept nogil:
    """RFC 9301 §5.8, encapsulated control messages: 0 type:4 (8) flags:28, then IP

    UDP port: 4342
    """
    if u8(cursor, cursor.at) >> 4 != 8:
        return NOTHING
    cursor.at += 4
    return IP_ANY


cdef inline int ayiya(Cursor *cursor) noexcept nogil:
    """draft-massar-v6ops-ayiya-02 §3.

    0 identity length:4 (log2) kind:4  1 signature length:4 (32-bit words) method:4  2 authentication:4 operation:4 (1)
    3 next header:8  4 epoch:32, identity, signature

    UDP port: 5072
    """
    cdef uint8_t identity = u8(cursor, cursor.at) >> 4, signature = u8(cursor, cursor.at + 1) >> 4
    if (u8(cursor, cursor.at + 2) & 0x0F) != 1:
        return NOTHING
    cursor.at += 8 + (<size_t>1 << identity) + 4 * <size_t>signature
    return IP_ANY


cdef inline int capwap(Cursor *cursor) noexcept nogil:
    """RFC 5415 §4.3, data that are not encrypted.

    0 version:4 type:4 (1: DTLS)  1 length:5 (32-bit words) radio:5 binding:5 native:1 fragment:1 last:1 wireless:1
    radio address:1 keep-alive:1 flags:3  4 fragment:16  6 offset:13 reserved:3

    UDP port: 5247
    """
    cdef uint32_t bits = u32(cursor, cursor.at)
    if (bits >> 24) & 0x0F or bits & 0x08:
        return NOTHING
    cursor.at += 4 * <size_t>((bits >> 19) & 0x1F)
    return WIFI_SWAPPED if bits & 0x100 else ETHERNET
