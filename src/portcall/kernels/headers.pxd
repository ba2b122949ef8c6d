from libc.stdint cimport uint8_t

from portcall.kernels.records cimport Frame, Packet


cdef class FrameDecoder:
    cdef bint inner
    cdef object frame_dtype, packet_dtype  # as compared

    cdef void decode_all(
        self, const Frame *frames, Py_ssize_t count, const uint8_t *bytes, size_t size, Packet *packets
    ) noexcept nogil
    cdef int _compare(self, const Frame[::1] frames, const Packet[::1] packets) except -1
