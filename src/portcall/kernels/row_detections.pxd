# What is detected of each row, and how it is noted.
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from portcall.kernels.held_segments cimport HeldSegments
from portcall.kernels.interning cimport NameNumbers
from portcall.kernels.payload_bytes cimport PayloadBytes
from portcall.kernels.plain_parsers cimport is_cut_server_hello, is_plain_status, record_bytes
from portcall.kernels.records cimport Payload, Series

cdef enum:
    TCP = 6
    UDP = 17

cdef enum:  # the bits of ``inspected``
    BOTH_SIDES = 3
    IS_OPEN = 4
    RESOLVER_SHIFT = 3

cdef class RowDetections:
    cdef uint8_t[::1] inspected
    cdef public int32_t[::1] found
    cdef public uint64_t[::1] evidence, asked
    cdef public Series[::1] series
    cdef public int32_t dns_detection, quic_detection, tls_detection, http_detection, rtp_detection, rtcp_detection
    cdef public NameNumbers detections  # by kind, number that they belong to, and bytes
    cdef HeldSegments held
    cdef public bint reads_details  # besides names
    cdef public uint64_t[::1] short_header_prefixes, rtp_prefixes, tls_prefixes
    cdef const uint8_t[::1] homes  # of each port: 0 nobody's, 1 TLS's, 2 somebody else's, who is asked first there
    cdef const uint64_t[:, ::1] asked_after_tls  # the prefixes of those who are, by the greater one of both ports' homes


cdef inline void tell(RowDetections rows, uint32_t row, int32_t detection, uint64_t number) noexcept nogil:
    """Note what a row is; what was found first stays, unless it was that it is TLS and more is known now."""
    if not rows.found[row] or (rows.found[row] == rows.tls_detection and detection != rows.tls_detection):
        rows.found[row], rows.evidence[row] = detection, number


cdef inline void note_asker(RowDetections rows, uint32_t row, int side, uint64_t number) noexcept nogil:
    """Note that one end of a row shows itself to be the client; the first packet that told so stays."""
    if not rows.asked[row]:
        rows.asked[row] = number << 1 | side


cdef inline bint adds_nothing(
    RowDetections rows, const PayloadBytes *sent, bint is_cut, const Payload *payload, uint64_t number
) noexcept nogil:
    """Whether the first payload of a side belongs to what is known without a name, and can have none either."""
    cdef int32_t known = rows.found[payload.row]
    if not known or sent.size == 0:
        return False
    if known == rows.tls_detection:
        if sent.bytes[0] != 0x16:
            if record_bytes(sent, 0) == 0:
                return False
        elif not is_cut or not is_cut_server_hello(sent):
            return False
        else:
            note_asker(rows, payload.row, payload.side ^ 1, number)
    elif known == rows.http_detection and not rows.reads_details and is_plain_status(sent, is_cut):
        note_asker(rows, payload.row, payload.side ^ 1, number)
    else:
        return False
    rows.inspected[payload.row] |= 1 << payload.side
    return True
