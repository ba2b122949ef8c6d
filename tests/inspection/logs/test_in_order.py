"""Segments come out as the stream that was sent, whatever order and overlap they came in."""

from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from portcall.inspection.logs.in_order import InOrder

pieces = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), min_size=1, max_size=30)


@settings(max_examples=examples(200))
@given(pieces, st.integers(0, 2**32 - 1))
def test_what_comes_out_is_the_stream_up_to_its_first_gap(cuts, beginning):
    sent = bytes(range(100))
    stream, reached = InOrder(beginning), set()

    out = b"".join(
        stream.add((beginning + start) % 2**32, sent[start : start + size], is_cut=False) for start, size in cuts
    )

    for start, size in cuts:
        reached.update(range(start, min(start + size, 100)))
    until = next(at for at in range(101) if at not in reached)
    assert out == sent[:until]


def test_behind_what_the_capture_cut_nothing_comes():
    stream = InOrder(7)

    assert stream.add(7, b"ab", is_cut=True) == b"ab"
    assert stream.add(12, b"x", is_cut=False) == b""
    assert stream.is_broken


def test_too_many_that_wait_break_the_stream():
    stream = InOrder(0)

    for at in range(2, 200, 2):
        stream.add(at, b"x", is_cut=False)

    assert stream.is_broken
    assert len(stream._waiting) <= 65
