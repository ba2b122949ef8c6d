"""Names that were met before have their number; those that are forgotten have none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcall.kernels.interning import MOST_NAME_BYTES, NameNumbers

NAMES = st.tuples(st.integers(1, 3), st.binary(max_size=20))


@given(st.dictionaries(NAMES, st.integers(1, 2**31 - 1)), st.integers(0, 2**64 - 1), st.lists(NAMES))
def test_every_name_that_is_learnt_is_known_and_no_other(learnt, seed, others):
    numbers = NameNumbers(seed)

    for (kind, name), number in learnt.items():
        numbers.learn(kind, name, number)

    for kind, name in [*learnt, *others]:
        assert numbers.number(kind, name) == learnt.get((kind, name), 0)


def test_a_name_that_is_learnt_again_has_its_new_number():
    numbers = NameNumbers(1)

    numbers.learn(1, b"www.example.com", 7)
    numbers.learn(1, b"www.example.com", 8)

    assert numbers.number(1, b"www.example.com") == 8


@pytest.mark.parametrize("name_of", [lambda number: b"%d" % number, lambda number: b"%0255d" % number])
def test_so_many_names_that_they_find_no_room_are_forgotten(name_of):
    numbers = NameNumbers(1)

    for number in range(1, 20000):
        numbers.learn(1, name_of(number), number)

    known = [number for number in range(1, 20000) if numbers.number(1, name_of(number))]
    assert known[-1] == 19999
    assert len(known) < 1 << 14
    assert all(numbers.number(1, name_of(number)) == number for number in known)


def test_a_name_about_one_number_is_another_than_the_same_about_the_next():
    numbers = NameNumbers(1)

    numbers.learn(1, b"www.example.com", 7, about=3)
    numbers.learn(1, b"www.example.com", 8, about=4)

    assert [numbers.number(1, b"www.example.com", about) for about in (3, 4, 5)] == [7, 8, 0]


def test_a_name_that_is_too_long_is_not_learnt():
    numbers = NameNumbers(1)

    numbers.learn(1, b"x" * (MOST_NAME_BYTES + 1), 7)

    assert numbers.number(1, b"x" * (MOST_NAME_BYTES + 1)) == 0


def test_numbers_begin_at_1():
    with pytest.raises(ValueError, match="begin at 1"):
        NameNumbers(1).learn(1, b"www.example.com", 0)
