# Link layers that a capturing system makes up, and the headers it puts before another link layer.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from portcall.kernels.layers.cursor cimport (
    BROKEN, NOTHING, Cursor, big_16, big_32, fits, has, narrow, u16, u16_little, u32, u32_little, u8,
)
from portcall.kernels.layers.numbers cimport (
    AVS, ETHERNET, IP_ANY, LLC, PPP_HDLC, WIFI, by_address_family, by_ethertype, by_hardware_type, by_link_type,
)
from portcall.kernels.records cimport INBOUND, OUTBOUND

cdef enum:  # what a subframe of an A-MSDU holds
    WITHOUT_IP
    WITH_IP
    WITH_PAYLOAD

cdef enum:
    MOST_SUBFRAMES = 64
    TCP_NUMBER = 6
    UDP_NUMBER = 17


cdef inline int _cooked(Cursor *cursor, uint16_t hardware, uint16_t way, uint16_t protocol) noexcept nogil:
    cdef int layer = by_hardware_type(hardware)
    if way <= 2:
        cursor.packet.direction = INBOUND  # to us, broadcast, multicast
    elif way == 4:
        cursor.packet.direction = OUTBOUND
    if hardware == 824 or hardware == 280:
        return NOTHING  # netlink and CAN: the protocol is not an ethertype
    elif layer != NOTHING:
        return layer
    elif protocol == 4:
        return LLC
    elif protocol == 1:
        return NOTHING  # Novell's raw 802.3
    return by_ethertype(protocol) if protocol > 1500 else NOTHING


cdef inline int cooked(Cursor *cursor) noexcept nogil:
    """LINKTYPE_LINUX_SLL.

    0 way:16  2 hardware:16  4 address length:16  6 address:64  14 protocol:16

    link type: 113
    """
    cdef uint16_t way = u16(cursor, cursor.at), hardware = u16(cursor, cursor.at + 2)
    cdef uint16_t protocol = u16(cursor, cursor.at + 14)
    cursor.at += 16
    return _cooked(cursor, hardware, way, protocol)


cdef inline int cooked_2(Cursor *cursor) noexcept nogil:
    """LINKTYPE_LINUX_SLL2.

    0 protocol:16  2 reserved:16  4 interface:32  8 hardware:16  10 way:8  11 address length:8  12 address:64

    link type: 276
    """
    cdef uint16_t protocol = u16(cursor, cursor.at), hardware = u16(cursor, cursor.at + 8)
    cdef uint8_t way = u8(cursor, cursor.at + 10)
    cursor.at += 20
    return _cooked(cursor, hardware, way, protocol)


cdef inline int nflog(Cursor *cursor) noexcept nogil:
    """LINKTYPE_NFLOG: 0 family:8  1 version:8 = 0  2 resource:16, then options, host order, padded to 4 bytes.

    0 length:16 (with these 4 bytes)  2 kind:16 (9: the packet)  4 value

    link type: 239
    """
    cdef uint8_t family = u8(cursor, cursor.at)
    cdef size_t at = cursor.at + 4, length
    cdef uint16_t kind
    while has(cursor, at, 4):
        length = u16_little(cursor, at)
        kind = u16_little(cursor, at + 2)
        if kind > 0xFF and (kind & 0xFF) == 0:  # written by a big-endian host
            length = u16(cursor, at)
            kind = u16(cursor, at + 2)
        if length < 4:
            return BROKEN
        if kind == 9:
            cursor.at = at + 4
            narrow(cursor, at + length)
            return by_address_family(family)
        at += (length + 3) & ~<size_t>3
    return NOTHING


cdef inline int pktap(Cursor *cursor) noexcept nogil:
    """LINKTYPE_PKTAP (Darwin), little endian, in two versions: 0x80000 in the flags is the second.

    0 header length:32  4 kind:32 (1: a packet)  8 link type:32  12 interface  36 flags:32 (1 in, 2 out)
    52 process:32  56 command (17)  84 effective process:32  88 effective command (17)

    0 header length:8  3 interface at:8  4 command at:8  5 effective command at:8  6 link type:16
    28 process:32  32 effective process:32  36 flags:32

    link type: 149 (DLT_USER2, which Darwin took for it), 258
    """
    cdef uint32_t length = u32_little(cursor, cursor.at), link = u32_little(cursor, cursor.at + 8)
    cdef uint32_t flags = u32_little(cursor, cursor.at + 36)
    if flags & 0x80000:
        length, link = length & 0xFF, u16_little(cursor, cursor.at + 6)
    if length < 40 or link > 0xFFFF:
        return BROKEN
    if flags & 3:
        cursor.packet.direction = INBOUND if flags & 1 else OUTBOUND
    cursor.at += length
    return by_link_type(link)


cdef inline int ipnet(Cursor *cursor) noexcept nogil:
    """Solaris ipnet (LINKTYPE_IPNET): 0 version:8  1 family:8 (2: IPv4, 26: IPv6)  ... 24 packet

    link type: 226
    """
    cdef uint8_t family = u8(cursor, cursor.at + 1)
    cursor.at += 24
    return by_address_family(family)


cdef inline int ppi(Cursor *cursor) noexcept nogil:
    """Per-packet information (LINKTYPE_PPI), little endian: 0 version:8  1 flags:8  2 length:16  4 link type:32

    link type: 192
    """
    cdef uint16_t length = u16_little(cursor, cursor.at + 2)
    cdef uint32_t link = u32_little(cursor, cursor.at + 4)
    if length < 8 or link > 0xFFFF:
        return BROKEN
    cursor.at += length
    return by_link_type(link)


cdef inline int prism(Cursor *cursor) noexcept nogil:
    """Prism: 0 message code:32  4 length:32, in the capturing host's order; or an AVS header under the same link type.

    link type: 119
    """
    cdef uint32_t length
    if u32(cursor, cursor.at) >> 8 == 0x802110:
        return AVS
    length = u32_little(cursor, cursor.at + 4)
    if length > 0xFFFF:
        length = u32(cursor, cursor.at + 4)
    if length < 8 or length > 0xFFFF:
        return BROKEN
    cursor.at += length
    return WIFI


cdef inline int avs(Cursor *cursor) noexcept nogil:
    """AVS: 0 version:32  4 length:32

    link type: 163
    """
    cdef uint32_t length = u32(cursor, cursor.at + 4)
    if length < 8 or length > 0xFFFF:
        return BROKEN
    cursor.at += length
    return WIFI


cdef inline int radiotap(Cursor *cursor) noexcept nogil:
    """radiotap.org, little endian: 0 version:8  1 pad:8  2 length:16  4 present:32 (bit 31: another), then fields.

    Of the fields only the flags matter: 0x20 says that the 802.11 header is padded to 4 bytes.

    link type: 127
    hardware type: 803
    """
    cdef uint16_t length = u16_little(cursor, cursor.at + 2)
    cdef uint32_t present = u32_little(cursor, cursor.at + 4), more = present
    cdef size_t field = 8
    cdef uint8_t flags = 0
    if length < 8:
        return BROKEN
    while more >> 31 and field < length:
        more = u32_little(cursor, cursor.at + field)
        field += 4
    if present & 2:
        if present & 1:
            field = ((field + 7) & ~<size_t>7) + 8  # behind the timer
        flags = u8(cursor, cursor.at + field)
    cursor.at += length
    return _wifi(cursor, flags & 0x20, False)


cdef inline int wifi(Cursor *cursor) noexcept nogil:
    """IEEE 802.11 §9.2, little endian; only unencrypted data frames hold an LLC packet.

    0 version:2 type:2 (2: data) subtype:4  1 to-ds:1 from-ds:1 ... protected:1 order:1  2 duration:16
    4 address:48  10 address:48  16 address:48  22 sequence:16  (24 address:48, if to-ds and from-ds)
    (quality of service:16, if subtype has bit 3)  (high throughput:32, if order too)

    An A-MSDU, several packets in one frame, counts once: as its first subframe whose TCP or UDP carries something, else its
    first with IP, else its first.

    link type: 105
    hardware type: 801
    """
    return _wifi(cursor, False, False)


cdef inline int wifi_swapped(Cursor *cursor) noexcept nogil:
    """IEEE 802.11 with its first two bytes swapped, as some access controllers write them."""
    return _wifi(cursor, False, True)


cdef inline int _wifi(Cursor *cursor, bint padded, bint swapped) noexcept nogil:
    cdef uint8_t kind = u8(cursor, cursor.at), flags = u8(cursor, cursor.at + 1)
    cdef uint8_t quality = 0
    cdef size_t header = 24
    if swapped:
        kind, flags = flags, kind
    if (kind & 0x0C) != 0x08 or kind & 0x40 or flags & 0x40:
        return NOTHING  # not data, data without a body, or encrypted
    if (flags & 3) == 3:
        header += 6
    if kind & 0x80:
        quality = u8(cursor, cursor.at + header)
        header += 2
        if flags & 0x80:
            header += 4
    if padded:
        header = (header + 3) & ~<size_t>3
    cursor.at += header
    if quality & 0x80:
        return _aggregate(cursor)
    return LLC


cdef inline int _aggregate(Cursor *cursor) noexcept nogil:
    """The subframe of an A-MSDU that counts, see above: each is 0 target:48  6 source:48  12 length:16, filled to 4 bytes."""
    cdef size_t at = cursor.at, chosen = cursor.at, size
    cdef int best = WITHOUT_IP, carries, subframe
    for subframe in range(MOST_SUBFRAMES):
        if best == WITH_PAYLOAD or not fits(cursor, at, 14):
            break
        size = 14 + <size_t>big_16(cursor.bytes + at + 12)
        carries = _carried(cursor, at + 14)
        if carries > best:
            best, chosen = carries, at
        at += (size + 3) & ~<size_t>3
    at = chosen + 14 + u16(cursor, chosen + 12)
    cursor.at = chosen + 14
    narrow(cursor, at)
    return LLC


cdef inline int _carried(const Cursor *cursor, size_t at) noexcept nogil:
    """What the LLC header there stands before, as far as it was captured: SNAP of IPv4 or IPv6, with TCP or UDP."""
    cdef const uint8_t *snap = cursor.bytes + at
    cdef const uint8_t *ip = snap + 8
    cdef uint16_t kind
    cdef int protocol, size, header
    if not fits(cursor, at, 8 + 20) or big_16(snap) != 0xAAAA or big_32(snap + 2) != 0x03000000:
        return WITHOUT_IP
    kind = big_16(snap + 6)
    if kind == 0x0800:
        header, protocol = 4 * (ip[0] & 15), ip[9]
        size = big_16(ip + 2) - header
    elif kind == 0x86DD and fits(cursor, at, 8 + 40):
        header, protocol, size = 40, ip[6], big_16(ip + 4)
    else:
        return WITHOUT_IP
    if protocol == UDP_NUMBER and size > 8:
        return WITH_PAYLOAD
    if protocol != TCP_NUMBER or header < 20 or not fits(cursor, at, 8 + header + 13):
        return WITH_IP
    return WITH_PAYLOAD if size > 4 * (ip[header + 12] >> 4) else WITH_IP


cdef inline int erf(Cursor *cursor) noexcept nogil:
    """Endace's record, as Wireshark's wiretap/erf.h has it, before what passed a DAG card.

    0 time:64  8 extended:1 kind:7  9 flags:8  10 size:16  12 lost:16  14 wire:16  (extensions, 8 bytes each, whose first bit says
    that another follows)

    link type: 197
    """
    cdef uint8_t kind = u8(cursor, cursor.at + 8), more = kind
    cursor.at += 16
    while more & 0x80:  # ends where the frame does: behind it are zeros
        more = u8(cursor, cursor.at)
        cursor.at += 8
    kind &= 0x7F
    if kind == 2 or kind == 11 or kind == 16 or kind == 20:
        cursor.at += 2  # an offset, and padding
        return ETHERNET
    if kind == 1 or kind == 10 or kind == 15 or kind == 17 or kind == 19:
        return PPP_HDLC
    return IP_ANY if kind == 22 or kind == 23 else NOTHING


cdef inline int no_packets(Cursor *cursor) noexcept nogil:
    """What hosts say to themselves, without IP inside.

    link type: 253 (netlink), 271 (vsock)
    """
    return NOTHING
