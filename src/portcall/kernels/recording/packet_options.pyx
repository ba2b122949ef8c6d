"""Options of packet blocks that may name processes, where a walk has marked their frames."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from portcall.kernels.capture_starts cimport number_at
from portcall.kernels.pcapng_fields cimport MOST_OPTIONS, list_options
from portcall.kernels.records cimport Frame, PacketOption

cdef enum:
    _HEADER_BYTES = 28  # of a packet block that has options


def list_packet_options(
    Frame[::1] frames not None, const uint8_t[::1] buffer not None, bint big, PacketOption[::1] out_options not None,
    uint64_t[::1] out_left_out not None, Py_ssize_t most = MOST_OPTIONS
):
    """List what FRAME[n] may say of processes, as a walk over the buffer marked it; gives how much, or -1 for want of room.

    The buffer's section is of that byte order. When all is listed the marks go, so that this is asked once. Of one packet
    ``most`` are listed; how many others there were is added to the only number of ``out_left_out``.
    """
    cdef Py_ssize_t number, at, size, listed = 0, found, option
    cdef uint64_t beyond = 0
    cdef const uint8_t *block
    for number in range(frames.shape[0]):
        if not frames[number].reserved:
            continue
        at = <Py_ssize_t>frames[number].offset
        if not _HEADER_BYTES <= at <= buffer.shape[0]:
            raise ValueError("listing wants the frames of the latest walk, and their buffer")
        block = &buffer[0] + at - _HEADER_BYTES
        size = (<Py_ssize_t>number_at(block + 4, big) + 3) & ~3
        found = _HEADER_BYTES + ((<Py_ssize_t>frames[number].captured + 3) & ~3)  # where options begin
        at += found - _HEADER_BYTES
        if size < found + 4 or at - found + size > buffer.shape[0]:
            raise ValueError("listing wants the frames of the latest walk, and their buffer")
        if out_options.shape[0] - listed < most:
            return -1
        found = list_options(block + found, size - 4 - found, big, &out_options[listed], most)
        if found > most:
            beyond += <uint64_t>(found - most)
            found = most
        for option in range(listed, listed + found):
            out_options[option].offset += at
            out_options[option].frame = <uint32_t>number
        listed += found
    for number in range(frames.shape[0]):
        frames[number].reserved = 0
    out_left_out[0] += beyond
    return listed
