"""Texts by number: each once, in the order in which they came, and in little memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcall.kernels.texts.text_numbers import BYTES_OF_A_TEXT, TextNumbers

TEXTS = st.lists(st.binary(max_size=20), max_size=40)


@given(TEXTS, TEXTS, st.integers(0, 2**64 - 1))
def test_every_text_has_the_number_of_its_first_coming(added, others, seed):
    numbers = TextNumbers(seed)

    given_numbers = [numbers.add(text) for text in added]

    distinct = list(dict.fromkeys(added))
    assert given_numbers == [distinct.index(text) for text in added]
    assert [numbers[number] for number in range(len(numbers))] == distinct
    assert [numbers.find(text) for text in others] == [
        distinct.index(text) if text in distinct else -1 for text in others
    ]
    assert numbers.used == sum(map(len, distinct))


def test_many_texts_keep_their_numbers_as_the_table_grows():
    numbers = TextNumbers(3)

    for number in range(50_000):
        assert numbers.add(b"%d.example.com" % number) == number

    assert all(numbers.find(b"%d.example.com" % number) == number for number in range(0, 50_000, 97))
    assert numbers[49_999] == b"49999.example.com"


def test_a_text_takes_little_more_than_itself():
    tracemalloc.start()
    numbers = TextNumbers(3)

    for number in range(60_000):
        numbers.add(b"%08d.example.com" % number)

    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    # What grows by doubling is half empty at the most.
    assert held <= 2 * (numbers.used + BYTES_OF_A_TEXT * len(numbers))


@pytest.mark.parametrize("number", [-1, 1, 1 << 40])
def test_a_number_that_no_text_has_is_an_error(number):
    numbers = TextNumbers(3)
    numbers.add(b"")

    with pytest.raises(IndexError):
        numbers[number]
