"""Flow rows → what their two ends are: which is the client, which service the other one offers, which of them are local; and then,
in columns, what each of the two sent.

A row's answer depends on nothing but the row, on who asked in it, and on tables by port and lists of networks that are handed in.
What the answers mean, and where the tables come from, say ``portcall.flows.originator``, ``service_keys`` and ``local_networks``.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from portcall.kernels.flow_row cimport goes_both_ways
from portcall.kernels.flow_values cimport MARKS as _MARKS
from portcall.kernels.flow_values cimport VALUES as _VALUES
from portcall.kernels.flow_values cimport put
from portcall.kernels.originators cimport Originator, by_port
from portcall.kernels.prefetching cimport portcall_prefetch
from portcall.kernels.records cimport (
    NEVER, ORIGINATOR_ASKED, ORIGINATOR_SYN, ORIGINATOR_SYN_ACK, UNMATCHED, Flow, FlowEnds, Network,
)

cdef enum:
    AHEAD = 12  # rows that are asked of memory before their turn
    NOBODY_ASKED = 0  # who asked
    LOW_ASKED = 1

VALUES = (
    "protocol", "state", "first_ns", "last_ns", "closed_ns",
    *(f"{end}_{value}" for end in ("client", "server") for value in (
        "high_half", "low_half", "port", "port_class", "packets", "bytes", "payload", "tcp_flags",
    )),
)
"""What ``fill`` has of each row, in this order."""
MARKS = ("is_ipv6", "is_tcp", "is_whole", "has_ports", "has_first_ns", "has_last_ns", "has_closed_ns")
"""What it marks, in this order."""
if (len(VALUES), len(MARKS)) != (_VALUES, _MARKS):
    raise ImportError("the columns of flow values are not those of flow_values.pxd")


cdef inline bint _reached(const int64_t *milestone_ns) noexcept nogil:
    return (milestone_ns[0] != NEVER) | (milestone_ns[1] != NEVER)


cdef inline bint _low_was_earlier(const int64_t *milestone_ns, bint low_sent_first) noexcept nogil:
    return (milestone_ns[0] < milestone_ns[1]) | ((milestone_ns[0] == milestone_ns[1]) & low_sent_first)


cdef class PortRules:
    """What ports tell, in tables where those of a protocol begin at ``beginnings[protocol]``.

    ``grades`` are the lower, the likelier a port is a server's: whether systems give it to clients << 4 | class << 2 | how little
    its service is known, from 0 for a curated name to 2 for none. ``keys`` are service keys; ``keys_without_port[protocol]`` is one that needs no port, else -1, and the last
    one there, after those of 256 protocols, is that of later fragments without their first.
    """

    cdef const Py_ssize_t[::1] beginnings
    cdef const uint8_t[::1] grades
    cdef const int32_t[::1] keys
    cdef const int32_t[::1] keys_without_port

    def __init__(
        self,
        const Py_ssize_t[::1] beginnings,
        const uint8_t[::1] grades,
        const int32_t[::1] keys,
        const int32_t[::1] keys_without_port,
    ):
        self.beginnings, self.grades, self.keys, self.keys_without_port = beginnings, grades, keys, keys_without_port


cdef inline bint _is_group(const uint8_t *address, bint is_ipv6) noexcept nogil:
    # Whether it is multicast (RFC 5771, RFC 4291 §2.7), or IPv4's broadcast to all.
    if is_ipv6:
        return address[0] == 0xFF
    return address[12] & 0xF0 == 0xE0 or (address[12] & address[13] & address[14] & address[15]) == 0xFF


cdef inline Originator _originator(
    const Flow *flow, int asker, const Py_ssize_t[::1] beginnings, const uint8_t[::1] grades
) noexcept nogil:
    cdef bint low_sent_first = flow.first_sender == 0
    cdef Py_ssize_t ports
    cdef const uint8_t *address = &flow.low[0]
    if _reached(flow.syn_ns):
        return Originator(_low_was_earlier(flow.syn_ns, low_sent_first), ORIGINATOR_SYN)
    if _reached(flow.syn_ack_ns):
        return Originator(not _low_was_earlier(flow.syn_ack_ns, low_sent_first), ORIGINATOR_SYN_ACK)
    if asker != NOBODY_ASKED:
        if asker != LOW_ASKED:
            address = &flow.high[0]
        if flow.packets[asker - LOW_ASKED & 1] or not _is_group(address, flow.ip_version == 6):
            return Originator(asker == LOW_ASKED, ORIGINATOR_ASKED)
    ports = beginnings[flow.protocol]
    return by_port(flow.low_port, flow.high_port, grades[ports + flow.low_port], grades[ports + flow.high_port], low_sent_first)


cdef inline int32_t _service_key(const Flow *flow, bint client_is_low, PortRules rules) noexcept nogil:
    cdef int32_t key = rules.keys_without_port[256 if flow.kind == UNMATCHED else flow.protocol]
    cdef Py_ssize_t port = flow.low_port
    if client_is_low:
        port = flow.high_port
    return key if key >= 0 else rules.keys[rules.beginnings[flow.protocol] + port]


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


def clients(
    const Flow[:] flows, const uint8_t[::1] askers, const Py_ssize_t[::1] beginnings, const uint8_t[::1] grades,
    uint8_t[::1] out_low, uint8_t[::1] out_evidence
):
    """Fill ``out_low[n]`` with whether the low end of each of FLOW[n] is the client, ``out_evidence`` with why: OriginatorEvidence.

    ``askers[n]`` says who asked: 0 nobody that was heard, 1 the low end, 2 the high one.
    """
    cdef Py_ssize_t row
    cdef Originator originator
    with nogil:
        for row in range(flows.shape[0]):
            originator = _originator(&flows[row], askers[row], beginnings, grades)
            out_low[row], out_evidence[row] = originator.client_is_low, originator.evidence


def client_by_port(uint16_t near_port, uint16_t far_port, uint8_t near_grade, uint8_t far_grade):
    """Whether the near end of a conversation of which only the ports are known is the client, and why: OriginatorEvidence.

    Where the ports do not tell, it is as if the near end had sent first.
    """
    cdef Originator originator = by_port(near_port, far_port, near_grade, far_grade, True)
    return bool(originator.client_is_low), int(originator.evidence)


def read(
    const Flow[:] flows, const uint8_t[::1] askers, PortRules rules, const Network[::1] networks, bint decides,
    FlowEnds[::1] out_ends
):
    """Fill client, evidence, service and local ends of ``out_ends[n]`` for each of FLOW[n]; ``askers[n]`` as in ``clients``.

    Local is what lies in the networks where they ``decides``. Else the bits in the row say it. Where there are none, or both ways
    of the same packets, an end is local that lies in the networks when the other one does not. Gives how many rows were such.
    """
    cdef Py_ssize_t row, silent = 0, last = flows.shape[0] - 1, count = networks.shape[0]
    cdef uint8_t local
    cdef Originator originator
    cdef const Flow *flow
    cdef const Network *first = &networks[0] if count else NULL
    with nogil:
        for row in range(flows.shape[0]):
            flow = &flows[min(row + AHEAD, last)]
            portcall_prefetch(flow)
            portcall_prefetch(&flow.packets)
            portcall_prefetch(&flow.syn_ns)
            flow = &flows[row]
            originator = _originator(flow, askers[row], rules.beginnings, rules.grades)
            local = flow.local & 3
            if decides:
                local = _within(flow, first, count)
            elif local == 0 or (count and goes_both_ways(flow.local)):
                silent += 1
                local = _within(flow, first, count)
                local = 0 if local == 3 else local
            out_ends[row].client_is_low, out_ends[row].evidence = originator.client_is_low, originator.evidence
            out_ends[row].service, out_ends[row].local = _service_key(flow, originator.client_is_low, rules), local
    return silent


def fill(
    const Flow[:] flows, const int64_t[::1] rows, const int64_t[::1] places, const uint8_t[::1] clients_are_low,
    const uint8_t[::1] have_ports, int64_t[:, ::1] out_values, uint8_t[:, ::1] out_marks
):
    """Put FLOW rows[i], whose client ``clients_are_low[rows[i]]`` tells, at places[i] of VALUES and MARKS in columns.

    ``have_ports`` tells of each protocol whether it has ports. IndexError for a row or a place that there is not.
    """
    cdef Py_ssize_t i, ahead, last = rows.shape[0] - 1, count = min(flows.shape[0], clients_are_low.shape[0])
    cdef Py_ssize_t room = min(out_values.shape[1], out_marks.shape[1])
    cdef const Flow *flow
    cdef bint fits = True
    if out_values.shape[0] != _VALUES or out_marks.shape[0] != _MARKS or have_ports.shape[0] != 256:
        raise IndexError("flow values want a row for each of VALUES and MARKS")
    if places.shape[0] != rows.shape[0]:
        raise IndexError("flow values want a place for each row")
    with nogil:
        for i in range(rows.shape[0]):
            ahead = rows[min(i + AHEAD, last)]
            if 0 <= ahead < count:
                flow = &flows[ahead]
                portcall_prefetch(flow)
                portcall_prefetch(&flow.packets)
                portcall_prefetch(&flow.syn_ns)
            if not (0 <= rows[i] < count and 0 <= places[i] < room):
                fits = False
                break
            flow = &flows[rows[i]]
            put(flow, clients_are_low[rows[i]] != 0, have_ports[flow.protocol] != 0, out_values, out_marks, places[i])
    if not fits:
        raise IndexError("a flow row to put in columns is not there, or has no place")
