"""Moments: what people write for a time is that time, to the nanosecond, in any zone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcall.errors import UsageError
from portcall.queries.moments import moment_ns

SECOND = 10**9
FIRST, LAST = datetime.fromisoformat("1970-01-03"), datetime.fromisoformat("2200-01-01")
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("1970-01-01", 0),
        ("2024-05-01", 1714521600 * SECOND),
        ("2024-05-01T12:30", 1714566600 * SECOND),
        ("2024-05-01 12:30:05", 1714566605 * SECOND),
        ("2024-05-01T12:30:05Z", 1714566605 * SECOND),
        ("2024-05-01T14:30:05+02:00", 1714566605 * SECOND),
        ("2024-05-01T12:30:05.000000001", 1714566605 * SECOND + 1),
        ("1714566605.25", 1714566605 * SECOND + SECOND // 4),
        ("0", 0),
    ],
)
def test_a_time_is_read_as_utc_unless_it_says_otherwise(text, expected_ns):
    assert moment_ns(text, "--from") == expected_ns


@given(st.datetimes(FIRST, LAST, timezones=ZONES))
def test_every_time_that_the_standard_library_writes_is_read(moment):
    expected = (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1) * 1000

    assert moment_ns(moment.isoformat(), "--from") == expected


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2024-13-01", "2024-02-30", "2024-05-01T25:00", "-5", "1e9", "12:30", "2024-05-01T1:2", "9" * 40],
)
def test_what_is_no_time_is_refused_with_how_to_write_it(text):
    with pytest.raises(UsageError, match=r"--to .*not a time.*Write it like"):
        moment_ns(text, "--to")
