# What was said in one payload, and looking at it within its bounds.
from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memchr, memcmp

cdef enum:
    TEXT_BYTES = 64  # of a first line that are looked at


cdef struct PayloadBytes:  # one payload, as far as the capture has it
    const uint8_t *bytes
    Py_ssize_t size


cdef inline uint16_t u16(const PayloadBytes *sent, Py_ssize_t at) noexcept nogil:
    """Two bytes in network order; 0 beyond the end, which every caller has excluded."""
    if at < 0 or at + 2 > sent.size:
        return 0
    return <uint16_t>(sent.bytes[at] << 8 | sent.bytes[at + 1])


cdef inline uint8_t u8(const PayloadBytes *sent, Py_ssize_t at) noexcept nogil:
    if at < 0 or at >= sent.size:
        return 0
    return sent.bytes[at]


cdef inline bint is_padding(const PayloadBytes *sent) noexcept nogil:
    """Whether they are zeros that may fill an Ethernet frame to its least payload, 46 bytes less the headers' 40."""
    cdef Py_ssize_t i
    if sent.size > 6:
        return False
    for i in range(sent.size):
        if sent.bytes[i]:
            return False
    return True


cdef inline bint is_text(const PayloadBytes *sent) noexcept nogil:
    """Whether its first line has no control characters but tab and carriage return, as far as one looks."""
    cdef Py_ssize_t i
    for i in range(min(sent.size, <Py_ssize_t>TEXT_BYTES)):
        if sent.bytes[i] == 0x0A:
            return True
        if sent.bytes[i] < 0x20 and sent.bytes[i] != 0x09 and sent.bytes[i] != 0x0D:
            return False
    return True


cdef inline bint contains(const PayloadBytes *sent, const uint8_t *word, Py_ssize_t size) noexcept nogil:
    """Whether a word of one byte or more stands anywhere in it."""
    cdef const uint8_t *at = sent.bytes
    cdef const uint8_t *end = sent.bytes + sent.size
    while size <= end - at:
        at = <const uint8_t *>memchr(at, word[0], end - at - size + 1)
        if at == NULL:
            return False
        if memcmp(at, word, size) == 0:
            return True
        at += 1
    return False
