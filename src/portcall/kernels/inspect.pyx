"""Payloads → what is plain in them: the commonest beginnings of conversations, read where they lie (``plain_parsers``), and
the commonest of what shows that one has long begun (``series``).

That is most of what networks carry, and far faster here than by way of the dissectors. Whatever is cut, spread over packets
or odd in any way is left to them, with all later packets of its conversation; so what this kernel tells is what they would
tell, and a test compares both. Names that were met before are told by number at once; only new ones reach Python.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from portcall.kernels.borrowing cimport borrow
from portcall.kernels.interning cimport NameNumbers
from portcall.kernels.prefix_tables cimport PrefixTables
from portcall.kernels.plain_parsers cimport DNS_ANSWER as _DNS_ANSWER
from portcall.kernels.plain_parsers cimport HTTP_REQUEST as _HTTP_REQUEST
from portcall.kernels.plain_parsers cimport MOST_ANSWERS as _MOST_ANSWERS
from portcall.kernels.plain_parsers cimport TLS_HELLO as _TLS_HELLO
from portcall.kernels.plain_parsers cimport parse_dns, parse_http, parse_tls
from portcall.kernels.prefetching cimport portcall_prefetch
from portcall.kernels.records cimport FRAGMENT_NONE, TCP_SYN, Frame, Hello, Packet, Payload, Deferred, Series
from portcall.kernels.mid_stream cimport GIVEN_UP, KNOWN, WAITING, are_records, parse_rtp, parse_short_header
from portcall.kernels.payload_bytes cimport PayloadBytes, is_padding
from portcall.kernels.dns_answers cimport DnsAnswerStore

cdef enum:
    _MOST_KEPT_BYTES = 32768

TLS_HELLO, HTTP_REQUEST, DNS_ANSWER = _TLS_HELLO, _HTTP_REQUEST, _DNS_ANSWER
"""Kinds of Hello."""

MOST_ANSWERS = _MOST_ANSWERS
"""Of one DNS message; one with more is left to the dissector."""

MOST_KEPT_BYTES = _MOST_KEPT_BYTES
"""Of one payload that is left to the dissectors."""

cdef enum:
    BOTH_SIDES = 3  # the bits of ``inspected``
    IS_OPEN = 4
    RESOLVER_SHIFT = 3
    TCP = 6
    UDP = 17
    DNS_PORT = 53
    TCP_PSH = 0x08
    AHEAD = 4  # payloads whose rows are asked for

cdef enum:  # kinds of Series
    SHORT_HEADERS = 1
    RTP = 2


cdef inline void _cut(
    const Packet *packet, const Frame *frame, const uint8_t[::1] buffer, PayloadBytes *out
) noexcept nogil:
    """A packet's payload, as far as it was captured and lies in the buffer."""
    cdef uint64_t size = buffer.shape[0], held = 0, offset = frame.offset + packet.payload_offset
    if packet.payload_offset < frame.captured:
        held = min(packet.payload, frame.captured - packet.payload_offset)
    if offset >= size or held > size - offset:
        held, offset = 0, 0
    out.size = <Py_ssize_t>held
    out.bytes = &buffer[offset] if size else NULL


cdef class PlainInspector:
    """Listens for one flow table, whose ``inspected`` it shares.

    What is known by number goes to ``found`` and ``evidence``, by row, and to ``dns_answers``. What else it hears gathers in
    ``kernels.inspect`` and ``deferred``, whose bytes are in ``arena``, until their owner takes them and calls ``clear``.
    """

    cdef uint8_t[::1] inspected
    cdef PrefixTables prefixes
    cdef public bint reads_hellos
    cdef public int32_t[::1] found  # number of the finding, by row
    cdef public uint64_t[::1] evidence  # number of the packet that told it
    cdef public NameNumbers detections  # by kind and name
    cdef public int32_t dns_detection, quic_detection, tls_detection, rtp_detection, rtcp_detection
    cdef public uint8_t resolver  # what marks a row that is a DNS resolver's in ``inspected``
    cdef public NameNumbers dns_names  # numbers in ``dns_answers``
    cdef public DnsAnswerStore dns_answers
    cdef public Series[::1] series  # by row
    cdef public uint64_t[::1] short_header_prefixes, rtp_prefixes, tls_prefixes  # both halves of their bits
    cdef public Hello[::1] hellos
    cdef public Deferred[::1] deferred
    cdef public uint8_t[::1] arena
    cdef Py_ssize_t hello_count, hello_next, deferred_count, deferred_next, arena_used
    cdef object dtypes  # of packets, frames and payloads, as compared

    def __init__(self, uint8_t[::1] inspected, PrefixTables prefixes not None):
        self.inspected, self.prefixes = inspected, prefixes
        self.reads_hellos = True

    def inspect(
        self, object packets, object frames, const uint8_t[::1] buffer, object payloads, uint64_t first_number
    ):
        """Hear payloads of a batch whose first packet has that number; gives how many, all unless there is no more room.

        Rows of which a payload becomes a saying are marked as open, so that all that follows does too. A side whose first
        payload opens nothing is marked as heard.
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
                payload_count = self._listen(
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

    cdef Py_ssize_t _listen(
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
            packet = payloads[i].packet
            if packet >= packet_count or self.inspected[payloads[i].row] >> payloads[i].side & 1:
                continue
            _cut(&packets[packet], &frames[packet], buffer, &sent)
            if not self._has_room(&sent):
                return i
            self._listen_to(&packets[packet], &sent, &payloads[i], first_number + packet)
        return payload_count

    def next_new_name(self):
        """(kind, name) of the next hello whose name has no number yet, None after the last; those that have are told.

        Its owner answers with ``number_name``.
        """
        cdef Hello *hello
        cdef int32_t number
        while self.hello_next < self.hello_count:
            hello = &self.hellos[self.hello_next]
            number = self._numbers(hello).find(hello.kind, &self.arena[hello.name_at], hello.name_length)
            if not number:
                return hello.kind, self._bytes(hello.name_at, hello.name_length)
            self._tell_hello(hello, number)
            self.hello_next += 1
        return None

    def number_name(self, int32_t number):
        """The name that ``next_new_name`` gave has this number: of a finding, or in ``dns_answers`` if it is one of DNS."""
        cdef Hello *hello = &self.hellos[self.hello_next]
        self._numbers(hello).learn(hello.kind, self._bytes(hello.name_at, hello.name_length), number)
        self._tell_hello(hello, number)
        self.hello_next += 1

    def next_deferred(self):
        """The next one of a side that is still listened to, None after the last: index, row, side, number of its packet,
        protocol, source and target port, sequence number, payload, whether it is cut, openings (0 where nobody looked).
        """
        cdef Deferred *deferred
        while self.deferred_next < self.deferred_count:
            deferred = &self.deferred[self.deferred_next]
            self.deferred_next += 1
            if self.inspected[deferred.row] >> deferred.side & 1 or not self._is_still_for_dissectors(deferred):
                continue
            return (
                self.deferred_next - 1, deferred.row, deferred.side, deferred.number, deferred.protocol, deferred.source_port,
                deferred.target_port, deferred.sequence, self._bytes(deferred.at, deferred.length),
                deferred.is_cut != 0, <object>deferred.prefixes[1] << 64 | deferred.prefixes[0],
            )
        return None

    def clear(self):
        """Forget what was taken."""
        self.hello_count = self.hello_next = self.deferred_count = self.deferred_next = self.arena_used = 0

    cdef NameNumbers _numbers(self, const Hello *hello):
        return self.dns_names if hello.kind == _DNS_ANSWER else self.detections

    cdef void _tell_hello(self, const Hello *hello, int32_t number) noexcept nogil:
        if hello.kind == _DNS_ANSWER:
            self.dns_answers.note_bytes(hello.target, hello.address, hello.ts_ns, hello.seconds, <uint32_t>number)
        else:
            self._tell(hello.row, number, hello.number)

    cdef bytes _bytes(self, Py_ssize_t at, Py_ssize_t length):
        """A part of the arena."""
        if length > self.arena.shape[0] - at:
            raise IndexError("this part of the arena was never filled")
        return (<const char *>&self.arena[at])[:length] if length else b""

    cdef bint _is_still_for_dissectors(self, Deferred *deferred) noexcept nogil:
        """Whether a saying is one for the dissectors; one that gathered while another of its row was asked about may not be,
        when nobody knew that one.
        """
        cdef Packet packet
        cdef Payload payload
        cdef PayloadBytes sent = PayloadBytes(NULL, 0)
        if (
            deferred.prefixes[0] | deferred.prefixes[1] or deferred.is_later or self.inspected[deferred.row] & IS_OPEN
            or deferred.at + <Py_ssize_t>deferred.length > self.arena.shape[0] or not deferred.length
        ):
            return True
        packet.protocol, packet.payload = deferred.protocol, deferred.length + deferred.is_cut
        packet.source_port, packet.target_port = deferred.source_port, deferred.target_port
        payload.row, payload.side = deferred.row, deferred.side
        sent.bytes, sent.size = &self.arena[deferred.at], deferred.length
        return self._is_for_dissectors(&packet, &sent, &payload, deferred.number, deferred.prefixes)

    cdef inline void _listen_to(
        self, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
    ) noexcept nogil:
        cdef uint64_t prefixes[2]
        if self.reads_hellos and packet.protocol == UDP and self._is_in_series(payload):
            self._inspect_series(packet, sent, payload, number)
            return
        if packet.protocol == TCP and not packet.tcp_flags & TCP_PSH and is_padding(sent):
            return  # some devices count it to the packet; the stream goes on as if it was not there
        prefixes[0] = prefixes[1] = 0
        if not self.inspected[payload.row] & IS_OPEN and not payload.is_later:
            if self.reads_hellos and self._inspect(packet, sent, payload, number):
                return
            if not self._is_for_dissectors(packet, sent, payload, number, prefixes):
                return
        if not self.inspected[payload.row] >> RESOLVER_SHIFT:
            self.inspected[payload.row] |= IS_OPEN
        self._keep(packet, sent, payload, number, prefixes)

    cdef inline bint _is_for_dissectors(
        self, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number, uint64_t *out_prefixes
    ) noexcept nogil:
        """Whether the first payload of a side is one for the dissectors; else what it tells is told, if anything."""
        cdef int32_t known = self.found[payload.row]  # from the other side
        if self.inspected[payload.row] >> RESOLVER_SHIFT:
            return True
        if known and (known == self.rtp_detection or known == self.rtcp_detection):
            self.series[payload.row].kinds[payload.side] = RTP
            self._inspect_series(packet, sent, payload, number)
            return False
        if self.prefixes.fit(packet, sent, out_prefixes) and known and known == self.tls_detection:
            out_prefixes[0] &= self.tls_prefixes[0]
            out_prefixes[1] &= self.tls_prefixes[1]
        if not out_prefixes[0] | out_prefixes[1]:
            self.inspected[payload.row] |= 1 << payload.side
            return False
        return not self.reads_hellos or not self._inspect_middle(packet, sent, payload, number, out_prefixes)

    cdef inline bint _inspect_middle(
        self, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number, const uint64_t *prefixes
    ) noexcept nogil:
        """Whether it is something of a conversation that began before, and can be nothing else."""
        if packet.protocol == TCP:
            if not _is_within(prefixes, self.tls_prefixes) or not are_records(sent):
                return False
            self.inspected[payload.row] |= 1 << payload.side
            self._tell(payload.row, self.tls_detection, number)
            return True
        if _is_within(prefixes, self.short_header_prefixes):
            self.series[payload.row].kinds[payload.side] = SHORT_HEADERS
        elif _is_within(prefixes, self.rtp_prefixes):
            self.series[payload.row].kinds[payload.side] = RTP
        else:
            return False
        self._inspect_series(packet, sent, payload, number)
        return True

    cdef inline bint _has_room(self, const PayloadBytes *sent) noexcept nogil:
        return (
            self.hello_count + 1 + _MOST_ANSWERS <= self.hellos.shape[0] and self.deferred_count < self.deferred.shape[0]
            and self.arena_used + min(sent.size, <Py_ssize_t>_MOST_KEPT_BYTES) <= self.arena.shape[0]
        )

    cdef inline uint32_t _copy(self, const uint8_t *source, Py_ssize_t size) noexcept nogil:
        """Put bytes into the arena, which has room for them; gives where."""
        cdef Py_ssize_t at = self.arena_used
        if size > 0 and size <= self.arena.shape[0] - at:
            memcpy(&self.arena[at], source, size)
            self.arena_used += size
        return <uint32_t>at

    cdef inline void _keep(
        self, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number, const uint64_t *prefixes
    ) noexcept nogil:
        """Leave a payload to the dissectors."""
        cdef Deferred *deferred = &self.deferred[self.deferred_count]
        cdef Py_ssize_t size = min(sent.size, <Py_ssize_t>_MOST_KEPT_BYTES)
        deferred.prefixes[0], deferred.prefixes[1] = prefixes[0], prefixes[1]
        deferred.at, deferred.length = self._copy(sent.bytes, size), <uint32_t>size
        deferred.ts_ns, deferred.number, deferred.row = packet.ts_ns, number, payload.row
        memcpy(deferred.source, packet.source, 16)
        memcpy(deferred.target, packet.target, 16)
        deferred.sequence = packet.tcp_sequence + ((packet.tcp_flags & TCP_SYN) != 0)  # a SYN counts as a byte
        deferred.source_port, deferred.target_port = packet.source_port, packet.target_port
        deferred.side, deferred.protocol = payload.side, packet.protocol
        deferred.is_cut, deferred.is_later = <uint64_t>size < packet.payload, payload.is_later != 0
        self.deferred_count += 1

    cdef inline bint _inspect(
        self, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
    ) noexcept nogil:
        """Whether it is a plain hello, which is then told."""
        cdef Hello *out = &self.hellos[self.hello_count]
        cdef bint is_plain = False
        cdef int32_t known = self.found[payload.row]  # from the other side
        if packet.fragmentation != FRAGMENT_NONE or sent.size == 0 or sent.size < <Py_ssize_t>packet.payload:
            return False
        if packet.protocol == UDP:
            return (packet.source_port == DNS_PORT or packet.target_port == DNS_PORT) and self._inspect_dns(
                packet, sent, payload, number
            )
        if packet.protocol == TCP and sent.bytes[0] == 0x16:
            is_plain = parse_tls(sent, out)
        elif packet.protocol == TCP and not known and 0x41 <= sent.bytes[0] <= 0x5A:
            is_plain = parse_http(sent, out)
        if is_plain:
            self.inspected[payload.row] |= BOTH_SIDES
            self._tell_name(packet, sent, payload, number)
        return is_plain

    cdef inline void _tell(self, uint32_t row, int32_t detection, uint64_t number) noexcept nogil:
        """Note what a row is; what was found first stays, unless it was that it is TLS and more is known now."""
        if not self.found[row] or (self.found[row] == self.tls_detection and detection != self.tls_detection):
            self.found[row], self.evidence[row] = detection, number

    cdef inline void _tell_name(
        self, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
    ) noexcept nogil:
        """Note the next hello's name, by number where it was met before."""
        cdef Hello *out = &self.hellos[self.hello_count]
        cdef int32_t detection = self.detections.find(out.kind, &sent.bytes[out.name_at], out.name_length)
        if detection:
            self._tell(payload.row, detection, number)
        else:
            self._leave(packet, sent, payload, number, 1)

    cdef inline bint _inspect_dns(
        self, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
    ) noexcept nogil:
        cdef Hello *out = &self.hellos[self.hello_count]
        cdef int i, answers = parse_dns(sent, out)
        cdef uint32_t name
        if answers < 0:
            return False
        self.inspected[payload.row] = self.resolver << RESOLVER_SHIFT
        self._tell(payload.row, self.dns_detection, number)
        if answers:
            name = <uint32_t>self.dns_names.find(_DNS_ANSWER, &sent.bytes[out.name_at], out.name_length)
            if name:
                for i in range(answers):
                    self.dns_answers.note_bytes(packet.target, out[i].address, packet.ts_ns, out[i].seconds, name)
            else:
                self._leave(packet, sent, payload, number, answers)
        return True

    cdef inline void _leave(
        self, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number, int count
    ) noexcept nogil:
        """Leave the next hellos, which are about one name that is new, to their owner."""
        cdef Hello *out = &self.hellos[self.hello_count]
        cdef uint32_t name_at = self._copy(&sent.bytes[out.name_at], out.name_length)
        cdef int i
        for i in range(count):
            out[i].name_at, out[i].row = name_at, payload.row
            out[i].ts_ns, out[i].number = packet.ts_ns, number
            memcpy(out[i].target, packet.target, 16)
        self.hello_count += count

    cdef inline bint _is_in_series(self, const Payload *payload) noexcept nogil:
        """Whether datagrams of this side went before that may tell something together, and the dissectors know nothing."""
        cdef bint is_known = self.inspected[payload.row] & IS_OPEN and self.found[payload.row]
        return self.series[payload.row].counts[payload.side] > 0 and not is_known

    cdef inline void _inspect_series(
        self, const Packet *packet, const PayloadBytes *sent, const Payload *payload, uint64_t number
    ) noexcept nogil:
        cdef Series *series = &self.series[payload.row]
        cdef int side = payload.side
        cdef bint is_cut = sent.size < <Py_ssize_t>packet.payload, is_rtp = series.kinds[side] == RTP
        cdef int told = parse_rtp(sent, is_cut, series, side) if is_rtp else parse_short_header(sent, is_cut, series, side)
        if told == WAITING:
            return
        series.streaks[side] = 0
        self.inspected[payload.row] |= 1 << side
        if told == GIVEN_UP:
            return
        if not is_rtp:
            self._tell(payload.row, self.quic_detection, number)
        elif self.found[payload.row] == self.rtp_detection or self.found[payload.row] == self.rtcp_detection:
            self.found[payload.row] = self.rtp_detection if told == KNOWN else self.rtcp_detection
        else:
            self._tell(payload.row, self.rtp_detection if told == KNOWN else self.rtcp_detection, number)
        if not is_rtp or self.inspected[payload.row] & IS_OPEN:  # nothing more is wanted of the other side
            self.inspected[payload.row] |= BOTH_SIDES


cdef inline bint _is_within(const uint64_t *prefixes, const uint64_t[::1] others) noexcept nogil:
    """Whether it may be these, and nothing else."""
    return not (prefixes[0] & ~others[0] or prefixes[1] & ~others[1])
