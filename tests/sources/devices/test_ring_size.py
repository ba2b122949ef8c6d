"""How much memory rings take, of one namespace and of many."""

from __future__ import annotations

import pytest

from portcall.sources.devices.afpacket import MOST_RINGS
from portcall.sources.devices.ring_size import (
    BLOCK_BYTES,
    BLOCKS,
    LEAST_BLOCKS,
    LEAST_RING_BYTES,
    MOST_RING_BYTES,
    MOST_SHARED_BYTES,
    RingSize,
)
from portcall.system.network_namespaces import Namespace, own_namespace

OTHER = Namespace(1, "web", "/run/netns/web")


def ring_bytes(size):
    return size.block_bytes * size.blocks


def test_a_lonely_namespace_has_the_whole_ring():
    assert RingSize().among(OTHER, 1) == RingSize(BLOCK_BYTES, BLOCKS)


@pytest.mark.parametrize("namespaces", [2, 8, 32, 33, 100, 200, MOST_RINGS])
def test_the_rings_of_many_namespaces_share_what_is_set_for_them(namespaces):
    size = RingSize().among(OTHER, namespaces)

    assert namespaces * ring_bytes(size) <= MOST_SHARED_BYTES
    assert size.blocks >= LEAST_BLOCKS


def test_ones_own_namespace_keeps_its_ring_among_many():
    assert RingSize().among(own_namespace(), 200) == RingSize()


@pytest.mark.parametrize("namespaces", [2, 50, MOST_RINGS])
def test_a_block_stays_one_of_whole_pages(namespaces):
    assert RingSize().among(OTHER, namespaces).block_bytes % 4096 == 0


def test_rings_of_namespaces_that_come_one_by_one_stay_below_three_times_that():
    come = sum(ring_bytes(RingSize().among(OTHER, count)) for count in range(1, MOST_RINGS + 1))

    assert come < 3 * MOST_SHARED_BYTES


@pytest.mark.parametrize("asked", [LEAST_RING_BYTES, 3_000_000, BLOCK_BYTES * BLOCKS, 1 << 28, MOST_RING_BYTES])
def test_a_ring_takes_no_more_than_was_asked_for_and_nearly_all_of_it(asked):
    size = RingSize.of(asked)

    assert 0.95 * asked < ring_bytes(size) <= asked
    assert size.block_bytes % 4096 == 0
    assert size.blocks >= LEAST_BLOCKS


def test_a_great_ring_is_shared_by_namespaces_as_a_usual_one():
    size = RingSize.of(1 << 30)

    assert size.among(OTHER, 1) == size
    assert 8 * ring_bytes(size.among(OTHER, 8)) <= 1 << 30


def test_a_ring_of_the_usual_size_is_divided_as_usual():
    assert RingSize.of(BLOCK_BYTES * BLOCKS) == RingSize()
