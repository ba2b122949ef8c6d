"""Flow rows → what their two ends are: which is the client, which service the other one offers, which of them are local.

One pass a question over FLOW rows, so that a row's answer depends on nothing but the row, and on tables by port and lists of
networks that are handed in. What the answers mean, and where the tables come from, say ``portcall.openers``, ``services`` and
``locality``.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from portcall.kernels.prefetching cimport portcall_prefetch
from portcall.kernels.records cimport (
    NEVER, OPENER_CURATED_NAME, OPENER_FIRST_SENDER, OPENER_IANA_NAME, OPENER_LOWER_PORT, OPENER_PORT_CLASS, OPENER_SYN,
    OPENER_SYN_ACK, ORPHAN, Flow, Network,
)

cdef enum:
    AHEAD = 12  # rows that are asked of memory before their turn
    RANKS = 3  # the bits of a grade that tell how well the service is known, 0 best; above them is the class
    NEXT_CLASS = RANKS + 1

cdef struct Opener:
    uint8_t client_is_low
    uint8_t evidence


cdef inline bint _reached(const int64_t *milestone_ns) noexcept nogil:
    return milestone_ns[0] != NEVER or milestone_ns[1] != NEVER


cdef inline bint _low_was_earlier(const int64_t *milestone_ns, bint low_sent_first) noexcept nogil:
    return milestone_ns[0] < milestone_ns[1] or (milestone_ns[0] == milestone_ns[1] and low_sent_first)


cdef inline Opener _by_port(uint32_t low, uint32_t high, uint32_t low_grade, uint32_t high_grade, bint low_sent_first) noexcept nogil:
    # The greater grade is the client's, then the greater port.
    cdef uint32_t differs = low_grade ^ high_grade
    if differs == 0:
        if low == high:
            return Opener(low_sent_first, OPENER_FIRST_SENDER)
        return Opener(low > high, OPENER_LOWER_PORT)
    if differs >= NEXT_CLASS:
        return Opener(low_grade > high_grade, OPENER_PORT_CLASS)
    if low_grade & RANKS == 0 or high_grade & RANKS == 0:
        return Opener(low_grade > high_grade, OPENER_CURATED_NAME)
    return Opener(low_grade > high_grade, OPENER_IANA_NAME)


def clients(
    const Flow[:] flows, const Py_ssize_t[::1] beginnings, const uint8_t[::1] grades, uint8_t[::1] out_low, uint8_t[::1] out_evidence
):
    """Fill ``out_low[n]`` with whether the low end of each of FLOW[n] is the client, ``out_evidence`` with why: OpenerEvidence.

    ``grades[beginnings[protocol] + port]`` are the lower, the likelier a port is a server's: class << 2 | how little its service
    is known, from 0 for a curated name to 2 for none.
    """
    cdef Py_ssize_t row, ports, last = flows.shape[0] - 1
    cdef bint low_sent_first
    cdef Opener opener
    cdef const Flow *flow
    with nogil:
        for row in range(flows.shape[0]):
            flow = &flows[min(row + AHEAD, last)]
            portcall_prefetch(flow)
            portcall_prefetch(&flow.syn_ns)
            flow = &flows[row]
            low_sent_first = flow.first_sender == 0
            if _reached(flow.syn_ns):
                opener = Opener(_low_was_earlier(flow.syn_ns, low_sent_first), OPENER_SYN)
            elif _reached(flow.syn_ack_ns):
                opener = Opener(not _low_was_earlier(flow.syn_ack_ns, low_sent_first), OPENER_SYN_ACK)
            else:
                ports = beginnings[flow.protocol]
                opener = _by_port(
                    flow.low_port, flow.high_port, grades[ports + flow.low_port], grades[ports + flow.high_port], low_sent_first
                )
            out_low[row] = opener.client_is_low
            out_evidence[row] = opener.evidence


def service_keys(
    const Flow[:] flows,
    const uint8_t[:] client_is_low,
    const Py_ssize_t[::1] beginnings,
    const int32_t[::1] keys,
    const int32_t[::1] keys_without_port,
    int64_t[::1] out_keys,
):
    """Fill ``out_keys[n]`` with the service key of each of FLOW[n].

    It is ``keys[beginnings[protocol] + port of the server]`` where ``keys_without_port[protocol]`` is -1, else the latter; the
    last one there, after those of 256 protocols, is that of later fragments without their first.
    """
    cdef Py_ssize_t row, last = flows.shape[0] - 1
    cdef int32_t key
    cdef const Flow *flow
    with nogil:
        for row in range(flows.shape[0]):
            portcall_prefetch(&flows[min(row + AHEAD, last)])
            flow = &flows[row]
            key = keys_without_port[256 if flow.kind == ORPHAN else flow.protocol]
            if key < 0:
                key = keys[beginnings[flow.protocol] + (flow.high_port if client_is_low[row] else flow.low_port)]
            out_keys[row] = key


cdef inline uint8_t _within(const Flow *flow, const Network *networks, Py_ssize_t count) noexcept nogil:
    # Bits for the ends that lie in one of the networks. Which do cannot be foreseen, so no branch asks.
    cdef uint64_t low[2]
    cdef uint64_t high[2]
    cdef uint64_t ip_version = 6 if flow.ip_version == 6 else 4
    cdef uint8_t within = 0
    cdef Py_ssize_t number
    cdef const Network *network
    memcpy(low, flow.low, 16)
    memcpy(high, flow.high, 16)
    for number in range(count):
        network = &networks[number]
        if network.ip_version == ip_version:
            within |= ((low[0] & network.mask[0] ^ network.value[0]) | (low[1] & network.mask[1] ^ network.value[1])) == 0
            within |= (((high[0] & network.mask[0] ^ network.value[0]) | (high[1] & network.mask[1] ^ network.value[1])) == 0) << 1
    return within


def local_ends(const Flow[:] flows, const Network[::1] networks, bint decides, uint8_t[::1] out_local):
    """Fill ``out_local[n]`` with bits for the local ends of each of FLOW[n], 1 the low and 2 the high one.

    Local is what lies in the networks where they ``decides``. Else the bits in the row say it, and where there are none, an end
    is local that lies in the networks when the other one does not. Gives how many rows had none.
    """
    cdef Py_ssize_t row, silent = 0, last = flows.shape[0] - 1
    cdef Py_ssize_t count = networks.shape[0]
    cdef uint8_t within
    cdef const Flow *flow
    cdef const Network *first = &networks[0] if count else NULL
    with nogil:
        for row in range(flows.shape[0]):
            flow = &flows[min(row + AHEAD, last)]
            portcall_prefetch(flow)
            portcall_prefetch(&flow.packets)
            flow = &flows[row]
            if flow.local and not decides:
                out_local[row] = flow.local & 3
                continue
            silent += 1
            within = _within(flow, first, count)
            out_local[row] = 0 if within == 3 and not decides else within
    return 0 if decides else silent
