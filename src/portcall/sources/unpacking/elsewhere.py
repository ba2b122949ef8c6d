"""The side that counts: streams whose plain bytes come from an unpacker, where one was begun.

One is begun where the command will be confined, before it opens or imports anything. A worker serves one stream after
another; one whose stream was not read to its end is not asked again, nor is its ring used.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from portcall.sources.unpacking.rings import ANSWERED, ASKED, MOST_RINGS, MOST_TEXT_BYTES, SLOT_BYTES, Kind, SlotRing
from portcall.sources.unpacking.rings import shared_memory as shared
from portcall.system.helper_process import ForkedHelper

if TYPE_CHECKING:
    from portcall.sources.streams import CountedStream

NAME = "portcall unpack"
_HAS_ENDED = "what decompressed them has ended"
_unpackers: list[_Unpacker] = []


class UnpackerError(Exception):
    """Whoever unpacked a stream is no more, or said what nobody understands."""


class _Unpacker:
    """The process that forks workers, and those that have nothing to do."""

    def __init__(self) -> None:
        self._memory = shared()
        self._helper = ForkedHelper(NAME, self._serve)
        self._begun = 0
        self.idle: list[_Worker] = []

    def _serve(self, link: socket.socket) -> None:
        from portcall.sources.unpacking.unpacker import serve

        serve(link, self._memory)

    def worker(self) -> _Worker | None:
        """One that has nothing to do; None where there are as many as may be."""
        if self.idle:
            return self.idle.pop()
        if self._begun == MOST_RINGS:
            return None
        try:
            self._helper.link.sendall(bytes([self._begun]))
            _, descriptors, _, _ = socket.recv_fds(self._helper.link, 1, 1)
        except OSError:
            return None
        if not descriptors:
            return None
        self._begun += 1
        return _Worker(socket.socket(fileno=descriptors[0]), SlotRing(self._memory, self._begun - 1))


class _Worker:
    """One process that unpacks a stream after the other."""

    def __init__(self, link: socket.socket, ring: SlotRing) -> None:
        self.link, self.ring = link, ring

    def answer(self) -> tuple[int, int, int]:
        """What it says next, as ``ANSWERED``; UnpackerError where that cannot be."""
        kind, count, read_bytes = ANSWERED.unpack(self.received(ANSWERED.size))
        if not (0 < count <= SLOT_BYTES if kind == Kind.PIECE else count <= MOST_TEXT_BYTES):
            raise UnpackerError("what decompressed them said nonsense")
        return kind, count, read_bytes

    def received(self, count: int) -> bytes:
        """So many bytes of what it answers; UnpackerError where it has ended."""
        answer = self.link.recv(count, socket.MSG_WAITALL)
        if len(answer) < count:
            raise UnpackerError(_HAS_ENDED)
        return answer


class Unpacked:
    """The plain bytes of a stream, as an iterator over slots; each is valid until the next is asked for."""

    def __init__(self, worker: _Worker, unpacker: _Unpacker, stream: CountedStream) -> None:
        self._worker: _Worker | None = worker
        self._unpacker, self._stream = unpacker, stream
        self._read_bytes, self._is_held = 0, False
        self._ended: Exception | None = None

    def __iter__(self) -> Unpacked:
        return self

    def __next__(self) -> memoryview:
        worker = self._worker
        if worker is None:
            raise self._ended or StopIteration
        try:
            if self._is_held:
                worker.ring.turn()
                worker.link.sendall(b"\0")
            kind, count, read_bytes = worker.answer()
            self._is_held = kind == Kind.PIECE
            self._stream.passed(read_bytes - self._read_bytes)
            self._read_bytes = read_bytes
            if self._is_held:
                return worker.ring.slot()[:count]
            text = worker.received(count).decode(errors="replace")
        except (OSError, UnpackerError) as error:
            self.close()
            self._ended = error if isinstance(error, UnpackerError) else UnpackerError(_HAS_ENDED)
            raise self._ended from None
        self._worker = None
        self._unpacker.idle.append(worker)
        self._ended = _error_of(kind, text)
        raise self._ended or StopIteration

    def close(self) -> None:
        """Nobody will take more; the worker ends where it was not at the end."""
        if self._worker:
            self._worker.link.close()
            self._worker = None


def _error_of(kind: int, text: str) -> Exception | None:
    from portcall.sources.decompression import DecompressionError

    if kind == Kind.UNREADABLE:
        number = int(text) if text.isdecimal() else 0
        return OSError(number, os.strerror(number))
    return None if kind == Kind.END else DecompressionError(text)


def begin_unpacker() -> None:
    """Have streams unpacked by forks of this process from now on; as before where the system refuses."""
    try:
        _unpackers.append(_Unpacker())
    except OSError:
        return


def unpacked(stream: CountedStream) -> Unpacked | None:
    """What is left of a file by a worker; None where there is none, and of what is no file."""
    if not _unpackers or (descriptor := stream.descriptor_to_share()) is None:
        return None
    unpacker = _unpackers[0]
    while worker := unpacker.worker():
        try:
            socket.send_fds(worker.link, [ASKED.pack(os.lseek(descriptor, 0, os.SEEK_CUR))], [descriptor])
        except OSError:  # it has ended since
            continue
        return Unpacked(worker, unpacker, stream)
    return None
