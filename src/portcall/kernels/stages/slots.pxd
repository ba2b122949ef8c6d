# One window of a file on its way: where it is put, and what was done with it so far.
from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from portcall.kernels.record_walk cimport Walked
from portcall.kernels.records cimport Frame, Packet, Payload

cdef extern from "unistd.h" nogil:
    ssize_t pread(int, void *, size_t, int64_t)


cdef enum:
    NOBODY = -1  # instead of a slot, or of who reads


cdef struct Slot:
    uint8_t *bytes
    Frame *frames
    Packet *packets
    Payload *payloads
    int64_t offset  # in the file, of what was read
    Py_ssize_t filled  # bytes read
    Py_ssize_t start  # of what is to be walked over: what was left of the window before stands before what was read
    int error  # what kept all from being read
    int reader  # who read it
    bint is_free, is_read, is_walked, is_decoded, is_counted
    bint is_pause  # nobody walks on from it without being asked
    bint fills  # the table is full with it
    Walked walked
    uint64_t first_number
    Py_ssize_t payload_count


cdef inline int free_slot(const Slot *slots, int count, int reader) noexcept nogil:
    """One that nobody uses, best one that this reader has filled before: its processor may have it; NOBODY where there is none."""
    cdef int i, free = NOBODY
    for i in range(count):
        if slots[i].is_free and (free == NOBODY or slots[i].reader == reader):
            free = i
            if slots[i].reader == reader:
                break
    return free


cdef inline void take_up(Slot *slot, int reader, int64_t offset) noexcept nogil:
    """Use it for the window at that offset."""
    slot.is_free = slot.is_read = slot.is_walked = slot.is_decoded = slot.is_counted = slot.is_pause = slot.fills = False
    slot.reader, slot.offset = reader, offset


cdef inline void fill(Slot *slot, int descriptor, Py_ssize_t head_bytes, Py_ssize_t window_bytes) noexcept nogil:
    """Read the window, or as much of it as the file has."""
    cdef Py_ssize_t count
    slot.filled = slot.error = 0
    while slot.filled < window_bytes:
        count = pread(descriptor, slot.bytes + head_bytes + slot.filled, window_bytes - slot.filled, slot.offset + slot.filled)
        if count < 0 and errno == EINTR:
            continue
        if count < 0:
            slot.error = errno
        if count <= 0:
            break
        slot.filled += count


cdef inline void put_before(Slot *slot, Py_ssize_t head_bytes, const uint8_t *left, Py_ssize_t count) noexcept nogil:
    """Put what was left of the window before it, no more than there is room for, before what was read."""
    slot.start = head_bytes - count
    if count:
        memcpy(slot.bytes + slot.start, left, count)
