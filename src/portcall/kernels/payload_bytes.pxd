# What was said in one payload, and looking at it within its bounds.
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memchr, memcmp

from portcall.kernels.records cimport Frame, Packet

cdef enum:
    TEXT_BYTES = 64  # of a first line that are looked at
    MOST_WORD_BYTES = 32  # of its first word
    LENGTH_BYTES = 8  # where a message says how long it is, or what


cdef struct PayloadBytes:  # one payload, as far as the capture has it
    const uint8_t *bytes
    Py_ssize_t size


cdef inline void captured_payload(
    const Packet *packet, const Frame *frame, const uint8_t[::1] buffer, PayloadBytes *out
) noexcept nogil:
    """A packet's payload, as far as it was captured and lies in the buffer."""
    cdef uint64_t size = buffer.shape[0], held = 0, offset = frame.offset + packet.payload_offset
    if packet.payload_offset < frame.captured:
        held = min(packet.payload, frame.captured - packet.payload_offset)
    if offset >= size or held > size - offset:
        held, offset = 0, 0
    out.size = <Py_ssize_t>held
    out.bytes = &buffer[offset] if size else NULL


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
    """Whether its first line has no control characters but tab and carriage return, as far as one looks, and a first word that ends."""
    cdef Py_ssize_t i
    cdef bint is_first_word = True
    for i in range(min(sent.size, <Py_ssize_t>TEXT_BYTES)):
        if sent.bytes[i] == 0x0A:
            return True
        if sent.bytes[i] < 0x20 and sent.bytes[i] != 0x09 and sent.bytes[i] != 0x0D:
            return False
        is_first_word = is_first_word and sent.bytes[i] > 0x20
        if is_first_word and i >= MOST_WORD_BYTES:
            return False
    return True


cdef inline bint has_no_length(const PayloadBytes *sent) noexcept nogil:
    """Whether it begins with so many zeros that a message that begins so would be of no length and of no kind."""
    cdef Py_ssize_t i
    if sent.size < LENGTH_BYTES:
        return False
    for i in range(LENGTH_BYTES):
        if sent.bytes[i]:
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
