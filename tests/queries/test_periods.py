"""Periods that a user names."""

from __future__ import annotations

import pytest

from portcall.errors import UsageError
from portcall.queries.periods import past_moment_s, period_s

NOW_S = 1_709_510_400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7d", NOW_S - 604_800), ("12h", NOW_S - 43_200), ("now", NOW_S), ("2024-03-01", 1_709_251_200), ("17.9", 17)],
)
def test_a_moment_is_so_long_ago_or_a_time(text, seconds):
    assert past_moment_s(text, "--from", NOW_S) == seconds


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("all", (None, None)),
        ("..", (None, None)),
        ("7d..", (NOW_S - 604_800, None)),
        ("..2024-03-01", (None, 1_709_251_200)),
        ("2024-03-01..2024-03-02", (1_709_251_200, 1_709_337_600)),
        ("firefox", None),
        ("www.example.org", None),
    ],
)
def test_a_period_has_two_dots(text, period):
    assert period_s(text, "--forget", NOW_S) == period


def test_what_is_no_period_is_refused():
    with pytest.raises(UsageError, match="it ends before it begins"):
        period_s("1d..2d", "--forget", NOW_S)
    with pytest.raises(UsageError, match=r"--forget soon: not a time"):
        period_s("soon..", "--forget", NOW_S)
