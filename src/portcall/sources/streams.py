"""Bytes in: plain and compressed files and standard input, as one kind of stream.

A damaged compressed stream gives every byte before the damage, and then says where it was.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, Protocol

from portcall.errors import CaptureError
from portcall.sources.decompression import PIECE_BYTES, DecompressionError, is_compressed, is_slow, plain_pieces
from portcall.sources.lakes.remote_files import is_remote, open_remote
from portcall.sources.read_ahead import BATCH_BYTES, ReadAhead
from portcall.sources.unpacking.elsewhere import UnpackerError, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import RawIOBase

TELLING_BYTES = 7
"""So many tell whether a stream is compressed."""


class ByteStream(Protocol):
    """What a capture is read from: plain bytes, in order."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as bytes are there now; 0 at the end."""

    def close(self) -> None:
        """Nobody will read on."""


def open_stream(path: str) -> tuple[ByteStream, Callable[[], int], int | None]:
    """The plain bytes of a file, an object or (``-``) standard input; a count of bytes read so far; all, if known."""
    if is_remote(path):
        return opened(path, *open_remote(path))
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
    return _plain(counted, magic, None if path == "-" else Path(path).stat().st_size or None)


def opened(path: str, raw: BinaryIO | RawIOBase, size: int | None) -> tuple[ByteStream, Callable[[], int], int | None]:
    """The same of what is open already, and is closed with it."""
    counted = CountedStream(path, raw, is_ours=True)  # type: ignore[arg-type]  # all of it that is used they have
    try:
        magic = counted.peek()
    except OSError as error:
        raw.close()
        raise CaptureError(path, None, why(error)) from error
    return _plain(counted, magic, size or None)


def _plain(counted: CountedStream, magic: bytes, size: int | None) -> tuple[ByteStream, Callable[[], int], int | None]:
    return counted.decompressed() if is_compressed(magic) else counted, counted.tell, size


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

    def place(self) -> tuple[int, int] | None:
        """Descriptor and offset from which on several threads may read a plain file; None where it has no places."""
        try:
            descriptor = self._raw.fileno()
            if self._ahead or not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return descriptor, os.lseek(descriptor, 0, os.SEEK_CUR)
        except (AttributeError, OSError):
            return None

    def passed(self, count: int) -> None:
        """So many bytes were read by others."""
        self._position += count

    def go_on_at(self, position: int) -> None:
        """Read on at that place of the file, up to which others have read."""
        os.lseek(self._raw.fileno(), position, os.SEEK_SET)

    def peek(self) -> bytes:
        """The next bytes, which stay: at least as many as tell a format, where there are so many."""
        buffer = memoryview(bytearray(64))
        while len(self._ahead) < TELLING_BYTES and (count := self._fill(buffer)):
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

    def descriptor_to_share(self) -> int | None:
        """The descriptor of a file, for somebody else to read on from the next byte; None of anything else."""
        if not self.can_go_back:
            return None
        self.go_back(self._position)
        return self._raw.fileno()

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
        self._is_file = compressed.can_go_back  # so nobody waits for its next byte
        self._pieces = unpacked(compressed) or ReadAhead(
            plain_pieces(compressed), compressed if is_slow(compressed.peek()) else None
        )
        self._piece = memoryview(b"")
        self._position = position
        self._error: DecompressionError | UnpackerError | OSError | None = None

    def readinto(self, buffer: memoryview) -> int:
        """Of a file fill the whole buffer: small batches cost more to count, and the thread that decompresses waits."""
        filled = self._take_into(buffer)
        while self._is_file and 0 < filled < len(buffer) and (more := self._take_into(buffer[filled:])):
            filled += more
        if self._error and not filled:
            error, self._error = self._error, None
            self._raise(error)
        self._position += filled
        return filled

    def _take_into(self, buffer: memoryview) -> int:
        """Bytes of one piece; 0 where there is none."""
        try:
            while not self._piece:
                self._piece = memoryview(next(self._pieces))
        except StopIteration:
            return 0
        except (DecompressionError, UnpackerError, OSError) as error:
            self._error = error
            return 0
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def _raise(self, error: DecompressionError | UnpackerError | OSError) -> NoReturn:
        if isinstance(error, OSError):
            raise error
        what, remedy = f"the compressed data end here: {error}", "What came before it counts"
        if isinstance(error, UnpackerError):
            remedy += "; what is decompressed before has no limits"
        raise CaptureError(self._path, self._position, what, remedy) from error

    def close(self) -> None:
        self._pieces.close()
        self._compressed.close()
