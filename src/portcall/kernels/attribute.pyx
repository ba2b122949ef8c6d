"""Flow rows and what is known of their ends → what each is credited with, summed.

A row is seen from its local end; where both or none are, from the client. Where both are local, the other one is credited with
the same packets too, seen from there.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcmp

from portcall.kernels.aggregate cimport SumTable
from portcall.kernels.prefetching cimport portcall_prefetch
from portcall.kernels.records cimport HOST_IPV4, HOST_IPV6, HOST_NAMED, UNMATCHED, Credit, Flow, FlowEnds, HostCredit

cdef enum:
    AHEAD = 12  # rows that are asked of memory before their turn
    STRIDE = 32


cdef inline uint64_t _number(const uint8_t *word) noexcept nogil:
    cdef uint64_t value = 0
    cdef int position
    for position in range(8):
        value = value << 8 | word[position]
    return value


cdef inline void _host(const Flow *flow, const FlowEnds *ends, bint from_low, HostCredit *out_host) noexcept nogil:
    # The remote end, by the name of the server where that is it.
    cdef const uint8_t *address = &flow.high[0]
    if not from_low:
        address = &flow.low[0]
    if ends.server_name and from_low == ends.client_is_low:
        out_host.host_kind, out_host.high_half, out_host.low_half = HOST_NAMED, 0, ends.server_name
        return
    out_host.host_kind = HOST_IPV6 if flow.ip_version == 6 else HOST_IPV4
    out_host.high_half, out_host.low_half = _number(address), _number(address + 8)


cdef inline void _measures(const Flow *flow, int viewer, Credit *out_credit) noexcept nogil:
    cdef int other = 1 - viewer
    out_credit.flows = 1
    out_credit.first_ns, out_credit.last_ns = flow.first_ns, flow.last_ns
    out_credit.packets_out, out_credit.packets_in = flow.packets[viewer], flow.packets[other]
    out_credit.bytes_out, out_credit.bytes_in = flow.bytes[viewer], flow.bytes[other]
    out_credit.payload_out, out_credit.payload_in = flow.payload[viewer], flow.payload[other]
    if flow.kind == UNMATCHED:
        # They have no conversation to see a direction in: frames on no flow count as in.
        out_credit.flows = 0
        out_credit.packets_in += out_credit.packets_out
        out_credit.bytes_in += out_credit.bytes_out
        out_credit.payload_in += out_credit.payload_out
        out_credit.packets_out = out_credit.bytes_out = out_credit.payload_out = 0


cdef inline bint _is_another(const Flow *flow, const FlowEnds *ends, bint by_host) noexcept nogil:
    # A flow counts once in a row, and only a host's or a principal's row can differ between its ends.
    return memcmp(flow.low, flow.high, 16) != 0 if by_host else ends.principal[0] != ends.principal[1]


cdef inline void _credit(
    const Flow *flow, const FlowEnds *ends, bint is_other, bint by_host, int64_t bucket, Credit *out_credit, HostCredit *out_host
) noexcept nogil:
    cdef bint from_low = ends.local == 1
    cdef int viewer
    if ends.local == 0 or ends.local == 3:
        from_low = ends.client_is_low
    if is_other:
        from_low = not from_low
    viewer = 0 if from_low else 1
    _host(flow, ends, from_low, out_host)
    out_host.row, out_host.bytes = ends.row[viewer], flow.bytes[0] + flow.bytes[1]
    _measures(flow, viewer, out_credit)
    if is_other:
        out_credit.flows = _is_another(flow, ends, by_host)
    out_credit.service, out_credit.principal = ends.service, ends.principal[viewer]
    out_credit.quality = ends.quality[viewer]
    out_credit.bucket = out_host.bucket = bucket
    out_credit.host_kind = out_credit.high_half = out_credit.low_half = 0
    if by_host:
        out_credit.host_kind, out_credit.high_half = out_host.host_kind, out_host.high_half
        out_credit.low_half = out_host.low_half


cdef inline void _add(
    SumTable sums, const Credit *credits, SumTable hosts, const HostCredit *host_credits, Py_ssize_t count, bint by_host
) noexcept nogil:
    sums.add_stride(<const uint64_t *>credits, count)
    if not by_host:
        hosts.add_stride(<const uint64_t *>host_credits, count)


def credit(
    const Flow[:] flows, const FlowEnds[::1] ends, bint by_host, bint both_ends, SumTable sums, SumTable hosts,
    const int64_t[::1] buckets=None
):
    """Count into the sums what one end of each of FLOW[n] is credited with, then, with ``both_ends``, what the other ends are of
    those rows that have two local ones; gives the bytes of these, which are credited twice.

    ``buckets`` are the numbers of theirs, None where time does not matter. There must be room for n sums, 2 n with
    ``both_ends``. ``by_host`` a credit's key holds the host, and ``hosts`` stay as they are.
    """
    cdef Py_ssize_t row, rows = flows.shape[0], last = rows - 1, filled = 0
    cdef Py_ssize_t room = min(sums.room - sums.count, hosts.room - hosts.count)
    cdef uint64_t twice = 0
    cdef bint is_other, has_buckets = buckets is not None
    cdef Credit stride_credits[STRIDE]
    cdef HostCredit stride_hosts[STRIDE]
    cdef const Flow *flow
    if ends.shape[0] != rows or room < rows * (1 + both_ends) or (has_buckets and buckets.shape[0] != rows):
        raise ValueError("crediting wants the ends of each row, and room for its credits")
    if sums.ends.greatest * sizeof(uint64_t) != sizeof(Credit) or hosts.ends.greatest * sizeof(uint64_t) != sizeof(HostCredit):
        raise ValueError("crediting wants sums of credits")
    with nogil:
        for is_other in range(1 + both_ends):
            for row in range(rows):
                flow = &flows[min(row + AHEAD, last)]
                if not is_other:
                    portcall_prefetch(flow)
                    portcall_prefetch(&flow.packets)
                elif ends[row].local != 3 or flows[row].kind == UNMATCHED:
                    continue
                flow = &flows[row]
                _credit(
                    flow, &ends[row], is_other, by_host, buckets[row] if has_buckets else 0, &stride_credits[filled],
                    &stride_hosts[filled]
                )
                if is_other:
                    twice += flow.bytes[0] + flow.bytes[1]
                filled += 1
                if filled == STRIDE:
                    _add(sums, stride_credits, hosts, stride_hosts, filled, by_host)
                    filled = 0
            if filled:
                _add(sums, stride_credits, hosts, stride_hosts, filled, by_host)
                filled = 0
    return twice
