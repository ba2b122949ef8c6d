"""How portcall's cost grows: with packets, with conversations, and with jobs. Captures are made, read and removed.

    scaling.py [--directory DIRECTORY] [--most 50] [--rounds 3] [-o results/scaling/NAME.json]

Frames are 64 bytes of Ethernet, IPv4 and TCP, an acknowledgement to and fro, read without names: what counts is work
per packet and per conversation. Every round runs each point once. Needs 4 GB of disk for 50 million packets, and as
much memory for files to come from the page cache.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import struct
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from measuring import circumstances, cost_of, read_once

PACKETS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000, 50_000_000)
"""Of captures with USUAL_FLOWS conversations."""
FLOWS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
"""Of captures with USUAL_PACKETS packets."""
USUAL_PACKETS, USUAL_FLOWS = 10_000_000, 10_000

_AT_ONCE = 1_000_000
_RECORD = np.dtype(
    [
        *(("seconds", "<u4"), ("microseconds", "<u4"), ("captured", "<u4"), ("wire", "<u4"), ("ethernet", "u1", 14)),
        *(("ip", "u1", 12), ("source", ">u4"), ("target", ">u4"), ("source_port", ">u2"), ("target_port", ">u2")),
        *(("sequence", ">u4"), ("acknowledgement", ">u4"), ("rest", "u1", 18)),
    ]
)
_FRAME_BYTES = _RECORD.itemsize - 16
_IP = bytes((0x45, 0, 0, _FRAME_BYTES - 14, 0, 0, 0, 0, 64, 6, 0, 0))
_REST = bytes((0x50, 0x10, 0xFF, 0xFF)).ljust(18, b"\0")  # no options, ACK, the window, and ten bytes of payload
_CLIENTS, _SERVER, _PORTS_A_CLIENT = 0x0A000000, 0x0A800001, 50_000  # 10.0.0.0/9 asks 10.128.0.1


@dataclass
class Point:
    """One capture read in one way, a number for each round."""

    packets: int
    flows: int
    jobs: int
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)


def main() -> int:
    """Measure every point, and write a file."""
    options = _options()
    most = options.most * 1_000_000
    shapes = {(count, USUAL_FLOWS) for count in PACKETS if count <= most}
    shapes |= {(USUAL_PACKETS, flows) for flows in FLOWS if most >= USUAL_PACKETS}
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    points = []
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        workshop = Path(name)
        for packets, flows in sorted(shapes):
            capture = workshop / "capture.pcap"
            write_capture(capture, packets, flows)
            read_once(capture)
            several = range(1, processors + 1) if packets == USUAL_PACKETS else (1, processors)
            here = [Point(packets, flows, jobs) for jobs in sorted(set(several))]
            for number in range(-1, options.rounds):  # the first does not count
                for point in here:
                    _measure(point, capture, options.portcall, workshop, counts=number >= 0)
            points += here
    result = {**circumstances(), "points": [vars(point) for point in points]}
    text = json.dumps(result, indent=1) + "\n"
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how cost grows with packets, conversations and jobs")
    parser.add_argument("--directory", type=Path, help="where captures may lie (default: the system's for such files)")
    parser.add_argument("--most", type=int, default=50, help="most packets of a capture, in millions (default: 50)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--portcall", default=f"{sys.executable} -m portcall", help="command (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the results (default: stdout)")
    return parser.parse_args()


def write_capture(path: Path, packets: int, flows: int) -> None:
    """Write a pcap in which so many conversations take turns."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        for first in range(0, packets, _AT_ONCE):
            number = np.arange(first, min(first + _AT_ONCE, packets))
            turn, flow = np.divmod(number, flows)
            records = np.zeros(len(number), _RECORD)
            records["seconds"], records["microseconds"] = 1_700_000_000 + number // 100_000, number % 100_000 * 10
            records["captured"] = records["wire"] = _FRAME_BYTES
            records["ethernet"] = np.frombuffer(bytes((2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0)), np.uint8)
            records["ip"], records["rest"] = np.frombuffer(_IP, np.uint8), np.frombuffer(_REST, np.uint8)
            is_answer = turn % 2 == 1
            client, port = _CLIENTS + flow // _PORTS_A_CLIENT, 10_000 + flow % _PORTS_A_CLIENT
            records["source"] = np.where(is_answer, _SERVER, client)
            records["target"] = np.where(is_answer, client, _SERVER)
            records["source_port"], records["target_port"] = (
                np.where(is_answer, 443, port),
                np.where(is_answer, port, 443),
            )
            records["sequence"] = records["acknowledgement"] = turn // 2 * 10
            file.write(records.tobytes())


def _measure(point: Point, capture: Path, portcall: str, workshop: Path, *, counts: bool) -> None:
    words = [
        "read",
        str(capture),
        "--by",
        "service",
        "--no-names",
        "--format",
        "json",
        "--jobs",
        str(point.jobs),
        "-o",
        os.devnull,
    ]
    cost = cost_of([*shlex.split(portcall), *words], workshop)
    what = f"{point.packets:>11,} packets {point.flows:>11,} conversations {point.jobs} jobs"
    print(f"{what} {cost.cpu_s:8.3f} s {cost.wall_s:8.3f} s {cost.memory_mb:6.0f} MB", file=sys.stderr)
    if counts:
        point.cpu_s.append(cost.cpu_s)
        point.wall_s.append(cost.wall_s)
        point.memory_mb.append(cost.memory_mb)


if __name__ == "__main__":
    sys.exit(main())
