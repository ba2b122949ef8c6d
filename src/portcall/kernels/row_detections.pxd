# What a payload makes of its row where it tells nothing by its beginning: datagrams that mean something in series, and what a
# conversation says that began before (``mid_stream``).
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from portcall.kernels.mid_stream cimport GIVEN_UP, KNOWN, WAITING, are_records, parse_rtp, parse_short_header
from portcall.kernels.payload_bytes cimport PayloadBytes
from portcall.kernels.plain_parsers cimport is_cut_server_hello, is_plain_status, record_bytes
from portcall.kernels.records cimport Packet, Payload, Series

cdef enum:
    TCP = 6
    UDP = 17

cdef enum:  # the bits of ``inspected``
    BOTH_SIDES = 3
    IS_OPEN = 4
    RESOLVER_SHIFT = 3

cdef enum:  # kinds of Series
    SHORT_HEADERS = 1
    RTP = 2


cdef class RowDetections:
    cdef uint8_t[::1] inspected
    cdef public int32_t[::1] found
    cdef public uint64_t[::1] evidence, asked
    cdef public Series[::1] series
    cdef public int32_t quic_detection, tls_detection, http_detection, rtp_detection, rtcp_detection
    cdef public uint64_t[::1] short_header_prefixes, rtp_prefixes, tls_prefixes
    cdef const uint8_t[::1] homes  # of each port: 0 nobody's, 1 TLS's, 2 somebody else's, who is asked first there
    cdef const uint64_t[:, ::1] asked_after_tls  # the prefixes of those who are, by the greater one of both ports' homes


cdef inline void tell(RowDetections rows, uint32_t row, int32_t detection, uint64_t number) noexcept nogil:
    """Note what a row is; what was found first stays, unless it was that it is TLS and more is known now."""
    if not rows.found[row] or (rows.found[row] == rows.tls_detection and detection != rows.tls_detection):
        rows.found[row], rows.evidence[row] = detection, number


cdef inline void note_asker(RowDetections rows, uint32_t row, int side, uint64_t number) noexcept nogil:
    """Note that one end of a row shows itself to be the client; the first packet that told so stays."""
    if not rows.asked[row]:
        rows.asked[row] = number << 1 | side


cdef inline bint adds_nothing(
    RowDetections rows, const PayloadBytes *sent, bint is_cut, const Payload *payload, uint64_t number
) noexcept nogil:
    """Whether the first payload of a side belongs to what is known without a name, and can have none either."""
    cdef int32_t known = rows.found[payload.row]
    if not known or sent.size == 0:
        return False
    if known == rows.tls_detection:
        if sent.bytes[0] != 0x16:
            if record_bytes(sent, 0) == 0:
                return False
        elif not is_cut or not is_cut_server_hello(sent):
            return False
        else:
            note_asker(rows, payload.row, payload.side ^ 1, number)
    elif known == rows.http_detection and is_plain_status(sent, is_cut):
        note_asker(rows, payload.row, payload.side ^ 1, number)
    else:
        return False
    rows.inspected[payload.row] |= 1 << payload.side
    return True


cdef inline bint is_in_series(RowDetections rows, const Payload *payload) noexcept nogil:
    """Whether datagrams of this side went before that may tell something together, and the dissectors know nothing."""
    cdef bint is_known = rows.inspected[payload.row] & IS_OPEN and rows.found[payload.row]
    return rows.series[payload.row].counts[payload.side] > 0 and not is_known


cdef inline bint is_media(RowDetections rows, const Payload *payload) noexcept nogil:
    """Whether its other side told that the row is RTP or RTCP."""
    cdef int32_t known = rows.found[payload.row]
    return known and (known == rows.rtp_detection or known == rows.rtcp_detection)


cdef inline void inspect_series(
    RowDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
) noexcept nogil:
    """Inspect the next datagram of a series, of the kind that it may be."""
    cdef Series *series = &rows.series[payload.row]
    cdef int side = payload.side
    cdef bint is_cut = sent.size < <Py_ssize_t>packet.payload, is_rtp = series.kinds[side] == RTP
    cdef int told = parse_rtp(sent, is_cut, series, side) if is_rtp else parse_short_header(sent, is_cut, series, side)
    if told == WAITING:
        return
    series.streaks[side] = 0
    rows.inspected[payload.row] |= 1 << side
    if told == GIVEN_UP:
        return
    if not is_rtp:
        tell(rows, payload.row, rows.quic_detection, number)
    elif is_media(rows, payload):
        rows.found[payload.row] = rows.rtp_detection if told == KNOWN else rows.rtcp_detection
    else:
        tell(rows, payload.row, rows.rtp_detection if told == KNOWN else rows.rtcp_detection, number)
    if not is_rtp or rows.inspected[payload.row] & IS_OPEN:  # nothing more is wanted of the other side
        rows.inspected[payload.row] |= BOTH_SIDES


cdef inline bint inspect_middle(
    RowDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number,
    const uint64_t *prefixes
) noexcept nogil:
    """Whether it is something of a conversation that began before, and nobody who is asked earlier may know it."""
    if packet.protocol == TCP:
        if not _is_tls_asked_first(rows, packet, prefixes) or not are_records(sent):
            return False
        rows.inspected[payload.row] |= 1 << payload.side
        tell(rows, payload.row, rows.tls_detection, number)
        return True
    if _is_within(prefixes, rows.short_header_prefixes):
        rows.series[payload.row].kinds[payload.side] = SHORT_HEADERS
    elif _is_within(prefixes, rows.rtp_prefixes):
        rows.series[payload.row].kinds[payload.side] = RTP
    else:
        return False
    inspect_series(rows, packet, sent, payload, number)
    return True


cdef inline bint _is_tls_asked_first(RowDetections rows, const Packet *packet, const uint64_t *prefixes) noexcept nogil:
    """Whether TLS is possible, and whoever else may know it is asked after."""
    cdef uint8_t home = max(rows.homes[packet.source_port], rows.homes[packet.target_port])
    cdef bint is_possible = False
    cdef int half
    for half in range(2):
        if prefixes[half] & ~(rows.tls_prefixes[half] | rows.asked_after_tls[home, half]):
            return False
        is_possible |= prefixes[half] & rows.tls_prefixes[half] != 0
    return is_possible


cdef inline bint _is_within(const uint64_t *prefixes, const uint64_t[::1] others) noexcept nogil:
    """Whether it may be these, and nothing else."""
    return not (prefixes[0] & ~others[0] or prefixes[1] & ~others[1])
