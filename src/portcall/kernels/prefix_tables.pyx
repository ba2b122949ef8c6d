"""Prefixes, looked up: which ones the first payload of a side fits, so that only dissectors who may know it are asked."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t

from portcall.kernels.records cimport Packet
from portcall.kernels.payload_bytes cimport PayloadBytes, contains, has_no_length, is_text

cdef enum:
    UDP = 17
    _WORD_BYTES = 16
    _FAR_BYTES = 64

WORD_BYTES = _WORD_BYTES
"""Of a word that has to stand somewhere, at most; a shorter one has zeros behind it."""

FAR_BYTES = _FAR_BYTES
"""A prefix that looks behind so many has to see what it looks for, also in a datagram that the capture has cut."""


cdef class PrefixTables:
    """The tables of ``portcall.inspection.prefilter.Tables``; prefixes are bits, in two halves of 64."""

    def __init__(
        self, const int64_t[::1] offsets, const uint64_t[:, :, ::1] looking, const uint16_t[:, :, ::1] classes,
        const uint64_t[:, ::1] allowed, const uint64_t[:, ::1] known_ports, const uint16_t[:, ::1] port_numbers,
        const uint64_t[:, :, ::1] of_ports, const uint64_t[:, :, ::1] short, const uint64_t[:, ::1] text,
        const uint64_t[:, ::1] with_length, const uint8_t[:, ::1] words, const uint64_t[:, :, ::1] of_words, const uint8_t[::1] homes,
        const uint64_t[:, ::1] asked_after_tls,
    ):
        if words.shape[1] != _WORD_BYTES:
            raise ValueError(f"words are padded to {_WORD_BYTES} bytes")
        self.offsets, self.looking, self.classes, self.allowed = offsets, looking, classes, allowed
        self.known_ports, self.port_numbers, self.of_ports = known_ports, port_numbers, of_ports
        self.short, self.text, self.with_length, self.words, self.of_words = short, text, with_length, words, of_words
        self.homes, self.asked_after_tls = homes, asked_after_tls
        self.far = sum([at < _FAR_BYTES for at in offsets])

    def candidates_by_prefix(self, uint8_t protocol, uint16_t source_port, uint16_t target_port, const uint8_t[::1] sent, bint is_whole):
        """The bits of the prefixes that a first payload fits; ``is_whole``: it is a datagram that the capture has not cut."""
        cdef Packet packet
        cdef uint64_t prefixes[2]
        cdef PayloadBytes payload = PayloadBytes(NULL, sent.shape[0])
        if sent.shape[0]:
            payload.bytes = &sent[0]
        packet.protocol, packet.source_port, packet.target_port = protocol, source_port, target_port
        packet.payload = sent.shape[0] + (not is_whole)
        self.fit(&packet, &payload, prefixes)
        return <object>prefixes[1] << 64 | prefixes[0]

    cdef inline void _on_port(self, Py_ssize_t transport, uint16_t port, uint64_t *out_prefixes) noexcept nogil:
        """Add those that count on a port."""
        cdef uint16_t number = 0  # of the many ports that are nobody's
        if self.known_ports[transport, port >> 6] >> (port & 63) & 1:
            number = self.port_numbers[transport, port]
        out_prefixes[0] |= self.of_ports[transport, number, 0]
        out_prefixes[1] |= self.of_ports[transport, number, 1]

    cdef bint fit(self, const Packet *packet, const PayloadBytes *sent, uint64_t *out_prefixes) noexcept nogil:
        """Whether any dissector may know what begins so; ``out_prefixes`` are both halves of those that it fits."""
        cdef Py_ssize_t i, at, transport = packet.protocol == UDP
        cdef uint16_t bytes_class
        cdef uint64_t fitting[2]
        fitting[0] = fitting[1] = 0
        self._on_port(transport, packet.source_port, fitting)
        self._on_port(transport, packet.target_port, fitting)
        for i in range(self.offsets.shape[0]):
            at = self.offsets[i]
            if at >= sent.size:
                if sent.size < <Py_ssize_t>packet.payload:
                    i = max(i, self.far)
                if packet.protocol == UDP and i < self.offsets.shape[0]:
                    fitting[0] &= self.short[transport, i, 0]
                    fitting[1] &= self.short[transport, i, 1]
                break
            if not fitting[0] | fitting[1]:
                break
            if fitting[0] & self.looking[transport, i, 0] or fitting[1] & self.looking[transport, i, 1]:
                bytes_class = self.classes[transport, i, sent.bytes[at]]
                fitting[0] &= self.allowed[bytes_class, 0]
                fitting[1] &= self.allowed[bytes_class, 1]
        if fitting[0] | fitting[1]:
            self._check_content(transport, sent, fitting)
        out_prefixes[0], out_prefixes[1] = fitting[0], fitting[1]
        return (fitting[0] | fitting[1]) != 0

    cdef void _check_content(self, Py_ssize_t transport, const PayloadBytes *sent, uint64_t *out_prefixes) noexcept nogil:
        """Leave out those that want text where it is none, a length where zeros stand, and a word that is not there."""
        cdef Py_ssize_t i, size
        if (out_prefixes[0] & self.text[transport, 0] or out_prefixes[1] & self.text[transport, 1]) and not is_text(sent):
            out_prefixes[0] &= ~self.text[transport, 0]
            out_prefixes[1] &= ~self.text[transport, 1]
        if (
            out_prefixes[0] & self.with_length[transport, 0] or out_prefixes[1] & self.with_length[transport, 1]
        ) and has_no_length(sent):
            out_prefixes[0] &= ~self.with_length[transport, 0]
            out_prefixes[1] &= ~self.with_length[transport, 1]
        for i in range(self.words.shape[0]):
            if not (out_prefixes[0] & self.of_words[transport, i, 0] or out_prefixes[1] & self.of_words[transport, i, 1]):
                continue
            size = 0
            while size < _WORD_BYTES and self.words[i, size]:
                size += 1
            if not contains(sent, &self.words[i, 0], size):
                out_prefixes[0] &= ~self.of_words[transport, i, 0]
                out_prefixes[1] &= ~self.of_words[transport, i, 1]
