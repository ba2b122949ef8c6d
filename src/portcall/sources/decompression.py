"""Compressed streams as plain ones: gzip, xz, zstd and lz4, told by their first bytes, never by a name.

Each format is a function from the compressed stream to pieces of the plain one, which ends where its data end. What
comes behind them may be compressed too, by the same format or another, or be a plain capture, or zeros.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from portcall.sources.streams import CountedStream

PIECE_BYTES = 1 << 15
"""Compressed bytes handed to a decompressor at once: what follows is lost with the piece where damage begins."""
PLAIN_PIECE_BYTES = 1 << 18
"""Plain bytes taken from a decompressor at once, so that no bomb fills the memory."""
_SIZE_BYTES = 4  # the end of a gzip member: how long it is plain, RFC 1952 §2.3.1
_ISAL_READS_BYTES, _ISAL_PIECE_BYTES = 1 << 19, PLAIN_PIECE_BYTES
"""Compressed bytes read at once, and plain ones made at once: for each, the thread waits until Python is free."""
_GZIP, _XZ = b"\x1f\x8b\x08", b"\xfd7zXZ\x00"
_ZSTD_WINDOW_LOG = 27  # 128 MB, what the program zstd accepts without being asked


class DecompressionError(Exception):
    """A compressed stream is damaged or cut; the message says how."""


def is_compressed(start: bytes) -> bool:
    """Whether these first bytes are those of a compressed stream."""
    return start.startswith(tuple(_DECOMPRESSORS))


def is_slow(start: bytes) -> bool:
    """Whether decompressing takes longer than counting: then a thread of its own pays, else it costs a quarter more."""
    return start.startswith((_GZIP, _XZ))


def new_room() -> memoryview:
    """Room for a piece of its own: all others copy what they give twice."""
    import numpy as np

    return np.empty(_ISAL_PIECE_BYTES, np.uint8).data  # not zeroed


def plain_pieces(stream: CountedStream, room: Callable[[], memoryview] = new_room) -> Iterator[bytes | memoryview]:
    """The plain bytes of a stream that is compressed, all or in parts; DecompressionError after the last good one.

    Pieces may be made in what ``room`` gives.
    """
    while start := stream.peek():
        decompress = next((found for magic, found in _DECOMPRESSORS.items() if start.startswith(magic)), None)
        if decompress is None:
            yield from map(bytes, stream.pieces())
        else:
            yield from decompress(stream, room)


def _gunzip(stream: CountedStream, room: Callable[[], memoryview]) -> Iterator[bytes | memoryview]:
    """By isal, as long as all is as it should be; else, and from the start where it is no file, by zlib.

    What comes before damage is lost with isal's last piece, as it has no state to copy: zlib begins again.
    """
    start, given = stream.tell(), 0
    if stream.can_go_back and (isal := _isal()):
        from gzip import BadGzipFile

        file = _RawFile(stream)
        try:
            for piece in _filled(isal._GzipReader(file, _ISAL_READS_BYTES), room):  # noqa: SLF001 - isal's own types name it
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


def _filled(
    reader: Any, room: Callable[[], memoryview]
) -> Iterator[memoryview]:  # Any: isal is imported where it is used
    while count := reader.readinto(piece := room()):
        yield piece[:count]


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


def _unxz(stream: CountedStream, _room: object) -> Iterator[bytes]:
    import lzma

    return _by_engine(stream, lzma.LZMADecompressor(memlimit=256 << 20), lzma.LZMAError)


def _unzstd(stream: CountedStream, _room: object) -> Iterator[bytes]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    window = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW_LOG}
    return _by_engine(stream, zstd.ZstdDecompressor(options=window), zstd.ZstdError)


def _unlz4(stream: CountedStream, _room: object) -> Iterator[bytes]:
    import lz4.frame

    return _by_engine(stream, lz4.frame.LZ4FrameDecompressor(), RuntimeError)  # lz4 has no error type of its own


def _by_engine(stream: CountedStream, engine: Any, error: type[Exception]) -> Iterator[bytes]:  # Any: three packages'
    """What a decompressor of lzma's interface makes of the stream, to the end of its frame."""
    for piece in stream.pieces():
        rest: bytes | memoryview = piece
        while rest or not engine.needs_input:
            try:
                yield engine.decompress(rest, PLAIN_PIECE_BYTES)
            except error as raised:
                raise DecompressionError(str(raised)) from raised
            if engine.eof:
                stream.put_back(engine.unused_data or b"")
                return
            rest = b""
    raise DecompressionError("the file is cut short")


def _take(stream: CountedStream, count: int) -> bytes:
    """The next bytes; fewer at the end."""
    taken = bytearray(count)
    filled = 0
    while filled < count and (more := stream.readinto(memoryview(taken)[filled:])):
        filled += more
    return bytes(taken[:filled])


def _skip(stream: CountedStream, _room: object) -> Iterator[bytes]:
    """RFC 8878 §3.1.2, and the same of lz4: 0 magic:32  4 size:32, of what is not meant for decompressors."""
    left = int.from_bytes(_take(stream, 8)[4:], "little")
    while left and (passed := len(_take(stream, min(left, PIECE_BYTES)))):
        left -= passed
    yield b""


_DECOMPRESSORS = {
    _GZIP: _gunzip,  # RFC 1952
    _XZ: _unxz,  # tukaani.org/xz/xz-file-format.txt
    b"\x28\xb5\x2f\xfd": _unzstd,  # RFC 8878
    b"\x04\x22\x4d\x18": _unlz4,  # lz4_Frame_format.md
    **{bytes([0x50 | number]) + b"\x2a\x4d\x18": _skip for number in range(16)},
}
