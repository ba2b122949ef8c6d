# How a capture begins, and what zeros are, for walkers that find either where a record should be: bytes cannot be both.
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t

cdef enum:
    CAPTURE_START_BYTES = 16
    _DAY_SECONDS = 86400


cdef inline uint32_t number_at(const uint8_t *bytes, bint big) noexcept nogil:
    if big:
        return <uint32_t>bytes[0] << 24 | <uint32_t>bytes[1] << 16 | <uint32_t>bytes[2] << 8 | bytes[3]
    return <uint32_t>bytes[3] << 24 | <uint32_t>bytes[2] << 16 | <uint32_t>bytes[1] << 8 | bytes[0]


cdef inline uint16_t short_at(const uint8_t *bytes, bint big) noexcept nogil:
    if big:
        return <uint16_t>(bytes[0] << 8 | bytes[1])
    return <uint16_t>(bytes[1] << 8 | bytes[0])


cdef inline Py_ssize_t count_zeros(const uint8_t *bytes, Py_ssize_t most) noexcept nogil:
    """How many of bytes[:most] are zeros, up to the first that is not."""
    cdef Py_ssize_t i
    for i in range(most):
        if bytes[i]:
            return i
    return most


cdef inline bint are_zeros(const uint8_t *bytes, Py_ssize_t count) noexcept nogil:
    return count_zeros(bytes, count) == count


cdef inline bint begins_capture(const uint8_t *bytes) noexcept nogil:
    """Whether bytes[:16] begin a file, in either byte order.

    pcap    0 magic:32  4 version, 2.0 to 2.4  8 zone:32, less than a day  12 accuracy:32, always 0
    pcapng  0 0A0D0D0A:32  4 length:32  8 1A2B3C4D:32

    As the header of a record, the first is a frame of no bytes, or one with more bytes captured than it had; the second is one of
    400 MB. As a block's, the first has a length that is no multiple of 4 or too large, but for one of 131,076 bytes in big endian.
    """
    cdef bint big = bytes[0] == 0xA1
    cdef uint32_t magic = number_at(bytes, big)
    cdef int32_t zone
    if magic == 0x0A0D0D0A:
        magic = number_at(bytes + 8, False)
        return magic == 0x1A2B3C4D or magic == 0x4D3C2B1A
    if magic != <uint32_t>0xA1B2C3D4 and magic != <uint32_t>0xA1B23C4D and magic != <uint32_t>0xA1B2CD34:
        return False
    zone = <int32_t>number_at(bytes + 8, big)
    return (short_at(bytes + 4, big) == 2 and short_at(bytes + 6, big) <= 4 and -_DAY_SECONDS < zone < _DAY_SECONDS
            and number_at(bytes + 12, big) == 0)


cdef enum:
    PAGE_BYTES = 4096
    ZERO_RECORDS
    ZERO_PADDING
    ZEROS_NOT_KNOWN_YET


cdef inline int what_zeros_are(const uint8_t *behind, Py_ssize_t count, Py_ssize_t left, bint is_end) noexcept nogil:
    """What so many zeros are, up to a page, with behind[:left] after them."""
    if count >= PAGE_BYTES or (left == 0 and is_end):
        return ZERO_PADDING
    if left < CAPTURE_START_BYTES:
        return ZERO_RECORDS if is_end else ZEROS_NOT_KNOWN_YET
    return ZERO_PADDING if begins_capture(behind) else ZERO_RECORDS
