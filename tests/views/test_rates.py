"""Bytes a second of the last seconds, out of counts that grow and may be credited to somebody else."""

from __future__ import annotations

import pytest

from portcall.views import rates as module
from portcall.views.rates import Rates

A, B = ("a",), ("b",)


def test_a_rate_is_of_the_last_seconds_only():
    rates = Rates(3, began_s=0)

    for second in range(1, 6):
        rates.update({A: (1000 if second == 1 else 1000 + 30 * second, 0)}, second)

    assert rates[A] == (30, 0)


def test_before_time_has_passed_there_are_none():
    rates = Rates(3)

    rates.update({A: (1000, 0)}, 1)

    assert not rates.are_known
    assert rates[A] == (0, 0)


def test_with_a_beginning_the_first_counts_have_a_rate():
    rates = Rates(3, began_s=1)

    rates.update({A: (1000, 500)}, 3)

    assert rates[A] == (500, 250)


def test_what_is_credited_to_somebody_else_is_no_negative_rate():
    rates = Rates(3, began_s=0)

    rates.update({A: (1000, 0)}, 1)
    rates.update({A: (0, 0), B: (1000, 0)}, 2)

    assert rates[A] == (0, 0)


def test_a_key_that_was_silent_goes_on_where_it_was():
    rates = Rates(1, began_s=0)

    rates.update({A: (1000, 0)}, 1)
    rates.update({}, 2)
    rates.update({A: (1010, 0)}, 3)

    assert rates[A] == (10, 0)


def test_one_that_is_new_here_and_began_long_ago_has_no_rate_at_first():
    rates = Rates(1, began_s=0)

    rates.update({A: (1000, 0)}, 1, older={A})
    assert rates[A] == (0, 0)

    rates.update({A: (1010, 0)}, 2, older={A})
    assert rates[A] == (10, 0)


@pytest.mark.parametrize("count", [3, 300_000])
def test_all_keys_of_one_update_are_remembered_and_silent_ones_up_to_a_bound(count):
    rates = Rates(1, began_s=0)
    keys = [(number,) for number in range(count)]

    rates.update(dict.fromkeys(keys, (7, 0)), 1)
    rates.update(dict.fromkeys(keys, (8, 0)), 2)
    assert {rates[key] for key in keys} == {(1, 0)}

    rates.update({A: (1, 0)}, 3)
    assert len(rates._last) == min(count + 1, module._MOST_KEYS)
