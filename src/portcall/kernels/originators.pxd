# Who of two ends is the client, as far as their ports tell.
from libc.stdint cimport uint8_t, uint32_t

from portcall.kernels.records cimport (
    ORIGINATOR_CURATED_NAME, ORIGINATOR_FIRST_SENDER, ORIGINATOR_IANA_NAME, ORIGINATOR_LOWER_PORT, ORIGINATOR_PORT_CLASS,
)

cdef enum:
    RANKS = 3  # the bits of a grade that tell how well the service is known, 0 best; above them is the class
    NEXT_CLASS = RANKS + 1
    LENT = 16  # the bit of a grade that tells that systems give the port to clients


cdef struct Originator:
    uint8_t client_is_low
    uint8_t evidence


cdef inline Originator by_port(uint32_t low, uint32_t high, uint32_t low_grade, uint32_t high_grade, bint low_sent_first) noexcept nogil:
    # The greater grade is the client's, then the greater port; but of two that both are lent, only a curated name tells.
    cdef uint32_t differs = (low_grade ^ high_grade) & ~LENT
    if low_grade & high_grade & LENT and (low_grade & RANKS == 0) == (high_grade & RANKS == 0):
        return Originator(low_sent_first, ORIGINATOR_FIRST_SENDER)
    if low_grade & high_grade & LENT:
        return Originator(low_grade & RANKS != 0, ORIGINATOR_CURATED_NAME)
    low_grade, high_grade = low_grade & ~LENT, high_grade & ~LENT
    if differs == 0:
        if low == high:
            return Originator(low_sent_first, ORIGINATOR_FIRST_SENDER)
        return Originator(low > high, ORIGINATOR_LOWER_PORT)
    if differs >= NEXT_CLASS:
        return Originator(low_grade > high_grade, ORIGINATOR_PORT_CLASS)
    if low_grade & RANKS == 0 or high_grade & RANKS == 0:
        return Originator(low_grade > high_grade, ORIGINATOR_CURATED_NAME)
    return Originator(low_grade > high_grade, ORIGINATOR_IANA_NAME)
