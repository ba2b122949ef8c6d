"""Frames that are picked: those of several buffers into one, in the order that somebody has worked out, and those that match a
compiled pcap filter, by libpcap's own interpreter; and the payloads that are still wanted.

libpcap is not linked: whoever loaded it hands over the address of its ``bpf_filter``, which checks every access to the
frame, and of a program that its compiler made.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport int64_t, uint8_t, uint64_t, uintptr_t
from libc.string cimport memcpy

from portcall.kernels.borrowing cimport borrow_writable
from portcall.kernels.records cimport Frame, Payload

ctypedef unsigned int (*Interpreter)(
    const void *program, const uint8_t *frame, unsigned int wire, unsigned int captured
) noexcept nogil


def gather(
    const Frame[::1] frames, const uint8_t[::1] buffer, const int64_t[::1] places, const uint64_t[::1] offsets, Frame[::1] out_frames,
    uint8_t[::1] out_buffer
):
    """Copy frames[n] to out_frames[places[n]], and their bytes to where ``offsets`` says by place.

    ValueError where a frame does not lie in its buffer, or has no room: what walks over captures makes none such.
    """
    cdef Py_ssize_t i, count = frames.shape[0]
    cdef int64_t place
    cdef const Frame *frame
    cdef uint64_t size = buffer.shape[0], room = out_buffer.shape[0]
    cdef bint fits = True
    if places.shape[0] != count:
        raise ValueError("gathering wants a place for each frame")
    with nogil:
        for i in range(count):
            frame, place = &frames[i], places[i]
            if (not 0 <= place < min(out_frames.shape[0], offsets.shape[0]) or frame.captured > size
                    or frame.offset > size - frame.captured or frame.captured > room
                    or offsets[place] > room - frame.captured):
                fits = False
                break
            out_frames[place] = frame[0]
            out_frames[place].offset = offsets[place]
            if frame.captured:
                memcpy(&out_buffer[offsets[place]], &buffer[frame.offset], frame.captured)
    if not fits:
        raise ValueError("a frame to gather does not lie in its buffer, or finds no room")


def select(
    const Frame[::1] frames, const uint8_t[::1] buffer, uintptr_t interpreter, uintptr_t program, uint8_t[::1] out_matches
):
    """Set out_matches[i] to 1 where frames[i] matches, else to 0."""
    cdef Py_ssize_t i
    cdef size_t size = buffer.shape[0]
    cdef Interpreter run = <Interpreter>interpreter
    with nogil:
        for i in range(frames.shape[0]):
            out_matches[i] = (
                frames[i].captured > 0
                and frames[i].offset < size
                and frames[i].captured <= size - frames[i].offset
                and run(<const void *>program, &buffer[frames[i].offset], frames[i].wire, frames[i].captured) != 0
            )


cdef object _payload_dtype = None  # as compared


def keep_wanted(object payloads, const uint8_t[::1] inspected):
    """Move the payloads of ends that ``inspected`` does not say were inspected enough to the front; gives how many."""
    global _payload_dtype
    cdef Py_buffer view
    cdef Py_ssize_t count, kept = 0, i
    cdef Payload *payload
    if payloads.dtype is not _payload_dtype:
        _payload_dtype = _compared(payloads)
    count = borrow_writable(payloads, sizeof(Payload), &view)
    payload = <Payload *>view.buf
    try:
        with nogil:
            for i in range(count):
                payload[kept] = payload[i]
                kept += ~(inspected[payload[i].row] >> payload[i].side) & 1  # nobody can foresee it, so no branch asks
    finally:
        PyBuffer_Release(&view)
    return kept


cdef object _compared(const Payload[::1] payloads):
    return payloads.base.dtype
