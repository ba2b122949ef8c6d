"""Compressed streams as plain ones: gzip, xz, zstd and lz4, told by their first bytes, never by a name.

Each format is a function from the compressed stream to pieces of the plain one, which ends where its data end. What
comes behind them may be compressed too, by the same format or another, or be a plain capture, or zeros.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from portcall.sources.streams import CountedStream

PIECE_BYTES = 1 << 15
"""Compressed bytes handed to a decompressor at once: what follows is lost with the piece where damage begins."""
PLAIN_PIECE_BYTES = 1 << 18
"""Plain bytes taken from a decompressor at once, so that no bomb fills the memory."""
_SIZE_BYTES = 4  # the end of a gzip member: how long it is plain, RFC 1952 §2.3.1
_ISAL_READS_BYTES, _ISAL_PIECE_BYTES = 1 << 17, 1 << 17
_GZIP, _XZ = b"\x1f\x8b\x08", b"\xfd7zXZ\x00"
_ONE_BYTE_REPEATED = 1  # the kind of a zstd block whose size is that of its content when decompressed


class DecompressionError(Exception):
    """A compressed stream is damaged or cut; the message says how."""


def is_compressed(start: bytes) -> bool:
    """Whether these first bytes are those of a compressed stream."""
    return start.startswith(tuple(_DECOMPRESSORS))


def is_slow(start: bytes) -> bool:
    """Whether decompressing takes longer than counting: then a thread of its own pays, else it costs a quarter more."""
    return start.startswith((_GZIP, _XZ))


def plain_pieces(stream: CountedStream) -> Iterator[bytes | memoryview]:
    """The plain bytes of a stream that is compressed, all or in parts; DecompressionError after the last good one."""
    while start := stream.peek():
        decompress = next((found for magic, found in _DECOMPRESSORS.items() if start.startswith(magic)), None)
        if decompress is None:
            yield from map(bytes, stream.pieces())
        else:
            yield from decompress(stream)


def _gunzip(stream: CountedStream) -> Iterator[bytes | memoryview]:
    """By isal, as long as all is as it should be; else, and from the start where it is no file, by zlib.

    What comes before damage is lost with isal's last piece, as it has no state to copy: zlib begins again.
    """
    start, given = stream.tell(), 0
    if stream.can_go_back and (isal := _isal()):
        from gzip import BadGzipFile

        file = _RawFile(stream)
        try:
            for piece in _filled(isal._GzipReader(file, _ISAL_READS_BYTES)):  # noqa: SLF001 - isal's own types name it
                given += len(piece)
                yield piece
        except (EOFError, BadGzipFile, isal.error):
            pass
        else:
            # It may end in zeros, which isal passes over and others tell of; or in the size of its only member.
            if file.tail[-1:] != b"\0" or int.from_bytes(file.tail, "little") == given % (1 << 32):
                return
        stream.go_back(start)
    is_behind = False
    while not is_behind:
        for plain in _by_zlib(stream):
            yield memoryview(plain)[given:]
            given = max(given - len(plain), 0)
        is_behind = not given
        while given and stream.peek().startswith(b"\0"):  # what isal passed to come to the next member
            _take(stream, 1)


class _RawFile(io.RawIOBase):
    """A stream as the file object that isal reads from. ``tail`` are the last bytes that were read."""

    def __init__(self, stream: CountedStream) -> None:
        self._stream = stream
        self.tail = b""

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # isal and RawIOBase give memoryviews
        count = self._stream.readinto(buffer)
        self.tail = (self.tail + bytes(buffer[max(count - _SIZE_BYTES, 0) : count]))[-_SIZE_BYTES:]
        return count


def _filled(reader: Any) -> Iterator[memoryview]:  # Any: isal is imported where it is used
    """Pieces of its own each: all others copy what they give twice."""
    import numpy as np

    piece = np.empty(_ISAL_PIECE_BYTES, np.uint8).data  # not zeroed
    while count := reader.readinto(piece):
        yield piece[:count]
        piece = np.empty(_ISAL_PIECE_BYTES, np.uint8).data


def _isal() -> ModuleType | None:
    """None where there is no wheel of it."""
    try:
        from isal import isal_zlib
    except ImportError:
        return None
    return isal_zlib


def _by_zlib(stream: CountedStream) -> Iterator[bytes]:
    zlib = _zlib()
    engine = zlib.decompressobj(wbits=31)
    for piece in stream.pieces():
        rest: bytes | memoryview = piece
        while rest:
            before = engine.copy()
            try:
                yield engine.decompress(rest, PLAIN_PIECE_BYTES)
            except zlib.error as error:
                yield from _last_bytes(before, rest)
                raise DecompressionError(str(error)) from error
            if engine.eof:
                stream.put_back(engine.unused_data)
                return
            rest = engine.unconsumed_tail
    raise DecompressionError("the file is cut short")


def _zlib() -> ModuleType:
    """zlib-ng, or where there is no wheel of it the standard library's zlib, whose interface it has."""
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        import zlib

        return zlib
    return zlib_ng


def _last_bytes(engine: Any, piece: bytes | memoryview) -> Iterator[bytes]:  # Any: zlib does not export its type
    """What comes out before the byte that breaks it."""
    for byte in piece:
        try:
            yield engine.decompress(bytes([byte]))
        except _zlib().error:
            return


def _unxz(stream: CountedStream) -> Iterator[bytes]:
    import lzma

    engine = lzma.LZMADecompressor(memlimit=256 << 20)
    for piece in stream.pieces():
        rest: bytes | memoryview = piece
        while rest or not engine.needs_input:
            try:
                yield engine.decompress(rest, PLAIN_PIECE_BYTES)
            except lzma.LZMAError as error:
                raise DecompressionError(str(error)) from error
            if engine.eof:
                stream.put_back(engine.unused_data)
                return
            rest = b""
    raise DecompressionError("the file is cut short")


def _unzstd(stream: CountedStream) -> Iterator[bytes]:
    import zstandard

    frame = _ZstdFrame(stream)
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
        frame,  # type: ignore[arg-type]  # it asks for read() alone
        read_size=PIECE_BYTES,
    )
    try:
        while piece := reader.read1(PLAIN_PIECE_BYTES):
            yield piece
    except zstandard.ZstdError as error:
        raise DecompressionError(str(error)) from error
    if not frame.is_whole:
        raise DecompressionError("the file is cut short")


class _ZstdFrame(io.RawIOBase):
    """The bytes of one zstd frame as the file object that zstandard reads from, which does not tell where one ended.

    RFC 8878 §3.1.1: 0 magic:32  4 descriptor:8  5 window:8 (not of a single segment)  dictionary:0, 8, 16, 32
    content size:0 (8 of a single segment), 16, 32, 64; blocks; checksum:32.  Block: 0 size:21 kind:2 last:1  3 content
    """

    def __init__(self, stream: CountedStream) -> None:
        self._stream = stream
        self._pieces = self._parts()
        self.is_whole = False

    def read(self, _: int = -1) -> bytes:
        return next(self._pieces, b"")

    def _parts(self) -> Iterator[bytes]:
        start = self._take(5)
        descriptor = start[4] if len(start) == 5 else 0  # noqa: PLR2004
        is_single, has_checksum = descriptor >> 5 & 1, descriptor >> 2 & 1
        yield start + self._take(1 - is_single + (0, 1, 2, 4)[descriptor & 3] + (is_single, 2, 4, 8)[descriptor >> 6])
        is_last = False
        while not is_last:
            header = self._take(3)
            if len(header) < 3:  # noqa: PLR2004
                return
            number = int.from_bytes(header, "little")
            is_last, left = bool(number & 1), 1 if number >> 1 & 3 == _ONE_BYTE_REPEATED else number >> 3
            yield header
            while left:
                content = self._take(min(left, PIECE_BYTES))
                if not content:
                    return
                left -= len(content)
                yield content
        checksum = self._take(4 * has_checksum)
        self.is_whole = len(checksum) == 4 * has_checksum
        yield checksum

    def _take(self, count: int) -> bytes:
        return _take(self._stream, count)


def _take(stream: CountedStream, count: int) -> bytes:
    """The next bytes; fewer at the end."""
    taken = bytearray(count)
    filled = 0
    while filled < count and (more := stream.readinto(memoryview(taken)[filled:])):
        filled += more
    return bytes(taken[:filled])


def _skip(stream: CountedStream) -> Iterator[bytes]:
    """RFC 8878 §3.1.2, and the same of lz4: 0 magic:32  4 size:32, of what is not meant for decompressors."""
    left = int.from_bytes(_take(stream, 8)[4:], "little")
    while left and (passed := len(_take(stream, min(left, PIECE_BYTES)))):
        left -= passed
    yield b""


def _unlz4(stream: CountedStream) -> Iterator[bytes]:
    import lz4.frame

    engine = lz4.frame.LZ4FrameDecompressor()
    for piece in stream.pieces():
        rest: bytes | memoryview = piece
        while rest or not engine.needs_input:
            try:
                yield engine.decompress(rest, PLAIN_PIECE_BYTES)
            except RuntimeError as error:  # lz4 has no error type of its own
                raise DecompressionError(str(error)) from error
            if engine.eof:
                stream.put_back(engine.unused_data or b"")
                return
            rest = b""
    raise DecompressionError("the file is cut short")


_DECOMPRESSORS = {
    _GZIP: _gunzip,  # RFC 1952
    _XZ: _unxz,  # tukaani.org/xz/xz-file-format.txt
    b"\x28\xb5\x2f\xfd": _unzstd,  # RFC 8878
    b"\x04\x22\x4d\x18": _unlz4,  # lz4_Frame_format.md
    **{bytes([0x50 | number]) + b"\x2a\x4d\x18": _skip for number in range(16)},
}
