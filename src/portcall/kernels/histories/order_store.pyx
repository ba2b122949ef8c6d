"""Packets and the rows that they are in → what their order tells: the history of each conversation, as Zeek's conn.log has it.

A row's beginning that goes on in another row is one conversation with it, and keeps it. Memory is what the table's columns
reserve, and islands (``gaps``), of which there are so many and no more.
"""

from cpython.buffer cimport PyBuffer_Release
from cython cimport final
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from portcall.kernels.borrowing cimport borrow
from portcall.kernels.flow_row cimport is_silent
from portcall.kernels.flow_update cimport FlowStore
from portcall.kernels.histories.checksums cimport is_wrong
from portcall.kernels.histories.conversations cimport (
    INACTIVE, SYN_ACK_SENT, Conversation, End, Island, Islands, add_letter, had, note_scaled, size_of,
)
from portcall.kernels.histories.conversations cimport LETTERS as _LETTERS
from portcall.kernels.histories.gaps cimport forget_islands
from portcall.kernels.histories.ip_lengths cimport ip_length, tcp_header
from portcall.kernels.histories.tcp_states cimport Segment, note_segment
from portcall.kernels.layers.cursor cimport big_16, big_32
from portcall.kernels.originators cimport by_port
from portcall.kernels.records cimport FRAGMENT_FIRST, NEVER, NO_TIME, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, Flow, Frame, Packet

cdef enum:
    TCP = 6
    UDP = 17
    HAS_DATA = 0x08
    CONGESTION = 0xC0  # what a SYN may have besides (RFC 3168 §6.1.1)

LETTERS = _LETTERS
"""Letters of a history that are kept."""
ROW_BYTES = sizeof(Conversation)
"""What one row takes."""
ISLAND_BYTES = sizeof(Island)


cdef struct History:
    int64_t last_ns
    uint64_t missed
    uint64_t packets[2]
    uint64_t payload[2]
    uint64_t wrong_payload[2]
    uint64_t ip_bytes[2]
    uint64_t sizes[2]
    uint8_t letters[40]
    uint8_t originator
    uint8_t has_begun
    uint8_t reserved[6]


cdef inline bint _is_open(const Flow *flow) noexcept nogil:
    """Whether it goes on in the next row of its key, as ``flows.continuations`` has it."""
    return not flow.has_syn and not (flow.tcp_flags[0] | flow.tcp_flags[1]) & (TCP_FIN | TCP_RST)


cdef inline bint _are_both_opened(const Flow *flow, const Flow *following) noexcept nogil:
    """Whether one end sent SYNs and nothing else, and in the following row only the other one did, as there."""
    cdef int side
    for side in range(2):
        if flow.tcp_flags[side] & ~CONGESTION != (TCP_SYN if flow.tcp_flags[side] else 0):
            return False
        if (flow.tcp_flags[side] != 0) == (following.syn_ns[side] != NEVER):
            return False
    return (flow.tcp_flags[0] != 0) != (flow.tcp_flags[1] != 0)


cdef inline void _begin_anew(Conversation *one, Islands *islands) noexcept nogil:
    """Ends of which nothing is known; what was counted stays."""
    cdef int side
    cdef End *end
    cdef End former
    one.is_close_deferred = one.is_partial = 0
    for side in range(2):
        end = &one.ends[side]
        forget_islands(islands, end)
        former = end[0]
        memset(end, 0, sizeof(End))
        end.packets, end.ip_bytes, end.payload = former.packets, former.ip_bytes, former.payload
        end.wrong_payload = former.wrong_payload
        end.delivered = end.trimmed = 1


@final
cdef class OrderStore:
    """What the order of one flow table's packets tells. ``rows`` is uint8[rows, ROW_BYTES], zeros, ``islands`` uint8[n, ISLAND_BYTES] of those there may be.

    ``beginnings`` and ``grades`` tell by the port which end is likelier a server, as ``ends.PortRules`` has them. Where
    ``cut_is_missed``, payload that was not captured was missed; where it ``judges_sums``, what has a wrong checksum is a letter and
    nothing more.
    """

    cdef FlowStore table
    cdef uint8_t[:, ::1] rows
    cdef uint8_t[:, ::1] places
    cdef const Py_ssize_t[::1] beginnings
    cdef const uint8_t[::1] grades
    cdef Islands islands
    cdef bint cut_is_missed
    cdef bint judges_sums
    cdef readonly uint64_t histories_cut  # conversations with more letters than there is room for
    cdef object packet_dtype
    cdef object frame_dtype

    def __init__(
        self, FlowStore table, uint8_t[:, ::1] rows, uint8_t[:, ::1] islands, const Py_ssize_t[::1] beginnings,
        const uint8_t[::1] grades, bint cut_is_missed, bint judges_sums
    ):
        if rows.shape[1] != sizeof(Conversation) or islands.shape[1] != sizeof(Island) or not rows.shape[0] or not islands.shape[0]:
            raise ValueError("histories want rows of ROW_BYTES, and islands of ISLAND_BYTES")
        self.table, self.rows, self.places = table, rows, islands
        self.beginnings, self.grades, self.cut_is_missed, self.judges_sums = beginnings, grades, cut_is_missed, judges_sums
        self.islands.first, self.islands.most = <Island *>&islands[0, 0], <uint32_t>islands.shape[0]

    @property
    def segments_left_out(self):
        """Segments behind a hole for which there was no room: as if they had never come."""
        return self.islands.left_out

    def note(self, object packets, object frames, const uint8_t[::1] buffer, const uint32_t[::1] rows):
        """Take in PACKET[n] of FRAME[n] of a batch; ``rows`` are 2 + twice the row of each + the side that sent, 0 for no row."""
        cdef Py_buffer views[2]
        cdef Py_ssize_t count, i
        if packets.dtype is not self.packet_dtype or frames.dtype is not self.frame_dtype:
            self._compare(packets, frames)
        count = borrow(packets, sizeof(Packet), &views[0])
        try:
            count = min(count, borrow(frames, sizeof(Frame), &views[1]))
            try:
                if rows.shape[0] < count or self.table.flows.shape[0] > self.rows.shape[0]:
                    raise ValueError("histories want a told row a packet, and room for each row of the table")
                with nogil:
                    for i in range(count):
                        if rows[i] >= 2:
                            self._note(&(<const Packet *>views[0].buf)[i], &(<const Frame *>views[1].buf)[i], buffer, rows[i] - 2)
            finally:
                PyBuffer_Release(&views[1])
        finally:
            PyBuffer_Release(&views[0])

    cdef int _compare(self, const Packet[::1] packets, const Frame[::1] frames) except -1:
        self.packet_dtype, self.frame_dtype = packets.base.dtype, frames.base.dtype
        return 0

    cdef Conversation *_of(self, uint32_t row, const Packet *packet) noexcept nogil:
        """What the row's packets are noted in: its own, or that of the row that it continues."""
        cdef Conversation *own = <Conversation *>&self.rows[row, 0]
        cdef Conversation *former
        cdef const Flow *flow = &self.table.flows[row]
        cdef const Flow *earlier
        cdef End *end
        if flow.earlier == 0:
            return own
        earlier = &self.table.flows[flow.earlier - 1]
        if is_silent(earlier, flow.first_ns, self.table.idle_ns):
            return own
        if _are_both_opened(earlier, flow):
            return own if self._goes_on_in_one_of_two(earlier) else <Conversation *>&self.rows[flow.earlier - 1, 0]
        if not _is_open(earlier):
            return own
        former = <Conversation *>&self.rows[flow.earlier - 1, 0]
        if not own.has_begun:
            own.has_begun = 1
            if not self._is_answered_before(former, packet):
                _begin_anew(former, &self.islands)
        return former

    cdef bint _goes_on_in_one_of_two(self, const Flow *flow) noexcept nogil:
        """Whether the row may itself be what an earlier one goes on in."""
        cdef const Flow *earlier
        if flow.earlier == 0:
            return False
        earlier = &self.table.flows[flow.earlier - 1]
        return _is_open(earlier) or _are_both_opened(earlier, flow)

    cdef bint _is_answered_before(self, const Conversation *one, const Packet *packet) noexcept nogil:
        """Whether a SYN comes behind the SYN+ACK that answers it."""
        cdef const End *end = &one.ends[1 - one.originator]
        return one.ends[one.originator].state == SYN_ACK_SENT and end.state == INACTIVE and end.start == packet.tcp_sequence

    cdef void _note(self, const Packet *packet, const Frame *frame, const uint8_t[::1] buffer, uint32_t row_and_side) noexcept nogil:
        cdef int side = row_and_side & 1
        cdef const uint8_t *bytes = NULL
        cdef Py_ssize_t captured = 0
        cdef Conversation *one
        cdef End *end
        if row_and_side >> 1 >= self.table.flow_count:
            return
        one = self._of(row_and_side >> 1, packet)
        end = &one.ends[side]
        if frame.offset < <uint64_t>buffer.shape[0] and frame.captured <= <uint64_t>buffer.shape[0] - frame.offset:
            bytes, captured = &buffer[frame.offset], frame.captured
        if not one.has_begun:
            one.has_begun = 1
            self._begin(one, packet, side)
        if self.judges_sums and bytes != NULL and is_wrong(packet, bytes, captured):
            if packet.protocol == TCP or packet.protocol == UDP:
                note_scaled(one, side, &end.wrong_sums, c'C')
            end.wrong_payload += packet.payload
            return
        end.packets += 1
        end.payload += packet.payload
        end.ip_bytes += ip_length(packet, bytes, captured)
        if packet.protocol == TCP:
            self._note_segment(one, side, packet, bytes, captured)
            return
        if packet.ts_ns != NO_TIME:
            one.last_ns = packet.ts_ns
        if packet.protocol == UDP:
            had(one, side, HAS_DATA, c'D')

    cdef void _count_cut(self, Conversation *one) noexcept nogil:
        if one.letter_count > _LETTERS and not one.is_cut:
            one.is_cut = 1
            self.histories_cut += 1

    cdef void _begin(self, Conversation *one, const Packet *packet, int side) noexcept nogil:
        """Whoever sends first is the originator, unless its port is a server's, and it sends no SYN."""
        cdef Py_ssize_t ports = self.beginnings[packet.protocol]
        cdef uint8_t grade = self.grades[ports + packet.source_port], other = self.grades[ports + packet.target_port]
        cdef bint begins = packet.protocol == TCP and (packet.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN
        one.last_ns = NO_TIME
        one.originator = side
        one.ends[0].delivered = one.ends[0].trimmed = one.ends[1].delivered = one.ends[1].trimmed = 1
        if not begins and not by_port(packet.source_port, packet.target_port, grade, other, True).client_is_low:
            one.originator = 1 - side
            add_letter(one, c'^')

    cdef void _note_segment(
        self, Conversation *one, int side, const Packet *packet, const uint8_t *bytes, Py_ssize_t captured
    ) noexcept nogil:
        cdef Segment segment
        cdef const uint8_t *header = tcp_header(packet, bytes, captured)
        if header == NULL:
            return
        segment.ts_ns, segment.sequence, segment.flags = packet.ts_ns, packet.tcp_sequence, packet.tcp_flags
        segment.ack, segment.has_window, segment.size = big_32(header + 8), big_16(header + 14) != 0, packet.payload
        segment.is_whole = not self.cut_is_missed or <Py_ssize_t>packet.payload_offset + packet.payload <= captured
        if packet.fragmentation == FRAGMENT_FIRST:
            one.ends[side].gives_up = 1  # nobody says where the others belong
        note_segment(one, side, &self.islands, &segment)
        self._count_cut(one)

    def conclude(self, const int64_t[::1] rows):
        """These rows leave: give back what they hold besides."""
        cdef Py_ssize_t i
        cdef int side
        for i in range(rows.shape[0]):
            for side in range(2):
                forget_islands(&self.islands, &(<Conversation *>&self.rows[rows[i], 0]).ends[side])

    def tell(self, const int64_t[::1] rows, History[::1] out_histories):
        """Fill HISTORY[n] of these rows, zeros for row -1."""
        cdef Py_ssize_t i
        cdef int side
        cdef const Conversation *one
        cdef History *history
        for i in range(rows.shape[0]):
            history = &out_histories[i]
            memset(history, 0, sizeof(History))
            if rows[i] < 0:
                continue
            one = <const Conversation *>&self.rows[rows[i], 0]
            history.last_ns, history.missed = one.last_ns, one.missed
            history.originator, history.has_begun = one.originator, one.has_begun
            memcpy(history.letters, one.letters, _LETTERS)
            for side in range(2):
                history.packets[side], history.payload[side] = one.ends[side].packets, one.ends[side].payload
                history.wrong_payload[side] = one.ends[side].wrong_payload
                history.ip_bytes[side] = one.ends[side].ip_bytes
                history.sizes[side] = size_of(&one.ends[side], &one.ends[1 - side])
