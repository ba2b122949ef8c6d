"""How many packets a second one core takes from a ring, with everything that `portcall live` does with them.

    PYTHONPATH=src:tools python benchmarks/ring_rate.py CAPTURE [--no-names] [--frames N] [--by flow] [--block-bytes N]

No kernel is asked: the frames of a capture are laid out in memory as the kernel lays them out (``memory_ring``), a ring
full at a time, and read by the code that reads the kernel's ring. Only reading is timed: CPU seconds of this thread, in
all and by stage, from the second ring full on. Owners and reports are not in it: ``burst.py``, ``live_load.py``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from memory_ring import MemoryRing
from portcall.decoding.decoder import Decoder
from portcall.flows.table import FlowTable
from portcall.inspection.inspector import Inspector
from portcall.inspection.server_names import ServerNames
from portcall.kernels import packet_ring
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.runs.live import LiveTracker
from portcall.runs.partitions import Partitions
from portcall.sources.captures import open_capture
from portcall.sources.devices.afpacket import SNAP_LENGTH
from portcall.sources.devices.ring_blocks import RingBlocks
from portcall.sources.devices.ring_size import BLOCK_BYTES, BLOCKS, RingSize

if TYPE_CHECKING:
    from collections.abc import Callable

STAGES = {
    "ring": (packet_ring, "walk"),
    "decode": (Decoder, "decode"),
    "partition": (Partitions, "write"),
    "flows": (FlowTable, "update"),
    "inspect": (Inspector, "inspect"),
}


def timed(name: str, step: Callable[..., Any], seconds: Counter[str]) -> Callable[..., Any]:
    """The same step, whose time is added up."""

    def measured(*given: object, **wishes: object) -> object:
        began = time.thread_time()
        try:
            return step(*given, **wishes)
        finally:
            seconds[name] += time.thread_time() - began

    return measured


def main() -> None:
    """Measure once and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture")
    parser.add_argument("--no-names", action="store_true")
    parser.add_argument("--frames", type=int, default=1_000_000, help="at the least, to the end of a window")
    parser.add_argument("--by", default="app")
    parser.add_argument("--block-bytes", type=int, default=BLOCK_BYTES)
    parser.add_argument("--ring-bytes", type=int, default=BLOCK_BYTES * BLOCKS)
    parser.add_argument("--no-stages", action="store_true", help="the total alone")
    options = parser.parse_args()
    seconds: Counter[str] = Counter()
    for name, (owner, step) in {} if options.no_stages else STAGES.items():
        setattr(owner, step, timed(name, getattr(owner, step), seconds))
    size = RingSize(options.block_bytes, options.ring_bytes // options.block_bytes)
    ring = MemoryRing(size, SNAP_LENGTH)
    reader = RingBlocks(ring.buffer, size, namespace=1)
    names = None if options.no_names else ServerNames(with_details=options.by == "flow")
    tracker = LiveTracker(SocketTimeline("none"), names=names)
    frames = laid = batches = 0
    cpu_s = 0.0
    for held in ring.fill(open_capture(options.capture).source.batches()):
        began = time.thread_time()
        for batch in reader.batches():
            tracker.feed(batch)
            batches += 1
        laid += held
        if tracker.frames != laid:
            raise SystemExit(f"{laid} frames were laid out, and {tracker.frames} read")
        if laid == held:  # the first time round, what is needed is imported
            seconds.clear()
            continue
        cpu_s += time.thread_time() - began
        frames += held
        if frames >= options.frames:
            break
    result = {
        "frames": frames,
        "batches": batches,
        "packets_per_second_of_a_core": round(frames / cpu_s),
        "ns_per_frame": round(1e9 * cpu_s / frames, 1),
        "of_it": {name: round(1e9 * spent / frames, 1) for name, spent in seconds.items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
