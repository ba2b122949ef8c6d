"""Bytes in: plain and compressed files and standard input, as one kind of stream, and a window that walks over it.

Compression is told by its magic bytes, never by a name. A damaged compressed stream gives every byte before the damage,
and then says where it was. Four formats, each a function from the compressed stream to pieces of the plain one.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np

from portcall.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

PIECE_BYTES = 1 << 15
"""Compressed bytes handed to a decompressor at once: what follows is lost with the piece where damage begins."""
PLAIN_PIECE_BYTES = 1 << 18
"""Plain bytes taken from a decompressor at once, so that no bomb fills the memory."""
WINDOW_BYTES = 1 << 18
"""A window stays in the processor's second cache, and grows only for a record that is larger."""


class ByteStream(Protocol):
    """What a capture is read from: plain bytes, in order."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as bytes are there now; 0 at the end."""

    def close(self) -> None:
        """Nobody will read on."""


def open_stream(path: str) -> tuple[ByteStream, Callable[[], int], int | None]:
    """The plain bytes of a file, or of standard input for ``-``; a count of bytes read so far; all bytes, if known."""
    try:
        raw: BinaryIO = sys.stdin.buffer if path == "-" else Path(path).open("rb")  # noqa: SIM115 (_Counted closes it)
        if path != "-" and Path(path).is_dir():
            raise IsADirectoryError  # some systems open a directory
        counted = _Counted(raw, is_ours=path != "-")
        magic = counted.peek()
    except OSError as error:
        raise CaptureError(path, None, _why(error), _remedy(error)) from error
    size = None if path == "-" else Path(path).stat().st_size or None
    for start, decompress in _DECOMPRESSORS.items():
        if magic.startswith(start):
            return _Pieces(path, counted, decompress(counted)), counted.tell, size
    return counted, counted.tell, size


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "this is a directory, not a capture"
    if isinstance(error, PermissionError):
        return "not readable for this user"
    return (error.strerror or str(error)).lower()


def _remedy(error: OSError) -> str:
    if isinstance(error, IsADirectoryError):
        return "Name its files, e.g. with a glob: portcall read 'DIRECTORY/*.pcap'"
    return ""


class _Counted:
    """A raw stream that remembers how far it is and can be looked into at its start."""

    def __init__(self, raw: BinaryIO, *, is_ours: bool) -> None:
        self._raw = raw
        self._fill = raw.readinto1 if hasattr(raw, "readinto1") else raw.readinto  # type: ignore[attr-defined]  # BufferedIOBase has it
        self._is_ours = is_ours
        self._ahead = b""
        self._position = 0

    def close(self) -> None:
        if self._is_ours:
            self._raw.close()

    def peek(self) -> bytes:
        while len(self._ahead) < len(b"\x1f\x8b\x08\x00\x00\x00") and (more := self._raw.read(64)):
            self._ahead += more
        return self._ahead

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:
        if self._ahead:
            count = min(len(buffer), len(self._ahead))
            buffer[:count] = self._ahead[:count]
            self._ahead = self._ahead[count:]
        else:
            count = self._fill(buffer)
        self._position += count
        return count

    def pieces(self) -> Iterator[bytes]:
        buffer = bytearray(PIECE_BYTES)
        while count := self.readinto(memoryview(buffer)):
            yield bytes(buffer[:count])


class _Pieces:
    """A stream over decompressed pieces; damage is raised once everything before it was read."""

    def __init__(self, path: str, compressed: _Counted, pieces: Iterator[bytes]) -> None:
        self._path = path
        self._compressed = compressed
        self._pieces = pieces
        self._piece = memoryview(b"")
        self._position = 0

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
        self._compressed.close()


class DecompressionError(Exception):
    """A compressed stream is damaged or cut; the message says how."""


def _gunzip(stream: _Counted) -> Iterator[bytes]:
    import zlib

    engine = zlib.decompressobj(wbits=31)
    for piece in stream.pieces():
        rest = piece
        while rest:
            if engine.eof:  # another member follows, or padding
                if not rest.strip(b"\0"):
                    break
                engine = zlib.decompressobj(wbits=31)
            before = engine.copy()
            try:
                yield engine.decompress(rest, PLAIN_PIECE_BYTES)
            except zlib.error as error:
                yield from _last_bytes(before, rest)
                raise DecompressionError(str(error)) from error
            rest = engine.unused_data if engine.eof else engine.unconsumed_tail
    if not engine.eof:
        raise DecompressionError("the file is cut short")


def _last_bytes(engine: object, piece: bytes) -> Iterator[bytes]:
    """What comes out before the byte that breaks it."""
    import zlib

    for byte in piece:
        try:
            yield engine.decompress(bytes([byte]))  # type: ignore[attr-defined]  # zlib does not export its type
        except zlib.error:
            return


def _unxz(stream: _Counted) -> Iterator[bytes]:
    import lzma

    engine = lzma.LZMADecompressor(memlimit=256 << 20)
    for piece in stream.pieces():
        rest = piece
        while rest or not (engine.needs_input or engine.eof):
            if engine.eof:
                if not rest.strip(b"\0"):
                    break
                engine = lzma.LZMADecompressor(memlimit=256 << 20)
            try:
                yield engine.decompress(rest, PLAIN_PIECE_BYTES)
            except lzma.LZMAError as error:
                raise DecompressionError(str(error)) from error
            rest = engine.unused_data if engine.eof else b""
    if not engine.eof:
        raise DecompressionError("the file is cut short")


def _unzstd(stream: _Counted) -> Iterator[bytes]:
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
        _Reader(stream),  # type: ignore[arg-type]  # it asks for read() alone
        read_size=PIECE_BYTES,
        read_across_frames=True,
    )
    try:
        while piece := reader.read(PLAIN_PIECE_BYTES):
            yield piece
    except zstandard.ZstdError as error:
        raise DecompressionError(str(error)) from error


def _unlz4(stream: _Counted) -> Iterator[bytes]:
    import lz4.frame

    engine = lz4.frame.LZ4FrameDecompressor()
    for piece in stream.pieces():
        rest = piece
        while rest or not (engine.needs_input or engine.eof):
            if engine.eof:
                engine = lz4.frame.LZ4FrameDecompressor()
            try:
                yield engine.decompress(rest, PLAIN_PIECE_BYTES)
            except RuntimeError as error:  # lz4 has no error type of its own
                raise DecompressionError(str(error)) from error
            rest = (engine.unused_data or b"") if engine.eof else b""
    if not engine.eof:
        raise DecompressionError("the file is cut short")


class _Reader(io.RawIOBase):
    """A counted stream as the file object that zstandard reads from."""

    def __init__(self, stream: _Counted) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        buffer = bytearray(PIECE_BYTES if size < 0 else size)
        return bytes(buffer[: self._stream.readinto(memoryview(buffer))])


_DECOMPRESSORS = {
    b"\x1f\x8b\x08": _gunzip,  # RFC 1952
    b"\xfd7zXZ\x00": _unxz,  # tukaani.org/xz/xz-file-format.txt
    b"\x28\xb5\x2f\xfd": _unzstd,  # RFC 8878
    b"\x04\x22\x4d\x18": _unlz4,  # lz4_Frame_format.md
}


class Window:
    """A buffer over a stream: ``bytes[start:end]`` are there, ``more`` brings what follows."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._base = 0
        self.bytes: NDArray[np.uint8] = np.zeros(WINDOW_BYTES, np.uint8)
        self._view = self.bytes.data  # cheaper to cut and to move than the array
        self.start = 0
        self.end = 0

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
        count = self._stream.readinto(self._view[self.end :])
        self.end += count
        return count > 0

    def want(self, count: int) -> bool:
        """Have at least ``count`` bytes at ``start``; False where the stream ends before."""
        while self.end - self.start < count:
            if not self.more():
                return False
        return True

    def close(self) -> None:
        """Close what is behind it; what it holds stays."""
        self._stream.close()

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes, which ``want`` has brought, and pass them."""
        taken = self.bytes[self.start : self.start + count].tobytes()
        self.start += count
        return taken
