"""Bytes in: plain and compressed files and standard input, as one kind of stream, and a window that walks over it.

A damaged compressed stream gives every byte before the damage, and then says where it was.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np

from portcall.errors import CaptureError
from portcall.sources.decompression import PIECE_BYTES, DecompressionError, is_compressed, is_slow, plain_pieces
from portcall.sources.read_ahead import BATCH_BYTES, ReadAhead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

WINDOW_BYTES = 1 << 18
"""A window stays in the processor's second cache, and grows only for a record that is larger."""


_TELLING_BYTES = 7


class ByteStream(Protocol):
    """What a capture is read from: plain bytes, in order."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as bytes are there now; 0 at the end."""

    def close(self) -> None:
        """Nobody will read on."""


def open_stream(path: str) -> tuple[ByteStream, Callable[[], int], int | None]:
    """The plain bytes of a file, or of standard input for ``-``; a count of bytes read so far; all bytes, if known."""
    is_ours = path != "-"
    raw: BinaryIO | None = None
    try:
        raw = Path(path).open("rb", buffering=0) if is_ours else _standard_input()  # noqa: SIM115 (CountedStream closes it)
        if is_ours and Path(path).is_dir():
            raise IsADirectoryError  # some systems open a directory
        counted = CountedStream(path, raw, is_ours=is_ours)
        magic = counted.peek()
    except OSError as error:
        if raw and is_ours:
            raw.close()
        raise CaptureError(path, None, why(error), _remedy(error)) from error
    size = None if path == "-" else Path(path).stat().st_size or None
    if is_compressed(magic):
        return counted.decompressed(), counted.tell, size
    return counted, counted.tell, size


def _standard_input() -> BinaryIO:
    """Without its buffer: what lies there no poll of the descriptor tells of."""
    return getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)


def why(error: OSError) -> str:
    """What is wrong with a file, in words."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "this is a directory, not a capture"
    if isinstance(error, PermissionError):
        return "not readable for this user"
    return (error.strerror or str(error)).lower()


def _remedy(error: OSError) -> str:
    if isinstance(error, IsADirectoryError):
        return "Name its files, or portcall read DIRECTORY"
    return ""


class CountedStream:
    """A raw stream that remembers how far it is and can be looked into at its start."""

    def __init__(self, path: str, raw: BinaryIO, *, is_ours: bool) -> None:
        self._path = path
        self._raw = raw
        self._fill = raw.readinto1 if hasattr(raw, "readinto1") else raw.readinto  # type: ignore[attr-defined]  # BufferedIOBase has it
        self._is_ours = is_ours
        self._ahead = b""
        self._position = 0
        self._bell: list[int] = []

    def close(self) -> None:
        """Close what was opened here."""
        while self._bell:
            os.close(self._bell.pop())
        if self._is_ours:
            self._raw.close()

    def begin_aside(self) -> int | None:
        """Get ready to be read by a thread: bytes to hand over at once, None where that is not possible.

        What comes from a pipe is handed over as it comes, and waiting for it can end.
        """
        if self._bell:
            return 1
        try:
            if self.can_go_back:
                return BATCH_BYTES
            descriptor, poll = self._raw.fileno(), select.poll()
            self._bell = list(os.pipe())
        except (AttributeError, OSError):  # no descriptor, no poll on this system, or no descriptors left
            return None
        fill = self._fill
        heard = self._bell[0]
        poll.register(descriptor, select.POLLIN)
        poll.register(heard, select.POLLIN)
        self._fill = lambda buffer: 0 if heard in dict(poll.poll()) else fill(buffer)
        return 1

    def end_aside(self) -> None:
        """Let a read that waits end now, as if nothing came any more."""
        if self._bell:
            os.close(self._bell.pop())

    def peek(self) -> bytes:
        """The next bytes, which stay: at least as many as tell a format, where there are so many."""
        buffer = memoryview(bytearray(64))
        while len(self._ahead) < _TELLING_BYTES and (count := self._fill(buffer)):
            self._ahead += buffer[:count].tobytes()
        return self._ahead

    def put_back(self, taken: bytes) -> None:
        """Have the last bytes that were taken once more."""
        self._ahead = taken + self._ahead
        self._position -= len(taken)

    @property
    def can_go_back(self) -> bool:
        """Whether it is a file, which can be read again."""
        try:
            return stat.S_ISREG(os.fstat(self._raw.fileno()).st_mode)
        except (AttributeError, OSError):  # no descriptor
            return False

    def go_back(self, position: int) -> None:
        """Have what was taken from that position on once more."""
        self._raw.seek(position - self._position - len(self._ahead), os.SEEK_CUR)
        self._ahead, self._position = b"", position

    def decompressed(self, plain_bytes: int = 0) -> ByteStream:
        """What is left as plain bytes, of which there were as many before."""
        return _Pieces(self._path, self, plain_bytes)

    def tell(self) -> int:
        """Bytes taken so far."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as bytes are there now; 0 at the end."""
        if self._ahead:
            count = min(len(buffer), len(self._ahead))
            buffer[:count] = self._ahead[:count]
            self._ahead = self._ahead[count:]
        else:
            count = self._fill(buffer)
        self._position += count
        return count

    def pieces(self) -> Iterator[memoryview]:
        """What is left, piece by piece, each valid until the next is asked for."""
        buffer = memoryview(bytearray(PIECE_BYTES))
        while count := self.readinto(buffer):
            yield buffer[:count]


class _Pieces:
    """A stream over decompressed pieces; damage is raised once everything before it was read."""

    def __init__(self, path: str, compressed: CountedStream, position: int) -> None:
        self._path = path
        self._compressed = compressed
        self._pieces = ReadAhead(plain_pieces(compressed), compressed if is_slow(compressed.peek()) else None)
        self._piece = memoryview(b"")
        self._position = position

    def readinto(self, buffer: memoryview) -> int:
        while not self._piece:
            try:
                piece = next(self._pieces, None)
            except DecompressionError as error:
                raise CaptureError(
                    self._path, self._position, f"the compressed data end here: {error}", "What came before it counts"
                ) from error
            if piece is None:
                return 0
            self._piece = memoryview(piece)
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        self._position += count
        return count

    def close(self) -> None:
        self._pieces.close()
        self._compressed.close()


class Window:
    """A buffer over a stream: ``bytes[start:end]`` are there, ``more`` brings what follows."""

    def __init__(self, stream: ByteStream, stop: int | None = None) -> None:
        """``stop`` is where the stream counts as ended, None for its own end."""
        self._stream = stream
        self._stop = stop
        self._base = 0
        self.bytes: NDArray[np.uint8] = np.zeros(WINDOW_BYTES, np.uint8)
        self._view = self.bytes.data  # cheaper to cut and to move than the array
        self.start = 0
        self.end = 0
        self.section_at = 0
        """Where the present section begins: what reads the stream says so, at whatever sets all that it knows anew."""

    @property
    def position(self) -> int:
        """Offset of ``bytes[start]`` in the stream."""
        return self._base + self.start

    def more(self) -> bool:
        """Keep what was not used and read on; False at the end of the stream.

        Only a window that is full of one unfinished record grows, so what walks over it bounds the growth.
        """
        held = self.end - self.start
        if held == len(self.bytes):
            self.bytes = np.concatenate([self.bytes, np.zeros(len(self.bytes), np.uint8)])
            self._view = self.bytes.data
        elif self.start:
            self._view[:held] = self._view[self.start : self.end]
            self._base += self.start
            self.start, self.end = 0, held
        room = len(self.bytes) if self._stop is None else self._stop - self._base
        count = self._stream.readinto(self._view[self.end : room]) if room > self.end else 0
        self.end += count
        return count > 0

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
        if not isinstance(self._stream, CountedStream) or not is_compressed(left[:_TELLING_BYTES].tobytes()):
            return False
        self._stream.put_back(left.tobytes())
        self._base, self.start, self.end = self.position, 0, 0
        self._stream = self._stream.decompressed(self._base)
        return True

    def close(self) -> None:
        """Close what is behind it; what it holds stays."""
        self._stream.close()

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes, which ``want`` has brought, and pass them."""
        taken = self.bytes[self.start : self.start + count].tobytes()
        self.start += count
        return taken
