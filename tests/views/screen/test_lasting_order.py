"""Ranks that last: seconds are handed in, and rows are told apart by number."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from portcall.views.screen.lasting_order import LASTS_S, first_levels, looked_up, next_levels, with_row_kept


def keys(*numbers):
    return np.array(numbers, np.uint64)


def ranks_over(seconds_and_values, names=(1, 2, 3)):
    """The order of rows, by number, after each of these moments."""
    levels, orders = None, []
    for now_s, values in seconds_and_values:
        known, measured = keys(*names[: len(values)]), np.array(values, float)
        levels = next_levels(levels, known, measured, now_s) if levels else first_levels(known, measured, now_s)
        order = np.argsort(-levels.of(known), kind="stable")
        orders.append([names[place] for place in order.tolist()])
    return orders


def test_a_burst_that_does_not_last_moves_no_row():
    orders = ranks_over([(0, [50, 10]), (1, [50, 10]), (2, [50, 900]), (3, [50, 10]), (4, [50, 10])])

    assert orders == [[1, 2]] * 5


def test_a_rank_that_lasts_is_taken_after_three_seconds():
    orders = ranks_over([(second, [50, 10 if second < 2 else 900]) for second in range(8)])

    assert orders == [[1, 2]] * 5 + [[2, 1]] * 3


def test_two_rows_that_take_turns_do_not_change_places():
    orders = ranks_over([(second, [100, 90] if second % 2 else [90, 100]) for second in range(2, 20)])

    assert len({tuple(order) for order in orders}) == 1


def test_a_row_that_is_new_rises_when_it_has_lasted():
    moments = [(0, [50]), (1, [50]), *((second, [50, 900]) for second in range(2, 8))]

    orders = ranks_over(moments)

    assert [1, 2] in orders
    assert orders[-1] == [2, 1]


@given(st.lists(st.lists(st.integers(0, 10**9), min_size=4, max_size=4), min_size=1, max_size=8), st.data())
@settings(max_examples=examples(60))
def test_where_nothing_changes_any_more_rows_are_in_the_order_of_their_values(history, data):
    last = data.draw(st.lists(st.integers(0, 10**9), min_size=4, max_size=4, unique=True))
    calm = [(len(history) + second, last) for second in range(int(LASTS_S) + 2)]

    orders = ranks_over([*enumerate(history), *calm], names=(7, 3, 9, 5))

    assert orders[-1] == [name for _, name in sorted(zip(last, (7, 3, 9, 5), strict=True), reverse=True)]


@given(st.lists(st.lists(st.integers(0, 1000), min_size=3, max_size=3), min_size=2, max_size=12))
@settings(max_examples=examples(60))
def test_a_level_is_never_outside_of_what_the_row_had_in_the_last_seconds(history):
    known = keys(1, 2, 3)
    levels = first_levels(known, np.array(history[0], float), 0.0)
    for now_s, values in list(enumerate(history))[1:]:
        levels = next_levels(levels, known, np.array(values, float), float(now_s))
        window = np.array(history[max(now_s - int(LASTS_S), 0) : now_s + 1])
        assert (levels.of(known) >= window.min(axis=0)).all()
        assert (levels.of(known) <= window.max(axis=0)).all()


def test_what_is_not_known_is_looked_up_as_nothing():
    assert looked_up(keys(2, 5), np.array([20.0, 50.0]), keys(5, 1, 2, 9)).tolist() == [50, 0, 20, 0]
    assert looked_up(keys(), np.zeros(0), keys(5)).tolist() == [0]


def test_the_row_of_the_cursor_keeps_its_place():
    assert with_row_kept(np.array([4, 2, 7, 1]), 1, 0).tolist() == [1, 4, 2, 7]
    assert with_row_kept(np.array([4, 2, 7, 1]), 4, 2).tolist() == [2, 7, 4, 1]
    assert with_row_kept(np.array([4, 2]), 9, 0).tolist() == [4, 2]
