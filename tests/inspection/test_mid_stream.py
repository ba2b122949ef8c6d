"""What shows that a conversation began before the capture: by the kernel as by the dissectors."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP

from examples import examples
from made_conversations import CLIENT, GET, SERVER, client_hello, inspected_in

EITHER_WAY = pytest.mark.parametrize("by_dissectors", [False, True], ids=["kernel", "dissectors"])


def record(size, kind=23):
    return struct.pack(">BHH", kind, 0x0303, size) + b"\xa5" * size


def rtp(sequence, source=7, kind=8):
    return struct.pack(">BBHII", 0x80, kind, sequence, 160 * sequence, source) + b"\xd5" * 40


def report(source, *, is_ciphered=False):
    return struct.pack(">BBHI", 0x80, 200, 6, source) + bytes(20) + b"\x99" * (14 if is_ciphered else 0)


STUN = struct.pack(">HHI", 1, 0, 0x2112A442) + bytes(12)


def segments(payloads):
    """(side, payload) → TCP segments of a connection whose handshake is not there; side 1 is the server's."""
    sent = [1000, 5000]
    packets = []
    for side, payload in payloads:
        ends = (
            IP(src=SERVER, dst=CLIENT) / TCP(sport=443, dport=40000)
            if side
            else IP(src=CLIENT, dst=SERVER) / TCP(sport=40000, dport=443)
        )
        ends[TCP].flags, ends[TCP].seq, ends[TCP].ack = "PA", sent[side], sent[1 - side]
        sent[side] += len(payload)
        packets.append(ends / payload)
    return packets


def exchanged(payloads, port=443):
    """(side, payload) → datagrams."""
    ends = (
        IP(src=CLIENT, dst=SERVER) / UDP(sport=50000, dport=port),
        IP(src=SERVER, dst=CLIENT) / UDP(sport=port, dport=50000),
    )
    return [ends[side] / payload for side, payload in payloads]


def told(row):
    """(protocol, host name, frame)"""
    return row["application_protocol"], row["hostname"], row["evidence_frame"]


def protocols(packets, **how):
    """The same of each row."""
    return list(map(told, inspected_in(packets, **how)))


def assert_same(packets, batch_size):
    """The kernel tells what the dissectors tell, with details and without."""
    detailed = list(inspected_in(packets, with_details=True, batch_size=batch_size))

    assert detailed == list(inspected_in(packets, by_dissectors=True, batch_size=batch_size))
    assert protocols(packets, batch_size=batch_size) == list(map(told, detailed))


@EITHER_WAY
@pytest.mark.parametrize(
    "payloads",
    [
        [(0, record(200))],
        [(1, record(100) + record(900)[:500])],
        [(0, record(30)), (1, record(40))],
        [(1, record(40)), (0, b"\xf1" * 60)],
        [(0, record(20, kind=21))],
    ],
    ids=["one record", "two", "both sides", "and nothing known", "an alert"],
)
def test_records_are_tls(by_dissectors, payloads):
    assert protocols(segments(payloads), by_dissectors=by_dissectors) == [("tls", None, 1)]


@EITHER_WAY
@pytest.mark.parametrize("batch_size", [1, 1000])
def test_a_hello_after_the_other_side_s_records_still_names_the_server(by_dissectors, batch_size):
    packets = segments([(1, record(40)), (0, client_hello("www.example.com"))])

    assert protocols(packets, by_dissectors=by_dissectors, batch_size=batch_size) == [("tls", "www.example.com", 2)]


@EITHER_WAY
def test_a_hello_in_pieces_after_the_other_side_s_records_still_names_the_server(by_dissectors):
    hello = client_hello("www.example.com")
    packets = segments([(1, record(40)), (0, hello[:100]), (0, hello[100:])])

    assert protocols(packets, by_dissectors=by_dissectors) == [("tls", "www.example.com", 3)]


@EITHER_WAY
def test_who_speaks_tls_is_not_asked_for_http(by_dissectors):
    assert protocols(segments([(1, record(40)), (0, GET)]), by_dissectors=by_dissectors) == [("tls", None, 1)]


@EITHER_WAY
@pytest.mark.parametrize(
    "payloads",
    [
        [(0, record(30) + b"\xf1" * 40)],
        [(0, b"\x17\x03\x03\xff\xff" + bytes(40))],
        [(0, b"\x17\x04\x03\x00\x02ab")],
    ],
    ids=["something behind it", "too long", "another version"],
)
def test_what_is_no_series_of_records_is_not_tls(by_dissectors, payloads):
    assert protocols(segments(payloads), by_dissectors=by_dissectors) == [(None, None, None)]


SHORT_HEADERS = [bytes([first]) + b"8 bytes." + bytes(20) for first in (0x40, 0x55, 0x7F)]
"""Of one QUIC connection: the connection id stays, the rest of the first byte changes."""


def datagrams(payloads, *, is_answer=False):
    return exchanged([(int(is_answer), datagram) for datagram in payloads])


@EITHER_WAY
@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_a_quic_conversation_that_began_before_the_capture_is_known(by_dissectors, batch_size):
    (row,) = inspected_in(datagrams(SHORT_HEADERS), by_dissectors=by_dissectors, batch_size=batch_size)

    assert (row["application_protocol"], row["evidence_frame"]) == ("quic", 3)


@EITHER_WAY
@pytest.mark.parametrize(
    "payloads",
    [
        SHORT_HEADERS[:2],
        [SHORT_HEADERS[0]] * 3,
        [*SHORT_HEADERS[:2], SHORT_HEADERS[2].replace(b"8", b"9")],
        [*SHORT_HEADERS[:2], SHORT_HEADERS[2][:20]],
        [*SHORT_HEADERS[:2], b"\xf1" * 40],
    ],
    ids=["two", "one first byte", "another connection", "too short", "no short header"],
)
def test_what_is_no_series_of_short_headers_is_not_quic(by_dissectors, payloads):
    (row,) = inspected_in(datagrams(payloads), by_dissectors=by_dissectors)

    assert row["application_protocol"] is None


@EITHER_WAY
@pytest.mark.parametrize("batch_size", [1, 1000])
def test_an_end_that_nobody_knows_does_not_silence_the_other_one(by_dissectors, batch_size):
    strange = [b"\x4d" + bytes([number]) * 40 for number in range(3)]
    packets = [*datagrams(strange, is_answer=True), *datagrams(SHORT_HEADERS)]

    (row,) = inspected_in(packets, by_dissectors=by_dissectors, batch_size=batch_size)

    assert row["application_protocol"] == "quic"


@EITHER_WAY
@pytest.mark.parametrize("batch_size", [1, 2, 1000])
@pytest.mark.parametrize(
    ("payloads", "frame"),
    [
        ([(0, rtp(1)), (0, rtp(2)), (0, rtp(3))], 3),
        ([(0, rtp(0xFFFF)), (0, rtp(0)), (0, rtp(3))], 3),
        ([(0, rtp(9, 1)), (0, rtp(1)), (0, rtp(2)), (0, rtp(3))], 4),
        ([(0, rtp(1)), (1, rtp(8, 5)), (0, rtp(2)), (1, rtp(9, 5))], 4),
        ([(0, rtp(1)), (0, report(7, is_ciphered=True)), (0, rtp(2)), (0, rtp(3)), (0, rtp(4))], 5),
        ([(0, rtp(1)), (0, rtp(2)), (0, rtp(3)), (1, STUN)], 3),
    ],
    ids=["three", "with a gap", "of the second source", "two each way", "a report between", "and something else"],
)
def test_packets_in_order_are_rtp(by_dissectors, batch_size, payloads, frame):
    packets = exchanged(payloads, port=40000)

    assert protocols(packets, by_dissectors=by_dissectors, batch_size=batch_size) == [("rtp", None, frame)]


@EITHER_WAY
@pytest.mark.parametrize(
    ("payloads", "frame"),
    [
        ([(0, report(7))], 1),
        ([(0, rtp(1)), (0, report(7))], 2),
        ([(0, report(7, is_ciphered=True)), (0, report(7, is_ciphered=True))], 2),
        ([(0, rtp(1)), (0, rtp(2)), (0, rtp(3)), (1, report(7))], 3),
    ],
    ids=["one report", "a packet before", "two ciphered ones", "as the answer to a stream"],
)
def test_reports_are_rtcp(by_dissectors, payloads, frame):
    assert protocols(exchanged(payloads, port=40000), by_dissectors=by_dissectors) == [("rtcp", None, frame)]


@EITHER_WAY
@pytest.mark.parametrize(
    "payloads",
    [
        [(0, rtp(1)), (0, rtp(2))],
        [(0, rtp(1)), (0, rtp(2)), (0, rtp(9))],
        [(0, rtp(1, 1)), (0, rtp(2, 2)), (0, rtp(3, 3))],
        [(0, rtp(1)), (0, rtp(2)), (0, b"\xf1" * 40), (0, rtp(3)), (0, rtp(4)), (0, rtp(5))],
        [(0, rtp(20 * number)) for number in range(8)] + [(0, rtp(number)) for number in range(3)],
        [(0, report(1, is_ciphered=True)), (0, report(2, is_ciphered=True))],
    ],
    ids=["two", "a leap", "three sources", "something between", "too late", "reports of two sources"],
)
def test_what_is_no_series_of_packets_is_not_rtp(by_dissectors, payloads):
    assert protocols(exchanged(payloads, port=40000), by_dissectors=by_dissectors) == [(None, None, None)]


PIECES = [
    *(rtp(sequence, source, kind) for sequence in (1, 2, 3, 4) for source, kind in ((1, 8), (2, 96))),
    rtp(3, 1, 0),
    *(report(source, is_ciphered=is_ciphered) for source in (1, 2) for is_ciphered in (False, True)),
    *SHORT_HEADERS,
    b"\x90\x00" + bytes(13),
    b"\xf1" * 40,
]


@settings(max_examples=examples(200))
@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from(PIECES)), min_size=1, max_size=14),
    st.sampled_from([443, 40000]),
    st.sampled_from([1, 2, 1000]),
)
def test_kernel_and_dissectors_hear_the_same_in_any_exchange(payloads, port, batch_size):
    assert_same(exchanged(payloads, port), batch_size)


@settings(max_examples=examples(130))
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from(
                [
                    record(20),
                    record(60)[:30],
                    record(20, 21),
                    record(9) + record(9),
                    client_hello("a.example"),
                    GET,
                    b"HTTP/1.1 200 OK\r\nX: y\r",
                    b"\nServer: nginx\r\n",
                    b"\xf1" * 40,
                ]
            ),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([1, 2, 1000]),
)
def test_kernel_and_dissectors_hear_the_same_in_any_stream(payloads, batch_size):
    assert_same(segments(payloads), batch_size)
