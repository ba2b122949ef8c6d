"""What two rings gain, read side by side: by one thread, by two, in stages, or by two processes.

    PYTHONPATH=src:tools python benchmarks/ring_cores.py CAPTURE [--no-names] [--frames N]

The frames of a capture are laid out in two rings in memory, a ring full each, and the ways take turns at these:

    one        one thread reads one ring after the other
    threads    a thread reads each ring, with a flow table of its own
    stages     one thread walks, decodes and writes partitions, the other counts and inspects
    processes  a process reads each ring: nothing is shared, so this is the most that two cores can do

Wall seconds count, as threads wait for each other; where others use the machine, compare only the ways with each other.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from memory_ring import MemoryRing
from portcall.decoding.decoder import Decoder
from portcall.inspection.server_names import ServerNames
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.runs.inspected_table import InspectedTable
from portcall.runs.live import LiveTracker
from portcall.runs.partitions import Partitions
from portcall.sources.captures import open_capture
from portcall.sources.devices.afpacket import SNAP_LENGTH
from portcall.sources.devices.ring_blocks import RingBlocks
from portcall.sources.devices.ring_size import RingSize

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = RingSize(blocks=32)
_READ, _END = b"r", b"e"
_AHEAD = 3
"""Batches that may be decoded and not counted yet."""


class Reader:
    """A ring, and all that is counted of it."""

    def __init__(self, size: RingSize, *, has_names: bool) -> None:
        self.ring = MemoryRing(size, SNAP_LENGTH)
        self.blocks = RingBlocks(self.ring.buffer, size, namespace=1)
        self.tracker = LiveTracker(SocketTimeline("none"), names=ServerNames() if has_names else None)

    def read(self) -> None:
        """Read it empty."""
        for batch in self.blocks.batches():
            self.tracker.feed(batch)


class StagedReader(Reader):
    """The same in two threads; blocks are given back early, as here nobody fills them meanwhile."""

    def __init__(self, size: RingSize, *, has_names: bool) -> None:
        super().__init__(size, has_names=has_names)
        self.partitions = Partitions(self.tracker.name_capture_point)
        self.decoders = [Decoder() for _ in range(_AHEAD + 2)]
        self.table = InspectedTable.new(ServerNames() if has_names else None, seed=1)
        self.frames = 0

    def read(self) -> None:
        """Read it empty."""
        ahead: queue.Queue = queue.Queue(_AHEAD)
        decoding = threading.Thread(target=self._decode, args=(ahead,))
        decoding.start()
        for batch, packets in iter(ahead.get, None):
            self.table.feed(batch, packets, self.frames + 1)
            self.frames += len(packets)
        decoding.join()

    def _decode(self, ahead: queue.Queue) -> None:
        for i, batch in enumerate(self.blocks.batches()):
            kept = batch._replace(frames=batch.frames.copy())
            packets = self.decoders[i % len(self.decoders)].decode(kept)
            self.partitions.write(kept, packets)
            ahead.put((kept, packets))
        ahead.put(None)


class Forked(Reader):
    """A process that reads its ring whenever it is told to."""

    def __init__(self, size: RingSize, *, has_names: bool) -> None:
        super().__init__(size, has_names=has_names)
        (told, self._tell), (self._done, done) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            while os.read(told, 1) == _READ:
                self.read()
                os.write(done, b"1")
            os._exit(0)

    def begin(self) -> None:
        """Let it read."""
        os.write(self._tell, _READ)

    def wait(self) -> None:
        """Until it has read all."""
        os.read(self._done, 1)

    def end(self) -> None:
        """Let it go."""
        os.write(self._tell, _END)
        os.waitpid(self.pid, 0)


def in_turn(readers: list[Reader]) -> None:
    """One thread reads them all."""
    for reader in readers:
        reader.read()


def in_threads(readers: list[Reader]) -> None:
    """A thread for each."""
    threads = [threading.Thread(target=reader.read) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_processes(readers: list[Forked]) -> None:
    """A process for each."""
    for reader in readers:
        reader.begin()
    for reader in readers:
        reader.wait()


def main() -> None:
    """Measure once and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture")
    parser.add_argument("--no-names", action="store_true")
    parser.add_argument("--frames", type=int, default=1_000_000, help="at the least, to the end of a window")
    options = parser.parse_args()
    ways: dict[str, tuple[type[Reader], Callable[..., None]]] = {
        "processes": (Forked, in_processes),
        "one": (Reader, in_turn),
        "threads": (Reader, in_threads),
        "stages": (StagedReader, in_turn),
    }
    readers = {way: [made(SIZE, has_names=not options.no_names) for _ in range(2)] for way, (made, _) in ways.items()}
    filled = MemoryRing(SIZE, SNAP_LENGTH)
    laps = filled.fill(open_capture(options.capture).source.batches())
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    frames, held = 0, []
    for count in laps:
        held.append(count)
        lap = len(held) - 1
        for way in ways:
            np.copyto(readers[way][lap % 2].ring.buffer, filled.buffer)
        if lap % 2:
            for way in np.random.default_rng(lap).permutation(list(ways)):
                began = time.perf_counter()
                ways[way][1](readers[way])
                seconds[way].append((time.perf_counter() - began) / sum(held[-2:]))
            frames += sum(held[-2:])
        if frames >= options.frames:
            break
    for reader in readers["processes"]:
        reader.end()
    ratios = {way: sorted(one / other for one, other in zip(seconds["one"], seconds[way], strict=True)) for way in ways}
    result = {
        "frames": frames,
        "laps": len(seconds["one"]),
        "ns_per_frame": {way: round(1e9 * statistics.median(spent), 1) for way, spent in seconds.items()},
        "times_as_fast_as_one": {
            way: [round(statistics.median(all_), 2), round(all_[0], 2), round(all_[-1], 2)]
            for way, all_ in ratios.items()
        },
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
