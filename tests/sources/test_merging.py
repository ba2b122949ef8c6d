"""Captures that overlap come in order of time, as mergecap has it; those that do not are handed on as they are."""

from __future__ import annotations

import heapq
import random

import numpy as np
import pytest

from portcall.records.packets import FRAME, NO_TIME, FrameBatch
from portcall.sources.merging import Merge, Waiting


def batches_of(times, tag, size):
    """A capture whose frame i has its tag and i as its bytes; one buffer for all, as sources have."""
    buffer, frames = np.zeros(1 << 16, np.uint8), np.zeros(size, FRAME)
    for start in range(0, len(times), size):
        part = times[start : start + size]
        for i, ts_ns in enumerate(part):
            content = np.frombuffer(bytes([tag, *(start + i).to_bytes(3, "big")]) * (1 + i % 3), np.uint8)
            buffer[16 * i : 16 * i + len(content)] = content
            frames[i] = (ts_ns, 16 * i, len(content), 60, 0, 1, 0, 0)
        yield FrameBatch(frames[: len(part)], buffer, start + 1)
        buffer[:], frames["captured"] = 0xFF, 0  # what was not taken in time is gone


def merged(captures, size=7, most_open=128):
    """(tag, index) of each frame, in the order in which a merge gives them; and the merge."""
    waiting = [
        Waiting(times[0] if times else NO_TIME, lambda times=times, tag=tag: batches_of(times, tag, size))
        for tag, times in enumerate(captures)
    ]
    merge, seen = Merge(waiting, most_open), []
    for batch in merge.batches():
        assert batch.first_number == len(seen) + 1
        for frame in batch.frames:
            content = batch.buffer[frame["offset"] :][: frame["captured"]].tobytes()
            assert content == content[:4] * (len(content) // 4)
            seen.append((content[0], int.from_bytes(content[1:4], "big")))
    return seen, merge


def naively_merged(captures):
    """The capture whose next frame is the earliest gives it, the first of several by when they began."""
    order = sorted(range(len(captures)), key=lambda tag: captures[tag][0] if captures[tag] else NO_TIME)
    streams = []
    for rank, tag in enumerate(order):
        times = captures[tag]
        reached = [max(times[: i + 1]) for i in range(len(times))]
        streams.append([(reached[i], rank, tag, i) for i in range(len(times))])
    return [(tag, i) for _, _, tag, i in heapq.merge(*streams)]


@pytest.mark.parametrize("seed", range(40))
def test_a_merge_gives_what_the_naive_one_gives(seed):
    chance = random.Random(seed)
    captures = []
    for _ in range(chance.randrange(1, 9)):
        start, spread = chance.randrange(200), chance.choice([1, 5, 100])
        times = [start + chance.randrange(spread) + i * chance.choice([0, 1, 4]) for i in range(chance.randrange(60))]
        captures.append(times if chance.random() < 0.5 else sorted(times))

    assert merged(captures, size=chance.choice([1, 3, 16]))[0] == naively_merged(captures)


@pytest.mark.slow
@pytest.mark.parametrize("frames", [20_000])
def test_long_pieces_and_short_ones_are_merged_alike(frames):
    """Hundreds of frames of one, then of the other; then turn by turn."""
    chance = random.Random(1)
    times = sorted(chance.randrange(frames) for _ in range(frames))
    for width in (1, 3000):
        captures = [[t for t in times if t // width % 2 == side] for side in (0, 1)]

        assert merged(captures, size=500)[0] == naively_merged(captures)


def test_a_capture_keeps_its_own_order():
    assert merged([[5, 3, 9], [4, 6]])[0] == [(1, 0), (0, 0), (0, 1), (1, 1), (0, 2)]


def test_captures_without_times_come_first_and_one_after_the_other():
    captures = [[7], [NO_TIME] * 3, [NO_TIME] * 2]

    assert merged(captures, size=2)[0] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (0, 0)]


def test_captures_that_do_not_overlap_are_given_as_they_lie():
    captures = [list(range(start, start + 50)) for start in (100, 0, 50)]
    given = []
    waiting = [
        Waiting(times[0], lambda times=times: (given.append(batch) or batch for batch in batches_of(times, 0, 20)))
        for times in captures
    ]

    for batch in Merge(waiting).batches():
        assert batch.buffer is given[-1].buffer
        assert len(batch.frames) == len(given[-1].frames)

    assert len(given) == 9


def test_no_more_are_open_than_may_be_and_those_that_came_late_are_counted():
    captures = [[10 * i, 1000 + i] for i in range(10)]
    open_now = set()

    def begin(times, tag):
        open_now.add(tag)
        assert len(open_now) <= 4
        yield from batches_of(times, tag, 1)
        open_now.remove(tag)

    waiting = [Waiting(times[0], lambda times=times, tag=tag: begin(times, tag)) for tag, times in enumerate(captures)]
    merge = Merge(waiting, most_open=4)

    assert sum(len(batch.frames) for batch in merge.batches()) == 20
    assert merge.late == 6


def test_captures_that_wait_for_room_and_need_none_are_not_late():
    captures = [[start, start + 5] for start in range(0, 100, 10)]

    seen, merge = merged(captures, most_open=1)

    assert seen == naively_merged(captures)
    assert merge.late == 0


def test_what_a_capture_says_without_frames_is_handed_on():
    def named():
        yield FrameBatch(np.zeros(0, FRAME), np.zeros(0, np.uint8), 1, host_names=(("nas", b"abcd"),))
        yield from batches_of([1, 3], 0, 1)

    merge = Merge([Waiting(1, named), Waiting(2, lambda: batches_of([2], 1, 1))])

    assert [(batch.host_names, len(batch.frames)) for batch in merge.batches()] == [
        ((("nas", b"abcd"),), 0),
        ((), 1),
        ((), 1),
        ((), 1),
    ]


def test_frames_of_every_size_find_room():
    """A frame may be as large as the buffer that others are copied into."""
    sizes = [262_144, 1, 100_000, 0, 262_144, 200_000]
    captures = []
    for tag in (1, 2):
        buffer = np.full(sum(sizes), tag, np.uint8)
        frames = np.zeros(len(sizes), FRAME)
        frames["captured"], frames["offset"] = sizes, np.cumsum([0, *sizes[:-1]])
        frames["ts_ns"] = np.arange(len(sizes)) * 2 + tag
        captures.append(FrameBatch(frames, buffer, 1))
    waiting = [Waiting(int(batch.frames["ts_ns"][0]), lambda batch=batch: iter([batch])) for batch in captures]

    seen = [
        (int(frame["captured"]), set(batch.buffer[frame["offset"] :][: frame["captured"]].tolist()))
        for batch in Merge(waiting).batches()
        for frame in batch.frames
    ]

    assert seen == [(size, {tag} if size else set()) for size in sizes for tag in (1, 2)]
