"""Rows as text are what their values are one by one, and what does not fit together is refused."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcall.kernels.row_texts import ADDRESS, NUMBER, WORD, write_rows

NUMBERS = st.integers(-(2**63), 2**63 - 1)
ADDRESSES = st.ip_addresses()


def ends(texts):
    return np.cumsum([0, *map(len, texts)], dtype=np.int64)


def written(kinds, columns, values, marks, words, between, *, room=4096, row_ends=None):
    """What the kernel writes of int64[column][row]; ``between`` has a text more than there are kinds."""
    count = len(values[0]) if values else 0
    out = np.zeros(room, np.uint8)
    size = write_rows(
        np.array(kinds, np.uint8),
        np.array(columns, np.uint32),
        np.array(values, np.int64).reshape(len(values), count),
        np.array(marks, np.uint8).reshape(len(values), count),
        0,
        count,
        b"".join(words),
        ends(words),
        b"".join(between),
        ends(between),
        b"null",
        out,
        out_ends=row_ends,
    )
    return bytes(out[:size])


@given(st.lists(st.none() | NUMBERS, max_size=20))
def test_a_number_is_written_as_python_writes_it_and_an_unknown_one_as_null(numbers):
    values, marks = [number or 0 for number in numbers], [number is not None for number in numbers]

    text = written([NUMBER], [0], [values], [marks], [], [b"<", b">"])

    assert text.decode() == "".join(f"<{'null' if number is None else number}>" for number in numbers)


@given(st.lists(ADDRESSES, max_size=20))
def test_an_address_is_written_as_the_standard_library_reads_it(addresses):
    halves = [np.frombuffer(address.packed.rjust(16, b"\0"), ">i8").tolist() for address in addresses]
    values = [[high for high, _ in halves], [low for _, low in halves]]
    marks = [[address.version == 6 for address in addresses], [0] * len(addresses)]

    text = written([ADDRESS], [0], values, marks, [], [b"", b"\n"])

    assert list(map(ipaddress.ip_address, text.decode().split())) == addresses


def test_addresses_are_short_as_rfc_5952_wants_them():
    whole = ipaddress.ip_address("2001:db8:0:0:1:0:0:1").packed
    high, low = np.frombuffer(whole, ">i8").tolist()

    assert written([ADDRESS], [0], [[high], [low]], [[1], [0]], [], [b"", b""]) == b"2001:db8::1:0:0:1"


@given(st.lists(st.text(max_size=9), min_size=1, max_size=9), st.data())
def test_words_stand_where_their_number_does(words, data):
    codes = data.draw(st.lists(st.integers(0, len(words) - 1), max_size=9))

    text = written([WORD], [0], [codes], [[0] * len(codes)], [word.encode() for word in words], [b"", b";"])

    assert text.decode() == "".join(f"{words[code]};" for code in codes)


@given(st.lists(st.text(max_size=9), min_size=1, max_size=9))
def test_where_each_row_ends_is_told_to_who_asks(words):
    row_ends = np.zeros(len(words), np.int64)
    encoded = [word.encode() for word in words]

    written([WORD], [0], [range(len(words))], [[0] * len(words)], encoded, [b"<", b">"], row_ends=row_ends)

    assert row_ends.tolist() == ends([b"<%b>" % word for word in encoded])[1:].tolist()


def test_more_rows_than_their_ends_have_room_for_are_refused():
    with pytest.raises(ValueError, match="no room for where all rows end"):
        written([NUMBER], [0], [[1, 2]], [[1, 1]], [], [b"", b""], row_ends=np.zeros(1, np.int64))


@pytest.mark.parametrize("word", [-1, 2, 2**40])
def test_a_word_that_is_not_there_is_refused(word):
    with pytest.raises(IndexError, match="no word"):
        written([WORD], [0], [[word]], [[0]], [b"one", b"two"], [b"", b""])


@pytest.mark.parametrize(
    ("kinds", "columns", "between"),
    [([NUMBER], [1], [b"", b""]), ([ADDRESS], [0], [b"", b""]), ([NUMBER], [0], [b""]), ([NUMBER], [], [b"", b""])],
    ids=["a column that is not there", "half an address", "too little between", "a kind without a column"],
)
def test_steps_that_do_not_fit_are_refused(kinds, columns, between):
    with pytest.raises((IndexError, ValueError)):
        written(kinds, columns, [[7]], [[1]], [], between)


@pytest.mark.parametrize("kind", [NUMBER, WORD, ADDRESS])
@pytest.mark.parametrize("room", [0, 44, 50, 60])
def test_what_finds_no_room_is_refused(kind, room):
    with pytest.raises(ValueError, match="no room"):
        written([kind], [0], [[0] * 9, [0] * 9], [[1] * 9, [0] * 9], [b"w" * 50], [b"", b"\n"], room=room)


def test_ends_beyond_the_text_are_refused():
    out, one = np.zeros(99, np.uint8), np.zeros((1, 1), np.int64)
    for word_ends in ([0, 4], [1, 2], [0, 2, 1], []):
        with pytest.raises(ValueError, match="ends of texts"):
            write_rows(
                np.array([WORD], np.uint8), np.zeros(1, np.uint32), one, np.zeros((1, 1), np.uint8), 0, 1, b"abc",
                np.array(word_ends, np.int64), b"", np.zeros(3, np.int64), b"", out,
            )  # fmt: skip
