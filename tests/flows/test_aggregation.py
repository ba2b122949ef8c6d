"""Sums per key equal a dictionary's, in any chunks, also with a bound and with colliding hashes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcall.flows.aggregation import CREDIT, CREDITS, HOST_CREDIT, HOST_CREDITS, Sums, summed
from portcall.kernels.aggregate import SumTable, group

keys = st.tuples(
    st.integers(-1, 3), st.integers(0, 1), st.sampled_from([0, 2**63]), st.integers(0, 3), st.integers(-2, 2)
)
counted = st.lists(st.tuples(keys, st.integers(0, 2**50)), max_size=100)


def table(rows):
    return np.array([(*key, count) for key, count in rows], HOST_CREDIT)


def summed_in_chunks(rows, **options):
    sums = Sums(HOST_CREDIT, HOST_CREDITS, **options)
    for start in range(0, len(rows), 7):
        sums.add(table(rows[start : start + 7]))
    return sums


def as_dictionary(sums):
    return {tuple(key): count for *key, count in sums.rows.tolist()}


def expected(rows):
    result = Counter()
    for key, count in rows:
        result[key] += count
    return dict(result)


@given(counted)
def test_sums_are_those_of_a_dictionary_in_the_order_of_their_appearance(rows):
    assert list(as_dictionary(summed_in_chunks(rows)).items()) == list(expected(rows).items())


@given(counted, counted)
def test_merged_sums_are_those_of_all_rows(rows, others):
    sums = summed_in_chunks(rows)

    sums.merge(summed_in_chunks(others))

    assert as_dictionary(sums) == expected(rows + others)


def test_sums_that_are_merged_may_have_other_numbers():
    sums, others = summed_in_chunks([((0, 0, 0, 0, 0), 1)]), summed_in_chunks([((1, 0, 0, 0, 0), 5)])

    sums.merge(others, "row", np.array([9, 0]))

    assert as_dictionary(sums) == {(0, 0, 0, 0, 0): 6}


def test_sums_whose_numbers_become_equal_are_added():
    sums = summed_in_chunks([((0, 0, 0, 0, bucket), 1) for bucket in range(9)])

    sums.renumber("bucket", lambda numbers: numbers // 4)

    assert as_dictionary(sums) == {(0, 0, 0, 0, 0): 4, (0, 0, 0, 0, 1): 4, (0, 0, 0, 0, 2): 1}


def test_of_times_the_least_and_the_greatest_are_kept_also_before_1970():
    rows = np.zeros(3, CREDIT)
    rows["first_ns"] = rows["last_ns"] = -5, 7, -9

    [row] = summed(rows, CREDITS)

    assert (row["first_ns"], row["last_ns"]) == (-9, 7)


@given(counted, st.integers(0, 2**64 - 1))
def test_neither_the_seed_nor_a_nearly_full_table_changes_a_sum(rows, seed):
    slots = 1 << len(rows).bit_length()
    sums = np.zeros((len(rows), 6), np.uint64)
    summing = SumTable(5, 1, 0, 0, seed)
    summing.begin(sums, np.zeros(slots, np.uint32), 0)

    summing.add(table(rows).view(np.uint64).reshape(-1, 6))

    found = {tuple(key): count for *key, count in sums[: summing.count].view(HOST_CREDIT).ravel().tolist()}
    assert found == expected(rows)


@pytest.mark.parametrize(("shape", "slots", "count"), [((4, 5), 4, 0), ((4, 5), 12, 0), ((4, 4), 8, 0), ((4, 5), 8, 5)])
def test_a_sum_table_refuses_arrays_that_would_not_end_a_search(shape, slots, count):
    with pytest.raises(ValueError, match="summing wants"):
        SumTable(4, 1, 0, 0, 0).begin(np.zeros(shape, np.uint64), np.zeros(slots, np.uint32), count)


@pytest.mark.parametrize("shape", [(3, 5), (1, 6)])
def test_a_sum_table_refuses_rows_that_it_has_no_room_for(shape):
    summing = SumTable(4, 1, 0, 0, 0)
    summing.begin(np.zeros((2, 5), np.uint64), np.zeros(4, np.uint32), 0)

    with pytest.raises(ValueError, match="summing wants"):
        summing.add(np.zeros(shape, np.uint64))


def test_a_sum_table_that_has_not_begun_has_no_room():
    with pytest.raises(ValueError, match="room"):
        SumTable(4, 1, 0, 0, 0).add(np.zeros((1, 5), np.uint64))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=15), st.integers(0, 2**64 - 1))
def test_groups_are_numbered_by_appearance_also_in_a_full_table_and_whatever_the_seed(rows, seed):
    keys = np.array(rows, np.uint64).reshape(-1, 2)
    groups, members = np.zeros((2, len(keys)), np.int64)

    count = group(keys, seed, np.zeros(16, np.uint32), groups, members)

    distinct = list(dict.fromkeys(rows))
    assert [distinct[number] for number in groups] == rows
    assert members[:count].tolist() == [rows.index(key) for key in distinct]


@pytest.mark.parametrize("slots", [4, 7])
def test_grouping_refuses_slots_that_would_not_end_a_search(slots):
    with pytest.raises(ValueError, match="power of two"):
        group(np.zeros((4, 1), np.uint64), 0, np.zeros(slots, np.uint32), *np.zeros((2, 4), np.int64))


@given(counted, st.integers(1, 5))
def test_a_bounded_sum_is_never_too_high_and_misses_no_more_than_it_says(rows, bound):
    sums = summed_in_chunks(rows, bound=bound)

    found = as_dictionary(sums)
    assert len(found) <= 2 * bound + 7
    for key, total in expected(rows).items():
        assert found.get(key, 0) <= total <= found.get(key, 0) + sums.missing_bytes


def test_of_too_many_keys_the_greatest_are_kept_in_the_same_room():
    sums = Sums(HOST_CREDIT, HOST_CREDITS, bound=100)
    rows = np.zeros(50, HOST_CREDIT)
    rooms = set()

    for start in range(0, 2000, 50):
        rows["row"] = np.arange(start, start + 50)
        rows["bytes"] = rows["row"]
        sums.add(rows)
        rooms.add(len(sums._sums))

    assert len(sums.rows) <= 250
    assert set(range(1900, 2000)) <= set(sums.rows["row"].tolist())
    assert max(rooms) == 256
    assert len(rooms) <= 4  # it grows, and stays as it is


def test_slots_of_bounded_sums_are_no_more_than_the_bound_wants():
    sums = Sums(HOST_CREDIT, HOST_CREDITS, bound=70_000)
    rows = np.zeros(10_000, HOST_CREDIT)

    for start in range(0, 400_000, len(rows)):
        rows["row"] = np.arange(start, start + len(rows))
        rows["bytes"] = rows["row"]
        sums.add(rows)

    assert len(sums._slots) == 2 * (1 << 18)  # 150,000 keys at most, in a power of two of room
    assert set(range(399_000, 400_000)) <= set(sums.rows["row"].tolist())
