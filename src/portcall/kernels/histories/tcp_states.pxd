# One TCP segment after the other: what it adds to the history, and how far both ends have got (Zeek's TCPSessionAdapter).
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from portcall.kernels.histories.conversations cimport (
    CLOSED, ESTABLISHED, HAS_ACK, HAS_DATA, HAS_FIN, HAS_FIN_AND_RST, HAS_RST, HAS_SEVERAL, HAS_SYN, INACTIVE, PARTIAL, RESET,
    SYN_ACK_SENT, SYN_SENT, Conversation, End, Islands, add_letter, enter, had, note, note_scaled, number_of, step_from,
)
from portcall.kernels.histories.gaps cimport acknowledge, check_end, close, put_in_order
from portcall.kernels.records cimport NO_TIME, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN

cdef enum:
    TOO_FAR = 1 << 20  # a SYN's or RST's number so far away is not believed


cdef struct Segment:
    int64_t ts_ns
    uint32_t sequence
    uint32_t ack
    uint32_t size  # bytes of payload
    uint8_t flags
    uint8_t has_window  # more than 0
    uint8_t is_whole  # all its bytes were captured


cdef inline void _begin_at(End *end, uint32_t number) noexcept nogil:
    end.start = end.ack = number


cdef inline void _place(End *end, const Segment *segment, uint32_t behind) noexcept nogil:
    """Find out where an end's numbers begin."""
    cdef bint is_syn = segment.flags & TCP_SYN != 0
    if end.state == INACTIVE:
        if is_syn:
            _begin_at(end, segment.sequence)
            end.last = behind
        else:  # as if there had been a SYN
            _begin_at(end, segment.sequence - 1)
            end.last = segment.sequence
    elif is_syn and (end.state != CLOSED and (end.state != RESET or end.state_before == INACTIVE)):
        if (end.state == SYN_SENT or end.state == SYN_ACK_SENT) and segment.sequence == end.start:
            return  # the same SYN again
        _begin_at(end, segment.sequence)
        end.last = behind


cdef inline void _note_flags(Conversation *one, int side, const Segment *segment, uint32_t number) noexcept nogil:
    """The letters of the segment: those of SYN, FIN and RST again where the number is another."""
    cdef End *end = &one.ends[side]
    cdef uint8_t flags = segment.flags
    cdef uint8_t ends = flags & (TCP_SYN | TCP_FIN | TCP_RST)
    cdef uint8_t letter
    if ends == 0:
        if segment.size:
            had(one, side, HAS_DATA, c'D')
        elif flags & TCP_ACK:
            had(one, side, HAS_ACK, c'A')
    elif ends == TCP_SYN:
        letter = c'H' if flags & TCP_ACK else c'S'
        if had(one, side, HAS_SYN, letter) and number != end.syn_at:
            note(one, side, letter)
        end.syn_at = number
    elif ends == TCP_FIN:
        number += segment.size
        if had(one, side, HAS_FIN, c'F') and number != end.fin_at:
            note(one, side, c'F')
        end.fin_at = number
    elif ends == TCP_RST:
        if had(one, side, HAS_RST, c'R') and number != end.rst_at:
            note(one, side, c'R')
        end.rst_at = number
    elif flags & TCP_FIN and flags & TCP_RST:
        had(one, side, HAS_FIN_AND_RST, c'I')
    else:
        had(one, side, HAS_SEVERAL, c'Q')


cdef inline uint64_t _acknowledged(Conversation *one, int side, const Segment *segment) noexcept nogil:
    """Up to which number the other end's bytes are acknowledged; 0 where that says nothing."""
    cdef End *other = &one.ends[1 - side]
    cdef bint is_before = False
    cdef uint64_t number
    cdef int64_t step
    if other.state == INACTIVE:
        _begin_at(other, segment.ack - 1)
        other.last = segment.ack - 1
        return 1
    number = number_of(other, segment.ack, other.ack, other.ack_wraps, &is_before)
    if is_before:
        return 0
    step = step_from(segment.ack, other.ack)
    if not segment.flags & TCP_RST and step > 0 and (segment.ack or step <= TOO_FAR):
        if segment.ack < other.ack:
            other.ack_wraps += 1
        other.ack = segment.ack
    return number


cdef inline void _advance(Conversation *one, int side, const Segment *segment, uint32_t behind) noexcept nogil:
    """Go on to the number behind the segment; one that is not new has its bytes again."""
    cdef End *end = &one.ends[side]
    cdef int64_t step = step_from(behind, end.last)
    cdef bint is_new = step > 0
    if segment.flags & (TCP_SYN | TCP_RST) and (step > TOO_FAR or step < -TOO_FAR):
        return
    if not (segment.flags & TCP_FIN and end.last == end.start + 1):
        if end.state == RESET:
            return
        if not is_new:
            if segment.size:
                note_scaled(one, side, &end.repeats, c'T')
            return
    if behind < end.last:
        end.last_wraps += 1
    end.last = behind


cdef inline bint _leave_inactive(Conversation *one, int side, const Segment *segment) noexcept nogil:
    cdef End *end = &one.ends[side]
    cdef End *other = &one.ends[1 - side]
    cdef bint is_originator = side == one.originator
    cdef uint8_t flags = segment.flags
    if flags & TCP_SYN:
        if is_originator:
            enter(end, SYN_ACK_SENT if flags & TCP_ACK else SYN_SENT)
        else:
            if not flags & TCP_ACK and other.state == SYN_ACK_SENT and segment.sequence == end.start:
                one.is_partial = 0  # the SYN comes behind its answer
                one.originator = side
                add_letter(one, c'^')
                enter(other, ESTABLISHED)
            if other.state == SYN_SENT:
                enter(other, ESTABLISHED)
            enter(end, ESTABLISHED)
    if flags & TCP_FIN:
        enter(end, CLOSED)
    if flags & TCP_RST:
        enter(end, RESET)
    if end.state == INACTIVE:
        if flags & TCP_ACK and other.state == ESTABLISHED:
            enter(end, ESTABLISHED)  # its SYN was missed
            one.is_partial = 0
        elif is_originator or segment.size or other.state != SYN_SENT:
            enter(end, PARTIAL)  # but for who acknowledges a SYN before answering it
    return flags & (TCP_FIN | TCP_RST) != 0


cdef inline bint _step(Conversation *one, int side, const Segment *segment) noexcept nogil:
    """How far the end has got with the segment; gives whether it is done."""
    cdef End *end = &one.ends[side]
    cdef End *other = &one.ends[1 - side]
    cdef uint8_t flags = segment.flags
    cdef bint is_done, is_opening = end.state == SYN_SENT or end.state == SYN_ACK_SENT
    if end.state == INACTIVE:
        return _leave_inactive(one, side, segment)
    if end.state == RESET:
        return False
    if end.state == CLOSED:
        if flags & TCP_RST and other.state != CLOSED:
            is_done = not end.has_closed
            enter(end, RESET)
            return is_done
        return False
    if end.state == PARTIAL and other.state == INACTIVE and flags & TCP_SYN and not flags & TCP_ACK:
        enter(end, SYN_SENT)
    if flags & TCP_FIN and (is_opening or not flags & TCP_RST):
        enter(end, CLOSED)
        if not is_opening and other.state == RESET and other.state_before == CLOSED:
            enter(other, CLOSED)
    if flags & TCP_RST:
        enter(end, RESET)
    return flags & (TCP_FIN | TCP_RST) != 0


cdef inline void note_segment(Conversation *one, int side, Islands *islands, const Segment *segment) noexcept nogil:
    """Take in a segment of one end."""
    cdef End *end = &one.ends[side]
    cdef End *other = &one.ends[1 - side]
    cdef uint8_t flags = segment.flags
    cdef bint is_before = False, is_done
    cdef uint32_t span = (0 if flags & TCP_RST else segment.size) + (flags & TCP_SYN != 0) + (flags & TCP_FIN != 0)
    cdef uint32_t behind = segment.sequence + span
    cdef uint64_t number, acknowledged = 0
    if not end.has_sent:
        if side == one.originator:
            one.is_partial = not flags & TCP_SYN or flags & TCP_ACK != 0
        elif not one.is_partial:
            one.is_partial = not flags & TCP_SYN
    _place(end, segment, behind)
    number = number_of(end, segment.sequence, end.last, end.last_wraps, &is_before)
    _note_flags(one, side, segment, <uint32_t>number)
    if not segment.has_window and not flags & TCP_RST and other.state != CLOSED and end.state != RESET:
        note_scaled(one, side, &end.zero_windows, c'W')
    if not (end.has_closed and other.has_closed) and segment.ts_ns != NO_TIME:
        one.last_ns = segment.ts_ns
    if flags & TCP_FIN:
        end.has_fin, end.fin_end = 1, number + span
    if flags & TCP_ACK:
        acknowledged = _acknowledged(one, side, segment)
    _advance(one, side, segment, behind)
    is_done = _step(one, side, segment)
    if flags & TCP_ACK:
        acknowledge(one, 1 - side, islands, acknowledged)
    end.has_sent = 1
    if segment.size and segment.is_whole and not flags & TCP_RST and not is_before:
        put_in_order(one, side, islands, number + (flags & TCP_SYN != 0), segment.size)
    check_end(one, side)
    if is_done:
        close(one, side)
