"""Several captures as one in order of time: a merge that costs where they overlap, and nothing where they do not.

As mergecap does, the frame that comes next is that of the capture whose own next frame is the earliest; each capture
keeps its own order. It goes in rounds. The present batches of the captures that have begun say everything up to the
horizon, the least of the times that they reach: all frames up to it are given, and one batch at least is used up. Those
of one capture are given as they lie, those of several in pieces where these are long, else copied into one buffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.kernels.gathering import gather
from portcall.records.packets import NO_TIME
from portcall.sources import rooms as size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from portcall.records.packets import FrameBatch

MOST_OPEN = 128
"""Captures that are merged at once at the most, with 0.7 MB each, and up to 2 MB more for a thread."""
_LONG_PIECE = 64  # frames, on an average: a batch of so many costs half of what it costs to count them


class Waiting(NamedTuple):
    """A capture that is begun when its time has come."""

    first_ns: int
    """Time of its first frame, or NO_TIME."""
    begin: Callable[[], Iterator[FrameBatch]]


class Merge:
    """The frames of captures in order of time, and how many of these came too late for that."""

    def __init__(self, waiting: Sequence[Waiting], most_open: int = MOST_OPEN) -> None:
        self._waiting = sorted(waiting, key=lambda capture: capture.first_ns)[::-1]
        self._most_open = max(most_open, 1)
        self._begun: list[_Begun] = []
        self._given_ns = NO_TIME
        self.late = 0
        """Captures that began after their time, because too many others were open."""

    def batches(self) -> Iterator[FrameBatch]:
        """Batch after batch, each valid until the next is asked for."""
        number = 1
        for batch in self._rounds():
            yield batch._replace(first_number=number)
            number += len(batch.frames)

    def _rounds(self) -> Iterator[FrameBatch]:
        gathered = _Gathered()
        while True:
            yield from self._fetched()
            if not self._begun and not self._waiting:
                return
            horizon = min((capture.reached_ns for capture in self._begun), default=None)
            if horizon is None or self._has_its_time_come(horizon):
                self._begin()
            else:
                self._given_ns = horizon
                yield from gathered.in_order(self._taken(horizon))

    def _has_its_time_come(self, horizon: int) -> bool:
        """Whether another capture has frames before the horizon, and can be begun."""
        return len(self._begun) < self._most_open and len(self._waiting) > 0 and self._waiting[-1].first_ns < horizon

    def _begin(self) -> None:
        capture = self._waiting.pop()
        self.late += capture.first_ns < self._given_ns
        self._begun.append(_Begun(capture.begin()))

    def _fetched(self) -> Iterator[FrameBatch]:
        """Have frames of every capture that has begun; gives the batches without any, and lets go who is at its end."""
        for capture in self._begun:
            yield from capture.fetched()
        self._begun = [capture for capture in self._begun if not capture.is_at_end]

    def _taken(self, horizon: int) -> list[_Piece]:
        """What every capture has up to the horizon; of equal times, what began first goes first."""
        pieces = []
        is_known = True  # behind a capture that reaches just the horizon: its next batch may go before equal times
        for capture in self._begun:
            pieces.append(capture.take(horizon, with_equal=is_known))
            is_known = is_known and capture.reached_ns > horizon
        return [piece for piece in pieces if len(piece.frames)]


class _Begun:
    """A capture that is being merged: its present batch, and how far that is given."""

    def __init__(self, batches: Iterator[FrameBatch]) -> None:
        self._batches = batches
        self._batch: FrameBatch | None = None
        self._times: NDArray[np.int64] | None = None
        self._at = 0
        self._before_ns = NO_TIME
        self.reached_ns = NO_TIME
        """The latest time up to the end of the present batch."""
        self.is_at_end = False

    def fetched(self) -> Iterator[FrameBatch]:
        """Have a batch with frames, unless there are some left; gives those without."""
        while not self.is_at_end and (self._batch is None or self._at == len(self._batch.frames)):
            self._batch, self._times, self._at = next(self._batches, None), None, 0
            if self._batch is None:
                self.is_at_end = True
            elif len(self._batch.frames):
                self._before_ns = self.reached_ns
                self.reached_ns = max(self._before_ns, int(self._batch.frames["ts_ns"].max()))
            else:
                yield self._batch

    def take(self, horizon: int, *, with_equal: bool) -> _Piece:
        """The frames before the horizon, and those of just that time."""
        batch, at = self._batch, self._at
        if batch is None:
            raise ValueError("taking wants a batch that was fetched")
        if self.reached_ns < horizon + with_equal:
            self._at = len(batch.frames)
        else:
            self._at = int(np.searchsorted(self.times(), horizon, "right" if with_equal else "left"))
        return _Piece(self, batch, at, self._at)

    def times(self) -> NDArray[np.int64]:
        """The latest time up to each frame of the present batch: never less than that of the frame before."""
        if self._times is None and self._batch is not None:
            self._times = np.maximum.accumulate(np.maximum(self._batch.frames["ts_ns"], self._before_ns))
        return self._times if self._times is not None else np.zeros(0, np.int64)


class _Piece(NamedTuple):
    """Frames of one capture that are due."""

    capture: _Begun
    batch: FrameBatch
    start: int
    stop: int

    @property
    def frames(self) -> NDArray[np.void]:
        """FRAME[n]."""
        return self.batch.frames[self.start : self.stop]

    @property
    def claims(self) -> NDArray[np.uint32]:
        """What is claimed of their owners."""
        claims = self.batch.claims
        return np.zeros(len(self.frames), np.uint32) if claims is None else claims[self.start : self.stop]

    @property
    def times(self) -> NDArray[np.int64]:
        """What they are ordered by."""
        return self.capture.times()[self.start : self.stop]


class _Gathered:
    """Pieces in order, and room to copy short ones into, which most captures do without."""

    def __init__(self) -> None:
        self._rooms: size.Rooms | None = None

    def in_order(self, pieces: Sequence[_Piece]) -> Iterator[FrameBatch]:
        """The frames of all of them by time, each piece in its own order."""
        if len(pieces) == 1:
            yield pieces[0].batch.some(slice(pieces[0].start, pieces[0].stop))
            return
        order = np.argsort(np.concatenate([piece.times for piece in pieces]), kind="stable")
        whose = np.repeat(np.arange(len(pieces)), [len(piece.frames) for piece in pieces])[order]
        ends = [*(np.flatnonzero(np.diff(whose)) + 1).tolist(), len(whose)]
        if len(whose) >= _LONG_PIECE * len(ends):
            yield from _as_they_lie(pieces, whose, ends)
        else:
            captured = np.concatenate([piece.frames["captured"] for piece in pieces])[order]
            claims = None
            if any(piece.batch.claims is not None for piece in pieces):
                claims = np.concatenate([piece.claims for piece in pieces])[order]
            for batch, start in self._copied(pieces, whose, captured.astype(np.uint64)):
                yield batch._replace(claims=None if claims is None else claims[start : start + len(batch.frames)])

    def _copied(
        self, pieces: Sequence[_Piece], whose: NDArray[np.int64], captured: NDArray[np.uint64]
    ) -> Iterator[tuple[FrameBatch, int]]:
        """Batches of copies, and how many frames come before each."""
        self._rooms = self._rooms or size.Rooms()
        gathered, buffer = self._rooms.frames(), self._rooms.bytes()
        ends, offsets = np.cumsum(captured), np.cumsum(captured) - captured
        given = [piece.start for piece in pieces]
        at = 0
        while at < len(whose):
            stop = int(np.searchsorted(ends, offsets[at] + np.uint64(size.WINDOW_BYTES), "right"))
            here = slice(at, min(max(stop, at + 1), at + size.FRAMES_AT_ONCE))
            for number in np.unique(whose[here]).tolist():
                places = np.flatnonzero(whose[here] == number)
                frames = pieces[number].batch.frames[given[number] : given[number] + len(places)]
                given[number] += len(places)
                room = offsets[here] - offsets[at]
                gather(frames, pieces[number].batch.buffer, places, room, gathered, buffer)
            yield pieces[0].batch._replace(frames=gathered[: here.stop - at], buffer=buffer), at
            at = here.stop


def _as_they_lie(pieces: Sequence[_Piece], whose: NDArray[np.int64], ends: Sequence[int]) -> Iterator[FrameBatch]:
    given = [piece.start for piece in pieces]
    start = 0
    for end in ends:
        number = int(whose[start])
        batch, at = pieces[number].batch, given[number]
        given[number] += end - start
        yield batch.some(slice(at, given[number]))
        start = end
