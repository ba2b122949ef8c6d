# Which bytes of a TCP stream were missed: what comes behind a hole waits as an island, and a hole that the other end
# acknowledges was missed by the capture. Only where bytes lie is kept, and not what they are.
from libc.stdint cimport uint32_t, uint64_t

from portcall.kernels.histories.conversations cimport (
    CLOSED, ESTABLISHED, RESET, Conversation, End, Island, Islands, is_unacknowledged, note_scaled, size_of, unwrapped,
)

cdef enum:  # Zeek's defaults (init-bare.zeek)
    MOST_INITIAL_WINDOW = 16384  # bytes without an acknowledgement: the other end is not seen
    MOST_ABOVE_HOLE = 16384  # bytes behind a hole without any acknowledgement: nothing more is put in order
    MOST_WITHOUT_ACKS = 10 << 20  # bytes since the last one

cdef enum:
    MOST_ISLANDS = 512  # of one end, as each may be looked at for a segment that fills a hole


cdef inline bint _is_clean(const End *end) noexcept nogil:
    return end.state == ESTABLISHED or (end.state == CLOSED and end.state_before == ESTABLISHED)


cdef inline void _miss(Conversation *one, int side, uint64_t size) noexcept nogil:
    """A gap, which counts where both ends opened the connection and none broke it off."""
    if _is_clean(&one.ends[0]) and _is_clean(&one.ends[1]):
        note_scaled(one, side, &one.ends[side].gaps, c'G')
        one.missed += size


cdef inline void _give_back(Islands *islands, uint32_t place) noexcept nogil:
    islands.first[place - 1].next, islands.free = islands.free, place


cdef inline void _drop_first(Islands *islands, End *end) noexcept nogil:
    cdef uint32_t place = end.island
    cdef Island *island = &islands.first[place - 1]
    end.island = island.next
    end.waiting -= island.end - island.first
    end.island_count -= 1
    if not end.island:
        end.last_island = 0
    _give_back(islands, place)


cdef inline void forget_islands(Islands *islands, End *end) noexcept nogil:
    while end.island:
        _drop_first(islands, end)


cdef inline void _deliver(Islands *islands, End *end) noexcept nogil:
    """Take what follows at once on what was delivered."""
    cdef Island *island
    while end.island:
        island = &islands.first[end.island - 1]
        if island.first > end.delivered:
            return
        if island.end > end.delivered:
            end.delivered = island.end
        _drop_first(islands, end)


cdef inline void _give_up_to(Conversation *one, int side, Islands *islands, uint64_t number) noexcept nogil:
    """What is missing before that number will not come."""
    cdef End *end = &one.ends[side]
    cdef uint64_t first
    if number <= 2 and one.is_partial:
        return  # where it began is a guess
    while not end.gives_up and end.island:
        first = islands.first[end.island - 1].first
        if first >= number:
            break
        _miss(one, side, first - end.delivered)
        end.delivered = first
        _deliver(islands, end)
    if number > end.delivered:
        if not end.gives_up:
            _miss(one, side, number - end.delivered)
        end.delivered = number


cdef inline void _trim(Conversation *one, int side, Islands *islands, uint64_t number) noexcept nogil:
    cdef End *end = &one.ends[side]
    if number > end.delivered:
        _give_up_to(one, side, islands, number)
    while end.island and islands.first[end.island - 1].end <= number:
        _drop_first(islands, end)
    _deliver(islands, end)
    end.trimmed = number


cdef inline void acknowledge(Conversation *one, int side, Islands *islands, uint64_t number) noexcept nogil:
    """The other end acknowledges all before that number."""
    cdef End *end = &one.ends[side]
    if end.has_fin and number >= end.fin_end:
        number = end.fin_end - 1
    if number > end.trimmed:
        _trim(one, side, islands, number)
        check_end(one, side)


cdef inline void put_in_order(Conversation *one, int side, Islands *islands, uint64_t first, uint64_t size) noexcept nogil:
    """Take in so many bytes from that number on."""
    cdef End *end = &one.ends[side]
    cdef uint64_t stop = first + size, ack = unwrapped(end.ack, end.ack_wraps), held
    if end.gives_up:
        return
    ack = ack - end.start if ack > end.start else 0
    first = max(first, ack, end.trimmed)
    if stop <= first:
        return
    if first > end.delivered:
        _wait(islands, end, first, stop)
    elif stop > end.delivered:
        end.delivered = stop
        _deliver(islands, end)
        if is_unacknowledged(end) and size_of(end, &one.ends[1 - side]) > MOST_INITIAL_WINDOW:
            _trim(one, side, islands, end.delivered)
    held = end.waiting + (end.delivered - end.trimmed if end.delivered > end.trimmed else 0)
    if held > MOST_WITHOUT_ACKS or (end.last_island and is_unacknowledged(end)
                                    and islands.first[end.last_island - 1].end > end.delivered + MOST_ABOVE_HOLE):
        forget_islands(islands, end)
        end.gives_up = 1


cdef inline uint32_t _new_island(Islands *islands, End *end, uint64_t first, uint64_t stop) noexcept nogil:
    """1 + its place; 0 where there is no room."""
    cdef uint32_t place = islands.free
    cdef Island *island
    if end.island_count >= MOST_ISLANDS or (not place and islands.count >= islands.most):
        islands.left_out += 1
        return 0
    if place:
        islands.free = islands.first[place - 1].next
    else:
        islands.count += 1
        place = islands.count
    island = &islands.first[place - 1]
    island.first, island.end, island.next = first, stop, 0
    end.waiting += stop - first
    end.island_count += 1
    return place


cdef inline void _wait(Islands *islands, End *end, uint64_t first, uint64_t stop) noexcept nogil:
    """Keep what came behind a hole: with the islands that it touches, or as one of its own."""
    cdef Island *island
    cdef uint32_t place, before = 0, here = end.island
    if end.last_island and islands.first[end.last_island - 1].first <= first:
        before = here = end.last_island  # most go on there
        if islands.first[here - 1].end < first:
            here = 0
    else:
        while here and islands.first[here - 1].end < first:
            before, here = here, islands.first[here - 1].next
    if not here or islands.first[here - 1].first > stop:
        place = _new_island(islands, end, first, stop)
        if not place:
            return
        islands.first[place - 1].next = here
        if before:
            islands.first[before - 1].next = place
        else:
            end.island = place
        if not here:
            end.last_island = place
        return
    island = &islands.first[here - 1]
    if first < island.first:
        end.waiting += island.first - first
        island.first = first
    while island.next and islands.first[island.next - 1].first <= stop:
        place = island.next
        stop = max(stop, islands.first[place - 1].end)
        end.waiting -= islands.first[place - 1].end - islands.first[place - 1].first
        end.island_count -= 1
        island.next = islands.first[place - 1].next
        if place == end.last_island:
            end.last_island = here
        _give_back(islands, place)
    if stop > island.end:
        end.waiting += stop - island.end
        island.end = stop


cdef inline bint _is_pending(const Conversation *one, int side) noexcept nogil:
    """Whether some that an end sent was not delivered, or some that the other sent was not acknowledged."""
    cdef const End *end = &one.ends[side]
    cdef const End *other = &one.ends[1 - side]
    cdef uint64_t delivered = end.start + end.delivered, last = unwrapped(end.last, end.last_wraps)
    if end.gives_up or last < delivered:
        return False
    if delivered != last and delivered + 1 != last:  # a FIN is a number too
        return True
    return end.state != RESET and (other.island != 0 or other.delivered > other.trimmed)


cdef inline void close(Conversation *one, int side) noexcept nogil:
    """The end is done, when all that it sent was delivered."""
    one.is_close_deferred = _is_pending(one, side)
    if not one.is_close_deferred:
        one.ends[side].has_closed = 1


cdef inline void check_end(Conversation *one, int side) noexcept nogil:
    """All may be delivered now: then ends that are done close."""
    cdef End *end = &one.ends[side]
    if end.has_ended or _is_pending(one, side) or not (end.has_fin or end.state == CLOSED or end.state == RESET):
        return
    end.has_ended = 1
    if one.is_close_deferred:
        close(one, side)
        one.is_close_deferred = 0
