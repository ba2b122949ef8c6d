# What stands between a link header and the network layer: tags, labels and sessions.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from portcall.kernels.layers.cursor cimport NOTHING, Cursor, has, narrow, u16, u8
from portcall.kernels.layers.numbers cimport ETHERNET, IPV4, IPV6, PSEUDOWIRE, by_ethertype, by_ppp_protocol


cdef inline int vlan(Cursor *cursor) noexcept nogil:
    """IEEE 802.1Q: 0 priority:3 drop:1 identifier:12  2 ethertype or length:16

    ethertype: 0x8100, 0x88A8, 0x9100, 0x9200
    """
    cdef uint16_t kind = u16(cursor, cursor.at + 2)
    cursor.at += 4
    return by_ethertype(kind)


cdef inline int provider_backbone(Cursor *cursor) noexcept nogil:
    """IEEE 802.1ah: 0 flags:8  1 service:24  4 target:48  10 source:48  16 ethertype:16

    ethertype: 0x88E7
    """
    cdef uint16_t kind = u16(cursor, cursor.at + 16)
    cursor.at += 18
    return by_ethertype(kind)


cdef inline int vn_tag(Cursor *cursor) noexcept nogil:
    """Cisco VN-tag: 0 interfaces:32  4 ethertype:16

    ethertype: 0x8926
    """
    cdef uint16_t kind = u16(cursor, cursor.at + 4)
    cursor.at += 6
    return by_ethertype(kind)


cdef inline int e_tag(Cursor *cursor) noexcept nogil:
    """IEEE 802.1BR: 0 port extension:48  6 ethertype:16

    ethertype: 0x893F
    """
    cdef uint16_t kind = u16(cursor, cursor.at + 6)
    cursor.at += 8
    return by_ethertype(kind)


cdef inline int cisco_meta_data(Cursor *cursor) noexcept nogil:
    """Cisco meta data: 0 version:8  1 length:8  2 option:16  4 group:16  6 ethertype:16

    ethertype: 0x8909
    """
    cdef uint16_t kind = u16(cursor, cursor.at + 6)
    cursor.at += 8
    return by_ethertype(kind)


cdef inline int fabric_path(Cursor *cursor) noexcept nogil:
    """Cisco FabricPath, behind its outer Ethernet header: 0 tree:10 hops:6, then Ethernet

    ethertype: 0x8903
    """
    cursor.at += 2
    return ETHERNET


cdef inline int macsec(Cursor *cursor) noexcept nogil:
    """IEEE 802.1AE §9.3; only integrity-protected frames can be read, the last 16 bytes are the check value.

    0 version:1 station:1 identifier:1 broadcast:1 encrypted:1 changed:1 association:2  1 short length:8  2 number:32
    (6 identifier:64)

    ethertype: 0x88E5
    """
    cdef uint8_t control = u8(cursor, cursor.at)
    cdef size_t header = 14 if control & 0x20 else 6
    cdef uint16_t kind = u16(cursor, cursor.at + header)
    if control & 0x0C:
        return NOTHING
    cursor.at += header + 2
    return by_ethertype(kind)


cdef inline int trill(Cursor *cursor) noexcept nogil:
    """RFC 6325 §3: 0 version:2 reserved:2 multi:1 options:5 hops:6  2 egress:16  4 ingress:16, options, Ethernet

    ethertype: 0x22F3
    """
    cdef uint16_t flags = u16(cursor, cursor.at)
    cursor.at += 6 + 4 * ((flags >> 6) & 0x1F)
    return ETHERNET


cdef inline int mpls(Cursor *cursor) noexcept nogil:
    """RFC 3032: a stack of labels, then whatever the label's owner knows; the first nibble tells IP.

    0 label:20 class:3 bottom:1 hops:8

    link type: 219
    ethertype: 0x8847, 0x8848
    PPP protocol: 0x0281, 0x0283
    IP protocol: 137
    next protocol: 5
    """
    cdef uint8_t version
    while has(cursor, cursor.at, 4):
        cursor.at += 4
        if u8(cursor, cursor.at - 2) & 1:
            version = u8(cursor, cursor.at) >> 4
            if version == 4:
                return IPV4
            elif version == 6:
                return IPV6
            elif version == 1:
                return NOTHING  # an associated channel (RFC 5586)
            return PSEUDOWIRE
    return NOTHING


cdef inline int pseudowire(Cursor *cursor) noexcept nogil:
    """Ethernet over MPLS (RFC 4448), behind a control word of 4 bytes where the first nibble is 0 (RFC 4385 §3)."""
    if not u8(cursor, cursor.at) >> 4 and _is_ethernet(cursor, cursor.at + 4):
        cursor.at += 4
        return ETHERNET
    if _is_ethernet(cursor, cursor.at):
        return ETHERNET
    return NOTHING


cdef inline bint _is_ethernet(Cursor *cursor, size_t at) noexcept nogil:
    # A guess: an ethertype that is known here, or a length that fits, where Ethernet has it.
    cdef uint16_t kind = u16(cursor, at + 12)
    if kind <= 1500:
        return at + 14 + kind <= cursor.end
    return by_ethertype(kind) != NOTHING or kind == 0x0806


cdef inline int pppoe(Cursor *cursor) noexcept nogil:
    """RFC 2516 §4: 0 version:4 type:4  1 code:8  2 session:16  4 length:16  6 PPP protocol:16

    link type: 51
    ethertype: 0x8864
    """
    cdef size_t stop = cursor.at + 6 + u16(cursor, cursor.at + 4)
    cdef uint16_t protocol = u16(cursor, cursor.at + 6)
    cursor.at += 8
    narrow(cursor, stop)
    return by_ppp_protocol(protocol)
