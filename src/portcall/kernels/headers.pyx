"""Frames → packets: walk from the link header to the ports, and give every frame its verdict.

A frame's walk is a loop over layers, from the one that its link type announces on. Each layer is one function in the ``.pxd``
files of ``layers``, by family; it reads its header at the cursor, moves on, and names the next layer.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from portcall.kernels.borrowing cimport borrow, borrow_writable
from portcall.kernels.layers.cursor cimport CUT, FINISHED, NOTHING, UNSUPPORTED, Cursor
from portcall.kernels.layers.links_wired cimport ethernet
from portcall.kernels.layers.networks cimport ipv4, ipv6
from portcall.kernels.layers.numbers cimport ETHERNET, IPV4, IPV6, TCP, UDP, VLAN, by_link_type
from portcall.kernels.layers.steps cimport step
from portcall.kernels.layers.tags cimport vlan
from portcall.kernels.layers.transports cimport tcp, udp
from portcall.kernels.prefetching cimport portcall_prefetch
from portcall.kernels.records cimport MALFORMED, NOT_IP, TRUNCATED, UNSUPPORTED_LINK, Frame, Packet

cdef enum:
    MAX_LAYERS = 128  # deeper is an attack on those who dissect
    AHEAD = 6  # so many frames ahead headers are asked for: they are in the second cache, not in the first


cdef class FrameDecoder:
    """Decodes batch after batch. It remembers nothing of them, so several threads may use one at once."""

    def __init__(self, *, bint inner):
        """``inner``: walk into UDP tunnels, and let the innermost packet count."""
        self.inner = inner

    def decode(self, object frames, const uint8_t[::1] buffer, object out_packets):
        """Fill out_packets[n] from frames[n]; a frame that does not lie in the buffer is malformed."""
        cdef Py_buffer views[2]
        cdef Py_ssize_t count, room
        if frames.dtype is not self.frame_dtype or out_packets.dtype is not self.packet_dtype:
            self._compare(frames, out_packets)
        count = borrow(frames, sizeof(Frame), &views[0])
        try:
            room = borrow_writable(out_packets, sizeof(Packet), &views[1])
            try:
                if room < count:
                    raise ValueError("decoding wants room for a packet a frame")
                with nogil:
                    self.decode_all(
                        <const Frame *>views[0].buf, count, &buffer[0] if buffer.shape[0] else NULL, buffer.shape[0],
                        <Packet *>views[1].buf
                    )
            finally:
                PyBuffer_Release(&views[1])
        finally:
            PyBuffer_Release(&views[0])

    cdef int _compare(self, const Frame[::1] frames, const Packet[::1] packets) except -1:
        self.frame_dtype, self.packet_dtype = frames.base.dtype, packets.base.dtype
        return 0

    cdef void decode_all(
        self, const Frame *frames, Py_ssize_t count, const uint8_t *bytes, size_t size, Packet *packets
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef Packet saved
        cdef Cursor beginning
        memset(&beginning, 0, sizeof(Cursor))
        beginning.inner, beginning.saved = self.inner, &saved
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
    layer = _walk(&cursor, by_link_type(frame.link))
    if layer != FINISHED:
        # A cursor whose address goes no further lives in registers: so the rest of the way has a copy.
        rest = cursor
        _walk_on(&rest, layer)


cdef inline int _walk(Cursor *cursor, int layer) noexcept nogil:
    """The way of most packets, straight through; gives the layer that is left, if any."""
    if layer == ETHERNET:
        layer = _next(cursor, ethernet(cursor))
    if layer == VLAN:
        layer = _next(cursor, vlan(cursor))
    if layer == IPV4:
        layer = _next(cursor, ipv4(cursor))
    elif layer == IPV6:
        layer = _next(cursor, ipv6(cursor))
    if layer == TCP:
        layer = _next(cursor, tcp(cursor))
    elif layer == UDP:
        layer = _next(cursor, udp(cursor))
    return layer


cdef void _walk_on(Cursor *cursor, int layer) noexcept nogil:
    """Any way, layer by layer: to look each up takes twice the time."""
    cdef int depth
    for depth in range(MAX_LAYERS):
        if layer <= FINISHED:
            break
        layer = _next(cursor, step(cursor, layer))
    if layer == FINISHED:
        return
    if cursor.has_saved:
        cursor.packet[0] = cursor.saved[0]
        return
    cursor.packet.verdict = _failure(cursor, layer)


cdef inline int _next(const Cursor *cursor, int layer) noexcept nogil:
    """The layer that one names, unless it could not be read."""
    return CUT if cursor.short and layer != FINISHED else layer


cdef inline uint8_t _failure(const Cursor *cursor, int layer) noexcept nogil:
    if layer == NOTHING:
        return NOT_IP
    elif layer == UNSUPPORTED:
        return UNSUPPORTED_LINK
    elif layer == CUT and cursor.end == cursor.captured and cursor.captured < cursor.wire_end:
        return TRUNCATED
    return MALFORMED
