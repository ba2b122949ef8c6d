"""What an end has said is the same in whatever order and pieces its packets come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portcall.inspection.reassembly import Datagrams, Stream
from portcall.records.detections import MOST_STREAM_BYTES, NO_PAYLOAD

PAYLOAD = bytes(range(200))


def stream_of(segments, beginning=1000):
    stream = Stream(beginning)
    for number, (at, payload) in enumerate(segments, 1):
        stream.add((1000 + at) % 2**32, payload, number, is_cut=False)
    return stream


@given(st.permutations(range(0, 200, 20)))
def test_segments_in_any_order_are_one_stream(starts):
    stream = stream_of([(start, PAYLOAD[start : start + 20]) for start in starts])

    assert stream.payload().data == PAYLOAD


@given(st.permutations(range(0, 200, 20)))
def test_without_a_syn_the_earliest_segment_is_the_beginning(starts):
    stream = stream_of([(start, PAYLOAD[start : start + 20]) for start in starts], beginning=None)

    assert stream.payload().data == PAYLOAD
    assert not stream.payload().is_from_start


def test_what_is_sent_again_is_heard_once():
    stream = stream_of([(0, PAYLOAD[:60]), (0, PAYLOAD[:60]), (30, PAYLOAD[30:100])])

    assert stream.payload().data == PAYLOAD[:100]


def test_a_gap_keeps_later_bytes_waiting():
    stream = stream_of([(0, PAYLOAD[:10]), (20, PAYLOAD[20:40])])

    assert stream.payload().data == PAYLOAD[:10]


def test_sequence_numbers_may_pass_their_end():
    stream = Stream(2**32 - 5)
    stream.add(2**32 - 5, b"hello", 1, is_cut=False)
    stream.add(0, b" world", 2, is_cut=False)

    assert stream.payload().data == b"hello world"


def test_a_segment_that_the_capture_cut_ends_the_stream():
    stream = Stream(0)
    stream.add(0, b"hel", 1, is_cut=True)
    stream.add(5, b" world", 2, is_cut=False)

    assert stream.payload().data == b"hel"
    assert stream.payload().is_ended


def test_no_more_is_held_than_speech_may_have():
    stream = Stream(0)
    for at in range(0, 2 * MOST_STREAM_BYTES, 1000):
        stream.add(at, bytes(1000), 1, is_cut=False)

    assert len(stream) == MOST_STREAM_BYTES
    assert stream.payload().is_ended


def test_segments_far_ahead_do_not_wait_without_bound():
    stream = Stream(0)
    for at in range(10, 30_000, 2):
        stream.add(at, b"x", 1, is_cut=False)

    assert len(stream) <= 64


def test_the_packet_that_brought_the_last_byte_is_known():
    stream = stream_of([(10, PAYLOAD[10:20]), (0, PAYLOAD[:10])])

    assert stream.number == 1  # the first packet holds the last byte


def test_datagrams_are_kept_apart():
    sent = Datagrams()
    sent.add(0, b"one", 7, is_cut=False)
    sent.add(0, b"two", 9, is_cut=False)

    assert sent.payload().datagrams == (b"one", b"two")
    assert sent.payload().data == b"two"
    assert sent.number == 9


def test_nothing_said_is_silence():
    assert Datagrams().payload() == NO_PAYLOAD


def test_segments_beyond_those_that_may_wait_are_counted_and_the_others_still_wait():
    stream = Stream(0, most_waiting=2)

    for at in (20, 10, 30, 10):  # one comes twice
        stream.add(at, bytes(10), 1, is_cut=False)
    stream.add(0, bytes(10), 2, is_cut=False)

    assert (stream.left_out, len(stream.payload().data)) == (1, 30)
