from libc.stdint cimport int64_t, uint8_t, uint64_t

from portcall.kernels.hashing cimport Keys
from portcall.kernels.records cimport Frame, Packet


cdef struct Seen:
    uint64_t digest
    int64_t ts_ns


cdef class CopyTable:
    cdef readonly uint64_t found, displaced, frames, looked_at, all, found_in_all
    cdef Seen[::1] seen
    cdef int64_t window_ns
    cdef size_t most_bytes
    cdef bint removes
    cdef int64_t sure_ns
    cdef Keys keys
    cdef object packet_dtype, frame_dtype  # as compared

    cdef void find_some(
        self, Packet *packets, const Frame *frames, Py_ssize_t count, const uint8_t *bytes, uint64_t room
    ) noexcept nogil
    cdef void _find_among(
        self, Packet *packets, const Frame *frames, Py_ssize_t count, const uint8_t *bytes, uint64_t room
    ) noexcept nogil
    cdef int _compare(self, Packet[::1] packets, const Frame[::1] frames) except -1
