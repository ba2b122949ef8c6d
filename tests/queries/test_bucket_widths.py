"""``--bucket``: the widths that a user may write."""

from __future__ import annotations

import pytest

from portcall.errors import UsageError
from portcall.labels.bucketing import AUTO, Bucketing
from portcall.queries.bucket_widths import bucketing_of, notes_of_buckets


@pytest.mark.parametrize(
    ("text", "width_ns"),
    [
        ("1us", 10**3),
        ("500ms", 5 * 10**8),
        ("1s", 10**9),
        ("5min", 300 * 10**9),
        ("2h", 7200 * 10**9),
        ("1d", 86_400 * 10**9),
    ],
)
def test_a_width_is_a_number_and_its_unit(text, width_ns):
    assert bucketing_of(text, "app") == Bucketing(width_ns)


def test_only_by_time_there_are_buckets_without_an_option():
    assert (bucketing_of(None, "app"), bucketing_of(None, "time"), bucketing_of("auto", "app")) == (None, AUTO, AUTO)


@pytest.mark.parametrize("text", ["second", "1 s", "-1s", "0us", "1e3s", "99999999d", "1ns"])
def test_what_is_none_is_refused_with_examples(text):
    with pytest.raises(UsageError, match=r"no width of time. Write it like 500ms, 1s, 5min"):
        bucketing_of(text, "app")


def test_that_buckets_became_wider_than_asked_for_is_said():
    (note,) = notes_of_buckets(Bucketing(10**9), 5 * 10**9)

    assert (note.feature, note.reason) == ("buckets", "so many of 1 s had no room, so each is 5 s wide")
    assert notes_of_buckets(Bucketing(10**9), 10**9) == notes_of_buckets(AUTO, 5) == notes_of_buckets(None, None) == []
