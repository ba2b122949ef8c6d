"""Payloads → hellos: the commonest beginnings of conversations in their plainest form, read where they lie.

A TLS ClientHello, an HTTP request with its Host field, a DNS message: each whole in one packet, with nothing unusual in it.
That is most of what networks carry, and far faster here than by way of the dissectors. Whatever is cut, spread
over packets or odd in any way is left to them, with all later packets of its conversation; so what this kernel tells is
what they would tell, and a test compares both.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from portcall.kernels.records cimport FRAGMENT_NONE, TCP_SYN, Frame, Hello, Packet, Payload, Saying

cdef enum:
    _TLS_HELLO = 1
    _HTTP_REQUEST = 2
    _DNS_MESSAGE = 3
    _DNS_ANSWER = 4
    _MOST_ANSWERS = 16
    _MOST_KEPT_BYTES = 32768

TLS_HELLO, HTTP_REQUEST, DNS_MESSAGE, DNS_ANSWER = _TLS_HELLO, _HTTP_REQUEST, _DNS_MESSAGE, _DNS_ANSWER
"""Kinds of Hello. An answer follows its message, whose name it is for."""

MOST_ANSWERS = _MOST_ANSWERS
"""Of one DNS message; one with more is left to the dissector."""

MOST_KEPT_BYTES = _MOST_KEPT_BYTES
"""Of one payload that is left to the dissectors."""

cdef enum:
    BOTH_SIDES = 3  # the bits of ``heard``
    IS_OPEN = 4
    RESOLVER_SHIFT = 3
    TCP = 6
    UDP = 17
    DNS_PORT = 53
    MOST_HEAD_BYTES = 8192


cdef struct Speech:  # one payload, as far as the capture has it
    const uint8_t *bytes
    Py_ssize_t size


cdef inline uint16_t _u16(const Speech *said, Py_ssize_t at) noexcept nogil:
    """Two bytes in network order; 0 beyond the end, which every caller has excluded."""
    if at < 0 or at + 2 > said.size:
        return 0
    return <uint16_t>(said.bytes[at] << 8 | said.bytes[at + 1])


cdef inline uint8_t _u8(const Speech *said, Py_ssize_t at) noexcept nogil:
    if at < 0 or at >= said.size:
        return 0
    return said.bytes[at]


cdef inline bint _is_plain(const Speech *said, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Whether these are printable ASCII bytes without space and backslash, at least one."""
    cdef Py_ssize_t i
    if at < 0 or end > said.size or at >= end:
        return False
    for i in range(at, end):
        if said.bytes[i] <= 0x20 or said.bytes[i] >= 0x7F or said.bytes[i] == 0x5C:
            return False
    return True


cdef inline bint _hear_tls(const Speech *said, Hello *out) noexcept nogil:
    """A ClientHello with a server name (RFC 8446 §4.1.2, RFC 6066 §3), whole in one record.

    0 type=22  1 version:16  3 length:16  5 handshake type=1  6 length:24  9 version:16  11 random:256
    43 session id:8+n  cipher suites:16+n  compression:8+n  extensions:16+n
    """
    cdef Py_ssize_t at = 43, end, extension_end, record_end = 5 + <Py_ssize_t>_u16(said, 3)
    cdef uint16_t kind
    if said.size < 48 or said.bytes[1] != 3 or said.bytes[5] != 1 or said.bytes[9] != 3 or record_end > said.size:
        return False
    end = 9 + (<Py_ssize_t>said.bytes[6] << 16 | <Py_ssize_t>_u16(said, 7))
    if end != record_end or _u8(said, at) > 32:
        return False
    at += 1 + _u8(said, at)
    if at + 2 > end or _u16(said, at) < 2 or _u16(said, at) & 1:
        return False
    at += 2 + _u16(said, at)
    if at >= end or _u8(said, at) < 1:
        return False
    at += 1 + _u8(said, at)
    if at + 2 > end or at + 2 + _u16(said, at) != end:
        return False
    at += 2
    out.name_length = 0
    while at + 4 <= end:
        kind = _u16(said, at)
        extension_end = at + 4 + _u16(said, at + 2)
        if extension_end > end:
            return False
        if kind == 0:
            # list length:16  type=0  name length:16  name
            if (
                out.name_length or at + 9 > extension_end or _u16(said, at + 4) != extension_end - at - 6
                or _u8(said, at + 6) != 0 or _u16(said, at + 7) != extension_end - at - 9
                or extension_end - at - 9 > 255 or not _is_plain(said, at + 9, extension_end)
            ):
                return False
            out.name_at, out.name_length = <uint32_t>(at + 9), <uint32_t>(extension_end - at - 9)
        at = extension_end
    out.kind = _TLS_HELLO
    return at == end and out.name_length > 0


cdef inline Py_ssize_t _line_end(const Speech *said, Py_ssize_t at) noexcept nogil:
    """Where the line's carriage return is, of CR LF; -1 where there is none or another control character before it."""
    while at + 1 < said.size:
        if said.bytes[at] < 0x20 and said.bytes[at] != 0x09:
            return at if said.bytes[at] == 0x0D and said.bytes[at + 1] == 0x0A else -1
        at += 1
    return -1


cdef inline bint _is_field(const Speech *said, Py_ssize_t at, const char *name, Py_ssize_t length) noexcept nogil:
    """Whether a line begins with this field name, given in lower case with its colon."""
    cdef Py_ssize_t i
    if at + length > said.size:
        return False
    for i in range(length):
        if (said.bytes[at + i] | 0x20 if 0x41 <= said.bytes[at + i] <= 0x5A else said.bytes[at + i]) != <uint8_t>name[i]:
            return False
    return True


cdef inline bint _hear_http(const Speech *said, Hello *out) noexcept nogil:
    """A request of HTTP/1.0 or 1.1 for a path, with one Host field and a whole header (RFC 9112)."""
    cdef Py_ssize_t at = 0, end, line_end
    if said.size > MOST_HEAD_BYTES:
        return False
    while at < said.size and 0x41 <= said.bytes[at] <= 0x5A:
        at += 1
    if at < 3 or at > 10 or _u8(said, at) != 0x20 or _u8(said, at + 1) != 0x2F:
        return False
    line_end = _line_end(said, at)
    if line_end < at + 11 or not _is_version(said, line_end - 9):
        return False
    if not _is_plain(said, at + 1, line_end - 9):
        return False
    at, out.name_length = line_end + 2, 0
    while True:
        line_end = _line_end(said, at)
        if line_end < 0 or _u8(said, at) == 0x20 or _u8(said, at) == 0x09:
            return False
        if line_end == at:
            break
        if _is_field(said, at, b"upgrade", 7) and _u8(said, at + 7) != 0x2D:  # Upgrade-Insecure-Requests is none
            return False
        if _is_field(said, at, b"host", 4):
            if out.name_length or _u8(said, at + 4) != 0x3A:
                return False
            at, end = at + 5, line_end
            while at < end and _u8(said, at) == 0x20:
                at += 1
            while end > at and _u8(said, end - 1) == 0x20:
                end -= 1
            if not _is_plain(said, at, end) or end - at > 255:
                return False
            out.name_at, out.name_length = <uint32_t>at, <uint32_t>(end - at)
        at = line_end + 2
    out.kind = _HTTP_REQUEST
    return out.name_length > 0


cdef inline bint _is_version(const Speech *said, Py_ssize_t at) noexcept nogil:
    """Whether `` HTTP/1.0`` or `` HTTP/1.1`` is there."""
    cdef const char *words = b" HTTP/1."
    cdef Py_ssize_t i
    if at < 0 or at + 9 > said.size:
        return False
    for i in range(8):
        if said.bytes[at + i] != <uint8_t>words[i]:
            return False
    return said.bytes[at + 8] == 0x30 or said.bytes[at + 8] == 0x31


cdef inline Py_ssize_t _question_end(const Speech *said) noexcept nogil:
    """Where the one question of a DNS message ends (RFC 1035 §4.1.2), if its name is plain and its class IN; else -1."""
    cdef Py_ssize_t at = 12, label
    while _u8(said, at):
        label = _u8(said, at)
        if label > 63 or at + label >= 12 + 255 or not _is_plain(said, at + 1, at + 1 + label):
            return -1
        at += 1 + label
    if at + 5 > said.size or at == 12 or _u16(said, at + 3) != 1:
        return -1
    return at + 5


cdef inline int _hear_dns(const Speech *said, Hello *out) noexcept nogil:
    """A query, or a response whose answers are all addresses of the very name; gives how many hellos, 0 for not plain.

    0 id:16  2 flags:16  4 questions:16  6 answers:16  8 authorities:16  10 additional:16  12 question
    answer: pointer to the question=0xc00c  type:16  class:16  time to live:32  length:16  address
    """
    cdef Py_ssize_t at, i, answers = _u16(said, 6), size
    cdef uint16_t flags = _u16(said, 2)
    if said.size < 17 or _u16(said, 4) != 1 or answers > _MOST_ANSWERS or flags & 0x7840:
        return 0
    if (_u16(said, 8) or _u16(said, 10)) or (not flags & 0x8000 and answers):
        return 0
    at = _question_end(said)
    if at < 0:
        return 0
    out.kind, out.name_at, out.name_length = _DNS_MESSAGE, 12, <uint32_t>(at - 4 - 12)
    for i in range(1, 1 + answers):
        if _u16(said, at) != 0xC00C or _u16(said, at + 4) != 1 or at + 12 > said.size:
            return 0
        size = 4 if _u16(said, at + 2) == 1 else 16 if _u16(said, at + 2) == 28 else 0
        if not size or _u16(said, at + 10) != size or at + 12 + size > said.size:
            return 0
        out[i].kind, out[i].name_at, out[i].name_length = _DNS_ANSWER, out.name_at, out.name_length
        out[i].seconds = <uint32_t>_u16(said, at + 6) << 16 | _u16(said, at + 8)
        memset(out[i].address, 0, 16)
        memcpy(&out[i].address[16 - size], &said.bytes[at + 12], size)  # it lies within the payload: checked above
        out[i].address_length = <uint32_t>size
        at += 12 + size
    return <int>(1 + answers) if at == said.size else 0


cdef inline void _cut(
    const Packet *packet, const Frame *frame, const uint8_t[::1] buffer, Speech *out
) noexcept nogil:
    """A packet's payload, as far as it was captured and lies in the buffer."""
    cdef uint64_t size = buffer.shape[0], held = 0, offset = frame.offset + packet.payload_offset
    if packet.payload_offset < frame.captured:
        held = min(packet.payload, frame.captured - packet.payload_offset)
    if offset >= size or held > size - offset:
        held, offset = 0, 0
    out.size = <Py_ssize_t>held
    out.bytes = &buffer[offset] if size else NULL


cdef class HelloListener:
    """Listens for one flow table, whose ``heard`` it shares. ``resolver``: what marks a row that is a resolver's there.

    ``offsets[n]``, ``allowed[2, n, 256, 2]``, ``port_numbers[2, 65536]`` and ``of_ports[2, m, 2]`` are the tables of
    ``portcall.openings``. What it hears gathers in ``hellos`` and ``sayings``, whose bytes are in ``arena``, until their
    owner takes them and sets the three counts to 0.
    """

    cdef uint8_t[::1] heard
    cdef uint8_t resolver
    cdef bint reads_hellos
    cdef const int64_t[::1] offsets
    cdef const uint64_t[:, :, :, ::1] allowed
    cdef const uint16_t[:, ::1] port_numbers
    cdef const uint64_t[:, :, ::1] of_ports
    cdef public Hello[::1] hellos
    cdef public Saying[::1] sayings
    cdef public uint8_t[::1] arena
    cdef public Py_ssize_t hello_count, saying_count, arena_used

    def __init__(
        self, uint8_t[::1] heard, uint8_t resolver, const int64_t[::1] offsets, const uint64_t[:, :, :, ::1] allowed,
        const uint16_t[:, ::1] port_numbers, const uint64_t[:, :, ::1] of_ports, *, bint reads_hellos,
    ):
        self.heard = heard
        self.resolver = resolver
        self.reads_hellos = reads_hellos
        self.offsets, self.allowed = offsets, allowed
        self.port_numbers, self.of_ports = port_numbers, of_ports

    def listen(
        self, const Packet[::1] packets, const Frame[::1] frames, const uint8_t[::1] buffer, const Payload[::1] payloads,
        uint64_t first_number,
    ):
        """Hear payloads of a batch whose first packet has that number; gives how many, all unless there is no more room.

        Rows of which a payload becomes a saying are marked as open, so that all that follows does too. A side whose first
        payload opens nothing is marked as heard.
        """
        cdef Py_ssize_t i, count = payloads.shape[0]
        cdef uint8_t marks
        cdef const Packet *packet
        cdef Saying *saying
        cdef Speech said = Speech(NULL, 0)
        with nogil:
            for i in range(payloads.shape[0]):
                marks = self.heard[payloads[i].row]
                if marks >> payloads[i].side & 1:
                    continue
                packet = &packets[payloads[i].packet]
                _cut(packet, &frames[payloads[i].packet], buffer, &said)
                if not self._has_room(&said):
                    count = i
                    break
                saying = &self.sayings[self.saying_count]
                memset(saying, 0, sizeof(Saying))
                if not marks & IS_OPEN and not payloads[i].is_later:
                    if self.reads_hellos and self._hear(packet, &said, &payloads[i], first_number):
                        continue
                    if not marks >> RESOLVER_SHIFT and not self._opens(packet, &said, saying):
                        self.heard[payloads[i].row] |= 1 << payloads[i].side
                        continue
                if not marks >> RESOLVER_SHIFT:
                    self.heard[payloads[i].row] |= IS_OPEN
                self._keep(packet, &said, &payloads[i], first_number)
        return count

    cdef inline bint _has_room(self, const Speech *said) noexcept nogil:
        return (
            self.hello_count + 1 + _MOST_ANSWERS <= self.hellos.shape[0] and self.saying_count < self.sayings.shape[0]
            and self.arena_used + min(said.size, <Py_ssize_t>_MOST_KEPT_BYTES) <= self.arena.shape[0]
        )

    cdef inline uint32_t _copy(self, const uint8_t *source, Py_ssize_t size) noexcept nogil:
        """Put bytes into the arena, which has room for them; gives where."""
        cdef Py_ssize_t at = self.arena_used
        if size > 0 and size <= self.arena.shape[0] - at:
            memcpy(&self.arena[at], source, size)
            self.arena_used += size
        return <uint32_t>at

    cdef inline void _keep(
        self, const Packet *packet, const Speech *said, const Payload *payload, uint64_t first_number
    ) noexcept nogil:
        """Leave a payload to the dissectors."""
        cdef Saying *saying = &self.sayings[self.saying_count]
        cdef Py_ssize_t size = min(said.size, <Py_ssize_t>_MOST_KEPT_BYTES)
        saying.at, saying.length = self._copy(said.bytes, size), <uint32_t>size
        saying.ts_ns, saying.number, saying.row = packet.ts_ns, first_number + payload.packet, payload.row
        memcpy(saying.target, packet.target, 16)
        saying.sequence = packet.tcp_sequence + ((packet.tcp_flags & TCP_SYN) != 0)  # a SYN counts as a byte
        saying.source_port, saying.target_port = packet.source_port, packet.target_port
        saying.side, saying.protocol = payload.side, packet.protocol
        saying.is_cut = <uint64_t>size < packet.payload
        self.saying_count += 1

    cdef inline bint _opens(self, const Packet *packet, const Speech *said, Saying *out) noexcept nogil:
        """Whether any dissector may know this beginning; ``out.openings`` are the openings that it fits."""
        cdef Py_ssize_t i, at, transport = packet.protocol == UDP
        cdef uint16_t source = self.port_numbers[transport, packet.source_port]
        cdef uint16_t target = self.port_numbers[transport, packet.target_port]
        cdef uint64_t low = self.of_ports[transport, source, 0] | self.of_ports[transport, target, 0]
        cdef uint64_t high = self.of_ports[transport, source, 1] | self.of_ports[transport, target, 1]
        for i in range(self.offsets.shape[0]):
            at = self.offsets[i]
            if at >= said.size or not low | high:
                break
            low &= self.allowed[transport, i, said.bytes[at], 0]
            high &= self.allowed[transport, i, said.bytes[at], 1]
        out.openings[0], out.openings[1] = low, high
        return low != 0 or high != 0

    cdef inline bint _hear(
        self, const Packet *packet, const Speech *said, const Payload *payload, uint64_t first_number
    ) noexcept nogil:
        """Whether it is a plain hello, which is then told."""
        cdef Hello *out = &self.hellos[self.hello_count]
        cdef Py_ssize_t found = 0, i
        if packet.fragmentation != FRAGMENT_NONE or said.size == 0 or said.size < <Py_ssize_t>packet.payload:
            return False
        if packet.protocol == UDP:
            if packet.source_port == DNS_PORT or packet.target_port == DNS_PORT:
                found = _hear_dns(said, out)
                if found:
                    self.heard[payload.row] = self.resolver << RESOLVER_SHIFT
        elif packet.protocol == TCP:
            if said.bytes[0] == 0x16:
                found = _hear_tls(said, out)
            elif 0x41 <= said.bytes[0] <= 0x5A:
                found = _hear_http(said, out)
            if found:
                self.heard[payload.row] |= BOTH_SIDES
        if not found:
            return False
        out.name_at = self._copy(&said.bytes[out.name_at], out.name_length)
        for i in range(found):
            out[i].name_at = out.name_at
            out[i].row, out[i].side = payload.row, payload.side
            out[i].ts_ns, out[i].number = packet.ts_ns, first_number + payload.packet
            memcpy(out[i].target, packet.target, 16)
        self.hello_count += found
        return True
