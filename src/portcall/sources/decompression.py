"""Compressed streams as plain ones: gzip, xz, zstd and lz4, told by their first bytes, never by a name.

Each format is a function from the compressed stream to pieces of the plain one, which ends where its data end. What
comes behind them may be compressed too, by the same format or another, or be a plain capture, or zeros.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.sources.streams import CountedStream

PIECE_BYTES = 1 << 15
"""Compressed bytes handed to a decompressor at once: what follows is lost with the piece where damage begins."""
PLAIN_PIECE_BYTES = 1 << 18
"""Plain bytes taken from a decompressor at once, so that no bomb fills the memory."""


class DecompressionError(Exception):
    """A compressed stream is damaged or cut; the message says how."""


def is_compressed(start: bytes) -> bool:
    """Whether these first bytes are those of a compressed stream."""
    return start.startswith(tuple(_DECOMPRESSORS))


def plain_pieces(stream: CountedStream) -> Iterator[bytes]:
    """The plain bytes of a stream that is compressed, all or in parts; DecompressionError after the last good one."""
    while start := stream.peek():
        decompress = next((found for magic, found in _DECOMPRESSORS.items() if start.startswith(magic)), None)
        if decompress is None:
            yield from stream.pieces()
        else:
            yield from decompress(stream)


def _gunzip(stream: CountedStream) -> Iterator[bytes]:
    import zlib

    engine = zlib.decompressobj(wbits=31)
    for piece in stream.pieces():
        rest = piece
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


def _last_bytes(engine: object, piece: bytes) -> Iterator[bytes]:
    """What comes out before the byte that breaks it."""
    import zlib

    for byte in piece:
        try:
            yield engine.decompress(bytes([byte]))  # type: ignore[attr-defined]  # zlib does not export its type
        except zlib.error:
            return


def _unxz(stream: CountedStream) -> Iterator[bytes]:
    import lzma

    engine = lzma.LZMADecompressor(memlimit=256 << 20)
    for piece in stream.pieces():
        rest = piece
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
    """All frames that follow each other: zstandard does not tell where in its input one ended."""
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
        _Reader(stream),  # type: ignore[arg-type]  # it asks for read() alone
        read_size=PIECE_BYTES,
        read_across_frames=True,
    )
    try:
        while piece := reader.read1(PLAIN_PIECE_BYTES):
            yield piece
    except zstandard.ZstdError as error:
        raise DecompressionError(str(error)) from error


def _unlz4(stream: CountedStream) -> Iterator[bytes]:
    import lz4.frame

    engine = lz4.frame.LZ4FrameDecompressor()
    for piece in stream.pieces():
        rest = piece
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


class _Reader(io.RawIOBase):
    """A counted stream as the file object that zstandard reads from."""

    def __init__(self, stream: CountedStream) -> None:
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
