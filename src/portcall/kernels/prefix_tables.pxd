from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t

from portcall.kernels.records cimport Packet
from portcall.kernels.payload_bytes cimport PayloadBytes


cdef class PrefixTables:
    cdef const int64_t[::1] offsets
    cdef const uint64_t[:, :, ::1] looking
    cdef const uint16_t[:, :, ::1] classes
    cdef const uint64_t[:, ::1] allowed
    cdef const uint64_t[:, ::1] known_ports
    cdef const uint16_t[:, ::1] port_numbers
    cdef const uint64_t[:, :, ::1] of_ports
    cdef const uint64_t[:, :, ::1] short
    cdef const uint64_t[:, ::1] text
    cdef const uint64_t[:, ::1] with_length
    cdef const uint8_t[:, ::1] words
    cdef const uint64_t[:, :, ::1] of_words
    cdef const uint8_t[::1] homes
    cdef const uint64_t[:, ::1] asked_after_tls
    cdef Py_ssize_t far  # number of offsets before FAR_BYTES

    cdef void _on_port(self, Py_ssize_t transport, uint16_t port, uint64_t *out_prefixes) noexcept nogil
    cdef bint fit(self, const Packet *packet, const PayloadBytes *sent, uint64_t *out_prefixes) noexcept nogil
    cdef void _check_content(self, Py_ssize_t transport, const PayloadBytes *sent, uint64_t *out_prefixes) noexcept nogil
