# How a conversation went, in the words of Zeek's conn_state, from the facts of one row. The words, and what the rules rest on, are in
# ``portcall.flows.conn_state``.
from libc.stdint cimport int64_t, uint8_t

from portcall.kernels.records cimport NEVER, TCP_ACK, Flow

cdef enum:  # places in ``conn_state.STATES``
    S0
    S1
    SF
    REJ
    S2
    S3
    RSTO
    RSTR
    RSTOS0
    RSTRH
    SH
    SHR
    OTH

cdef enum:
    _TCP = 6
    _UDP = 17
    SYN_AND_RST = 2  # packets


cdef inline bint _has_finished(const Flow *flow, int end) noexcept nogil:
    # Equal times count as FIN before RST: the usual order where the clock is coarse, or there is none.
    return flow.fin_ns[end] != NEVER and flow.fin_ns[end] <= flow.rst_ns[end]


cdef inline bint _is_reset_unanswered(const Flow *flow, int client) noexcept nogil:
    """Whether the client went from SYN to RST without acknowledging anything between.

    Zeek asks its packet history. A third packet and an ACK flag stand in for "acknowledged": a RST may carry the flag itself, so
    two packets do not tell.
    """
    cdef bint has_acknowledged = flow.tcp_flags[client] & TCP_ACK and flow.packets[client] > SYN_AND_RST
    return flow.syn_ns[client] <= flow.rst_ns[client] and not _has_finished(flow, client) and not has_acknowledged


cdef inline uint8_t _tcp_state(const Flow *flow, int client) noexcept nogil:
    cdef int server = 1 - client
    cdef bint client_finished = _has_finished(flow, client), server_finished = _has_finished(flow, server)
    cdef bint both_finished = client_finished and server_finished
    cdef bint client_has_reset = flow.rst_ns[client] != NEVER, server_has_reset = flow.rst_ns[server] != NEVER
    cdef bint client_closed = client_finished and (both_finished or not client_has_reset)
    cdef bint server_closed = server_finished and (both_finished or not server_has_reset)
    cdef bint client_reset = client_has_reset and not client_closed, server_reset = server_has_reset and not server_closed
    cdef int64_t answer_ns = min(flow.syn_ns[server], flow.syn_ack_ns[server])
    cdef bint asked = flow.syn_ns[client] != NEVER, answered = answer_ns != NEVER and answer_ns <= flow.rst_ns[server]
    cdef bint client_open = not (client_closed or client_reset)
    cdef bint established = answered and (asked or flow.packets[client] > 0)
    cdef bint attempted = client_open and asked and not answered
    cdef bint client_inactive = client_open and not asked and not established
    cdef bint server_inactive = not (answered or server_closed or server_reset)
    cdef bint is_empty = flow.payload[client] == 0 and flow.payload[server] == 0
    if server_reset:
        if attempted or (client_reset and is_empty):
            return REJ
        return RSTRH if client_inactive else RSTR
    if client_reset:
        if server_inactive:
            return RSTOS0 if _is_reset_unanswered(flow, client) else OTH
        return RSTO
    if client_closed:
        if server_closed:
            return SF
        return SH if server_inactive else S2
    if server_closed:
        return SHR if client_inactive else S3
    # Some servers acknowledge a SYN before they answer it; Zeek takes that for silence.
    if attempted and server_inactive and flow.payload[server] == 0:
        return S0
    return S1 if established else OTH


cdef inline uint8_t conn_state(const Flow *flow, bint client_is_low) noexcept nogil:
    """The place of its word in STATES. TCP and UDP as Zeek; all other protocols are OTH."""
    cdef int client = 0 if client_is_low else 1
    if flow.protocol == _TCP:
        return _tcp_state(flow, client)
    if flow.protocol != _UDP:
        return OTH
    if flow.packets[client]:
        return SF if flow.packets[1 - client] else S0
    return SHR if flow.packets[1 - client] else OTH
