"""Payloads → what is plain in them: the commonest beginnings of flows, read where they lie (``plain_parsers``, ``plain_dns``), and
the commonest of what shows that one has long begun (``row_detections``). What the capture has cut is read as far as it goes.

Whatever is spread over more than two segments or odd is left to the dissectors, with all later packets of its flow.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from portcall.kernels.borrowing cimport borrow
from portcall.kernels.deferral cimport Deferral, has_room, leave_hellos, leave_payload, next_hellos
from portcall.kernels.dns_answers cimport DnsAnswerStore
from portcall.kernels.held_segments cimport HeldSegments
from portcall.kernels.hello_detections cimport (
    HelloDetections, begin_hello, continue_held, inspect_answer, note_client, note_retry, put_said, tell_hello,
)
from portcall.kernels.hello_numbers cimport Numbering, number_of, tell_number
from portcall.kernels.interning cimport NameNumbers
from portcall.kernels.payload_bytes cimport PayloadBytes, captured_payload, is_padding
from portcall.kernels.plain_details cimport Said
from portcall.kernels.plain_dns cimport MOST_ANSWERS as _MOST_ANSWERS, is_cut_within_question, parse_dns
from portcall.kernels.plain_parsers cimport DNS_ANSWER, HTTP_REQUEST, NAMED, NOT_PLAIN, TLS_HELLO, parse_http, parse_tls
from portcall.kernels.prefetching cimport portcall_prefetch
from portcall.kernels.prefix_tables cimport PrefixTables
from portcall.kernels.records cimport FRAGMENT_NONE, Deferred, Frame, Hello, Packet, Payload
from portcall.kernels.row_detections cimport BOTH_SIDES, IS_OPEN, RESOLVER_SHIFT, TCP, UDP, adds_nothing, note_asker, tell
from portcall.kernels.series_detections cimport RTP, inspect_middle, inspect_series, is_in_series, is_media

MOST_ANSWERS = _MOST_ANSWERS
"""Of one DNS message; one with more is left to the dissector."""

cdef enum:
    DNS_PORT = 53
    TCP_PSH = 0x08
    AHEAD = 4  # payloads whose rows are asked for


cdef class PlainInspector(HelloDetections):
    """Inspects payloads for one flow table, whose ``inspected`` it shares.

    What is known by number is noted by row and in ``dns_answers``. What else it meets gathers in the deferral, until its owner
    has taken it and clears that.
    """

    cdef PrefixTables prefixes
    cdef public uint8_t resolver  # what marks a row that is a DNS resolver's in ``inspected``
    cdef public NameNumbers dns_names  # numbers in ``dns_answers``
    cdef public DnsAnswerStore dns_answers
    cdef object dtypes  # of packets, frames and payloads, as compared
    cdef tuple asked_for  # what ``next_unnumbered`` gave

    def __init__(
        self, uint8_t[::1] inspected, PrefixTables prefixes not None, Deferral deferral not None, HeldSegments held not None
    ):
        super().__init__(inspected, deferral, held)
        self.prefixes = prefixes
        self.homes, self.asked_after_tls = prefixes.homes, prefixes.asked_after_tls

    def inspect(
        self, object packets, object frames, const uint8_t[::1] buffer, object payloads, uint64_t first_number
    ):
        """Inspect payloads of a batch whose first packet has that number; gives how many, all unless there is no more room.

        Rows of which a payload is deferred are marked as open, so that all that follows does too. A side whose first
        payload fits no prefix is marked as inspected.
        """
        cdef Py_buffer views[3]
        cdef Py_ssize_t packet_count, payload_count, borrowed = 0
        cdef int i
        if (packets.dtype, frames.dtype, payloads.dtype) != self.dtypes:
            self._compare(packets, frames, payloads)
        try:
            packet_count = borrow(packets, sizeof(Packet), &views[0])
            borrowed += 1
            packet_count = min(packet_count, borrow(frames, sizeof(Frame), &views[1]))
            borrowed += 1
            payload_count = borrow(payloads, sizeof(Payload), &views[2])
            borrowed += 1
            with nogil:
                payload_count = self._inspect_batch(
                    <const Packet *>views[0].buf, <const Frame *>views[1].buf, packet_count, buffer,
                    <const Payload *>views[2].buf, payload_count, first_number
                )
        finally:
            for i in range(borrowed):
                PyBuffer_Release(&views[i])
        return payload_count

    cdef int _compare(self, const Packet[::1] packets, const Frame[::1] frames, const Payload[::1] payloads) except -1:
        self.dtypes = packets.base.dtype, frames.base.dtype, payloads.base.dtype
        return 0

    cdef Py_ssize_t _inspect_batch(
        self, const Packet *packets, const Frame *frames, Py_ssize_t packet_count, const uint8_t[::1] buffer,
        const Payload *payloads, Py_ssize_t payload_count, uint64_t first_number
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef uint32_t packet
        cdef PayloadBytes sent = PayloadBytes(NULL, 0)
        for i in range(payload_count):
            if i + AHEAD < payload_count:
                portcall_prefetch(&self.found[payloads[i + AHEAD].row])
                portcall_prefetch(&self.evidence[payloads[i + AHEAD].row])
                portcall_prefetch(&self.asked[payloads[i + AHEAD].row])
            packet = payloads[i].packet
            if packet >= packet_count or self.inspected[payloads[i].row] >> payloads[i].side & 1:
                continue
            captured_payload(&packets[packet], &frames[packet], buffer, &sent)
            if not has_room(self.deferral, &sent, 1 + _MOST_ANSWERS):
                return i
            self._inspect_payload(&packets[packet], &sent, &payloads[i], first_number + packet)
        return payload_count

    def next_unnumbered(self):
        """(kind, number that they belong to, bytes) of what has no number yet in the next hello, None after the last; of those that
        have all theirs it is told what they are. Its owner answers with ``learn``.
        """
        cdef Hello *hello
        cdef Numbering known
        while self.deferral.hello_next < self.deferral.hello_count:
            hello = &self.deferral.hellos[self.deferral.hello_next]
            self._number(hello, &known)
            if not known.number:
                self.asked_for = known.kind, known.about, (<const char *>known.bytes)[:known.size]
                return self.asked_for
            if hello.kind == DNS_ANSWER:
                self.dns_answers.note_bytes(hello.target, hello.address, hello.ts_ns, hello.seconds, <uint32_t>known.number)
            else:
                tell_number(self, hello, known.number)
            self.deferral.hello_next += 1
        return None

    def learn(self, int32_t number):
        """What ``next_unnumbered`` gave has this number: of a detection, or in ``dns_answers`` if it is a name that has addresses."""
        kind, about, text = self.asked_for
        (self.dns_names if kind == DNS_ANSWER else self.detections).learn(kind, text, number, about)

    def next_deferred(self):
        """The next one of a side that is still listened to, None after the last: index, row, side, number of its packet,
        protocol, source and target port, sequence number, payload, whether it is cut, prefixes (0 where nobody looked).
        """
        cdef Deferred *deferred
        while self.deferral.payload_next < self.deferral.payload_count:
            deferred = &self.deferral.payloads[self.deferral.payload_next]
            self.deferral.payload_next += 1
            if self.inspected[deferred.row] >> deferred.side & 1 or not self._is_still_for_dissectors(deferred):
                continue
            return (
                self.deferral.payload_next - 1, deferred.row, deferred.side, deferred.number, deferred.protocol,
                deferred.source_port, deferred.target_port, deferred.sequence,
                self.deferral.bytes_at(deferred.at, deferred.length), deferred.is_cut != 0,
                <object>deferred.prefixes[1] << 64 | deferred.prefixes[0],
            )
        return None

    cdef void _number(self, const Hello *hello, Numbering *out):
        cdef const uint8_t *name = &self.deferral.arena[hello.name_at]
        if hello.kind == DNS_ANSWER:
            out.kind, out.about, out.bytes, out.size = DNS_ANSWER, 0, name, hello.name_length
            out.number = self.dns_names.find(DNS_ANSWER, 0, name, hello.name_length)
        else:
            number_of(self, hello, name, &self.deferral.arena[hello.said_at], out)

    cdef bint _is_still_for_dissectors(self, Deferred *deferred) noexcept nogil:
        """Whether a payload is one for the dissectors. One that gathered while another of its row was asked about may not be,
        when nobody knew that one, or when it can add nothing to what that one told.
        """
        cdef Packet packet
        cdef Payload payload
        cdef PayloadBytes sent = PayloadBytes(NULL, 0)
        cdef bint is_theirs
        if deferred.is_later or deferred.at + <Py_ssize_t>deferred.length > self.deferral.arena.shape[0] or not deferred.length:
            return True
        sent.bytes, sent.size = &self.deferral.arena[deferred.at], deferred.length
        payload.row, payload.side = deferred.row, deferred.side
        if deferred.protocol == TCP and self.reads_hellos and adds_nothing(self, &sent, deferred.is_cut, &payload, deferred.number):
            return False
        if deferred.prefixes[0] | deferred.prefixes[1] or self.inspected[deferred.row] & IS_OPEN:
            return True
        packet.protocol, packet.payload = deferred.protocol, deferred.length + deferred.is_cut
        packet.source_port, packet.target_port = deferred.source_port, deferred.target_port
        self.tells_media = not self.reads_details  # nobody would number that any more
        is_theirs = self._is_for_dissectors(&packet, &sent, &payload, deferred.number, deferred.prefixes)
        self.tells_media = True
        return is_theirs

    cdef inline void _inspect_payload(
        self, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
    ) noexcept nogil:
        cdef uint64_t prefixes[2]
        if self.reads_hellos and packet.protocol == UDP and is_in_series(self, payload):
            inspect_series(self, packet, sent, payload, number)
            return
        if packet.protocol == TCP and not packet.tcp_flags & TCP_PSH and is_padding(sent):
            return  # some devices count it to the packet; the stream goes on as if it was not there
        prefixes[0] = prefixes[1] = 0
        if self.inspected[payload.row] & IS_OPEN:
            if packet.protocol == TCP and continue_held(self, packet, sent, payload, number):
                return
        elif not payload.is_later:
            if self.reads_hellos and self._inspect(packet, sent, payload, number):
                return
            if not self._is_for_dissectors(packet, sent, payload, number, prefixes):
                return
        if not self.inspected[payload.row] >> RESOLVER_SHIFT:
            if packet.protocol == UDP and not self.inspected[payload.row] & IS_OPEN:
                self.inspected[payload.row] &= ~(1 << (1 - payload.side))  # nobody knew it alone: now there is more to go by
            self.inspected[payload.row] |= IS_OPEN
            note_retry(self, packet, sent, payload)
        leave_payload(self.deferral, packet, sent, payload, number, prefixes)

    cdef inline bint _is_for_dissectors(
        self, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number, uint64_t *out_prefixes
    ) noexcept nogil:
        """Whether the first payload of a side is one for the dissectors; else what it tells is told, if anything."""
        cdef int32_t known = self.found[payload.row]  # from the other side
        if self.inspected[payload.row] >> RESOLVER_SHIFT:
            return True
        if is_media(self, payload):
            self.series[payload.row].kinds[payload.side] = RTP
            inspect_series(self, packet, sent, payload, number)
            return False
        if self.prefixes.fit(packet, sent, out_prefixes) and known and known == self.tls_detection:
            out_prefixes[0] &= self.tls_prefixes[0]
            out_prefixes[1] &= self.tls_prefixes[1]
        if not out_prefixes[0] | out_prefixes[1]:
            if packet.protocol != UDP or (packet.source_port != DNS_PORT and packet.target_port != DNS_PORT):
                self.inspected[payload.row] |= 1 << payload.side  # what is said to a resolver is heard whatever came before
            return False
        return not self.reads_hellos or not inspect_middle(self, packet, sent, payload, number, out_prefixes)

    cdef inline bint _inspect(
        self, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
    ) noexcept nogil:
        """Whether it is plain, so that what it tells is told, if anything."""
        cdef Hello *out = next_hellos(self.deferral)
        cdef bint is_cut = sent.size < <Py_ssize_t>packet.payload
        cdef int plain = NOT_PLAIN
        cdef int32_t known = self.found[payload.row]  # from the other side
        cdef Said said
        if packet.fragmentation != FRAGMENT_NONE or sent.size == 0:
            return False
        if packet.protocol == UDP:
            return (packet.source_port == DNS_PORT or packet.target_port == DNS_PORT) and self._inspect_dns(
                packet, sent, is_cut, payload, number
            )
        if packet.protocol != TCP:
            return False
        if self.reads_details and self.awaited[payload.row]:
            return inspect_answer(self, packet, sent, is_cut, payload, number)
        if adds_nothing(self, sent, is_cut, payload, number):
            return True
        if sent.bytes[0] == 0x16:
            plain = parse_tls(sent, is_cut, out)
            if plain != NAMED and known and known != self.tls_detection:
                return False
        elif not known and 0x41 <= sent.bytes[0] <= 0x5A:
            plain = parse_http(sent, is_cut, out)
        if plain == NOT_PLAIN:
            return not (is_cut or known) and begin_hello(self, packet, sent, payload, number)
        out.kind = TLS_HELLO if sent.bytes[0] == 0x16 else HTTP_REQUEST
        if not put_said(self, sent, plain, out, &said):
            return False
        note_asker(self, payload.row, payload.side, number)
        if plain == NAMED or (self.reads_details and out.kind == HTTP_REQUEST):
            note_client(self, sent, payload, out)
        else:
            self.inspected[payload.row] |= 1 << payload.side
        tell_hello(self, packet, sent, payload, number, &said, False)
        return True

    cdef inline bint _inspect_dns(
        self, const Packet *packet, const PayloadBytes *sent, bint is_cut, const Payload *payload, uint64_t number
    ) noexcept nogil:
        cdef Hello *out = next_hellos(self.deferral)
        cdef int i, answers = parse_dns(sent, is_cut, out)
        cdef bint is_first = not self.inspected[payload.row] >> RESOLVER_SHIFT
        cdef uint32_t name
        cdef Hello question
        cdef Said said
        if answers < 0 and (not is_cut or (is_first and self.found[payload.row]) or not is_cut_within_question(sent)):
            return False
        self.inspected[payload.row] = self.resolver << RESOLVER_SHIFT
        if answers < 0 or not self.reads_details:
            tell(self, payload.row, self.dns_detection, number)
        if answers < 0:
            return True
        question = out[answers]
        note_asker(self, payload.row, payload.side ^ (sent.bytes[2] >> 7), number)  # of a response, the other end
        if answers:
            name = <uint32_t>self.dns_names.find(DNS_ANSWER, 0, &sent.bytes[out.name_at], out.name_length)
            if name:
                for i in range(answers):
                    self.dns_answers.note_bytes(packet.target, out[i].address, packet.ts_ns, out[i].seconds, name)
            else:
                leave_hellos(self.deferral, packet, sent, payload, number, answers, NULL)
        if is_first and self.reads_details:
            next_hellos(self.deferral)[0], said.size = question, 0
            tell_hello(self, packet, sent, payload, number, &said, False)
        return True
