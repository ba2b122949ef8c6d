# The fields of a ring and of what it works with.
from cython cimport final
from libc.stdint cimport int64_t, uint8_t, uint64_t

from portcall.kernels.copy_table cimport CopyTable
from portcall.kernels.flow_update cimport FlowStore
from portcall.kernels.headers cimport FrameDecoder
from portcall.kernels.record_walk cimport RecordWalk
from portcall.kernels.records cimport Frame, Packet, Payload
from portcall.kernels.stages.slots cimport Slot
from portcall.kernels.stages.threads cimport pthread_cond_t, pthread_mutex_t

cdef enum:
    MOST_SLOTS = 64
    PATIENCE_NS = 50000000  # how long who takes windows waits before Python may look for signals


@final
cdef class WindowRing:
    cdef pthread_mutex_t mutex
    cdef pthread_cond_t changed
    cdef Slot slots[MOST_SLOTS]
    cdef int order[MOST_SLOTS]  # the slot of each window, by its number
    cdef Py_ssize_t slot_count, head_bytes, window_bytes, frame_room, payload_room
    cdef uint8_t[:, ::1] windows
    cdef Frame[:, ::1] frames
    cdef Packet[:, ::1] packets
    cdef Payload[:, ::1] payloads
    cdef uint8_t *head  # what was left where walking paused
    cdef Py_ssize_t head_used
    cdef bint has_head
    cdef int descriptor
    cdef int64_t next_offset
    cdef Py_ssize_t next_read, next_walk, next_count, next_take  # windows, by number
    cdef int current  # the slot that was taken last
    cdef bint is_at_end, is_walking, is_counting, is_stopped
    cdef readonly bint walks  # ahead
    cdef readonly bint counts
    cdef bint decodes
    cdef int waiting
    cdef RecordWalk walk
    cdef FrameDecoder decoder
    cdef CopyTable copies
    cdef FlowStore store
    cdef Py_ssize_t flow_room, datagram_room, most_flows
    cdef uint64_t next_number

    cdef int _taken(self) noexcept nogil
    cdef bint _is_ready(self) noexcept nogil
    cdef bint _work_once(self, int me) noexcept nogil
    cdef void _tell(self) noexcept nogil
    cdef bint _read(self, int me) noexcept nogil
    cdef void _put_head(self, Slot *slot) noexcept nogil
    cdef void _move(self, Slot *slot, int before) noexcept nogil
    cdef void _walk(self, Slot *slot) noexcept nogil
    cdef bint _may_count(self, const Slot *slot) noexcept nogil
    cdef void _count(self, Slot *slot) noexcept nogil
