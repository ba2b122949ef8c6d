"""Sums per key equal a dictionary's, in any chunks, also with a bound and with colliding hashes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcall.kernels.grouping import group
from portcall.sums import SERVICE_AND_HOST, Sums

keys = st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from([0, 2**63]), st.integers(0, 3))
counted = st.lists(st.tuples(keys, st.integers(0, 2**50)), max_size=40)


def table(rows):
    columns = zip(*(key for key, _ in rows), strict=True)
    types = (np.int64, np.bool_, np.uint64, np.uint64)
    named = {n: np.array(c, t) for n, c, t in zip(SERVICE_AND_HOST, columns, types, strict=True)}
    return named | {"bytes": np.array([count for _, count in rows], np.uint64)}


def summed(rows, **options):
    sums = Sums(SERVICE_AND_HOST, **options)
    for start in range(0, len(rows), 7):
        sums.add(table(rows[start : start + 7]))
    return sums


def as_dictionary(sums):
    joined = sums.joined()
    if joined is None:
        return {}
    found = zip(*(joined[name].tolist() for name in SERVICE_AND_HOST), strict=True)
    return dict(zip(found, joined["bytes"].tolist(), strict=True))


def expected(rows):
    result = Counter()
    for key, count in rows:
        result[key] += count
    return dict(result)


@given(counted)
def test_sums_are_those_of_a_dictionary(rows):
    assert as_dictionary(summed(rows)) == expected(rows)


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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("portcall.sums._PENDING_ROWS", 8)
        sums = summed(rows, bound=bound)
        found = as_dictionary(sums)

    for key, total in expected(rows).items():
        assert found.get(key, 0) <= total <= found.get(key, 0) + sums.missing_bytes
