"""Uses of one socket by their keys: none, one, several."""

from __future__ import annotations

import pytest

from portcall.ownership.few_uses import each_of, pop_oldest, use_at, with_use
from portcall.ownership.observed_socket import ObservedSocket, Use

KEYS = [b"first", b"second", b"third"]


def uses_of(keys):
    socket, uses = ObservedSocket(1, 6, 1, 0), None
    for key in keys:
        uses = with_use(uses, Use(socket, 0, key))
    return uses


@pytest.mark.parametrize("number", range(4))
def test_each_is_found_by_its_key_and_all_come_in_order(number):
    uses = uses_of(KEYS[:number])

    assert [use.key for use in each_of(uses)] == KEYS[:number]
    assert [use_at(uses, key) is not None for key in KEYS] == [i < number for i in range(3)]
    assert all(use_at(uses, use.key) is use for use in each_of(uses))
    assert bool(uses) == bool(number)


def test_the_oldest_of_several_goes_first():
    uses = uses_of(KEYS)

    assert pop_oldest(uses).key == b"first"
    assert [use.key for use in each_of(uses)] == [b"second", b"third"]
