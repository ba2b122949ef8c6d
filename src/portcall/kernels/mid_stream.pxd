# What tells in mid-conversation: TLS by records that follow each other, QUIC and RTP by datagrams that do. A capture that begins
# late is full of it, and so is any network where much of what looks like it is something else. As ``dissectors`` have it.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from portcall.kernels.plain_parsers cimport record_bytes
from portcall.kernels.records cimport Series
from portcall.kernels.payload_bytes cimport PayloadBytes, u16

cdef enum:  # what a payload makes of its side
    GIVEN_UP
    WAITING
    KNOWN
    KNOWN_REPORT  # RTCP

cdef enum:
    ENOUGH_SHORT_HEADERS = 3
    RTP_HEADER_BYTES = 12
    ENOUGH_RTP = 3
    GREATEST_GAP = 3
    MOST_DATAGRAMS = 8
    MOST_RTCP_PACKETS = 20
    HAS_REPORT = 1


cdef inline bint is_cut_record(const PayloadBytes *sent) noexcept nogil:
    """Whether it is the beginning of a TLS record that is no handshake's. That is little, but at a port of TLS's enough."""
    return sent.size >= 6 and sent.bytes[0] != 22 and record_bytes(sent, 0) > sent.size


cdef inline bint are_records(const PayloadBytes *sent) noexcept nogil:
    """Whether it begins with two TLS records, or is one; none of them a handshake's, which say more."""
    cdef Py_ssize_t first
    if sent.size < 6 or sent.bytes[0] == 22:
        return False
    first = record_bytes(sent, 0)
    if first == 0 or first == sent.size:
        return first > 0
    if first + 5 > sent.size:
        return False
    return record_bytes(sent, first) > 0


cdef inline int parse_short_header(const PayloadBytes *sent, bint is_cut, Series *inspected, int side) noexcept nogil:
    """QUIC's short headers (RFC 9000 §17.3.1), in which little shows: three datagrams in a row with one connection id, and
    with first bytes that differ, since all but their first two bits are encrypted.

    0 form=0 fixed=1 encrypted:6  1 connection id, mostly of 8 bytes or more; 21 bytes or more in all (§10.3)
    """
    cdef uint64_t connection
    if sent.size < 21 or sent.bytes[0] & 0xC0 != 0x40:
        return GIVEN_UP
    memcpy(&connection, sent.bytes + 1, 8)
    if inspected.counts[side] == 0:
        inspected.sources[side], inspected.marks[side] = connection, sent.bytes[0]
    elif connection != inspected.sources[side]:
        return GIVEN_UP
    inspected.streaks[side] |= sent.bytes[0] != inspected.marks[side]
    inspected.counts[side] += 1
    if inspected.counts[side] < ENOUGH_SHORT_HEADERS:
        return GIVEN_UP if is_cut else WAITING
    return KNOWN if inspected.streaks[side] else GIVEN_UP


cdef inline int parse_rtp(const PayloadBytes *sent, bint is_cut, Series *inspected, int side) noexcept nogil:
    """RTP: three packets of one source in a row, or two each way; or RTCP that fills a datagram (RFC 3550 §5.1, §6.4).

    RTP    0 version=2:2 padding:1 extension:1 contributors:4  1 marker:1 type:7  2 sequence:16  4 time:32  8 source:32
    RTCP   0 version=2:2 padding:1 count:5  1 type:8, 192 to 223  2 length:16, in words less one  4 source:32
    """
    if sent.size < 8 or sent.bytes[0] & 0xC0 != 0x80:
        return GIVEN_UP
    _note_step(sent, inspected, side)
    if is_report_type(sent):
        if _is_report(sent, inspected, side):
            return KNOWN_REPORT
        memcpy(&inspected.reports[side], sent.bytes + 4, 4)
        inspected.marks[side] = HAS_REPORT
    elif 192 <= sent.bytes[1] <= 223 or not _begins_rtp(sent):
        return GIVEN_UP
    elif inspected.streaks[side] + (inspected.streaks[1 - side] >= ENOUGH_RTP - 1) >= ENOUGH_RTP:
        return KNOWN
    inspected.counts[side] += 1
    return GIVEN_UP if is_cut or inspected.counts[side] >= MOST_DATAGRAMS else WAITING


cdef inline bint is_report_type(const PayloadBytes *sent) noexcept nogil:
    """Whether it may be a report of RTCP's."""
    return sent.size > 1 and (sent.bytes[1] == 200 or sent.bytes[1] == 201)


cdef inline void _note_step(const PayloadBytes *sent, Series *inspected, int side) noexcept nogil:
    """Count how many of the newest datagrams are one source's, one after the other: its source and sequence number are kept."""
    cdef uint32_t source
    cdef uint16_t step
    if sent.size < RTP_HEADER_BYTES:
        inspected.streaks[side] = 0
        return
    memcpy(&source, sent.bytes + 8, 4)
    step = u16(sent, 2) - <uint16_t>inspected.sources[side]
    if inspected.streaks[side] and inspected.sources[side] >> 32 == source and 0 < step <= GREATEST_GAP:
        inspected.streaks[side] += 1
    else:
        inspected.streaks[side] = 1
    inspected.sources[side] = <uint64_t>source << 32 | u16(sent, 2)


cdef inline bint _begins_rtp(const PayloadBytes *sent) noexcept nogil:
    """Whether the header's lengths fit, and its type is one that is given out (RFC 3551 §3) or dynamic, from 96 on."""
    cdef int kind = sent.bytes[1] & 0x7F, contributors = sent.bytes[0] & 0x0F
    cdef Py_ssize_t end = RTP_HEADER_BYTES + 4 * contributors
    if sent.size < end or contributors > 3 or 35 <= kind < 96:
        return False
    if not sent.bytes[0] & 0x10:
        return True
    # 0 profile:16  2 length:16, in words behind these four bytes
    return sent.size >= end + 4 and sent.bytes[end + 2] == 0 and sent.size >= end + 4 + 4 * <Py_ssize_t>sent.bytes[end + 3]


cdef inline bint _is_report(const PayloadBytes *sent, const Series *inspected, int side) noexcept nogil:
    """Whether RTCP packets fill the datagram; or, ciphered, whether the first fits and the last report had the same source."""
    cdef Py_ssize_t at = 0, first_bytes = 4 * (<Py_ssize_t>u16(sent, 2) + 1)
    cdef int i
    for i in range(MOST_RTCP_PACKETS):
        if at + 4 > sent.size or sent.bytes[at] & 0xC0 != 0x80 or not 192 <= sent.bytes[at + 1] <= 223:
            break
        at += 4 * (<Py_ssize_t>u16(sent, at + 2) + 1)
    if at == sent.size:
        return True
    return 8 <= first_bytes <= sent.size and inspected.marks[side] == HAS_REPORT and memcmp(&inspected.reports[side], sent.bytes + 4, 4) == 0
