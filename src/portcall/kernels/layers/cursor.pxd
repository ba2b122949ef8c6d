# One way to fetch a field: every byte from the network is read here, after a bounds check (the idea is tcpdump's
# extract.h). A fetch beyond the end gives 0 and sets ``short``, which decides the verdict; it is never an exception.
# The headers that most packets have are checked as a whole: ``header`` hands out their bytes.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from portcall.kernels.records cimport Packet


cdef struct Cursor:
    const uint8_t *bytes  # the frame's first byte
    const uint8_t *entries  # 65536 layers by link type
    size_t at  # the next header's first byte
    size_t end  # bytes that belong to the present layer: captured, and less where a length field says so
    size_t captured
    size_t wire_end  # what `end` would be had everything been captured
    bint short  # a fetch went beyond the end
    bint inner  # walk into UDP tunnels too
    bint has_saved  # an outer packet to fall back on is kept in `saved`
    Packet *saved
    Packet *packet


# What a layer hands over to: another layer, or a verdict's end.
cdef enum:
    UNSUPPORTED = 0  # so that a link type without a row in the table lands here
    NOTHING  # no IP inside
    BROKEN
    CUT  # captured too little
    FINISHED  # the packet is complete
    ETHERNET
    TOKEN_RING
    FDDI
    ARCNET
    ARCNET_LINUX
    LLC
    SNAP
    NLPID
    SLIP
    NULL_FAMILY
    PPP
    PPP_HDLC
    PPP_DIRECTION
    CISCO_HDLC
    FRAME_RELAY
    RFC1483
    SUN_ATM
    COOKED
    COOKED_2
    NFLOG
    PKTAP
    IPNET
    IP_OVER_INFINIBAND
    M_PACKET
    PPI
    PRISM
    AVS
    RADIOTAP
    WIFI
    WIFI_SWAPPED
    SWITCH_TAG
    VLAN
    PROVIDER_BACKBONE
    VN_TAG
    E_TAG
    CISCO_META_DATA
    FABRIC_PATH
    MPLS
    PSEUDOWIRE
    PPPOE
    NSH
    TRILL
    MACSEC
    IP_ANY
    IPV4
    IPV6
    AUTHENTICATION_HEADER
    GRE
    ERSPAN_2
    ERSPAN_3
    ETHER_IP
    WCCP
    GRE_META_DATA
    TCP
    UDP
    UDP_LITE
    SCTP
    DCCP
    ICMP
    OTHER_PROTOCOL
    VXLAN
    VXLAN_GPE
    GENEVE
    GTP_U
    TEREDO
    L2TP
    LISP
    LISP_CONTROL
    AYIYA
    CAPWAP


cdef inline bint fits(const Cursor *cursor, size_t at, size_t count) noexcept nogil:
    """Whether ``count`` bytes from ``at`` are there, for a field that may be absent."""
    return at <= cursor.end and count <= cursor.end - at


cdef inline bint has(Cursor *cursor, size_t at, size_t count) noexcept nogil:
    """Whether ``count`` bytes from ``at`` are there; else the cursor is marked short."""
    if fits(cursor, at, count):
        return True
    cursor.short = True
    return False


cdef inline uint8_t u8(Cursor *cursor, size_t at) noexcept nogil:
    return cursor.bytes[at] if has(cursor, at, 1) else 0


cdef inline uint16_t u16(Cursor *cursor, size_t at) noexcept nogil:
    """Big endian, as nearly every header is."""
    if not has(cursor, at, 2):
        return 0
    return <uint16_t>(cursor.bytes[at] << 8 | cursor.bytes[at + 1])


cdef inline uint16_t u16_little(Cursor *cursor, size_t at) noexcept nogil:
    if not has(cursor, at, 2):
        return 0
    return <uint16_t>(cursor.bytes[at + 1] << 8 | cursor.bytes[at])


cdef inline uint32_t u32(Cursor *cursor, size_t at) noexcept nogil:
    return <uint32_t>u16(cursor, at) << 16 | u16(cursor, at + 2)


cdef inline uint32_t u32_little(Cursor *cursor, size_t at) noexcept nogil:
    return <uint32_t>u16_little(cursor, at + 2) << 16 | u16_little(cursor, at)


cdef inline const uint8_t *header(Cursor *cursor, size_t count) noexcept nogil:
    """The next ``count`` bytes, of which ``big_16`` and ``big_32`` read; NULL, and short, where they are not all there."""
    return cursor.bytes + cursor.at if has(cursor, cursor.at, count) else NULL


cdef inline uint16_t big_16(const uint8_t *bytes) noexcept nogil:
    return <uint16_t>(bytes[0] << 8 | bytes[1])


cdef inline uint32_t big_32(const uint8_t *bytes) noexcept nogil:
    return <uint32_t>bytes[0] << 24 | <uint32_t>bytes[1] << 16 | <uint32_t>bytes[2] << 8 | bytes[3]


cdef inline void narrow(Cursor *cursor, size_t stop) noexcept nogil:
    """Leave out what lies behind ``stop``: padding, trailers, check sequences. A length that claims more says nothing."""
    if stop < cursor.wire_end:
        cursor.wire_end = stop
    if stop < cursor.end:
        cursor.end = stop


cdef inline void save(Cursor *cursor) noexcept nogil:
    """Keep the packet as it is, to fall back on where nothing readable is inside."""
    cursor.saved[0] = cursor.packet[0]
    cursor.has_saved = True


cdef inline int by_ethertype(uint16_t ethertype) noexcept nogil:
    """The layer that an ethertype announces (IEEE 802 numbers, IANA)."""
    if ethertype == 0x0800:
        return IPV4
    elif ethertype == 0x86DD:
        return IPV6
    elif ethertype == 0x8100 or ethertype == 0x88A8 or ethertype == 0x9100 or ethertype == 0x9200:
        return VLAN
    elif ethertype == 0x8847 or ethertype == 0x8848:
        return MPLS
    elif ethertype == 0x8864:
        return PPPOE
    elif ethertype == 0x88E7:
        return PROVIDER_BACKBONE
    elif ethertype == 0x6558:
        return ETHERNET
    elif ethertype == 0x880B:
        return PPP
    elif ethertype == 0x894F:
        return NSH
    elif ethertype == 0x8926:
        return VN_TAG
    elif ethertype == 0x893F:
        return E_TAG
    elif ethertype == 0x8909:
        return CISCO_META_DATA
    elif ethertype == 0x8903:
        return FABRIC_PATH
    elif ethertype == 0x22F3:
        return TRILL
    elif ethertype == 0x88E5:
        return MACSEC
    elif ethertype == 0x88BE:
        return ERSPAN_2
    elif ethertype == 0x22EB:
        return ERSPAN_3
    elif ethertype <= 1500:
        return LLC
    return NOTHING


cdef inline int by_ppp_protocol(uint16_t protocol) noexcept nogil:
    """The layer that a PPP protocol number announces (IANA ppp-numbers)."""
    if protocol == 0x0021:
        return IPV4
    elif protocol == 0x0057:
        return IPV6
    elif protocol == 0x0281 or protocol == 0x0283:
        return MPLS
    return NOTHING


cdef inline int by_nlpid(uint8_t identifier) noexcept nogil:
    """The layer that a network layer protocol identifier announces (ISO/IEC TR 9577, RFC 2427)."""
    if identifier == 0xCC:
        return IPV4
    elif identifier == 0x8E:
        return IPV6
    elif identifier == 0x80:
        return SNAP
    elif identifier == 0xCF:
        return PPP
    return NOTHING


cdef inline int by_family(uint32_t family) noexcept nogil:
    """The layer that an address family number announces: AF_INET is 2 everywhere, AF_INET6 differs by system."""
    if family == 2:
        return IPV4
    elif family == 10 or family == 24 or family == 26 or family == 28 or family == 30:
        return IPV6  # Linux, NetBSD and OpenBSD, Solaris, FreeBSD, Darwin
    elif family > 1500:
        return by_ethertype(<uint16_t>family)
    return NOTHING


cdef inline int by_ip_protocol(uint8_t protocol) noexcept nogil:
    """The layer that an IP protocol number announces (IANA protocol-numbers)."""
    if protocol == 6:
        return TCP
    elif protocol == 17:
        return UDP
    elif protocol == 1 or protocol == 58:
        return ICMP
    elif protocol == 4:
        return IPV4
    elif protocol == 41:
        return IPV6
    elif protocol == 47:
        return GRE
    elif protocol == 51:
        return AUTHENTICATION_HEADER
    elif protocol == 132:
        return SCTP
    elif protocol == 33:
        return DCCP
    elif protocol == 136:
        return UDP_LITE
    elif protocol == 137:
        return MPLS
    elif protocol == 97:
        return ETHER_IP
    return OTHER_PROTOCOL
