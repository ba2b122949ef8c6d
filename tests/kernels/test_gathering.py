"""Frames are copied to their places, and nothing is read or written beyond a buffer."""

from __future__ import annotations

import numpy as np
import pytest

from portcall.kernels.gathering import gather
from portcall.records.packets import FRAME


def frames(*spans):
    rows = np.zeros(len(spans), FRAME)
    rows["offset"], rows["captured"] = np.array(spans, np.uint64).T
    return rows


def gathered(rows, places, offsets, *, bytes_there=20, room=20):
    out, buffer = np.zeros(4, FRAME), np.zeros(room, np.uint8)
    source = np.arange(1, 1 + bytes_there, dtype=np.uint8)
    gather(rows, source, np.array(places, np.int64), np.array(offsets, np.uint64), out, buffer)
    return out, buffer


def test_frames_go_to_their_places_with_their_bytes():
    out, buffer = gathered(frames((0, 3), (10, 2)), [2, 0], [0, 2, 5])

    assert out["captured"].tolist() == [2, 0, 3, 0]
    assert out["offset"].tolist() == [0, 0, 5, 0]
    assert buffer[:8].tolist() == [11, 12, 0, 0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("row", "place", "offset"),
    [
        ((0, 21), 0, 0),
        ((19, 2), 0, 0),
        ((2**64 - 1, 2), 0, 0),
        ((0, 5), 0, 16),
        ((0, 5), 0, 2**64 - 1),
        ((0, 5), 4, 0),
        ((0, 5), -1, 0),
    ],
)
def test_what_does_not_fit_is_refused(row, place, offset):
    with pytest.raises(ValueError, match="finds no room"):
        gathered(frames(row), [place], [offset] * 5)


def test_each_frame_wants_a_place():
    with pytest.raises(ValueError, match="a place for each frame"):
        gathered(frames((0, 1), (1, 1)), [0], [0, 1])
