"""Rates of many rows at once; seconds are handed in."""

from __future__ import annotations

import numpy as np

from portcall.views.screen.row_rates import INTERVALS, RowRates


def updated(rates, now_s, **rows):
    """The rates of rows a, b … by their letter."""
    keys = np.array([ord(name) for name in rows], np.uint64)
    totals = np.array(list(rows.values()), np.int64).reshape(len(rows), 2).T
    found, are_known = rates.update(keys, totals, now_s)
    return {name: tuple(found[:, place].tolist()) for place, name in enumerate(rows)}, are_known


def test_a_rate_is_what_came_in_the_last_three_seconds():
    rates = RowRates()
    for second in range(10):
        found, are_known = updated(rates, second, a=(100 * second, 0), b=(0, 7))

    assert are_known
    assert found == {"a": (100, 0), "b": (0, 0)}


def test_the_first_picture_has_rates_only_where_it_is_known_when_all_was_nothing():
    assert updated(RowRates(), 5, a=(100, 50)) == ({"a": (0, 0)}, False)
    assert updated(RowRates(began_s=3), 5, a=(100, 50)) == ({"a": (50, 25)}, True)


def test_bytes_that_find_another_owner_make_no_rate_below_nothing():
    rates = RowRates(began_s=0)
    updated(rates, 1, a=(900, 0))

    assert updated(rates, 2, a=(100, 0), b=(800, 0))[0] == {"a": (50, 0), "b": (400, 0)}


def test_a_history_has_what_each_interval_brought():
    rates = RowRates(began_s=0)
    for second, total in ((1, 10), (2, 10), (4, 50)):
        updated(rates, second, a=(total, total), b=(0, 0))

    assert rates.history()(ord("a")) == [20, 0, 40]
    assert rates.history()(ord("z")) == [0, 0, 0]


def test_histories_and_memory_have_an_end():
    few, many = RowRates(), RowRates()
    for second in range(100):
        updated(few, second, a=(second, 0))
        many.update(np.arange(10_000, dtype=np.uint64), np.zeros((2, 10_000), np.int64), second)

    assert len(few.history()(ord("a"))) == INTERVALS
    assert len(many.history()(1)) < 5
