# What fields of a pcapng packet block say: its time, its direction and its processes (draft-ietf-opsawg-pcapng §4.3).
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from portcall.kernels.capture_starts cimport number_at, short_at
from portcall.kernels.records cimport INBOUND, NO_TIME, OUTBOUND, UNKNOWN_DIRECTION, Interface, PacketOption


cdef extern from *:
    """
    #define PORTCALL_FARTHEST_SECOND INT64_C(9000000000)
    """
    const int64_t FARTHEST_SECOND "PORTCALL_FARTHEST_SECOND"  # in 2255: nearly all that 64 bits of nanoseconds can say

cdef enum:
    MOST_OPTIONS = 64  # of one packet that are listed
    COMMENT = 1
    FLAGS = 2
    PROCESS = 8
    DARWIN_PROCESS = 0x8001
    DARWIN_EFFECTIVE_PROCESS = 0x8003


cdef inline int64_t time_of(const Interface *interface, uint64_t ticks) noexcept nogil:
    cdef uint64_t seconds = ticks // interface.ticks_per_second
    cdef uint64_t remainder = ticks % interface.ticks_per_second
    cdef int64_t shifted
    remainder = (remainder >> interface.remainder_shift) * interface.remainder_multiplier // interface.remainder_divisor
    if seconds > <uint64_t>FARTHEST_SECOND:
        return NO_TIME
    if interface.offset_seconds > FARTHEST_SECOND or interface.offset_seconds < -FARTHEST_SECOND:
        return NO_TIME
    shifted = <int64_t>seconds + interface.offset_seconds
    if shifted > FARTHEST_SECOND or shifted < -FARTHEST_SECOND:
        return NO_TIME
    return shifted * 1000000000 + <int64_t>remainder


cdef inline uint8_t direction_of(const uint8_t *options, Py_ssize_t size, bint big) noexcept nogil:
    """The way that the option epb_flags (2) in options[:size] states: code:16 length:16 value, padded to 4 bytes."""
    cdef Py_ssize_t at = 0, length
    cdef uint16_t code
    cdef uint32_t way
    while at + 4 <= size:
        code = short_at(options + at, big)
        length = short_at(options + at + 2, big)
        if code == 0:
            break
        if code == FLAGS and length == 4 and at + 8 <= size:
            way = number_at(options + at + 4, big) & 3
            return INBOUND if way == 1 else OUTBOUND if way == 2 else UNKNOWN_DIRECTION
        at += 4 + ((length + 3) & ~3)
    return UNKNOWN_DIRECTION


cdef inline Py_ssize_t list_options(
    const uint8_t *options, Py_ssize_t size, bint big, PacketOption *out_options, Py_ssize_t room
) noexcept nogil:
    """How many of the options in options[:size] may name processes; NULL: looked for up to the first of them.

    Up to ``room`` of them are listed, with offsets from the first option; the others are counted only.
    """
    cdef Py_ssize_t at = 0, length, listed = 0
    cdef uint16_t code
    while at + 4 <= size:
        code = short_at(options + at, big)
        length = short_at(options + at + 2, big)
        if code == 0:
            break
        if at + 4 + length <= size and (
            code == COMMENT or code == PROCESS or code == DARWIN_PROCESS or code == DARWIN_EFFECTIVE_PROCESS
        ):
            if out_options == NULL:
                return 1
            if listed < room:
                out_options[listed].offset, out_options[listed].code, out_options[listed].length = at + 4, code, length
            listed += 1
        at += 4 + ((length + 3) & ~3)
    return listed
