"""Pieces made in a thread beside whoever takes them: gzipped captures are decompressed while their packets are counted.

The libraries let go of Python's lock while they work, so two processors are busy. What is made ahead is bounded, errors
come in their place behind all good pieces, and the thread ends with the pieces or with ``close``.

Whoever takes them makes the first ones itself, so neither a small file nor a look at a first frame begins a thread. Of
all threads there is one for each processor but the one that counts; where none is left, as among many captures that are
merged, pieces are made where they are taken, until one is.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from portcall.system.processors import processors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from queue import Queue

BATCH_BYTES = 1 << 19
"""Handed over at once at the least: to wake a thread costs as much as to decompress a tenth of it."""
_BATCHES_AHEAD = 3  # as many as ``_Thread.end`` wants
_MADE_HERE_BYTES = 1 << 20


MOST_THREADS = processors() - 1
_free = threading.BoundedSemaphore(MOST_THREADS)


class ReadAside(Protocol):
    """What pieces are made of, as far as a thread that may have to wait for it is concerned."""

    def begin_aside(self) -> int | None:
        """Get ready to be read by a thread: bytes to hand over at once, None where that is not possible."""

    def end_aside(self) -> None:
        """Let a read that waits end now, as if nothing came any more."""


class ReadAhead:
    """An iterator over the pieces of another one, which a thread makes from some point on."""

    def __init__(self, pieces: Iterator[bytes | memoryview], stream: ReadAside | None) -> None:
        """``stream`` is what they are made of, None where they are made too fast for a thread to pay."""
        self._pieces = pieces
        self._stream = stream
        self._made_bytes = 0
        self._batch: Iterator[bytes | memoryview] = iter(())
        self._thread: _Thread | None = None

    def __iter__(self) -> Iterator[bytes | memoryview]:
        return self

    def __next__(self) -> bytes | memoryview:
        if self._thread is None and (self._made_bytes < _MADE_HERE_BYTES or not self._begin()):
            piece = next(self._pieces)
            self._made_bytes += len(piece)
            return piece
        return self._taken()

    def close(self) -> None:
        """Nobody will take more; afterwards no thread reads the stream."""
        if self._thread and self._stream:
            self._stream.end_aside()
            self._thread.end()
            self._thread, self._pieces = None, iter(())

    def _begin(self) -> bool:
        """Whether a thread could begin."""
        if not self._stream or not _free.acquire(blocking=False):
            return False
        at_once_bytes = self._stream.begin_aside()
        if at_once_bytes is None:
            _free.release()
            return False
        try:
            self._thread = _Thread(self._pieces, at_once_bytes)
        except RuntimeError:  # the system gives no more threads
            _free.release()
        return self._thread is not None

    def _taken(self) -> bytes | memoryview:
        while (piece := next(self._batch, None)) is None:
            made = self._thread.made.get() if self._thread else None
            if not isinstance(made, list):
                self.close()
                raise made or StopIteration
            self._batch = iter(made)
        return piece


class _Thread:
    """A thread, and what it has made: lists of pieces, then None or the error that ended it."""

    def __init__(self, pieces: Iterator[bytes | memoryview], at_once_bytes: int) -> None:
        from queue import Queue

        self.made: Queue[list[bytes | memoryview] | BaseException | None] = Queue(_BATCHES_AHEAD)
        self._is_unwanted = threading.Event()
        # Whoever forgets to close it can end nevertheless: Python waits for threads, unless they are daemons.
        self._thread = threading.Thread(
            target=_make, args=(pieces, at_once_bytes, self.made, self._is_unwanted), name="read ahead", daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        """Have it end, and wait for that.

        It puts three more things at the most, so an empty queue has room for them.
        """
        self._is_unwanted.set()
        while not self.made.empty():
            self.made.get_nowait()
        self._thread.join()


def _make(
    pieces: Iterator[bytes | memoryview],
    at_once_bytes: int,
    made: Queue[list[bytes | memoryview] | BaseException | None],
    is_unwanted: threading.Event,
) -> None:
    """Make pieces until they end, or nobody wants them."""
    error: BaseException | None = None
    batch: list[bytes | memoryview] = []
    batch_bytes = 0
    try:
        for piece in pieces:
            batch.append(piece)
            batch_bytes += len(piece)
            if batch_bytes >= at_once_bytes:
                made.put(batch)
                batch, batch_bytes = [], 0
            if is_unwanted.is_set():
                break
    except BaseException as problem:  # noqa: BLE001 - whoever takes the pieces meets it
        error = problem
    made.put(batch)
    made.put(error)
    _free.release()
