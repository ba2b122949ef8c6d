# What one row of the flow table says: how it begins, what a packet adds to it, and what a later shard does. Everything here is
# a sum, an OR, a minimum or a maximum, so that rows merge.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from portcall.kernels.hashing cimport same_address, word
from portcall.kernels.records cimport (
    INBOUND, INTERNAL, NEVER, NO_TIME, OUTBOUND, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, UNKNOWN_DIRECTION, Datagram, Flow, Packet,
    VerdictTally,
)


cdef inline int side_of(const Flow *flow, const Packet *packet) noexcept nogil:
    """0 where the packet's source is the flow's low end, 1 where it is the high end, -1 where it is another flow.

    Differences are gathered without a branch, for which way a packet goes is what no branch predictor knows.
    """
    cdef uint64_t low_0 = word(flow.low), low_1 = word(flow.low + 8)
    cdef uint64_t high_0 = word(flow.high), high_1 = word(flow.high + 8)
    cdef uint64_t source_0 = word(packet.source), source_1 = word(packet.source + 8)
    cdef uint64_t target_0 = word(packet.target), target_1 = word(packet.target + 8)
    cdef uint32_t ports = <uint32_t>flow.low_port << 16 | flow.high_port
    cdef uint32_t sent = <uint32_t>packet.source_port << 16 | packet.target_port
    cdef uint64_t other = ((flow.protocol ^ packet.protocol) | (flow.ip_version ^ packet.ip_version)
                           | (flow.namespace ^ packet.namespace))
    cdef uint64_t upwards = (other | (low_0 ^ source_0) | (low_1 ^ source_1) | (high_0 ^ target_0) | (high_1 ^ target_1)
                             | (ports ^ sent))
    cdef uint64_t downwards = (other | (low_0 ^ target_0) | (low_1 ^ target_1) | (high_0 ^ source_0) | (high_1 ^ source_1)
                               | (ports ^ (sent >> 16 | sent << 16)))
    if min(upwards, downwards):  # two tests of them would be two branches
        return -1
    return upwards != 0


cdef inline bint same_key(const Flow *one, const Flow *other) noexcept nogil:
    return (one.low_port == other.low_port and one.high_port == other.high_port and one.protocol == other.protocol
            and one.ip_version == other.ip_version and one.namespace == other.namespace and one.kind == other.kind
            and same_address(one.low, other.low) and same_address(one.high, other.high))


cdef inline void span(int64_t ts_ns, int64_t *first_ns, int64_t *last_ns) noexcept nogil:
    if ts_ns != NO_TIME:
        if ts_ns < first_ns[0]:
            first_ns[0] = ts_ns
        if ts_ns > last_ns[0]:
            last_ns[0] = ts_ns


cdef inline void earliest(int64_t *milestone, int64_t ts_ns) noexcept nogil:
    if ts_ns < milestone[0]:
        milestone[0] = ts_ns


cdef inline void note_tcp(Flow *flow, const Packet *packet, int side) noexcept nogil:
    cdef uint8_t flags = packet.tcp_flags
    flow.tcp_flags[side] |= flags
    if flags & (TCP_SYN | TCP_FIN | TCP_RST):
        if flags & TCP_SYN:
            if flags & TCP_ACK:
                earliest(&flow.syn_ack_ns[side], packet.ts_ns)
            else:
                earliest(&flow.syn_ns[side], packet.ts_ns)
        if flags & TCP_FIN:
            earliest(&flow.fin_ns[side], packet.ts_ns)
        if flags & TCP_RST:
            earliest(&flow.rst_ns[side], packet.ts_ns)


cdef inline bint opens(const Packet *packet) noexcept nogil:
    return (packet.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN


cdef inline bint is_silent(const Flow *flow, int64_t ts_ns, uint64_t idle_ns) noexcept nogil:
    """Whether the row had been silent for longer than that when something came at that time; 0: no silence is too long."""
    return (idle_ns != 0 and flow.last_ns != NO_TIME and ts_ns > flow.last_ns and ts_ns != NEVER
            and <uint64_t>ts_ns - <uint64_t>flow.last_ns > idle_ns)


cdef inline bint is_wanted(const Packet *packet, int inspected) noexcept nogil:
    """Whether it has a payload, where bit 0 of ``inspected`` says whether its end was inspected enough. Nobody can foresee either,
    so no branch asks.
    """
    return (packet.payload != 0) & ((packet.protocol == 6) | (packet.protocol == 17)) & ~inspected


cdef inline bint is_later(const Packet *packet, const Flow *flow, int side) noexcept nogil:
    """Whether the row began with a SYN of this side, and this is not what follows it."""
    return (
        packet.protocol == 6 and flow.has_syn and flow.first_sender == side
        and packet.tcp_sequence + ((packet.tcp_flags & TCP_SYN) != 0) != <uint32_t>(flow.syn_sequence + 1)
    )


cdef inline void begin(Flow *flow, const Packet *packet, uint64_t number) noexcept nogil:
    cdef int order, i
    memset(flow, 0, sizeof(Flow))
    order = memcmp(packet.source, packet.target, 16)
    if order > 0 or (order == 0 and packet.source_port > packet.target_port):
        memcpy(flow.low, packet.target, 16)
        memcpy(flow.high, packet.source, 16)
        flow.low_port, flow.high_port = packet.target_port, packet.source_port
        flow.first_sender = 1
    else:
        memcpy(flow.low, packet.source, 16)
        memcpy(flow.high, packet.target, 16)
        flow.low_port, flow.high_port = packet.source_port, packet.target_port
    flow.protocol, flow.ip_version, flow.namespace = packet.protocol, packet.ip_version, packet.namespace
    flow.first_ns, flow.last_ns, flow.first_frame = NEVER, NO_TIME, number
    for i in range(2):
        flow.syn_ns[i] = flow.syn_ack_ns[i] = flow.fin_ns[i] = flow.rst_ns[i] = NEVER


cdef inline uint8_t local_ends(const Packet *packet, int side) noexcept nogil:
    """Which ends the capture calls local, as bits, where the packet's source is end ``side``: both if they are one host.

    The bits above them are the way that the capture says it went, for a copy of it may say the opposite.
    """
    if packet.direction == UNKNOWN_DIRECTION:
        return 0
    if packet.direction == INTERNAL or memcmp(packet.source, packet.target, 16) == 0:
        return 3
    elif packet.direction == OUTBOUND:
        return 1 << side | 4 << 2 * side
    return 1 << (1 - side) | 8 << 2 * side if packet.direction == INBOUND else 0


cdef inline uint8_t turned_ends(uint8_t local) noexcept nogil:
    """The bits with the two ends exchanged."""
    return (local >> 1 & 0x01) | (local << 1 & 0x02) | (local << 2 & 0x30) | (local >> 2 & 0x0C)


cdef inline bint goes_both_ways(uint8_t local) noexcept nogil:
    """Whether the packets of one end both went out and came in: they were forwarded, and the capture's word tells of no end."""
    return local & 0x0C == 0x0C or local & 0x30 == 0x30


cdef inline void count_packet(Flow *flow, const Packet *packet, int side) noexcept nogil:
    flow.packets[side] += 1
    flow.bytes[side] += packet.wire
    flow.payload[side] += packet.payload
    span(packet.ts_ns, &flow.first_ns, &flow.last_ns)
    flow.local |= local_ends(packet, side)


cdef inline void join(Flow *flow, const Flow *later) noexcept nogil:
    """Join the facts of a row from a later shard, same key, same connection."""
    cdef int i
    for i in range(2):
        flow.packets[i] += later.packets[i]
        flow.bytes[i] += later.bytes[i]
        flow.payload[i] += later.payload[i]
        flow.tcp_flags[i] |= later.tcp_flags[i]
        earliest(&flow.syn_ns[i], later.syn_ns[i])
        earliest(&flow.syn_ack_ns[i], later.syn_ack_ns[i])
        earliest(&flow.fin_ns[i], later.fin_ns[i])
        earliest(&flow.rst_ns[i], later.rst_ns[i])
    flow.local |= later.local
    if later.first_ns < flow.first_ns:
        flow.first_ns = later.first_ns
    if later.last_ns > flow.last_ns:
        flow.last_ns = later.last_ns


cdef inline void settle(Flow *flow, const Datagram *pending, int side) noexcept nogil:
    """Credit the later fragments that waited for their first."""
    flow.packets[side] += pending.packets
    flow.bytes[side] += pending.bytes
    flow.payload[side] += pending.payload
    flow.local |= turned_ends(pending.local) if side else pending.local
    if pending.first_ns < flow.first_ns:
        flow.first_ns = pending.first_ns
    if pending.last_ns > flow.last_ns:
        flow.last_ns = pending.last_ns


cdef inline void count_tally(VerdictTally *tally, const Packet *packet) noexcept nogil:
    tally.frames += 1
    tally.bytes += packet.wire
    span(packet.ts_ns, &tally.first_ns, &tally.last_ns)


cdef inline void join_tally(VerdictTally *tally, const VerdictTally *later) noexcept nogil:
    tally.frames += later.frames
    tally.bytes += later.bytes
    tally.first_ns = min(tally.first_ns, later.first_ns)
    tally.last_ns = max(tally.last_ns, later.last_ns)
