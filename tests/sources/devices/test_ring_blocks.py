"""The blocks of a ring, laid out in memory as the kernel does it."""

from __future__ import annotations

import numpy as np
import pytest

from memory_ring import MemoryRing
from portcall.kernels import packet_ring
from portcall.records.packets import FRAME, FrameBatch
from portcall.sources.devices.ring_blocks import MOST_FRAMES, RingBlocks
from portcall.sources.devices.ring_size import RingSize

NAMESPACE = 7
BLOCK_BYTES = 1 << 12


def frames_of(lengths, first_ns=0):
    """A batch of frames of these lengths, each filled with bytes that tell it from its neighbours."""
    lengths = np.array(lengths)
    frames = np.zeros(len(lengths), FRAME)
    frames["captured"] = frames["wire"] = lengths
    frames["offset"] = np.cumsum(lengths) - lengths
    frames["ts_ns"] = first_ns + np.arange(len(lengths))
    return FrameBatch(frames, np.repeat(np.arange(len(lengths)) % 251, lengths).astype(np.uint8), 1)


def ring_of(blocks, batch, snap_length=1 << 16):
    """A ring of blocks of 4 KiB that holds the batch, and how many of its frames are laid out at once."""
    size = RingSize(BLOCK_BYTES, blocks)
    ring = MemoryRing(size, snap_length)
    return ring, RingBlocks(ring.buffer, size, NAMESPACE), ring.fill([batch])


def bytes_of(batch):
    return [bytes(batch.buffer[frame["offset"] :][: frame["captured"]]) for frame in batch.frames]


def test_frames_come_once_in_their_order_however_many_blocks_they_fill():
    batch = frames_of(np.random.default_rng(1).integers(60, 1500, 500))
    expected = bytes_of(batch)

    _, blocks, laps = ring_of(4, batch)
    given = [(times, pieces) for _ in laps for times, pieces in read(blocks)]

    assert [piece for _, pieces in given for piece in pieces] == expected
    assert [time for times, _ in given for time in times] == list(range(500))


def read(blocks):
    return [(given.frames["ts_ns"].tolist(), bytes_of(given)) for given in blocks.batches()]


def test_a_batch_is_of_many_blocks_where_these_hold_few_frames():
    _, blocks, laps = ring_of(16, frames_of([1000] * 48))  # three a block

    assert next(laps) == 48
    assert [len(given.frames) for given in blocks.batches()] == [3 * packet_ring.MOST_BLOCKS] * 2


def test_a_batch_has_no_more_frames_than_stay_in_the_cache():
    size = RingSize(1 << 18, 4)  # some 1600 of these frames each
    ring = MemoryRing(size, 1 << 16)

    held = next(ring.fill([frames_of([60] * 6000)]))
    counts = [len(given.frames) for given in RingBlocks(ring.buffer, size).batches()]

    assert sum(counts) == held
    assert len(counts) == 2
    assert max(counts) <= MOST_FRAMES


def test_one_block_alone_may_have_more():
    batch = frames_of([60] * 6000)
    size = RingSize(1 << 20, 2)
    ring = MemoryRing(size, 1 << 16)

    next(ring.fill([batch]))
    (given,) = RingBlocks(ring.buffer, size).batches()

    assert len(given.frames) == 6000


def test_the_ring_goes_round_as_often_as_there_is_more():
    _, blocks, laps = ring_of(3, frames_of([1000] * 100))

    laid = [(held, sum(len(given.frames) for given in blocks.batches())) for held in laps]

    assert len(laid) == 12
    assert [held for held, _ in laid] == [given for _, given in laid]
    assert sum(given for _, given in laid) == 100


def test_lengths_on_the_wire_stay_where_frames_are_cut():
    _, blocks, laps = ring_of(2, frames_of([1000, 80]), snap_length=96)

    next(laps)
    (given,) = blocks.batches()

    assert given.frames["captured"].tolist() == [96, 80]
    assert given.frames["wire"].tolist() == [1000, 80]


def test_a_frame_that_leaves_its_block_is_refused_and_its_batch_given_back():
    ring, blocks, laps = ring_of(4, frames_of([1000] * 12))
    next(laps)
    ring.buffer[2 * BLOCK_BYTES + 48 + 12 :][:4] = 255  # the third block's first frame claims four GB

    with pytest.raises(ValueError, match="block 2 of the ring does not lie"):
        next(blocks.batches())

    assert list(blocks.batches()) == []


def test_blocks_that_a_reader_breaks_off_are_not_given_again():
    _, blocks, laps = ring_of(16, frames_of([1000] * 48))
    next(laps)
    batches = blocks.batches()
    next(batches)

    batches.close()

    assert [given.frames["ts_ns"].tolist() for given in blocks.batches()] == [list(range(24, 48))]


@pytest.mark.parametrize(("first", "blocks"), [(-1, 1), (3, 2), (0, 9), (0, -1)])
def test_blocks_outside_the_ring_are_refused(first, blocks):
    buffer = np.zeros(4 * BLOCK_BYTES, np.uint8)

    with pytest.raises(ValueError, match="walk wants"):
        packet_ring.walk(buffer, BLOCK_BYTES, first, blocks, np.zeros(1 << 16, np.uint16), np.zeros(9, FRAME))
