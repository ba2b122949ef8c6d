# What a plain hello makes of its row, in one segment or in two, and what its answer adds: by number where that was met before.
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr

from portcall.kernels.deferral cimport HELD_BYTES, Deferral, leave_held, leave_hellos, next_hellos
from portcall.kernels.held_segments cimport NOBODY, HeldSegments, held_bytes, held_segment, hold, hold_joined, join, let_go
from portcall.kernels.hello_numbers cimport Numbering, is_answer, is_numbered, number_of, tell_number
from portcall.kernels.mid_stream cimport are_records
from portcall.kernels.payload_bytes cimport PayloadBytes
from portcall.kernels.plain_details cimport (
    OVER, UNFINISHED, Said, is_retry, parse_server_hello, parse_status, put_client_hello, put_field,
)
from portcall.kernels.plain_parsers cimport (
    HTTP_ANSWER, HTTP_REQUEST, NAMED, NOT_PLAIN, TLS_ANSWER, TLS_HELLO, TOLD_BY_KIND, UNNAMED, is_cut_server_hello, is_host,
    parse_http, parse_tls, record_bytes,
)
from portcall.kernels.records cimport FRAGMENT_NONE, Hello, Packet, Payload
from portcall.kernels.row_detections cimport BOTH_SIDES, IS_OPEN, TCP, RowDetections, adds_nothing, note_asker, tell


cdef class HelloDetections(RowDetections):
    cdef Deferral deferral
    cdef public bint reads_hellos
    cdef public uint8_t[::1] awaited  # by row: the kind of what is to answer a hello, 0 for none; where details are wanted
    cdef public HeldSegments held_answers  # likewise
    cdef public uint64_t given_up  # rows of which the rest of a hello, or of an answer's header, did not come in time
    cdef bint tells_media  # False while what media carry cannot be told


cdef inline void tell_hello(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number,
    const Said *said, bint is_part
) noexcept nogil:
    """Note the next hello, by number where all of it was met before."""
    cdef Hello *out = next_hellos(rows.deferral)
    cdef Numbering known
    out.row, out.number, out.said_length, out.is_part = payload.row, number, <uint32_t>said.size, is_part
    number_of(rows, out, sent.bytes + out.name_at, said.bytes, &known)
    if known.number and (is_numbered(rows, out) or not is_answer(out)):
        tell_number(rows, out, known.number)
    else:
        leave_hellos(rows.deferral, packet, sent, payload, number, 1, said)


cdef inline bint put_said(
    HelloDetections rows, const PayloadBytes *sent, int plain, const Hello *hello, Said *said
) noexcept nogil:
    """Put what a plain hello says besides its name, if that is wanted; False where it is too much, or odd."""
    said.size = 0
    if not rows.reads_details or plain == TOLD_BY_KIND:
        return True
    if hello.kind == TLS_HELLO:
        return put_client_hello(sent, record_bytes(sent, 0) <= sent.size, said)
    return put_field(sent, b"user-agent", 10, said) != NOT_PLAIN


cdef inline void note_client(
    HelloDetections rows, const PayloadBytes *sent, const Payload *payload, const Hello *hello
) noexcept nogil:
    """Note that nothing more is wanted of a client; nor of the server, but where details are: then what it answers is awaited,
    unless its certificate may be the only one to give a name.
    """
    cdef uint8_t *inspected = &rows.inspected[payload.row]
    if not rows.reads_details:
        inspected[0] = BOTH_SIDES
        return
    inspected[0] |= 1 << payload.side
    if not rows.held_answers.of_row[payload.row]:
        inspected[0] &= ~IS_OPEN
    if hello.kind == HTTP_REQUEST:
        rows.awaited[payload.row] = HTTP_ANSWER
    elif is_host(sent, hello.name_at, hello.name_length):
        rows.awaited[payload.row] = TLS_ANSWER


cdef inline bint inspect_answer(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, bint is_cut, const Payload *payload, uint64_t number
) noexcept nogil:
    """Whether what is awaited is plain, so that it is told what it adds, if anything."""
    cdef int plain = UNNAMED
    cdef Said said
    said.size = 0
    if rows.awaited[payload.row] == HTTP_ANSWER:
        return _inspect_status(rows, packet, sent, is_cut, payload, number)
    if sent.bytes[0] != 0x16:
        plain = UNNAMED if are_records(sent) else NOT_PLAIN
    elif not is_cut or not is_cut_server_hello(sent):
        plain = parse_server_hello(sent, &said)
    if plain != NOT_PLAIN:
        _tell_answer(rows, packet, sent, payload, number, TLS_ANSWER, &said)
    return plain != NOT_PLAIN


cdef inline void _tell_answer(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number, int kind,
    const Said *said
) noexcept nogil:
    cdef Hello *out = next_hellos(rows.deferral)
    rows.inspected[payload.row] |= 1 << payload.side
    out.kind, out.name_at, out.name_length = kind, 0, 0
    if said.size:
        tell_hello(rows, packet, sent, payload, number, said, False)


cdef inline bint _inspect_status(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, bint is_cut, const Payload *payload, uint64_t number
) noexcept nogil:
    """Whether the first segment of a response is plain, so that it is told what it adds, or held until its header is over; unless
    that may change what it says already. As long as the request is held too, only what adds nothing is plain: what that adds
    stands first.
    """
    cdef Said said
    cdef int header = parse_status(sent, is_cut, &said)
    cdef bint is_first = rows.held.of_row[payload.row] != 0
    if header == NOT_PLAIN or (said.size and (is_first or header == UNFINISHED)) or (header == UNFINISHED and sent.size > HELD_BYTES):
        return False
    if header == OVER:
        _tell_answer(rows, packet, sent, payload, number, HTTP_ANSWER, &said)
        return True
    rows.inspected[payload.row] |= IS_OPEN
    give_up(rows, hold(rows.held_answers, packet, sent, payload, number))
    return True


cdef inline void note_retry(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload
) noexcept nogil:
    """Listen to a client again whose server, in what is left to the dissectors, asks for another hello."""
    if rows.reads_details and packet.protocol == TCP and is_retry(sent):
        rows.inspected[payload.row] &= ~(1 << (1 - payload.side))


cdef inline void give_up(HelloDetections rows, uint32_t row) noexcept nogil:
    """Inspect no more of the row that made room for another one, if any: what it is stays told, and the rest has not come for long."""
    if row != NOBODY:
        rows.given_up += 1
        rows.inspected[row] = BOTH_SIDES


cdef inline bint continue_answer(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
) noexcept nogil:
    """Whether a payload brings more of the response that is held; else all that is held is for the dissectors."""
    cdef PayloadBytes joined
    cdef Said said
    cdef uint32_t row = payload.row
    cdef bint is_cut = sent.size < <Py_ssize_t>packet.payload, is_first = rows.held.of_row[row] != 0
    cdef int header = NOT_PLAIN
    if (
        rows.reads_hellos and not is_cut and packet.fragmentation == FRAGMENT_NONE
        and held_segment(rows.held_answers, row).side == payload.side and join(rows.held_answers, packet, sent, row, &joined)
    ):
        header = parse_status(&joined, False, &said)
    if header == UNFINISHED and not said.size and joined.size <= HELD_BYTES:
        hold_joined(rows.held_answers, row, &joined)  # no number of its frames matters: the request told what it is
        return True
    if header == OVER and not (said.size and is_first):
        let_go(rows.held_answers, row)
        if not is_first:
            rows.inspected[row] &= ~IS_OPEN
        _tell_answer(rows, packet, &joined, payload, number, HTTP_ANSWER, &said)
        return True
    _leave_all(rows, row)
    return False


cdef inline void _leave_all(HelloDetections rows, uint32_t row) noexcept nogil:
    """Leave what is held of a row to the dissectors; then it is as if nothing of that had been told."""
    cdef PayloadBytes held
    if rows.held.of_row[row]:
        rows.found[row] = 0
        rows.evidence[row] = rows.asked[row] = 0
        held = held_bytes(rows.held, row)
        leave_held(rows.deferral, held_segment(rows.held, row), &held)
        let_go(rows.held, row)
    if rows.reads_details and rows.held_answers.of_row[row]:
        held = held_bytes(rows.held_answers, row)
        leave_held(rows.deferral, held_segment(rows.held_answers, row), &held)
        let_go(rows.held_answers, row)


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
    """Whether a first segment begins a plain hello: it is told as far as it goes, and held until the next if more is to come that
    is wanted.
    """
    cdef Hello *out = next_hellos(rows.deferral)
    cdef int plain = _parse_beginning(sent, out)
    cdef bint is_enough = plain == NAMED and not rows.reads_details and (out.kind != TLS_HELLO or out.has_ech)
    cdef Said said
    if plain == NOT_PLAIN or (sent.size > HELD_BYTES and not is_enough) or not put_said(rows, sent, plain, out, &said):
        return False
    note_asker(rows, payload.row, payload.side, number)
    if is_enough:
        note_client(rows, sent, payload, out)
        tell_hello(rows, packet, sent, payload, number, &said, False)
        return True
    tell(rows, payload.row, rows.tls_detection if out.kind == TLS_HELLO else rows.http_detection, number)
    rows.inspected[payload.row] |= IS_OPEN
    give_up(rows, hold(rows.held, packet, sent, payload, number))
    if said.size or plain == NAMED:
        tell_hello(rows, packet, sent, payload, number, &said, True)
    return True


cdef inline int _parse_joined(HelloDetections rows, const PayloadBytes *sent, Hello *out) noexcept nogil:
    """The same of two segments as one; NAMED, or it is for the dissectors."""
    cdef int plain
    if sent.bytes[0] != 0x16:
        return parse_http(sent, False, out)
    plain = parse_tls(sent, False, out)
    if plain != NAMED and not rows.reads_details and parse_tls(sent, True, out) == NAMED and out.has_ech:
        plain = NAMED
    return plain


cdef inline bint continue_hello(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
) noexcept nogil:
    """Whether a payload brings the rest of the hello that is held, or adds nothing; else both are for the dissectors, and the
    row is as if nothing had been told.
    """
    cdef uint32_t row = payload.row
    cdef PayloadBytes first = held_bytes(rows.held, row), joined
    cdef Hello *out = next_hellos(rows.deferral)
    cdef bint is_cut = sent.size < <Py_ssize_t>packet.payload
    cdef int plain = NOT_PLAIN
    cdef uint64_t named_by = number
    cdef Said said
    if not rows.reads_hellos:
        pass
    elif held_segment(rows.held, row).side != payload.side:
        if rows.reads_details and first.bytes[0] != 0x16:
            if rows.held_answers.of_row[row]:
                return continue_answer(rows, packet, sent, payload, number)
            if packet.fragmentation == FRAGMENT_NONE and _inspect_status(rows, packet, sent, is_cut, payload, number):
                return True
        elif not payload.is_later and adds_nothing(rows, sent, is_cut, payload, number):
            return True
    elif not is_cut and packet.fragmentation == FRAGMENT_NONE and join(rows.held, packet, sent, row, &joined):
        if _parse_beginning(&first, out) == NAMED:
            named_by = held_segment(rows.held, row).number
        plain = _parse_joined(rows, &joined, out)
        if plain == NAMED and not put_said(rows, &joined, plain, out, &said):
            plain = NOT_PLAIN
    if plain != NAMED:
        _leave_all(rows, row)
        return False
    rows.found[row] = 0
    let_go(rows.held, row)
    note_client(rows, &joined, payload, out)
    tell_hello(rows, packet, &joined, payload, named_by, &said, False)
    return True


cdef inline bint continue_held(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
) noexcept nogil:
    """Whether a payload goes on with something that is held, and is plain with it."""
    if rows.held.of_row[payload.row]:
        return continue_hello(rows, packet, sent, payload, number)
    return (
        rows.reads_details and rows.held_answers.of_row[payload.row]
        and continue_answer(rows, packet, sent, payload, number)
    )
