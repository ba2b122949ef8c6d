# What a payload makes of its row where it tells nothing by its beginning: datagrams that mean something in series, and what a
# conversation says that began before (``mid_stream``).
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from portcall.kernels.deferral cimport next_hellos
from portcall.kernels.hello_detections cimport HelloDetections, tell_hello
from portcall.kernels.mid_stream cimport GIVEN_UP, KNOWN, WAITING, are_records, is_cut_record, is_report_type, parse_rtp, parse_short_header
from portcall.kernels.payload_bytes cimport PayloadBytes
from portcall.kernels.plain_details cimport Said
from portcall.kernels.plain_parsers cimport MEDIA, MEDIA_ANSWER, MEDIA_REPORT
from portcall.kernels.records cimport Hello, Packet, Payload, Series
from portcall.kernels.row_detections cimport BOTH_SIDES, IS_OPEN, note_asker, tell

cdef enum:  # kinds of Series
    SHORT_HEADERS = 1
    RTP = 2

cdef enum:
    TCP = 6
    AT_HOME = 1  # among homes: TLS's
    IS_MEDIA = 2  # among the marks of a series of RTP: it is known


cdef inline bint is_in_series(HelloDetections rows, const Payload *payload) noexcept nogil:
    """Whether datagrams of this side went before that may tell something together, and the dissectors know nothing."""
    cdef bint is_known = rows.inspected[payload.row] & IS_OPEN and rows.found[payload.row]
    return rows.series[payload.row].counts[payload.side] > 0 and not is_known


cdef inline bint is_media(HelloDetections rows, const Payload *payload) noexcept nogil:
    """Whether its other side told that the row is RTP or RTCP."""
    cdef int32_t known = rows.found[payload.row]
    cdef int other = 1 - payload.side
    if not known or not rows.tells_media:
        return False
    if rows.series[payload.row].kinds[other] == RTP and rows.series[payload.row].marks[other] == IS_MEDIA:
        return True
    return known == rows.rtp_detection or known == rows.rtcp_detection


cdef inline void inspect_series(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
) noexcept nogil:
    """Inspect the next datagram of a series, of the kind that it may be."""
    cdef Series *series = &rows.series[payload.row]
    cdef int side = payload.side
    cdef bint is_cut = sent.size < <Py_ssize_t>packet.payload, is_rtp = series.kinds[side] == RTP
    cdef int told = parse_rtp(sent, is_cut, series, side) if is_rtp else parse_short_header(sent, is_cut, series, side)
    if told == WAITING:
        return
    rows.inspected[payload.row] |= 1 << side
    if told == GIVEN_UP:
        series.streaks[side] = 0
        if not series.counts[1 - side]:
            series.counts[side] = 0  # heard again, it begins anew
        return
    if is_rtp:
        _tell_media(rows, packet, sent, payload, number, told == KNOWN)
        series.marks[side] = IS_MEDIA
    else:
        series.streaks[side] = 0
        tell(rows, payload.row, rows.quic_detection, number)
    if not is_rtp or rows.inspected[payload.row] & IS_OPEN:  # nothing more is wanted of the other side
        rows.inspected[payload.row] |= BOTH_SIDES


cdef inline void _tell_media(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number, bint is_rtp
) noexcept nogil:
    """Note that it is RTP, or RTCP, and what both sides carry, where that is wanted."""
    cdef Hello *out = next_hellos(rows.deferral)
    cdef int32_t detection = rows.rtp_detection if is_rtp else rows.rtcp_detection
    cdef uint32_t row = payload.row
    cdef bint is_answer = is_media(rows, payload)
    cdef Said said
    if not rows.reads_details:
        if is_answer:
            rows.found[row] = detection
        else:
            tell(rows, row, detection, number)
        return
    if not is_answer:
        tell(rows, row, detection, number)
        rows.inspected[row] &= ~(1 << (1 - payload.side))  # given up perhaps, when nobody knew what to look for
        if not is_rtp:
            return
    said.size = 0
    if is_rtp:
        said.bytes[0], said.size = sent.bytes[1] & 0x7F, 1
    out.kind, out.name_at, out.name_length = (MEDIA_ANSWER if is_answer else MEDIA) if is_rtp else MEDIA_REPORT, 0, 0
    tell_hello(rows, packet, sent, payload, number, &said, False)


cdef inline bint inspect_middle(
    HelloDetections rows, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number,
    const uint64_t *prefixes
) noexcept nogil:
    """Whether it is something of a conversation that began before, and nobody who is asked earlier may know it. Where details are
    wanted, a report alone is no more than a guess, which is left to the dissectors.
    """
    cdef uint8_t home = max(rows.homes[packet.source_port], rows.homes[packet.target_port])
    if packet.protocol == TCP:
        if not _is_tls_asked_first(rows, home, prefixes):
            return False
        if not are_records(sent) and not (home == AT_HOME and sent.size < <Py_ssize_t>packet.payload and is_cut_record(sent)):
            return False
        rows.inspected[payload.row] |= 1 << payload.side
        tell(rows, payload.row, rows.tls_detection, number)
        return True
    if _is_within(prefixes, rows.short_header_prefixes):
        rows.series[payload.row].kinds[payload.side] = SHORT_HEADERS
    elif _is_within(prefixes, rows.rtp_prefixes):
        if not rows.tells_media or (
            rows.reads_details and is_report_type(sent) and not rows.series[payload.row].counts[1 - payload.side]
        ):
            return False
        rows.series[payload.row].kinds[payload.side] = RTP
    else:
        return False
    inspect_series(rows, packet, sent, payload, number)
    return True


cdef inline bint _is_tls_asked_first(HelloDetections rows, uint8_t home, const uint64_t *prefixes) noexcept nogil:
    """Whether TLS is possible, and whoever else may know it is asked after, by the greater one of both ports' homes."""
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
