# What plain hellos say besides names, in a form that is equal wherever they say the same: without the random, keys and GREASE
# (RFC 8701) in which every two differ. So what dissectors make of it is made once for all conversations of a program.
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy

from portcall.kernels.payload_bytes cimport PayloadBytes, u8, u16
from portcall.kernels.plain_parsers cimport NOT_PLAIN, UNNAMED, begins, is_field, is_text_from, line_end_of, record_bytes

cdef enum:
    MOST_SAID_BYTES = 768
    MOST_EXTENSIONS = 48  # browsers send some 18
    APPLICATION_PROTOCOLS = 16
    SIGNATURE_ALGORITHMS = 13
    SUPPORTED_VERSIONS = 43
    MOST_REASON_BYTES = 1024


cdef enum:  # how much of a header is there, besides NOT_PLAIN
    OVER = 4
    UNFINISHED = 5


cdef struct Said:  # what a hello says besides its name; empty where it says nothing
    Py_ssize_t size
    uint8_t bytes[MOST_SAID_BYTES]


cdef inline bint _put(Said *said, const PayloadBytes *sent, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    """Put bytes of a payload behind the others, if they are there and there is room."""
    if at < 0 or size < 0 or at + size > sent.size or said.size + size > MOST_SAID_BYTES:
        return False
    if size:
        memcpy(&said.bytes[said.size], sent.bytes + at, size)
    said.size += size
    return True


cdef inline bint _put_u16(Said *said, uint16_t value) noexcept nogil:
    if said.size + 2 > MOST_SAID_BYTES:
        return False
    said.bytes[said.size], said.bytes[said.size + 1] = value >> 8, value & 0xFF
    said.size += 2
    return True


cdef inline bint _is_grease(uint16_t value) noexcept nogil:
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


cdef inline bint _put_meaning(Said *said, const PayloadBytes *sent, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Put numbers of two bytes each, but for those that mean nothing, with their length before them."""
    cdef Py_ssize_t length_at = said.size
    cdef bint has_room = _put_u16(said, 0)
    while has_room and at + 2 <= end:
        if not _is_grease(u16(sent, at)):
            has_room = _put_u16(said, u16(sent, at))
        at += 2
    if has_room:
        _set_length(said, length_at)
    return has_room


cdef inline void _set_length(Said *said, Py_ssize_t at) noexcept nogil:
    """Write at ``at`` how many bytes are behind it."""
    cdef Py_ssize_t length = said.size - at - 2
    if 0 <= at and at + 2 <= MOST_SAID_BYTES:
        said.bytes[at], said.bytes[at + 1] = <uint8_t>(length >> 8), <uint8_t>(length & 0xFF)


cdef inline bint _put_extension(Said *said, const PayloadBytes *sent, Py_ssize_t at) noexcept nogil:
    """Put an extension of a ClientHello; with its body, where anything depends on that."""
    cdef uint16_t kind = u16(sent, at), size = u16(sent, at + 2)
    cdef Py_ssize_t length_at = said.size + 2
    if kind == APPLICATION_PROTOCOLS or kind == SIGNATURE_ALGORITHMS:
        return _put(said, sent, at, 4 + <Py_ssize_t>size)
    if not _put_u16(said, kind) or not _put_u16(said, 0):
        return False
    if kind == SUPPORTED_VERSIONS and size:
        # length:8, then versions
        if not _put(said, sent, at + 4, 1) or not _put_versions(said, sent, at + 5, at + 4 + size):
            return False
        said.bytes[length_at + 2] = 0
        _set_length(said, length_at)
    return True


cdef inline bint _put_versions(Said *said, const PayloadBytes *sent, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    while at + 2 <= end:
        if not _is_grease(u16(sent, at)) and not _put_u16(said, u16(sent, at)):
            return False
        at += 2
    return True


cdef inline bint put_client_hello(const PayloadBytes *sent, bint is_whole, Said *said) noexcept nogil:
    """Put what a ClientHello offers that ``parse_tls`` takes for plain; False where it is too much, or an extension is there twice.

    is whole:8  version:16  cipher suites:16+n  compression=1,0  extensions:16+n, in the order of their kinds
    """
    cdef Py_ssize_t[MOST_EXTENSIONS] places
    cdef Py_ssize_t at = 44 + u8(sent, 43), suites_end = at + 2 + u16(sent, at), end, size, i, count = 0, length_at
    said.bytes[0], said.size = is_whole, 1
    if not _put(said, sent, 9, 2) or not _put_meaning(said, sent, at + 2, suites_end) or not _put_u16(said, 0x0100):
        return False
    at = suites_end + 1 + u8(sent, suites_end)
    end = min(at + 2 + u16(sent, at), sent.size)
    at += 2
    while at + 4 <= end:
        size = 4 + <Py_ssize_t>u16(sent, at + 2)
        if at + size > end:
            break
        if not _is_grease(u16(sent, at)):
            if count == MOST_EXTENSIONS:
                return False
            i = count
            while i and u16(sent, places[i - 1]) > u16(sent, at):
                places[i] = places[i - 1]
                i -= 1
            if i and u16(sent, places[i - 1]) == u16(sent, at):
                return False
            places[i] = at
            count += 1
        at += size
    length_at = said.size
    if not _put_u16(said, 0):
        return False
    for i in range(count):
        if not _put_extension(said, sent, places[i]):
            return False
    _set_length(said, length_at)
    return True


cdef inline bint is_retry(const PayloadBytes *sent) noexcept nogil:
    """Whether a ServerHello asks for another ClientHello, by how its random begins (RFC 8446 §4.1.3)."""
    return (
        sent.size >= 19 and sent.bytes[0] == 22 and sent.bytes[5] == 2
        and memcmp(sent.bytes + 11, b"\xcf\x21\xad\x74\xe5\x9a\x61\x11", 8) == 0
    )


cdef inline int parse_server_hello(const PayloadBytes *sent, Said *said) noexcept nogil:
    """The first message of a TLS server, whole in its record, be it a ServerHello (RFC 8446 §4.1.3): what it chose.

    0 type=22  1 version:16  3 length:16  5 handshake type=2  6 length:24  9 version:16  11 random:256  43 session id:8+n
    cipher suite:16  compression:8  extensions:16+n

    Put are  version:16  extensions:16+n, of them the version and the application protocol. One that asks for another hello is not
    plain.
    """
    cdef Py_ssize_t record_end = record_bytes(sent, 0), at = 43, end, size, length_at
    cdef bint has_version = False, has_protocol = False
    said.size = 0
    if sent.size < 44 or sent.bytes[0] != 22 or sent.bytes[5] != 2 or sent.bytes[6] or sent.bytes[9] != 3 or not record_end:
        return NOT_PLAIN
    if is_retry(sent):
        return NOT_PLAIN
    end = 9 + <Py_ssize_t>u16(sent, 7)
    if end < 44 or end > sent.size or end > record_end or sent.bytes[43] > 32 or not _put(said, sent, 9, 2):
        return NOT_PLAIN
    length_at = said.size
    _put_u16(said, 0)
    at += 1 + sent.bytes[43] + 3
    end = min(end, at + 2 + u16(sent, at)) if at + 2 <= end else at
    at += 2
    while at + 4 <= end:
        size = 4 + <Py_ssize_t>u16(sent, at + 2)
        if at + size > end:
            break
        if u16(sent, at) == SUPPORTED_VERSIONS or u16(sent, at) == APPLICATION_PROTOCOLS:
            if (has_version if u16(sent, at) == SUPPORTED_VERSIONS else has_protocol) or not _put(said, sent, at, size):
                return NOT_PLAIN
            has_version |= u16(sent, at) == SUPPORTED_VERSIONS
            has_protocol |= u16(sent, at) == APPLICATION_PROTOCOLS
        at += size
    _set_length(said, length_at)
    return UNNAMED


cdef inline int _end_of_header(const PayloadBytes *sent, Py_ssize_t start, Py_ssize_t at) noexcept nogil:
    """Whether a header without an end is OVER: something stands in it that no field holds (RFC 9110 §5.5). ``at`` is where the first
    line is that is not whole; behind it no other one may begin.
    """
    cdef Py_ssize_t i
    cdef bint is_over = False
    for i in range(start, sent.size):
        if sent.bytes[i] == 0x0A and i >= at:
            return NOT_PLAIN
        is_over |= sent.bytes[i] == 0x7F or (sent.bytes[i] < 0x20 and not (sent.bytes[i] == 0x09 or sent.bytes[i] == 0x0A or sent.bytes[i] == 0x0D))
    return OVER if is_over else UNFINISHED


cdef inline int put_field(const PayloadBytes *sent, const char *name, Py_ssize_t length, Said *said) noexcept nogil:
    """Put the value of the first field of this name in a header of HTTP/1, if there is one. OVER where nothing that follows can
    change it, UNFINISHED; or NOT_PLAIN, where a line is folded, or the field is odd.
    """
    cdef Py_ssize_t start = line_end_of(sent, 0) + 2, at = start, end = start - 2, value_end
    said.size = 0
    while end >= 0:
        at = end + 2
        end = line_end_of(sent, at)
        if end == at:
            return OVER
        if u8(sent, at) == 0x20 or u8(sent, at) == 0x09:
            return NOT_PLAIN
        if said.size and at < sent.size:
            return OVER
        if end < 0 or said.size or not is_field(sent, at, name, length) or u8(sent, at + length) == 0x2D:
            continue
        if u8(sent, at + length) != 0x3A:
            return NOT_PLAIN
        at, value_end = at + length + 1, end
        while at < value_end and (u8(sent, at) == 0x20 or u8(sent, at) == 0x09):
            at += 1
        while value_end > at and (u8(sent, value_end - 1) == 0x20 or u8(sent, value_end - 1) == 0x09):
            value_end -= 1
        if at == value_end or not _put(said, sent, at, value_end - at):
            return NOT_PLAIN
    return _end_of_header(sent, start, at)


cdef inline int parse_status(const PayloadBytes *sent, bint is_cut, Said *said) noexcept nogil:
    """A response of HTTP/1 that leaves the protocol as it is (RFC 9110 §15.2.2): by which program. OVER where all is known of it, as
    far as the capture goes; UNFINISHED or NOT_PLAIN.
    """
    cdef Py_ssize_t i, end = line_end_of(sent, 0)
    cdef int header
    said.size = 0
    if not begins(sent, b"HTTP/1.", 7):
        return NOT_PLAIN
    if end < 0:
        return OVER if is_cut and is_text_from(sent, 0) else NOT_PLAIN
    if not 12 <= end <= 13 + MOST_REASON_BYTES or sent.bytes[8] != 0x20 or (end > 12 and sent.bytes[12] != 0x20):
        return NOT_PLAIN
    for i in range(7, 12):
        if i != 8 and not 0x30 <= sent.bytes[i] <= 0x39:
            return NOT_PLAIN
    if memcmp(sent.bytes + 9, b"101", 3) == 0:
        return NOT_PLAIN
    header = put_field(sent, b"server", 6, said)
    return OVER if is_cut and header == UNFINISHED else header
