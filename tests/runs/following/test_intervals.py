"""Intervals begin at multiples of their width, follow the frames' time, and lose no frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcall.records.packets import FRAME, NO_TIME, FrameBatch
from portcall.runs.following.intervals import Intervals

SECOND = 10**9
NOW = 1_000_000 * SECOND


def batch(*seconds):
    frames = np.zeros(len(seconds), FRAME)
    frames["ts_ns"] = [NO_TIME if s is None else int(s * SECOND) for s in seconds]
    return FrameBatch(frames, np.zeros(0, np.uint8), 1)


def cut(intervals, frames, now_ns=NOW):
    """(second it begins, frames) of each interval that was ended, and of the open one."""
    parts = []
    while True:
        count = intervals.take(frames, now_ns)
        parts.append((intervals.begins_ns // SECOND, count))
        if count == len(frames.frames):
            return parts
        intervals.end()
        frames = frames._replace(frames=frames.frames[count:])


def test_an_interval_begins_at_a_multiple_of_its_width():
    assert cut(Intervals(60 * SECOND), batch(125, 130)) == [(120, 2)]


def test_a_frame_of_a_later_interval_ends_the_open_one():
    assert cut(Intervals(10 * SECOND), batch(1, 9.9, 10, 35)) == [(0, 2), (10, 1), (30, 1)]


def test_a_late_frame_counts_in_the_open_interval():
    intervals = Intervals(10 * SECOND)

    assert cut(intervals, batch(11, 9, 12)) == [(10, 3)]
    assert intervals.late == 1


def test_frames_without_a_time_count_where_they_stand():
    assert cut(Intervals(10 * SECOND), batch(None, 5, None, 15)) == [(0, 3), (10, 1)]


def test_a_capture_without_times_is_of_now():
    assert cut(Intervals(10 * SECOND), batch(None, None)) == [(NOW // SECOND, 2)]


def test_a_frame_from_the_future_moves_nothing():
    intervals = Intervals(10 * SECOND)

    assert cut(intervals, batch(1, 2_000_000, 2)) == [(0, 3)]


def test_a_first_frame_from_the_future_opens_the_present_interval():
    assert cut(Intervals(10 * SECOND), batch(2_000_000)) == [(NOW // SECOND, 1)]


@given(st.lists(st.one_of(st.none(), st.integers(-(10**9), 9 * 10**9))), st.integers(1, 10**6))
def test_every_frame_is_of_one_interval_and_time_goes_forward(seconds, width_s):
    parts = cut(Intervals(width_s * SECOND), batch(*seconds)) if seconds else []

    assert sum(count for _, count in parts) == len(seconds)
    assert [begin for begin, _ in parts] == sorted({begin for begin, _ in parts})


@pytest.mark.parametrize(("quiet_s", "is_over"), [(4, False), (6, True)])
def test_an_interval_is_over_by_the_clock_when_nothing_came_for_a_while(quiet_s, is_over):
    intervals = Intervals(2 * SECOND)
    intervals.take(batch(100), 200 * SECOND)

    assert intervals.is_over((200 + quiet_s) * SECOND) is is_over


def test_an_interval_is_not_over_before_its_end():
    intervals = Intervals(3600 * SECOND)
    intervals.take(batch(100), 101 * SECOND)

    assert not intervals.is_over(3604 * SECOND)
    assert intervals.is_over(3606 * SECOND)


def test_no_interval_is_over_where_none_is_open():
    assert not Intervals(SECOND).is_over(NOW)


def test_a_restored_one_is_as_it_was():
    one, other = Intervals(10 * SECOND), Intervals(10 * SECOND)
    cut(one, batch(11, 9))

    other.restore(one.plain())

    assert other.plain() == one.plain() == [10 * SECOND, 1, NOW]


@pytest.mark.parametrize("plain", [None, [1], ["x", 0, 0], [0, -1, 0], [0, 0, None]])
def test_what_none_can_be_restored_from_is_refused(plain):
    with pytest.raises((ValueError, TypeError)):
        Intervals(SECOND).restore(plain)


@pytest.mark.parametrize("jumps_s", [(7200, -10_800), (-10_800, 7200)])
def test_frames_whose_clock_jumps_by_hours_all_count(jumps_s):
    intervals, told, now = Intervals(10 * SECOND), [], NOW // SECOND
    for number in range(90):
        offset = sum(jump for at, jump in zip((30, 60), jumps_s, strict=True) if number >= at)
        told += cut(intervals, batch(now + number + offset), NOW + number * SECOND)  # whoever reads has the right time
        if intervals.is_over(NOW + number * SECOND):
            intervals.end()

    assert sum(count for _, count in told) == 90
    assert max(begins for begins, _ in told) <= now + 90  # none is of the future


@pytest.mark.parametrize(("back_s", "is_over"), [(59, False), (62, True), (10_800, True)])
def test_where_the_clock_is_set_back_by_more_than_a_minute_the_open_interval_is_over(back_s, is_over):
    intervals = Intervals(10 * SECOND, is_live=True)
    cut(intervals, batch(NOW // SECOND))

    assert intervals.is_over(NOW - back_s * SECOND) == is_over
