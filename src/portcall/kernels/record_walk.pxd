from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from portcall.kernels.records cimport Frame, Interface

cdef enum:
    MORE_BYTES_WANTED = 0
    NO_ROOM = 1


cdef struct Walked:
    # What came of one walk.
    Py_ssize_t count  # frames
    Py_ssize_t position  # where it stopped
    Py_ssize_t records_of_zeros  # among the frames
    int stop  # why
    uint32_t claimed  # bytes, by the record that is damaged
    bint names_processes  # whether a packet may
    const char *problem


cdef class RecordWalk:
    cdef readonly Py_ssize_t position
    cdef readonly Py_ssize_t records_of_zeros  # among the frames of the latest walk
    cdef readonly int stop
    cdef readonly bint names_processes  # whether a packet of the latest walk may
    cdef readonly str reason
    cdef object frame_dtype  # as compared

    cdef void find(
        self, const uint8_t *bytes, Py_ssize_t at, Py_ssize_t end, Frame *frames, Py_ssize_t room, bint is_end, Walked *out
    ) noexcept nogil
    cdef int note(self, const Walked *walked) except -1
    cdef int _compare(self, Frame[::1] frames) except -1


cdef class PcapWalk(RecordWalk):
    cdef bint big
    cdef int64_t fraction_ns
    cdef readonly Py_ssize_t header_bytes
    cdef uint16_t link
    cdef int swapped_lengths


cdef class PcapngWalk(RecordWalk):
    cdef public bint big
    cdef bint lists_options
    cdef const Interface[::1] interfaces
    cdef Py_ssize_t interface_count
    cdef uint32_t first_interface

    cdef const char *_frame(
        self, const uint8_t *block, Py_ssize_t length, uint32_t kind, Py_ssize_t at, Frame *out_frame
    ) noexcept nogil
