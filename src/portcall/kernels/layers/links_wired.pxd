# Wired link layers: each function reads one header at the cursor, moves past it, and names the layer that follows.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from portcall.kernels.layers.cursor cimport NOTHING, Cursor, narrow, u16, u32, u32_little, u8
from portcall.kernels.layers.numbers cimport (
    ETHERNET, IPV4, IPV6, IP_ANY, LLC, NLPID, PPP, by_access_points, by_address_family, by_ethertype, by_nlpid,
    by_ppp_protocol,
)
from portcall.kernels.records cimport INBOUND, OUTBOUND


cdef inline int ethernet(Cursor *cursor) noexcept nogil:
    """IEEE 802.3 and Ethernet II.

    0 target:48  6 source:48  12 ethertype or length:16

    link type: 1
    ethertype: 0x6558
    next protocol: 3
    """
    cdef uint16_t kind = u16(cursor, cursor.at + 12)
    cursor.at += 14
    if kind > 1500:
        return by_ethertype(kind)
    # Up to 1500 it is a length, and what lies behind it is padding.
    if u16(cursor, cursor.at) == 0xFFFF:
        return NOTHING  # Novell's raw IPX
    narrow(cursor, cursor.at + kind)
    return LLC


cdef inline int llc(Cursor *cursor) noexcept nogil:
    """IEEE 802.2.

    0 target service access point:8  1 source:8  2 control:8 or 16

    link type: 106 (Linux Classical IP over ATM)
    ethertype: 0 to 1500 (it is a length)
    """
    cdef uint16_t points = u16(cursor, cursor.at)
    cdef uint8_t control = u8(cursor, cursor.at + 2)
    cursor.at += 3 if (control & 3) == 3 else 4
    return by_access_points(points)


cdef inline int snap(Cursor *cursor) noexcept nogil:
    """IEEE 802 SNAP (RFC 1042).

    0 organisation:24  3 protocol:16

    NLPID: 0x80
    access points: 0xAAAA
    """
    cdef uint32_t organisation = u32(cursor, cursor.at) >> 8
    cdef uint16_t protocol = u16(cursor, cursor.at + 3)
    cursor.at += 5
    if organisation == 0x000000 or organisation == 0x0000F8:
        return by_ethertype(protocol)
    if organisation == 0x0080C2 and (protocol == 1 or protocol == 7):
        return ETHERNET  # bridged (RFC 2684 §5.2, RFC 2427 §4.2)
    return NOTHING


cdef inline int nlpid(Cursor *cursor) noexcept nogil:
    """ISO/IEC TR 9577: 0 network layer protocol identifier:8

    access points: 0xFEFE
    """
    cdef uint8_t identifier = u8(cursor, cursor.at)
    cursor.at += 1
    return by_nlpid(identifier)


cdef inline int token_ring(Cursor *cursor) noexcept nogil:
    """IEEE 802.5.

    0 access control:8  1 frame control:8  2 target:48  8 source:48  14 routing (if the source's top bit is set)

    link type: 6
    """
    cdef uint8_t frame_control = u8(cursor, cursor.at + 1)
    cdef uint8_t source = u8(cursor, cursor.at + 8)
    if source & 0x80:
        cursor.at += u8(cursor, cursor.at + 14) & 0x1F
    cursor.at += 14
    return LLC if (frame_control & 0xC0) == 0x40 else NOTHING


cdef inline int fddi(Cursor *cursor) noexcept nogil:
    """ANSI X3.139.

    0 frame control:8  1 target:48  7 source:48

    link type: 10
    """
    cdef uint8_t frame_control = u8(cursor, cursor.at)
    cursor.at += 13
    return LLC if (frame_control & 0xF0) == 0x50 else NOTHING


cdef inline int arcnet(Cursor *cursor) noexcept nogil:
    """ARCNET: RFC 1051 and RFC 1201.

    0 source:8  1 target:8  2 type:8  (3 split:8  4 sequence:16, not in RFC 1051)

    link type: 7
    """
    return _arcnet(cursor, False)


cdef inline int arcnet_linux(Cursor *cursor) noexcept nogil:
    """ARCNET as Linux has it, with an offset before the type.

    0 source:8  1 target:8  2 offset:16  4 type:8  (5 split:8  6 sequence:16, not in RFC 1051)

    link type: 129
    """
    return _arcnet(cursor, True)


cdef inline int _arcnet(Cursor *cursor, bint with_offset) noexcept nogil:
    cdef size_t at = cursor.at + (4 if with_offset else 2)
    cdef uint8_t kind = u8(cursor, at)
    if kind == 0xF0:
        cursor.at = at + 1
        return IPV4
    if u8(cursor, at + 1) == 0xFF and not with_offset:
        at += 4  # an exception frame: three bytes of filler, then the split flag again
    cursor.at = at + 4
    if kind == 0xD4:
        return IPV4
    elif kind == 0xC4:
        return IPV6
    return NOTHING


cdef inline int ppp(Cursor *cursor) noexcept nogil:
    """RFC 1661, and RFC 1662's address and control where they are sent.

    (0 address:8 = FF  1 control:8 = 03)  0 protocol:8 or 16 (odd first byte: 8)

    link type: 9
    ethertype: 0x880B
    NLPID: 0xCF
    """
    cdef uint16_t protocol
    if u16(cursor, cursor.at) == 0xFF03:
        cursor.at += 2
    protocol = u8(cursor, cursor.at)
    if protocol & 1:
        cursor.at += 1
    else:
        protocol = u16(cursor, cursor.at)
        cursor.at += 2
    if protocol == 0x003D:
        return _multilink(cursor)
    return by_ppp_protocol(protocol)


cdef inline int _multilink(Cursor *cursor) noexcept nogil:
    """RFC 1990, long sequence numbers: only a fragment that begins a packet has a header behind it.

    0 begin:1 end:1 zero:6  1 sequence:24
    """
    cdef uint8_t flags = u8(cursor, cursor.at)
    cursor.at += 4
    return PPP if flags & 0x80 else NOTHING


cdef inline int ppp_hdlc(Cursor *cursor) noexcept nogil:
    """PPP in HDLC framing, or Cisco HDLC, as the first byte tells (libpcap, LINKTYPE_PPP_HDLC).

    link type: 50
    """
    cdef uint8_t address = u8(cursor, cursor.at)
    if address == 0x0F or address == 0x8F:
        return cisco_hdlc(cursor)
    return ppp(cursor)


cdef inline int ppp_direction(Cursor *cursor) noexcept nogil:
    """PPP behind a byte that says the way: 0 received, else sent (libpcap, LINKTYPE_PPP_WITH_DIR).

    link type: 166 (pppd), 204
    """
    cursor.packet.direction = OUTBOUND if u8(cursor, cursor.at) else INBOUND
    cursor.at += 1
    return PPP


cdef inline int cisco_hdlc(Cursor *cursor) noexcept nogil:
    """Cisco HDLC: 0 address:8  1 control:8  2 ethertype:16

    link type: 104
    """
    cdef uint16_t kind = u16(cursor, cursor.at + 2)
    cursor.at += 4
    if kind == 0xFEFE:
        cursor.at += 1  # ISO: a filler, then the NLPID
        return NLPID
    return by_ethertype(kind) if kind > 1500 else NOTHING


cdef inline int frame_relay(Cursor *cursor) noexcept nogil:
    """Q.922 (RFC 2427), or Cisco's ethertype in place of control and NLPID.

    0 address:16 to 32 (the last byte is odd)  2 control:8 = 03  3 (filler:8 = 0)  NLPID:8

    link type: 107
    """
    cdef size_t at = cursor.at + 1, last = cursor.at + 3
    while at < last and not u8(cursor, at) & 1:
        at += 1
    at += 1
    if u8(cursor, at) != 0x03:
        cursor.at = at + 2
        return by_ethertype(u16(cursor, at))
    at += 1
    if u8(cursor, at) == 0x00:
        at += 1
    cursor.at = at
    return NLPID


cdef inline int rfc1483(Cursor *cursor) noexcept nogil:
    """ATM adaptation layer 5 (RFC 2684): LLC, or the network layer alone on its circuit.

    link type: 100
    """
    cdef uint16_t points = u16(cursor, cursor.at)
    if points == 0xAAAA or points == 0xFEFE:
        return LLC
    return IP_ANY


cdef inline int sun_atm(Cursor *cursor) noexcept nogil:
    """libpcap, LINKTYPE_SUNATM.

    0 sent:1 reserved:3 kind:4 (2: LLC)  1 path:8  2 circuit:16

    link type: 123
    """
    cdef uint8_t flags = u8(cursor, cursor.at)
    cursor.packet.direction = OUTBOUND if flags & 0x80 else INBOUND
    cursor.at += 4
    return LLC if (flags & 0x0F) == 2 else NOTHING


cdef inline int slip(Cursor *cursor) noexcept nogil:
    """BSD's pseudo-header before an IP packet: 0 direction:8  1 link level state:120

    link type: 8
    """
    cursor.packet.direction = OUTBOUND if u8(cursor, cursor.at) else INBOUND
    cursor.at += 16
    return IP_ANY


cdef inline int null_family(Cursor *cursor) noexcept nogil:
    """BSD loopback: an address family of 32 bits in the capturing host's byte order.

    Told as Wireshark tells it: IRIX has the family in the first 16 bits, and what is too large for a length is an
    ethertype, in whichever order it comes out.

    link type: 0, 108 (OpenBSD, in network byte order)
    """
    cdef uint32_t family = u32_little(cursor, cursor.at)
    if u16(cursor, cursor.at) == 0xFF03:
        return PPP
    if family > 0xFFFF:
        if family < 0x00060000:
            family >>= 16
        else:
            family = u32(cursor, cursor.at)
    elif family & 0xFF == 0 and family < 0x0600:
        family >>= 8
    cursor.at += 4
    return by_ethertype(<uint16_t>family) if family > 1500 else by_address_family(family)


cdef inline int ip_over_infiniband(Cursor *cursor) noexcept nogil:
    """libpcap, LINKTYPE_IPOIB: 0 global route:320  40 ethertype:16  42 reserved:16

    link type: 242
    """
    cdef uint16_t kind = u16(cursor, cursor.at + 40)
    cursor.at += 44
    return by_ethertype(kind)


cdef inline int m_packet(Cursor *cursor) noexcept nogil:
    """IEEE 802.3br mPackets (LINKTYPE_ETHERNET_MPACKET): a preamble of 8 bytes, whole frames end in D5.

    link type: 274
    """
    cdef uint8_t delimiter = u8(cursor, cursor.at + 7)
    cursor.at += 8
    return ETHERNET if delimiter == 0xD5 else NOTHING


cdef inline int switch_tag(Cursor *cursor) noexcept nogil:
    """Ethernet with a switch's tag of 4 bytes, Broadcom's or Marvell's, between source and ethertype.

    link type: 281, 284
    """
    cdef uint16_t kind = u16(cursor, cursor.at + 16)
    cursor.at += 18
    return by_ethertype(kind)
