"""Frames that match a compiled pcap filter, by libpcap's own interpreter.

libpcap is not linked: whoever loaded it hands over the address of its ``bpf_filter``, which checks every access to the
frame, and of a program that its compiler made.
"""

from libc.stdint cimport uint8_t, uintptr_t

from portcall.kernels.records cimport Frame

ctypedef unsigned int (*Interpreter)(
    const void *program, const uint8_t *frame, unsigned int wire, unsigned int captured
) noexcept nogil


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
