"""A window that walks over a stream of bytes, and what may read ahead of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from portcall.sources import rooms as size
from portcall.sources.decompression import is_compressed
from portcall.sources.streams import TELLING_BYTES, CountedStream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.kernels.record_walk import RecordWalk
    from portcall.sources.streams import ByteStream


class Taken(NamedTuple):
    """A window that others have read: ``bytes[start:end]``, what was held and what follows it."""

    bytes: NDArray[np.uint8]
    start: int
    end: int
    new_bytes: int
    """That were read."""
    frames: NDArray[np.void] | None
    """FRAME[n] that the walk found in it; None where nobody has walked over it."""


class ReadsAhead(Protocol):
    """What reads windows of a plain file, and walks over them, before they are asked for."""

    position: int
    """Offset in the file behind the window that was taken last."""

    def begin(self, descriptor: int, offset: int) -> bool:
        """Begin with a file at that offset; False where that does not pay, or another one is being read."""

    def take(self, held: memoryview, walk: RecordWalk | None) -> Taken:
        """The next window behind what is held, walked over by ``walk``; of no bytes at the end."""

    def close(self) -> None:
        """Nobody will take more; afterwards no thread reads the file."""


class Window:
    """A buffer over a stream: ``bytes[start:end]`` are there, ``more`` brings what follows."""

    def __init__(self, stream: ByteStream, stop: int | None = None, ahead: ReadsAhead | None = None) -> None:
        """``stop`` is where the stream counts as ended, None for its own end; ``ahead`` reads it ahead if it can."""
        self._stream = stream
        self._stop = stop
        self._rooms = size.Rooms()
        self._offered = ahead if stop is None else None
        self._ahead: ReadsAhead | None = None
        self._frames: NDArray[np.void] | None = None  # that were found ahead
        self.bytes: NDArray[np.uint8] = self._rooms.bytes()
        self._view = self.bytes.data  # cheaper to cut and to move than the array
        self.start = self.end = size.HEAD_BYTES
        self._base = -size.HEAD_BYTES
        self.section_at = 0
        """Where the present section begins: what reads the stream says so, at whatever sets all that it knows anew."""
        self.told_at = 0
        """Where the last block begins that means something for packets behind it."""

    @property
    def position(self) -> int:
        """Offset of ``bytes[start]`` in the stream."""
        return self._base + self.start

    @property
    def is_empty(self) -> bool:
        """Whether the stream has given nothing so far."""
        return self._base + self.end == 0

    def walk(self, walk: RecordWalk, *, is_end: bool = False) -> NDArray[np.void]:
        """FRAME[n] of the records from ``start`` on, which is moved behind them; ``is_end``: nothing comes behind."""
        frames, self._frames = self._frames, None
        if frames is None:
            room = self._rooms.frames()
            frames = room[: walk.walk(self.bytes, self.start, self.end, room, is_end=is_end)]
        self.start = walk.position
        return frames

    def more(self, walk: RecordWalk | None = None) -> bool:
        """Keep what was not used and read on; False at the end of the stream. ``walk`` is what will walk over it next.

        Only a window that is full of one unfinished record grows, so what walks over it bounds the growth. Which bytes
        come together depends on the stream alone.
        """
        held = self.end - self.start
        if held > size.HEAD_BYTES:
            return self._grow(held)
        if self._ahead:
            count = self._take(self._ahead, walk)
        else:
            self._move(self._rooms.bytes(), size.HEAD_BYTES - held, held)
            count = self._read(size.HEAD_BYTES)
            self.end += count
            if self._offered:
                self._begin_ahead(self._offered)
        return count > 0

    def _grow(self, held: int) -> bool:
        """Read on behind what is held, in an array with room for as much again."""
        if len(self.bytes) < self.end + size.WINDOW_BYTES:
            self._move(np.zeros(2 * (held + size.WINDOW_BYTES), np.uint8), 0, held)
        if self._ahead:
            taken = self._ahead.take(self._view[:0], None)
            count = taken.new_bytes
            self._view[self.end : self.end + count] = taken.bytes.data[taken.start : taken.end]
            self._note_read(count)
        else:
            count = self._read(self.end)
        self.end += count
        return count > 0

    def _take(self, ahead: ReadsAhead, walk: RecordWalk | None) -> int:
        taken = ahead.take(self._view[self.start : self.end], walk)
        self._base += self.start - taken.start
        self.bytes, self._view, self.start, self.end = (taken.bytes, taken.bytes.data, taken.start, taken.end)
        self._frames = taken.frames
        self._note_read(taken.new_bytes)
        return taken.new_bytes

    def _begin_ahead(self, ahead: ReadsAhead) -> None:
        self._offered = None
        place = self._stream.place() if isinstance(self._stream, CountedStream) else None
        if place and ahead.begin(*place):
            self._ahead = ahead

    def _note_read(self, count: int) -> None:
        if isinstance(self._stream, CountedStream):
            self._stream.passed(count)

    def _move(self, room: NDArray[np.uint8], at: int, held: int) -> None:
        """Have what is held at that place of an array, perhaps the same."""
        view = room.data
        view[at : at + held] = self._view[self.start : self.end]
        self._base += self.start - at
        self.bytes, self._view, self.start, self.end = room, view, at, at + held

    def _read(self, at: int) -> int:
        room = size.WINDOW_BYTES if self._stop is None else min(size.WINDOW_BYTES, self._stop - self._base - at)
        return self._stream.readinto(self._view[at : at + room]) if room > 0 else 0

    def pass_to(self, position: int) -> None:
        """Have that offset in the stream at ``start``, or its end."""
        while self.position < position and (self.end > self.start or self.more()):
            self.start = min(self.end, self.start + position - self.position)

    def want(self, count: int) -> bool:
        """Have at least ``count`` bytes at ``start``; False where the stream ends before."""
        while self.end - self.start < count:
            if not self.more():
                return False
        return True

    def decompress(self) -> bool:
        """Decompress what lies at ``start``; False where it is not compressed, or came out of a decompressor itself."""
        left = self._view[self.start : self.end]
        if not isinstance(self._stream, CountedStream) or not is_compressed(left[:TELLING_BYTES].tobytes()):
            return False
        if self._ahead:
            self._ahead.close()
            self._stream.go_on_at(self._ahead.position)
            self._ahead = None
        self._stream.put_back(left.tobytes())
        self._base, self.start, self.end = (self.position - size.HEAD_BYTES, size.HEAD_BYTES, size.HEAD_BYTES)
        self._stream = self._stream.decompressed(self.position)
        return True

    def close(self) -> None:
        """Close what is behind it; what it holds stays."""
        if self._ahead:
            self._ahead.close()
        self._stream.close()

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes, which ``want`` has brought, and pass them."""
        taken = self.bytes[self.start : self.start + count].tobytes()
        self.start += count
        return taken
