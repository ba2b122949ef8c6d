"""Frames → packets: walk from the link header to the ports, and give every frame its verdict.

A frame's walk is a loop over layers. Each layer is one function in the ``.pxd`` files of this folder, by family; it reads
its header at the cursor, moves on, and names the next layer. ``portcall.decoding.link_types`` names the first one by link type.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from portcall.kernels.layers cimport cursor as layers
from portcall.kernels.borrowing cimport borrow
from portcall.kernels.layers.cursor cimport Cursor, by_nlpid
from portcall.kernels.layers.links_cooked cimport (
    avs, cooked, cooked_2, ipnet, nflog, pktap, ppi, prism, radiotap, wifi,
)
from portcall.kernels.layers.links_wired cimport (
    arcnet, cisco_hdlc, ethernet, fddi, frame_relay, ip_over_infiniband, llc, m_packet, nlpid,
    null_family, ppp, ppp_direction, ppp_hdlc, rfc1483, slip, snap, sun_atm, switch_tag, token_ring,
)
from portcall.kernels.layers.networks cimport authentication_header, ip_any, ipv4, ipv6
from portcall.kernels.prefetching cimport portcall_prefetch
from portcall.kernels.records cimport (
    MALFORMED, NOT_IP, TRUNCATED, UNSUPPORTED_LINK, Frame, Packet,
)
from portcall.kernels.layers.tags cimport (
    cisco_meta_data, e_tag, fabric_path, macsec, mpls, pppoe, provider_backbone, pseudowire, trill, vlan, vn_tag,
)
from portcall.kernels.layers.transports cimport dccp, icmp, other_protocol, sctp, tcp, udp, udp_lite
from portcall.kernels.layers.tunnels cimport (
    ayiya, capwap, erspan_2, erspan_3, ether_ip, geneve, gre, gre_meta_data, gtp_u, l2tp, lisp, lisp_control, nsh, teredo, vxlan,
    vxlan_gpe, wccp,
)

cdef enum:
    MAX_LAYERS = 128  # deeper is an attack on those who dissect
    AHEAD = 6  # so many frames ahead headers are asked for: they are in the second cache, not in the first

LINK_LAYERS = {
    "unsupported": layers.UNSUPPORTED,
    "no packets": layers.NOTHING,
    "ethernet": layers.ETHERNET,
    "token ring": layers.TOKEN_RING,
    "fddi": layers.FDDI,
    "arcnet": layers.ARCNET,
    "arcnet linux": layers.ARCNET_LINUX,
    "slip": layers.SLIP,
    "family": layers.NULL_FAMILY,
    "ppp": layers.PPP,
    "ppp or cisco hdlc": layers.PPP_HDLC,
    "ppp with direction": layers.PPP_DIRECTION,
    "pppoe": layers.PPPOE,
    "cisco hdlc": layers.CISCO_HDLC,
    "frame relay": layers.FRAME_RELAY,
    "rfc 1483": layers.RFC1483,
    "sun atm": layers.SUN_ATM,
    "llc": layers.LLC,
    "cooked": layers.COOKED,
    "cooked 2": layers.COOKED_2,
    "nflog": layers.NFLOG,
    "pktap": layers.PKTAP,
    "ipnet": layers.IPNET,
    "ip over infiniband": layers.IP_OVER_INFINIBAND,
    "mpacket": layers.M_PACKET,
    "ppi": layers.PPI,
    "prism": layers.PRISM,
    "avs": layers.AVS,
    "radiotap": layers.RADIOTAP,
    "wifi": layers.WIFI,
    "switch tag": layers.SWITCH_TAG,
    "mpls": layers.MPLS,
    "ip": layers.IP_ANY,
    "ipv4": layers.IPV4,
    "ipv6": layers.IPV6,
}
"""The layers that a link type may begin with."""


cdef class FrameDecoder:
    """Decodes batch after batch into ``out_packets``, which its owner grows."""

    cdef public Packet[::1] out_packets
    cdef const uint8_t[::1] entries
    cdef bint inner
    cdef object frame_dtype

    def __init__(self, const uint8_t[::1] entries, *, bint inner):
        """``entries[65536]``: the first layer by link type. ``inner``: walk into UDP tunnels, and let the innermost packet count."""
        if entries.shape[0] != 65536:
            raise ValueError("decoding wants an entry a link type")
        self.entries, self.inner = entries, inner

    def decode(self, object frames, const uint8_t[::1] buffer):
        """Fill out_packets[n] from frames[n]; a frame that does not lie in the buffer is malformed."""
        cdef Py_buffer view
        cdef Py_ssize_t count
        if frames.dtype is not self.frame_dtype:
            self._compare(frames)
        count = borrow(frames, sizeof(Frame), &view)
        try:
            if self.out_packets.shape[0] < count:
                raise ValueError("decoding wants room for a packet a frame")
            with nogil:
                self._decode(<const Frame *>view.buf, count, buffer)
        finally:
            PyBuffer_Release(&view)

    cdef int _compare(self, const Frame[::1] frames) except -1:
        self.frame_dtype = frames.base.dtype
        return 0

    cdef void _decode(self, const Frame *frames, Py_ssize_t count, const uint8_t[::1] buffer) noexcept nogil:
        cdef Py_ssize_t i
        cdef size_t size = buffer.shape[0]
        cdef const uint8_t *bytes = &buffer[0] if size else NULL
        cdef Packet *packets = &self.out_packets[0] if count else NULL
        cdef Packet saved
        cdef Cursor beginning
        memset(&beginning, 0, sizeof(Cursor))
        beginning.entries, beginning.inner, beginning.saved = &self.entries[0], self.inner, &saved
        for i in range(count):
            if i + AHEAD < count and frames[i + AHEAD].offset < size:
                portcall_prefetch(bytes + frames[i + AHEAD].offset)
            _decode_frame(beginning, &frames[i], bytes, size, &packets[i])


cdef inline void _decode_frame(
    Cursor cursor, const Frame *frame, const uint8_t *buffer, size_t size, Packet *packet
) noexcept nogil:
    cdef Cursor rest
    cdef int layer
    memset(packet, 0, sizeof(Packet))
    packet.ts_ns, packet.wire, packet.direction = frame.ts_ns, frame.wire, frame.direction
    if frame.captured == 0 or frame.offset >= size or frame.captured > size - frame.offset:
        packet.verdict = MALFORMED if frame.captured else TRUNCATED if frame.wire else NOT_IP
        return
    cursor.bytes, cursor.packet = buffer + frame.offset, packet
    cursor.end = cursor.captured = frame.captured
    cursor.wire_end = frame.wire if frame.wire > frame.captured else frame.captured
    layer = _walk(&cursor, cursor.entries[frame.link])
    if layer != layers.FINISHED:
        # A cursor whose address goes no further lives in registers: so the rest of the way has a copy.
        rest = cursor
        _walk_on(&rest, layer)


cdef inline int _walk(Cursor *cursor, int layer) noexcept nogil:
    """The way of most packets, straight through; gives the layer that is left, if any."""
    if layer == layers.ETHERNET:
        layer = _next(cursor, ethernet(cursor))
    if layer == layers.VLAN:
        layer = _next(cursor, vlan(cursor))
    if layer == layers.IPV4:
        layer = _next(cursor, ipv4(cursor))
    elif layer == layers.IPV6:
        layer = _next(cursor, ipv6(cursor))
    if layer == layers.TCP:
        layer = _next(cursor, tcp(cursor))
    elif layer == layers.UDP:
        layer = _next(cursor, udp(cursor))
    return layer


cdef void _walk_on(Cursor *cursor, int layer) noexcept nogil:
    """Any way, layer by layer: to look each up takes twice the time."""
    cdef int depth
    for depth in range(MAX_LAYERS):
        if layer <= layers.FINISHED:
            break
        layer = _next(cursor, _step(cursor, layer))
    if layer == layers.FINISHED:
        return
    if cursor.has_saved:
        cursor.packet[0] = cursor.saved[0]
        return
    cursor.packet.verdict = _failure(cursor, layer)


cdef inline int _next(const Cursor *cursor, int layer) noexcept nogil:
    """The layer that one names, unless it could not be read."""
    return layers.CUT if cursor.short and layer != layers.FINISHED else layer


cdef inline uint8_t _failure(const Cursor *cursor, int layer) noexcept nogil:
    if layer == layers.NOTHING:
        return NOT_IP
    elif layer == layers.UNSUPPORTED:
        return UNSUPPORTED_LINK
    elif layer == layers.CUT and cursor.end == cursor.captured and cursor.captured < cursor.wire_end:
        return TRUNCATED
    return MALFORMED


cdef inline int _step(Cursor *cursor, int layer) noexcept nogil:
    if layer == layers.ETHERNET:
        return ethernet(cursor)
    elif layer == layers.IPV4:
        return ipv4(cursor)
    elif layer == layers.IPV6:
        return ipv6(cursor)
    elif layer == layers.TCP:
        return tcp(cursor)
    elif layer == layers.UDP:
        return udp(cursor)
    elif layer == layers.VLAN:
        return vlan(cursor)
    elif layer == layers.IP_ANY:
        return ip_any(cursor)
    elif layer == layers.ICMP:
        return icmp(cursor)
    elif layer == layers.OTHER_PROTOCOL:
        return other_protocol(cursor)
    elif layer == layers.SCTP:
        return sctp(cursor)
    elif layer == layers.DCCP:
        return dccp(cursor)
    elif layer == layers.UDP_LITE:
        return udp_lite(cursor)
    elif layer == layers.AUTHENTICATION_HEADER:
        return authentication_header(cursor)
    elif layer == layers.LLC:
        return llc(cursor)
    elif layer == layers.SNAP:
        return snap(cursor)
    elif layer == layers.NLPID:
        return nlpid(cursor)
    elif layer == layers.COOKED:
        return cooked(cursor)
    elif layer == layers.COOKED_2:
        return cooked_2(cursor)
    elif layer == layers.NULL_FAMILY:
        return null_family(cursor)
    elif layer == layers.PPP:
        return ppp(cursor)
    elif layer == layers.PPP_HDLC:
        return ppp_hdlc(cursor)
    elif layer == layers.PPP_DIRECTION:
        return ppp_direction(cursor)
    elif layer == layers.PPPOE:
        return pppoe(cursor)
    elif layer == layers.MPLS:
        return mpls(cursor)
    elif layer == layers.PSEUDOWIRE:
        return pseudowire(cursor)
    elif layer == layers.PROVIDER_BACKBONE:
        return provider_backbone(cursor)
    elif layer == layers.VN_TAG:
        return vn_tag(cursor)
    elif layer == layers.E_TAG:
        return e_tag(cursor)
    elif layer == layers.CISCO_META_DATA:
        return cisco_meta_data(cursor)
    elif layer == layers.FABRIC_PATH:
        return fabric_path(cursor)
    elif layer == layers.TRILL:
        return trill(cursor)
    elif layer == layers.MACSEC:
        return macsec(cursor)
    elif layer == layers.NSH:
        return nsh(cursor)
    elif layer == layers.GRE:
        return gre(cursor)
    elif layer == layers.ERSPAN_2:
        return erspan_2(cursor)
    elif layer == layers.ERSPAN_3:
        return erspan_3(cursor)
    elif layer == layers.ETHER_IP:
        return ether_ip(cursor)
    elif layer == layers.WCCP:
        return wccp(cursor)
    elif layer == layers.GRE_META_DATA:
        return gre_meta_data(cursor)
    elif layer == layers.VXLAN:
        return vxlan(cursor)
    elif layer == layers.VXLAN_GPE:
        return vxlan_gpe(cursor)
    elif layer == layers.GENEVE:
        return geneve(cursor)
    elif layer == layers.GTP_U:
        return gtp_u(cursor)
    elif layer == layers.TEREDO:
        return teredo(cursor)
    elif layer == layers.L2TP:
        return l2tp(cursor)
    elif layer == layers.LISP:
        return lisp(cursor)
    elif layer == layers.LISP_CONTROL:
        return lisp_control(cursor)
    elif layer == layers.AYIYA:
        return ayiya(cursor)
    elif layer == layers.CAPWAP:
        return capwap(cursor)
    elif layer == layers.TOKEN_RING:
        return token_ring(cursor)
    elif layer == layers.FDDI:
        return fddi(cursor)
    elif layer == layers.ARCNET:
        return arcnet(cursor, False)
    elif layer == layers.ARCNET_LINUX:
        return arcnet(cursor, True)
    elif layer == layers.SLIP:
        return slip(cursor)
    elif layer == layers.CISCO_HDLC:
        return cisco_hdlc(cursor)
    elif layer == layers.FRAME_RELAY:
        return frame_relay(cursor)
    elif layer == layers.RFC1483:
        return rfc1483(cursor)
    elif layer == layers.SUN_ATM:
        return sun_atm(cursor)
    elif layer == layers.NFLOG:
        return nflog(cursor)
    elif layer == layers.PKTAP:
        return pktap(cursor)
    elif layer == layers.IPNET:
        return ipnet(cursor)
    elif layer == layers.IP_OVER_INFINIBAND:
        return ip_over_infiniband(cursor)
    elif layer == layers.M_PACKET:
        return m_packet(cursor)
    elif layer == layers.PPI:
        return ppi(cursor)
    elif layer == layers.PRISM:
        return prism(cursor)
    elif layer == layers.AVS:
        return avs(cursor)
    elif layer == layers.RADIOTAP:
        return radiotap(cursor)
    elif layer == layers.WIFI:
        return wifi(cursor, False, False)
    elif layer == layers.WIFI_SWAPPED:
        return wifi(cursor, False, True)
    elif layer == layers.SWITCH_TAG:
        return switch_tag(cursor)
    return layers.BROKEN
