# The commonest beginnings of flows in their plainest form: a TLS ClientHello, an HTTP request with its Host field (DNS has
# ``plain_dns``), each in one payload. Where the capture has cut it (``is_cut``), they are read as far as they go, and may have no name.
# Whatever is spread over payloads or odd in any way is not plain, and left to the dissectors.
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp

from portcall.kernels.records cimport Hello
from portcall.kernels.payload_bytes cimport PayloadBytes, u8, u16

cdef enum:
    TLS_HELLO = 1
    HTTP_REQUEST = 2
    DNS_ANSWER = 3
    DNS_QUESTION = 4
    TLS_ANSWER = 5
    HTTP_ANSWER = 6
    MEDIA = 7  # a stream of RTP
    MEDIA_ANSWER = 8  # that of the other side
    MEDIA_REPORT = 9  # RTCP of the other side
    MOST_ANSWERS = 16
    MOST_HEAD_BYTES = 8192
    MOST_RECORD_BYTES = 16384 + 2048
    APPLICATION_DATA = 23
    ENCRYPTED_CLIENT_HELLO = 0xFE0D


cdef enum:  # what a payload is, by these parsers
    NOT_PLAIN = 0
    NAMED = 1
    UNNAMED = 2  # cut before its name
    TOLD_BY_KIND = 3  # cut so early that hardly more shows than what it is


cdef inline bint is_plain(const PayloadBytes *sent, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Whether these are printable ASCII bytes without space and backslash, at least one."""
    cdef Py_ssize_t i
    if at < 0 or end > sent.size or at >= end:
        return False
    for i in range(at, end):
        if sent.bytes[i] <= 0x20 or sent.bytes[i] >= 0x7F or sent.bytes[i] == 0x5C:
            return False
    return True


cdef inline bint is_host(const PayloadBytes *sent, Py_ssize_t at, Py_ssize_t length) noexcept nogil:
    """Whether a plain name is that of a host without doubt: letters, digits, dots, hyphens, underscores, a letter at its end."""
    cdef Py_ssize_t i
    cdef uint8_t byte = 0
    for i in range(at, min(at + length, sent.size)):
        byte = sent.bytes[i]
        if not (0x61 <= byte | 0x20 <= 0x7A or 0x30 <= byte <= 0x39 or byte == 0x2E or byte == 0x2D or byte == 0x5F):
            return False
    return 0x61 <= byte | 0x20 <= 0x7A


cdef inline Py_ssize_t record_bytes(const PayloadBytes *sent, Py_ssize_t at) noexcept nogil:
    """The length of the TLS record with its header, which is there; 0 where it is none (RFC 8446 §5.1, RFC 5246 §6.2.3).

    0 type, 20 to 24  1 version=3, 0 to 4  3 length:16
    """
    cdef Py_ssize_t size = u16(sent, at + 3)
    if not 20 <= u8(sent, at) <= 24 or u8(sent, at + 1) != 3 or u8(sent, at + 2) > 4 or size > MOST_RECORD_BYTES:
        return 0
    return 5 + size if size or sent.bytes[at] == APPLICATION_DATA else 0


cdef inline int parse_tls(const PayloadBytes *sent, bint is_cut, Hello *out) noexcept nogil:
    """A ClientHello with a server name (RFC 8446 §4.1.2, RFC 6066 §3) in one record.

    0 type=22  1 version:16  3 length:16  5 handshake type=1  6 length:24  9 version:16  11 random:256
    43 session id:8+n  cipher suites:16+n  compression:8+n  extensions:16+n
    """
    cdef Py_ssize_t at = 43, end, extension_end, record_end = record_bytes(sent, 0)
    cdef uint16_t kind
    out.name_length = out.has_ech = 0
    if sent.size < 10 or sent.bytes[5] != 1 or sent.bytes[6] or sent.bytes[9] != 3 or record_end == 0:
        return NOT_PLAIN
    is_cut = is_cut and record_end > sent.size
    end = 9 + u16(sent, 7)
    if end != record_end or (end > sent.size and not is_cut) or u8(sent, at) > 32:
        return NOT_PLAIN
    at += 1 + u8(sent, at)
    if is_cut and at + 2 > sent.size:
        return TOLD_BY_KIND
    if at + 2 > end or u16(sent, at) < 2 or u16(sent, at) & 1:
        return NOT_PLAIN
    at += 2 + u16(sent, at)
    if is_cut and at >= sent.size:
        return TOLD_BY_KIND
    if at >= end or u8(sent, at) < 1:
        return NOT_PLAIN
    at += 1 + u8(sent, at)
    if is_cut and at + 2 > sent.size:
        return UNNAMED
    if at + 2 > end or at + 2 + u16(sent, at) != end:
        return NOT_PLAIN
    at += 2
    while at + 4 <= min(end, sent.size):
        kind = u16(sent, at)
        extension_end = at + 4 + u16(sent, at + 2)
        if extension_end > end:
            return NOT_PLAIN
        if is_cut and extension_end > sent.size:
            break
        if kind == 0:
            # list length:16  type=0  name length:16  name
            if (
                out.name_length or at + 9 > extension_end or u16(sent, at + 4) != extension_end - at - 6
                or u8(sent, at + 6) != 0 or u16(sent, at + 7) != extension_end - at - 9
                or extension_end - at - 9 > 255 or not is_plain(sent, at + 9, extension_end)
            ):
                return NOT_PLAIN
            out.name_at, out.name_length = <uint32_t>(at + 9), <uint32_t>(extension_end - at - 9)
        elif kind == ENCRYPTED_CLIENT_HELLO and extension_end > at + 4 and sent.bytes[at + 4] == 0:  # not the inner one
            out.has_ech = 1
        at = extension_end
    out.kind = TLS_HELLO
    if not is_cut and at != end:
        return NOT_PLAIN
    return NAMED if out.name_length else UNNAMED if is_cut else NOT_PLAIN


cdef inline bint is_cut_server_hello(const PayloadBytes *sent) noexcept nogil:
    """Whether the capture has cut it within a ServerHello (RFC 8446 §4.1.3), so before any certificate.

    0 type=22  1 version:16  3 length:16  5 handshake type=2  6 length:24  9 version:16
    """
    return (
        sent.size >= 10 and sent.bytes[0] == 22 and sent.bytes[5] == 2 and not sent.bytes[6] and sent.bytes[9] == 3
        and record_bytes(sent, 0) > 0 and 9 + <Py_ssize_t>u16(sent, 7) > sent.size
    )


cdef inline Py_ssize_t line_end_of(const PayloadBytes *sent, Py_ssize_t at) noexcept nogil:
    """Where the line's carriage return is, of CR LF; -1 where there is none or another control character before it."""
    while at + 1 < sent.size:
        if sent.bytes[at] < 0x20 and sent.bytes[at] != 0x09:
            return at if sent.bytes[at] == 0x0D and sent.bytes[at + 1] == 0x0A else -1
        at += 1
    return -1


cdef inline bint is_field(const PayloadBytes *sent, Py_ssize_t at, const char *name, Py_ssize_t length) noexcept nogil:
    """Whether a line begins with this field name, given in lower case with its colon."""
    cdef Py_ssize_t i
    if at + length > sent.size:
        return False
    for i in range(length):
        if (sent.bytes[at + i] | 0x20 if 0x41 <= sent.bytes[at + i] <= 0x5A else sent.bytes[at + i]) != <uint8_t>name[i]:
            return False
    return True


cdef inline bint is_text_from(const PayloadBytes *sent, Py_ssize_t at) noexcept nogil:
    """Whether there is no control character but tabs from there on."""
    while at < sent.size:
        if sent.bytes[at] < 0x20 and sent.bytes[at] != 0x09:
            return False
        at += 1
    return True


cdef inline int parse_http(const PayloadBytes *sent, bint is_cut, Hello *out) noexcept nogil:
    """A request of HTTP/1.0 or 1.1 for a path, with one Host field and a whole header (RFC 9112)."""
    cdef Py_ssize_t at = 0, end, line_end
    out.name_length = 0
    if sent.size > MOST_HEAD_BYTES:
        return NOT_PLAIN
    while at < sent.size and 0x41 <= sent.bytes[at] <= 0x5A:
        at += 1
    if at < 3 or at > 10 or u8(sent, at) != 0x20 or u8(sent, at + 1) != 0x2F:
        return NOT_PLAIN
    if is_cut and is_text_from(sent, at):
        return TOLD_BY_KIND if _is_known_method(sent, at) else NOT_PLAIN
    line_end = line_end_of(sent, at)
    if line_end < at + 11 or not _is_version(sent, line_end - 9):
        return NOT_PLAIN
    if not is_plain(sent, at + 1, line_end - 9):
        return NOT_PLAIN
    at = line_end + 2
    out.kind = HTTP_REQUEST
    while True:
        line_end = line_end_of(sent, at)
        if u8(sent, at) == 0x20 or u8(sent, at) == 0x09:
            return NOT_PLAIN
        if line_end < 0:
            if not is_cut or not is_text_from(sent, at):
                return NOT_PLAIN
            return NAMED if out.name_length else UNNAMED
        if line_end == at:
            break
        if is_field(sent, at, b"upgrade", 7) and u8(sent, at + 7) != 0x2D:  # Upgrade-Insecure-Requests is none
            return NOT_PLAIN
        if is_field(sent, at, b"host", 4):
            if out.name_length or u8(sent, at + 4) != 0x3A:
                return NOT_PLAIN
            at, end = at + 5, line_end
            while at < end and u8(sent, at) == 0x20:
                at += 1
            while end > at and u8(sent, end - 1) == 0x20:
                end -= 1
            if not is_plain(sent, at, end) or end - at > 255:
                return NOT_PLAIN
            out.name_at, out.name_length = <uint32_t>at, <uint32_t>(end - at)
        at = line_end + 2
    return NAMED if out.name_length else NOT_PLAIN


cdef inline bint begins(const PayloadBytes *sent, const char *words, Py_ssize_t length) noexcept nogil:
    return sent.size >= length and memcmp(sent.bytes, words, length) == 0


cdef inline bint _is_known_method(const PayloadBytes *sent, Py_ssize_t length) noexcept nogil:
    """Whether a request without the end of its line can be no other protocol's: the methods that ``dissectors.http`` knows."""
    if length == 3:
        return begins(sent, b"GET", 3) or begins(sent, b"PUT", 3)
    if length == 4:
        return begins(sent, b"POST", 4) or begins(sent, b"HEAD", 4)
    return length == 6 and begins(sent, b"DELETE", 6)


cdef inline bint is_plain_status(const PayloadBytes *sent, bint is_cut) noexcept nogil:
    """Whether it begins a response of HTTP/1 that leaves the protocol as it is: any but 101 (RFC 9110 §15.2.2)."""
    if not begins(sent, b"HTTP/1.", 7):
        return False
    return is_cut if sent.size < 12 else sent.bytes[8] == 0x20 and memcmp(sent.bytes + 9, b"101", 3) != 0


cdef inline bint _is_version(const PayloadBytes *sent, Py_ssize_t at) noexcept nogil:
    """Whether `` HTTP/1.0`` or `` HTTP/1.1`` is there."""
    cdef const char *words = b" HTTP/1."
    cdef Py_ssize_t i
    if at < 0 or at + 9 > sent.size:
        return False
    for i in range(8):
        if sent.bytes[at + i] != <uint8_t>words[i]:
            return False
    return sent.bytes[at + 8] == 0x30 or sent.bytes[at + 8] == 0x31
