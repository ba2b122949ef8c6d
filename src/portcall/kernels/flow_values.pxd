# What one flow row says, as numbers in columns: what is counted of each end, by which of them is the client.
from libc.stdint cimport int64_t, uint8_t, uint64_t

from portcall.kernels.conn_states cimport conn_state
from portcall.kernels.records cimport NEVER, NO_TIME, UNMATCHED, Flow

cdef enum:  # rows of a table int64[VALUES, n]
    PROTOCOL
    STATE
    FIRST_NS
    LAST_NS
    CLOSED_NS
    OF_CLIENT  # the rows of the client, then as many of the server
    OF_SERVER = OF_CLIENT + 8
    VALUES = OF_SERVER + 8

cdef enum:  # of one end, behind its first row
    HIGH_HALF
    LOW_HALF
    PORT
    PORT_CLASS
    PACKETS
    BYTES
    PAYLOAD
    TCP_FLAGS

cdef enum:  # rows of a table uint8[MARKS, n]
    IS_IPV6
    IS_TCP
    IS_WHOLE  # no fragments without their first
    HAS_PORTS
    HAS_FIRST_NS
    HAS_LAST_NS
    HAS_CLOSED_NS
    MARKS

cdef enum:
    _TCP = 6
    _REGISTERED = 1024  # the first port of each class but the first, RFC 6335 §6
    _EPHEMERAL = 49152


cdef inline int64_t half(const uint8_t *bytes) noexcept nogil:
    """Eight bytes of an address as a number."""
    cdef uint64_t value = 0
    cdef int position
    for position in range(8):
        value = value << 8 | bytes[position]
    return <int64_t>value


cdef inline void _put_end(
    const Flow *flow, int side, int64_t[:, ::1] out, Py_ssize_t first, Py_ssize_t place
) noexcept nogil:
    cdef const uint8_t *address = &flow.high[0] if side else &flow.low[0]
    cdef int64_t port = flow.high_port if side else flow.low_port
    out[first + HIGH_HALF, place], out[first + LOW_HALF, place] = half(address), half(address + 8)
    out[first + PORT, place], out[first + PORT_CLASS, place] = port, (port >= _REGISTERED) + (port >= _EPHEMERAL)
    out[first + PACKETS, place], out[first + BYTES, place] = <int64_t>flow.packets[side], <int64_t>flow.bytes[side]
    out[first + PAYLOAD, place], out[first + TCP_FLAGS, place] = <int64_t>flow.payload[side], flow.tcp_flags[side]


cdef inline void put(
    const Flow *flow, bint client_is_low, bint has_ports, int64_t[:, ::1] out, uint8_t[:, ::1] out_marks, Py_ssize_t place
) noexcept nogil:
    """Put all that a row says at its place. A connection is closed when both ends had sent their FIN, where that was before any RST."""
    cdef int64_t closed_ns = max(flow.fin_ns[0], flow.fin_ns[1])
    cdef bint is_whole = flow.kind != UNMATCHED
    out[PROTOCOL, place], out[STATE, place] = flow.protocol, conn_state(flow, client_is_low)
    out[FIRST_NS, place], out[LAST_NS, place], out[CLOSED_NS, place] = flow.first_ns, flow.last_ns, closed_ns
    _put_end(flow, 0 if client_is_low else 1, out, OF_CLIENT, place)
    _put_end(flow, 1 if client_is_low else 0, out, OF_SERVER, place)
    out_marks[IS_IPV6, place], out_marks[IS_WHOLE, place] = flow.ip_version == 6, is_whole
    out_marks[IS_TCP, place], out_marks[HAS_PORTS, place] = is_whole and flow.protocol == _TCP, is_whole and has_ports
    out_marks[HAS_FIRST_NS, place] = flow.first_ns != NEVER and flow.first_ns != NO_TIME
    out_marks[HAS_LAST_NS, place] = flow.last_ns != NEVER and flow.last_ns != NO_TIME
    out_marks[HAS_CLOSED_NS, place] = closed_ns != NEVER and closed_ns <= min(flow.rst_ns[0], flow.rst_ns[1])
