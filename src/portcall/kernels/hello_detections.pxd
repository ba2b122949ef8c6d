# What a plain hello makes of its row, in one segment or in two: its name, by number where that was met before.
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr

from portcall.kernels.deferral cimport HELD_BYTES, Deferral, leave_held, leave_hellos, next_hellos
from portcall.kernels.held_segments cimport NOBODY, HeldSegments, held_bytes, held_segment, hold, join, let_go
from portcall.kernels.interning cimport NameNumbers
from portcall.kernels.payload_bytes cimport PayloadBytes
from portcall.kernels.plain_parsers cimport NAMED, NOT_PLAIN, UNNAMED, parse_http, parse_tls
from portcall.kernels.records cimport FRAGMENT_NONE, Hello, Packet, Payload
from portcall.kernels.row_detections cimport BOTH_SIDES, IS_OPEN, RowDetections, adds_nothing, note_asker, tell


cdef class HelloDetections(RowDetections):
    cdef Deferral deferral
    cdef HeldSegments held
    cdef public bint reads_hellos
    cdef public NameNumbers detections  # by kind and name


cdef inline void tell_name(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
) noexcept nogil:
    """Note the next hello's name, by number where it was met before."""
    cdef Hello *out = next_hellos(rows.deferral)
    cdef int32_t detection = rows.detections.find(out.kind, &sent.bytes[out.name_at], out.name_length)
    if detection:
        tell(rows, payload.row, detection, number)
    else:
        leave_hellos(rows.deferral, packet, sent, payload, number, 1)


cdef inline int _parse_beginning(const PayloadBytes *sent, Hello *out) noexcept nogil:
    """What a segment is that another one may go on with: a hello with its name, one without yet, or neither. A request can
    become something else behind its name, and what no header holds ends it.
    """
    cdef int plain = NOT_PLAIN
    if sent.size and sent.bytes[0] == 0x16:
        plain = parse_tls(sent, True, out)
        return plain if plain == NAMED or plain == UNNAMED else NOT_PLAIN
    if sent.size and 0x41 <= sent.bytes[0] <= 0x5A and parse_http(sent, True, out) == UNNAMED:
        plain = NOT_PLAIN if memchr(sent.bytes, 0x7F, sent.size) != NULL else UNNAMED
    return plain


cdef inline bint begin_hello(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
) noexcept nogil:
    """Whether a first segment begins a plain hello: it is told as far as it goes, and held until the next if its name is to come."""
    cdef int plain = _parse_beginning(sent, next_hellos(rows.deferral))
    cdef uint32_t former
    if plain == NOT_PLAIN or (plain == UNNAMED and sent.size > HELD_BYTES):
        return False
    note_asker(rows, payload.row, payload.side, number)
    if plain == NAMED:
        rows.inspected[payload.row] |= BOTH_SIDES
        tell_name(rows, packet, sent, payload, number)
        return True
    tell(rows, payload.row, rows.tls_detection if sent.bytes[0] == 0x16 else rows.http_detection, number)
    rows.inspected[payload.row] |= IS_OPEN
    former = hold(rows.held, packet, sent, payload, number)
    if former != NOBODY:
        rows.inspected[former] = BOTH_SIDES  # what it is stays told, and its name has not come for long
    return True


cdef inline int _parse_joined(const PayloadBytes *sent, Hello *out) noexcept nogil:
    """The same of two segments as one; NAMED, or it is for the dissectors."""
    if sent.bytes[0] != 0x16:
        return parse_http(sent, False, out)
    return NAMED if parse_tls(sent, False, out) == NAMED else parse_tls(sent, True, out)


cdef inline bint continue_hello(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
) noexcept nogil:
    """Whether a payload brings the name of the hello that is held, or adds nothing; else both are for the dissectors, and the
    row is as if nothing had been told.
    """
    cdef uint32_t row = payload.row
    cdef PayloadBytes first = held_bytes(rows.held, row), joined
    cdef bint is_cut = sent.size < <Py_ssize_t>packet.payload
    cdef int plain = NOT_PLAIN
    if not rows.reads_hellos:
        pass
    elif held_segment(rows.held, row).side != payload.side:
        if not payload.is_later and adds_nothing(rows, sent, is_cut, payload, number):
            return True
    elif not is_cut and packet.fragmentation == FRAGMENT_NONE and join(rows.held, packet, sent, row, &joined):
        plain = _parse_joined(&joined, next_hellos(rows.deferral))
    rows.found[row] = 0
    if plain == NAMED:
        rows.inspected[row] = BOTH_SIDES
        tell_name(rows, packet, &joined, payload, number)
    else:
        rows.evidence[row] = rows.asked[row] = 0
        leave_held(rows.deferral, held_segment(rows.held, row), &first)
    let_go(rows.held, row)
    return plain == NAMED
