# What is kept of one conversation while its packets come in order, and the letters of its history. Letters and rules are those of
# Zeek's conn.log (scripts/base/protocols/conn/main.zeek) and of the state machine behind it.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    LETTERS = 40  # of a history that are kept

cdef enum:  # how far an end has got
    INACTIVE
    SYN_SENT
    SYN_ACK_SENT
    PARTIAL
    ESTABLISHED
    CLOSED
    RESET

cdef enum:  # letters that an end has once, or was seen with before
    HAS_SYN = 0x01
    HAS_FIN = 0x02
    HAS_RST = 0x04
    HAS_DATA = 0x08
    HAS_ACK = 0x10
    HAS_FIN_AND_RST = 0x20
    HAS_SEVERAL = 0x40


cdef struct End:
    uint64_t packets  # without later fragments
    uint64_t ip_bytes
    uint64_t payload
    uint64_t wrong_payload  # of packets whose checksum is wrong
    # Numbers from here on count from the SYN, which is 0.
    uint64_t delivered  # all before it came, or was given up
    uint64_t trimmed  # all before it is acknowledged
    uint64_t fin_end  # behind its FIN
    uint64_t waiting  # bytes behind a hole
    uint32_t start  # the SYN's sequence number
    uint32_t last  # the number behind what it sent
    uint32_t ack  # the number that the other end waits for
    uint32_t last_wraps
    uint32_t ack_wraps
    uint32_t syn_at  # of the latest SYN, FIN, RST
    uint32_t fin_at
    uint32_t rst_at
    uint32_t gaps
    uint32_t repeats
    uint32_t zero_windows
    uint32_t wrong_sums
    uint32_t island  # 1 + the place of its first island, 0 for none
    uint32_t last_island  # and of its last one
    uint32_t island_count
    uint8_t state
    uint8_t state_before
    uint8_t has_closed
    uint8_t has_fin
    uint8_t gives_up  # nothing more is put in order
    uint8_t letters
    uint8_t has_sent
    uint8_t has_ended  # all up to its end was delivered


cdef struct Conversation:
    int64_t last_ns  # of the latest packet before both ends had closed
    uint64_t missed  # bytes
    End ends[2]
    uint8_t letters[LETTERS]
    uint16_t letter_count  # of all, also those that found no room
    uint8_t originator  # which end
    uint8_t has_begun
    uint8_t is_partial  # the originator's SYN was not seen
    uint8_t is_close_deferred
    uint8_t is_cut  # letters found no room
    uint8_t reserved


cdef struct Island:
    # Bytes that came behind a hole.
    uint64_t first
    uint64_t end
    uint32_t next  # 1 + its place
    uint32_t reserved


cdef struct Islands:
    # All that there may be; those that nobody has are a list.
    Island *first
    uint32_t count  # places that were ever used
    uint32_t most
    uint32_t free  # 1 + the first that was given back
    uint64_t left_out  # segments for which there was no room


cdef inline void add_letter(Conversation *one, uint8_t letter) noexcept nogil:
    if one.letter_count < LETTERS:
        one.letters[one.letter_count] = letter
    if one.letter_count < 0xFFFF:
        one.letter_count += 1


cdef inline void note(Conversation *one, int side, uint8_t letter) noexcept nogil:
    """One more letter: upper case of the originator, lower case of the other end."""
    add_letter(one, letter if side == one.originator else letter | 0x20)


cdef inline bint had(Conversation *one, int side, uint8_t bit, uint8_t letter) noexcept nogil:
    """Whether the end was seen with it before; else it is now."""
    if one.ends[side].letters & bit:
        return True
    one.ends[side].letters |= bit
    note(one, side, letter)
    return False


cdef inline void note_scaled(Conversation *one, int side, uint32_t *count, uint8_t letter) noexcept nogil:
    """Count it; the 1st, 10th, 100th ... is a letter."""
    cdef uint64_t power = 1
    if count[0] == <uint32_t>0xFFFFFFFF:
        return
    count[0] += 1
    while power < count[0]:
        power *= 10
    if power == count[0]:
        note(one, side, letter)


cdef inline void enter(End *end, uint8_t state) noexcept nogil:
    if end.state != state:
        end.state_before, end.state = end.state, state


cdef inline uint64_t unwrapped(uint32_t number, uint32_t wraps) noexcept nogil:
    return <uint64_t>wraps << 32 | number


cdef inline uint64_t number_of(const End *end, uint32_t number, uint32_t latest, uint32_t wraps, bint *is_before) noexcept nogil:
    """A sequence number as counted from the end's SYN, by the latest one before it; ``is_before``: it goes before the SYN."""
    cdef int64_t from_start
    cdef int64_t step = <int64_t>(<uint32_t>(number - latest))
    if step >> 31:
        if wraps and number > latest:
            wraps -= 1
    elif step and number < latest:
        wraps += 1
    if wraps:
        is_before[0] = False
        return unwrapped(number, wraps) - end.start
    from_start = <int64_t>(<uint32_t>(number - end.start))
    if from_start >> 31:
        from_start -= <int64_t>1 << 32
    is_before[0] = from_start < 0
    return <uint64_t>from_start


cdef inline int64_t step_from(uint32_t number, uint32_t before) noexcept nogil:
    """How far it is from one sequence number to another; less than 0 where it is behind."""
    cdef int64_t step = <int64_t>(<uint32_t>(number - before))
    return step - (<int64_t>1 << 32) if step >> 31 else step


cdef inline bint is_unacknowledged(const End *end) noexcept nogil:
    """Whether the other end acknowledged nothing but a SYN."""
    cdef uint64_t ack = unwrapped(end.ack, end.ack_wraps)
    return ack == end.start or ack == <uint64_t>end.start + 1


cdef inline uint64_t size_of(const End *end, const End *other) noexcept nogil:
    """Bytes that the end sent, by the sequence numbers of both."""
    cdef uint64_t last = unwrapped(end.last, end.last_wraps), ack = unwrapped(end.ack, end.ack_wraps), size
    if end.state_before == SYN_SENT and end.state == RESET and other.state == INACTIVE and not is_unacknowledged(end):
        return 0  # a connection half open was found, and numbers say nothing
    if ack > last:
        last = ack
    size = last - end.start if last > end.start else 0
    if size:
        size -= 1  # the SYN
    if end.has_fin and size:
        size -= 1
    return size
