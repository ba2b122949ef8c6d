"""One growing capture as batches of whole records: what is there now, and later more.

The sources read a stream to its end. Here its end is only where the writer is by now, somewhere inside a record, and
many captures may grow at once. So each is read in a thread that goes on when it is asked for a batch, and stops when it
has one or finds no more bytes: never do two run at a time. A record that is not whole yet waits in its window.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from portcall.errors import CaptureError
from portcall.sources.consecutive import ConsecutiveCaptures
from portcall.sources.decompression import is_compressed
from portcall.sources.growing.growing_file import GrowingFile
from portcall.sources.streams import CountedStream, why
from portcall.sources.window import Window

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from portcall.records.packets import FrameBatch
    from portcall.records.report import Degradation


class Tail:
    """A capture that is read as it grows. CaptureError where it cannot be opened."""

    def __init__(self, path: str, passed_frames: int = 0) -> None:
        """``passed_frames`` were counted before, and are read again without being given."""
        self.path = path
        self.frames = passed_frames
        """How many of its frames were given, ever: those up to this number."""
        self.is_over = False
        """Whether nothing more will come of it: it was ended, is damaged, or was written anew."""
        self.problem: CaptureError | None = None
        """What is wrong with it, once it is over."""
        self.notes: list[Degradation] = []
        """What was found besides frames, once it is over."""
        self._is_ending = self._is_unwanted = False
        self._asked = threading.Semaphore(0)
        self._said: SimpleQueue[FrameBatch | None] = SimpleQueue()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        try:
            self._file = GrowingFile(path, self._pause)
        except OSError as error:
            raise CaptureError(path, None, why(error)) from error

    def next(self) -> FrameBatch | None:
        """The next batch, valid until the next call; None where there is no whole record now, or it is over."""
        if self.is_over:
            return None
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="follow", daemon=True)
            self._thread.start()
        self._asked.release()
        batch = self._said.get()
        if self._failure:
            raise self._failure
        if batch is not None:
            self.frames = max(self.frames, batch.first_number + len(batch.frames) - 1)
        return batch

    def end(self) -> Iterator[FrameBatch]:
        """Take what is there for all there is: what still comes of it, and then it is over."""
        self._is_ending = True
        while not self.is_over:
            batch = self.next()
            if batch is not None:
                yield batch

    def close(self) -> None:
        """Nobody wants more of it."""
        self._is_ending = self._is_unwanted = True
        if self._thread:
            self._asked.release()
            self._thread.join()
        self._file.close()

    @property
    def start(self) -> bytes:
        """Its first bytes."""
        return self._file.start

    def beginning(self) -> bytes:
        """As many of its first bytes as tell it from others, as they lie there."""
        return self._file.beginning()

    @property
    def was_rewritten(self) -> bool:
        """Whether the file was cut or written anew."""
        return self._file.was_rewritten

    def status(self) -> os.stat_result:
        """What the system knows of the file that is read, whatever it is called by now."""
        return self._file.status()

    def _pause(self) -> bool:
        """Nothing is there: say so, and wait until somebody asks again."""
        if self._is_ending:
            return False
        self._said.put(None)
        self._asked.acquire()
        return not self._is_unwanted  # where it is to end, what came meanwhile is read all the same

    def _read(self) -> None:
        self._asked.acquire()
        try:
            for batch in self._batches():
                self._said.put(batch)
                self._asked.acquire()
                if self._is_unwanted:
                    break
        except CaptureError as problem:
            self.problem = problem
        except OSError as error:
            self.problem = CaptureError(self.path, None, why(error), "What came before it counts")
        except BaseException as failure:  # noqa: BLE001 - whoever asks for batches meets it
            self._failure = failure
        self.is_over = True
        self._said.put(None)

    def _batches(self) -> Iterator[FrameBatch]:
        stream = CountedStream(self.path, self._file, is_ours=False)  # type: ignore[arg-type]  # what it reads by is there
        try:
            start = stream.peek()
            window = Window(stream.decompressed() if is_compressed(start) else stream)
            captures = ConsecutiveCaptures(self.path, window)
            if not captures.is_known:
                raise CaptureError(self.path, 0, "no capture begins here")
            passed = self.frames
            for batch in captures.batches():
                new = batch.frames[max(passed + 1 - batch.first_number, 0) :]
                number = batch.first_number + len(batch.frames) - len(new)
                if len(new) or batch.host_names or batch.key_log:
                    yield batch._replace(frames=new, first_number=number)
            self.notes += captures.notes()
        finally:
            stream.close()
