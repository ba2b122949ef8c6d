# The compiled twins of the records in portcall.records, every field at its natural alignment;
# tests/test_model.py compares sizes and offsets.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef struct Frame:
    int64_t ts_ns
    uint64_t offset
    uint32_t captured
    uint32_t wire
    uint32_t interface
    uint16_t link
    uint8_t direction
    uint8_t reserved


cdef struct PacketOption:
    uint64_t offset
    uint32_t frame
    uint16_t code
    uint16_t length


cdef struct Packet:
    int64_t ts_ns
    uint8_t source[16]
    uint8_t target[16]
    uint64_t datagram
    uint32_t wire
    uint32_t payload_offset
    uint32_t payload
    uint32_t tcp_sequence
    uint16_t source_port
    uint16_t target_port
    uint8_t protocol
    uint8_t ip_version
    uint8_t tcp_flags
    uint8_t verdict
    uint8_t fragmentation
    uint8_t direction
    uint16_t network_offset
    uint32_t namespace


cdef struct Flow:
    uint8_t low[16]
    uint8_t high[16]
    uint16_t low_port
    uint16_t high_port
    uint8_t protocol
    uint8_t ip_version
    uint8_t kind
    uint8_t first_sender
    uint32_t namespace
    uint32_t earlier
    int64_t first_ns
    int64_t last_ns
    uint64_t packets[2]
    uint64_t bytes[2]
    uint64_t payload[2]
    uint32_t syn_sequence
    uint8_t has_syn
    uint8_t local
    uint8_t tcp_flags[2]
    uint64_t first_frame
    int64_t syn_ns[2]
    int64_t syn_ack_ns[2]
    int64_t fin_ns[2]
    int64_t rst_ns[2]


cdef struct Datagram:
    uint64_t datagram
    uint8_t source[16]
    uint8_t target[16]
    uint32_t namespace
    uint8_t protocol
    uint8_t ip_version
    uint8_t first_side
    uint8_t latest_side
    uint32_t first_flow
    uint32_t latest_flow
    uint8_t local
    uint8_t reserved[7]
    uint64_t first_frame
    uint64_t packets
    uint64_t bytes
    uint64_t payload
    int64_t first_ns
    int64_t last_ns


cdef struct TimeCell:
    uint32_t owner
    uint16_t packets[2]
    uint32_t bytes[2]
    uint32_t payload[2]
    int64_t first_ns
    int64_t last_ns


cdef struct Payload:
    uint32_t packet
    uint32_t row
    uint32_t side
    uint32_t is_later


cdef struct Hello:
    int64_t ts_ns
    uint64_t number
    uint8_t target[16]
    uint8_t address[16]
    uint32_t name_at
    uint32_t name_length
    uint32_t said_at
    uint32_t said_length
    uint32_t seconds
    uint32_t row
    uint8_t kind
    uint8_t is_part
    uint8_t has_ech
    uint8_t reserved[5]


cdef struct Deferred:
    uint64_t prefixes[2]
    int64_t ts_ns
    uint64_t number
    uint8_t source[16]
    uint8_t target[16]
    uint32_t at
    uint32_t length
    uint32_t row
    uint32_t sequence
    uint16_t source_port
    uint16_t target_port
    uint8_t side
    uint8_t protocol
    uint8_t is_cut
    uint8_t is_later


cdef struct Series:
    uint64_t sources[2]
    uint32_t reports[2]
    uint8_t kinds[2]
    uint8_t marks[2]
    uint8_t counts[2]
    uint8_t streaks[2]


cdef struct CachedAnswer:
    uint64_t client[2]
    uint64_t server[2]
    int64_t first_ns
    int64_t last_ns
    int64_t until_ns
    uint64_t earlier
    uint32_t name
    uint32_t in_chain


cdef struct VerdictTally:
    uint64_t frames
    uint64_t bytes
    int64_t first_ns
    int64_t last_ns


cdef struct Interface:
    uint16_t link
    uint16_t reserved
    uint32_t snap_length
    uint64_t ticks_per_second
    uint64_t remainder_multiplier
    uint64_t remainder_divisor
    uint64_t remainder_shift
    int64_t offset_seconds


cdef struct Network:
    uint64_t mask[2]
    uint64_t value[2]
    uint64_t ip_version


cdef struct FlowEnds:
    int64_t service
    uint64_t server_name
    int64_t principal[2]
    int64_t row[2]
    uint8_t quality[2]
    uint8_t client_is_low
    uint8_t local
    uint8_t evidence
    uint8_t reserved[3]


cdef struct Credit:
    int64_t service
    int64_t principal
    uint64_t host_kind
    uint64_t high_half
    uint64_t low_half
    int64_t bucket
    int64_t flows
    uint64_t packets_out
    uint64_t packets_in
    uint64_t bytes_out
    uint64_t bytes_in
    uint64_t payload_out
    uint64_t payload_in
    int64_t first_ns
    int64_t last_ns
    int64_t quality


cdef struct HostCredit:
    int64_t row
    uint64_t host_kind
    uint64_t high_half
    uint64_t low_half
    int64_t bucket
    uint64_t bytes


cdef enum:
    OK = 0
    NO_PORTS = 1
    LATER_FRAGMENT = 2
    NOT_IP = 3
    TRUNCATED = 4
    MALFORMED = 5
    UNSUPPORTED_LINK = 6
    DUPLICATE = 7

cdef enum:
    FRAGMENT_NONE = 0
    FRAGMENT_FIRST = 1
    FRAGMENT_LATER = 2

cdef enum:
    FIRST_DATAGRAM = 0x8
    FIRST_FLOW = 0x100000
    FIRST_UNMATCHED = 0x80000000

cdef enum:
    UNKNOWN_DIRECTION = 0
    INBOUND = 1
    OUTBOUND = 2
    INTERNAL = 3

cdef enum:
    TCP_FIN = 0x01
    TCP_SYN = 0x02
    TCP_RST = 0x04
    TCP_ACK = 0x10

cdef enum:
    CONVERSATION = 0
    UNMATCHED = 2

cdef enum:
    ORIGINATOR_SYN = 0
    ORIGINATOR_SYN_ACK = 1
    ORIGINATOR_ASKED = 2
    ORIGINATOR_PORT_CLASS = 3
    ORIGINATOR_CURATED_NAME = 4
    ORIGINATOR_IANA_NAME = 5
    ORIGINATOR_LOWER_PORT = 6
    ORIGINATOR_FIRST_SENDER = 7

cdef enum:
    HOST_IPV4 = 0
    HOST_IPV6 = 1
    HOST_NAMED = 2

cdef extern from "stdint.h" nogil:
    const int64_t NO_TIME "INT64_MIN"
    const int64_t NEVER "INT64_MAX"
