"""Widths that people count in, and which bucket a moment is in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from portcall.labels.bucketing import AUTO, WIDEST_NS, bucket_numbers, bucket_starts, next_width
from portcall.records.packets import NO_TIME

TIMES = st.integers(-(2**63) + 1, 2**63 - 1)


def widths(width_ns):
    while width_ns is not None:
        yield width_ns
        width_ns = next_width(width_ns)


@given(st.integers(1, WIDEST_NS))
def test_each_width_is_a_multiple_of_the_one_before_until_there_is_none(width_ns):
    found = list(widths(width_ns))

    assert all(wider > one and wider % one == 0 for one, wider in pairwise(found))
    assert found[-1] <= WIDEST_NS


def test_what_is_chosen_is_what_people_count_in():
    seconds = [width_ns // 10**9 for width_ns in widths(AUTO.width_ns) if width_ns >= 10**9]

    assert seconds[:10] == [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21600]
    assert seconds[10:12] == [86400, 864000]


def test_another_width_becomes_one_of_them_where_buckets_fill_it_and_else_doubles():
    assert (next_width(250 * 10**6), next_width(7), next_width(20 * 10**9)) == (500 * 10**6, 14, 60 * 10**9)


@given(TIMES, st.integers(1, WIDEST_NS))
def test_a_moment_is_in_a_bucket_that_begins_at_a_multiple_of_its_width(time_ns, width_ns):
    numbers = bucket_numbers(np.array([time_ns, NO_TIME]), width_ns)

    starts = bucket_starts(numbers, width_ns)

    assert numbers.tolist() == [time_ns // width_ns, NO_TIME]
    assert starts.tolist() == [max(time_ns // width_ns * width_ns, NO_TIME + 1), NO_TIME]
