# One way to fetch a field: every byte from the network is read here, after a bounds check (the idea is tcpdump's
# extract.h). A fetch beyond the end gives 0 and sets ``short``, which decides the verdict; it is never an exception.
# The headers that most packets have are checked as a whole: ``header`` hands out their bytes.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from portcall.kernels.records cimport Packet


cdef struct Cursor:
    const uint8_t *bytes  # the frame's first byte
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
    # then the layers, as ``numbers`` has them


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
