"""The side without rights: a fork of the command from before, which forks a worker for each stream, which decompresses.

A worker has open what it reads and a socket, reaches no file, starts nothing, and is bounded in memory and in time. It
ends with the one that asks.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from portcall.sources.decompression import DecompressionError, plain_pieces
from portcall.sources.streams import CountedStream
from portcall.sources.unpacking.rings import ANSWERED, ASKED, MOST_TEXT_BYTES, SLOT_BYTES, SLOTS, Kind, SlotRing
from portcall.system.kernel_calls import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 1 << 30
"""Address space of a worker, of which the largest windows of xz and zstd are a half, and shared memory an eighth."""
MOST_CPU_S = 60
"""Of a processor for one slot, of which zeros take a millisecond."""


def serve(link: socket.socket, memory: memoryview) -> None:
    """Fork a worker whenever a byte comes, the number of its ring; hand over the other end of its link."""
    from portcall.system.confinement import Scope
    from portcall.system.privileges import give_up_rights

    _import_decompressors()
    give_up_rights(os.environ, Scope(may_fork=True))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a worker
    while number := link.recv(1):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours, theirs:
            if os.fork():
                socket.send_fds(link, [number], [theirs.fileno()])
                continue
            status = 1
            try:
                link.close()
                theirs.close()
                _work(ours, SlotRing(memory, number[0]))
                status = 0
            except (ConnectionError, EOFError):  # whoever asked has ended, or wants no more
                status = 0
            finally:
                os._exit(status)


def _import_decompressors() -> None:
    """While the command still imports what counts: later no file can be reached."""
    zstd = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    for name in ("gzip", "isal.isal_zlib", "zlib_ng.zlib_ng", "zlib", "lzma", "lz4.frame", zstd):
        with suppress(ImportError):
            import_module(name)


def _work(link: socket.socket, ring: SlotRing) -> None:
    from portcall.system.confinement import Scope, confine, landlock

    end_with_parent(signal.SIGKILL)
    for kind, most in ((resource.RLIMIT_AS, MOST_BYTES), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))
    confine(Scope())
    with suppress(OSError):  # then it reads what Python does, and what the system has for all
        landlock.restrict(())
    while True:
        message, descriptors, _, _ = socket.recv_fds(link, ASKED.size, 1)
        if not message or not descriptors:
            return
        with open(descriptors[0], "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            file.seek(*ASKED.unpack(message))
            stream = CountedStream("", file, is_ours=False)
            _Filling(link, ring).fill(stream)


class _Filling:
    """One stream on its way into a ring."""

    def __init__(self, link: socket.socket, ring: SlotRing) -> None:
        self._link, self._ring, self._free = link, ring, SLOTS

    def fill(self, stream: CountedStream) -> None:
        """Hand over all of it, and then say how it ended."""
        kind, text = Kind.END, ""
        try:
            for piece in self._pieces(stream):
                self._hand_over(piece, stream)
        except DecompressionError as error:
            kind, text = Kind.DAMAGED, str(error)
        except MemoryError:
            kind, text = Kind.DAMAGED, f"it takes more than the {MOST_BYTES >> 20} MiB that it may"
        except ConnectionError:
            raise
        except OSError as error:
            kind, text = Kind.UNREADABLE, str(error.errno or 0)
        while self._free < SLOTS:  # what is given back now belongs to no other stream
            self._take_back()
        said = text.encode()[:MOST_TEXT_BYTES]
        self._link.sendall(ANSWERED.pack(kind, len(said), stream.tell()) + said)

    def _pieces(self, stream: CountedStream) -> Iterator[bytes | memoryview]:
        return plain_pieces(stream, self._slot)

    def _slot(self) -> memoryview:
        """The next slot, once it is free."""
        while not self._free:
            self._take_back()
        return self._ring.slot()

    def _take_back(self) -> None:
        free = self._link.recv(SLOTS)
        if not free:
            raise EOFError
        self._free += len(free)

    def _hand_over(self, piece: bytes | memoryview, stream: CountedStream) -> None:
        view = memoryview(piece)
        while view:
            slot = self._slot()
            part = view[:SLOT_BYTES]
            if part.obj is not slot.obj:  # else it was made there
                slot[: len(part)] = part
            _renew_time()
            self._link.sendall(ANSWERED.pack(Kind.PIECE, len(part), stream.tell()))
            self._ring.turn()
            self._free -= 1
            view = view[SLOT_BYTES:]


def _renew_time() -> None:
    """Let it work as long again from now on as it may for one slot."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime) + MOST_CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
