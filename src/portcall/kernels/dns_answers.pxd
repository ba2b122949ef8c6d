from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from portcall.kernels.records cimport CachedAnswer


cdef enum:
    SERVER_BITS = 20  # of a server's hash: 128 kB of bits


cdef class DnsAnswerStore:
    cdef CachedAnswer[::1] ring
    cdef uint64_t[::1] slots
    cdef uint64_t seed
    cdef uint64_t count
    cdef uint64_t used_slots
    cdef uint64_t servers[1 << (SERVER_BITS - 6)]  # a bit for each that somebody was told of, by hash

    cdef void note_bytes(
        self, const uint8_t *client, const uint8_t *server, int64_t time_ns, uint32_t seconds, uint32_t name
    ) noexcept nogil
    cdef void _note(self, CachedAnswer *told) noexcept nogil
    cdef void _note_server(self, const uint64_t *server) noexcept nogil
    cdef bint _may_know(self, const uint64_t *server) noexcept nogil
    cdef bint _is_held(self, uint64_t reference) noexcept nogil
    cdef uint64_t _find(self, const uint64_t *client, const uint64_t *server) noexcept nogil
    cdef bint _extend(self, uint64_t reference, const CachedAnswer *told) noexcept nogil
    cdef void _rehash(self) noexcept nogil
    cdef uint32_t _name(self, const uint64_t *client, const uint64_t *server, int64_t first_ns) noexcept nogil
