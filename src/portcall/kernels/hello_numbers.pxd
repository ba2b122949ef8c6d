# Numbers of what hellos make of their rows: a detection is numbered by what is said, then with its name, then with the other side.
from libc.stdint cimport int32_t, uint8_t, uint32_t

from portcall.kernels.plain_parsers cimport DNS_QUESTION, HTTP_ANSWER, HTTP_REQUEST, MEDIA, MEDIA_ANSWER, MEDIA_REPORT, TLS_ANSWER, TLS_HELLO
from portcall.kernels.records cimport Hello
from portcall.kernels.row_detections cimport RowDetections, tell

cdef enum:  # kinds of what is numbered, besides those of Hello, whose number is that of one with its name
    COVERED = 14  # a name in a ClientHello that has an encrypted one, or what looks like it
    BOTH = 15  # what both sides of a row say
    SAID = 16  # + the kind of a hello: what one says besides its name


cdef struct Numbering:
    int32_t number  # of a detection; 0 where these have none yet:
    int32_t about  # the number they belong to
    int32_t side  # what else belongs to that number, of BOTH
    int kind
    const uint8_t *bytes
    Py_ssize_t size


cdef inline bint is_answer(const Hello *hello) noexcept nogil:
    return hello.kind == TLS_ANSWER or hello.kind == HTTP_ANSWER or hello.kind >= MEDIA_ANSWER


cdef inline bint is_numbered(RowDetections rows, const Hello *hello) noexcept nogil:
    """Whether the row has a number for what the other side said, which this may answer."""
    return rows.found[hello.row] and (hello.kind < MEDIA_ANSWER or rows.found[hello.row] != rows.rtp_detection)


cdef inline void _find(
    RowDetections rows, int kind, int32_t about, const uint8_t *bytes, Py_ssize_t size, Numbering *out
) noexcept nogil:
    out.kind, out.about, out.bytes, out.size = kind, about, bytes, size
    out.number = rows.detections.find(kind, about, bytes, size)


cdef inline void number_of(
    RowDetections rows, const Hello *hello, const uint8_t *name, const uint8_t *said, Numbering *out
) noexcept nogil:
    """The number of what a hello makes of its row, or what has none yet."""
    out.number = rows.tls_detection
    if hello.kind == DNS_QUESTION:
        out.number = rows.dns_detection
    elif hello.kind == HTTP_REQUEST or hello.kind == HTTP_ANSWER:
        out.number = rows.http_detection
    elif hello.kind == MEDIA_REPORT:
        out.number = rows.rtcp_detection
    if hello.said_length:
        _find(rows, SAID + hello.kind, 0, said, hello.said_length, out)
    if out.number and hello.name_length:
        _find(
            rows, COVERED if hello.kind == TLS_HELLO and hello.has_ech else hello.kind, out.number, name, hello.name_length, out
        )
    if out.number and is_answer(hello) and rows.found[hello.row]:
        out.side = out.number
        _find(rows, BOTH, rows.found[hello.row], <const uint8_t *>&out.side, sizeof(int32_t), out)


cdef inline void tell_number(RowDetections rows, const Hello *hello, int32_t number) noexcept nogil:
    """Note that this is what a hello makes of its row; of a part, only as long as the rest is awaited. What has no name leaves it to
    stand who told that it is TLS, or RTP.
    """
    cdef uint32_t row = hello.row
    if hello.is_part:
        if rows.held.of_row[row]:
            rows.found[row] = number
    elif is_answer(hello) or (
        not hello.name_length and rows.found[row] == (rows.rtp_detection if hello.kind == MEDIA else rows.tls_detection)
    ):
        rows.found[row] = number
    else:
        tell(rows, row, number, hello.number)
