"""Does a pipe of hundreds of millions of packets stay within its memory, count all of them, and take linear time?

    python benchmarks/streams.py [--packets 200000000] [--conversations 20000000] [--parts 10] [--flood]

Packets are made while they are read, so nothing is on disk: TCP over IPv4, 14 + 40 bytes, ten a conversation that
overlaps some thousand others. ``portcall read -`` gets them through a pipe. With ``--flood`` each packet has ends of
its own, drawn at random. A line of JSON for each tenth that was taken: packets so far, CPU seconds of portcall, memory
of its process tree. The last line compares what it counted with what was sent, and fits CPU seconds to packets by a
line: its slope, and by how much of all a tenth is off at most. Exit status 1 where a sum is wrong, or memory beyond.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from statistics import linear_regression
from tempfile import TemporaryFile
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FRAME = np.dtype(
    [
        *(("seconds", "<u4"), ("micro", "<u4"), ("captured", "<u4"), ("wire", "<u4")),
        *(("macs", "u1", 12), ("type", ">u2")),
        *(("version", "u1"), ("service", "u1"), ("total", ">u2"), ("number", ">u2"), ("fragment", ">u2")),
        *(("hops", "u1"), ("protocol", "u1"), ("ip_sum", ">u2"), ("source", ">u4"), ("target", ">u4")),
        *(("source_port", ">u2"), ("target_port", ">u2"), ("sequence", ">u4"), ("acknowledged", ">u4")),
        *(("offset", "u1"), ("flags", "u1"), ("window", ">u2"), ("tcp_sum", ">u2"), ("urgent", ">u2")),
    ]
)
_FRAME_BYTES = FRAME.itemsize - 16
_CHUNK, _AT_ONCE, _EACH = 200_000, 20_000, 10
_PACKETS_A_SECOND = 100_000
_START_S = 1_700_000_000
_FLAGS = np.array([0x02, 0x12, *[0x10] * (_EACH - 4), 0x11, 0x11], np.uint8)
_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    """Make the stream, and say what reading it took."""
    parser = argparse.ArgumentParser(description="Measure portcall read - on a stream without an end")
    parser.add_argument("--packets", type=int, default=200_000_000)
    parser.add_argument("--conversations", type=int, default=20_000_000, help="without --flood")
    parser.add_argument("--parts", type=int, default=10, help="lines that are written (default: 10)")
    parser.add_argument("--flood", action="store_true", help="each packet has random ends")
    parser.add_argument("--memory", default="512MB")
    options = parser.parse_args()
    words = ["read", "-", "--by", "service", "--format", "json", "--no-names", "--memory", options.memory]
    words += [] if options.flood else ["--idle-timeout", "15"]
    began = time.monotonic()
    with TemporaryFile() as answer:
        words = [sys.executable, "-m", "portcall", *words]
        reader = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=answer)
        watch = _Watch(reader.pid)
        sent, points = _send(reader, watch, options)
        status = reader.wait()
        watch.end()
        answer.seek(0)
        report = json.load(answer)
    result = {**_judged(report, sent, options), **_fit(points), "peak_mb": watch.peak_mb}
    result.update(status=status, wall_s=round(time.monotonic() - began, 1))
    print(json.dumps(result))
    return int(status != 0 or not result["is_exact"] or watch.peak_mb > float(options.memory.removesuffix("MB")))


def _send(reader: subprocess.Popen[bytes], watch: _Watch, options: argparse.Namespace) -> tuple[int, list[Any]]:
    """How many packets it got, and a point for each part of them."""
    sent, points = 0, []
    with reader.stdin or sys.exit("streams.py: no pipe") as pipe:
        pipe.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frames in _frames(options):
            pipe.write(frames.view(np.uint8).data)
            sent += len(frames)
            if sent * options.parts // options.packets > len(points):
                points.append({"packets": sent, "cpu_s": watch.cpu_s(), "peak_mb": watch.peak_mb})
                print(json.dumps(points[-1]), flush=True)
    return sent, points


def _frames(options: argparse.Namespace) -> Iterator[NDArray[np.void]]:
    random = np.random.default_rng(1)
    for start in range(0, options.packets, _CHUNK):
        count = min(_CHUNK, options.packets - start)
        yield _random(start, count, random) if options.flood else _talking(start, count, options)


def _blank(start: int, count: int) -> NDArray[np.void]:
    frames = np.zeros(count, FRAME)
    time_us = (start + np.arange(count)) * (1_000_000 // _PACKETS_A_SECOND)
    frames["seconds"], frames["micro"] = _START_S + time_us // 1_000_000, time_us % 1_000_000
    frames["captured"] = frames["wire"] = _FRAME_BYTES
    frames["type"], frames["version"], frames["total"] = 0x0800, 0x45, 40
    frames["hops"], frames["protocol"], frames["offset"] = 64, 6, 0x50
    return frames


def _random(start: int, count: int, random: np.random.Generator) -> NDArray[np.void]:
    frames = _blank(start, count)
    for name, most in (("source", 1 << 32), ("target", 1 << 32), ("source_port", 1 << 16), ("target_port", 1 << 16)):
        frames[name] = random.integers(0, most, count)
    frames["flags"] = 0x10
    return frames


def _talking(start: int, count: int, options: argparse.Namespace) -> NDArray[np.void]:
    """Conversations begin in crowds, and speak in turn; where fewer are wanted than a tenth, they begin again."""
    frames = _blank(start, count)
    index = start + np.arange(count)
    crowd, within = index // (_AT_ONCE * _EACH), index % (_AT_ONCE * _EACH)
    step, conversation = within // _AT_ONCE, (crowd * _AT_ONCE + within % _AT_ONCE) % options.conversations
    client, port = 0x0A000000 + conversation // 50_000, 1024 + conversation % 50_000
    is_back = step % 2 == 1
    frames["source"] = np.where(is_back, 0xC6336407, client)
    frames["target"] = np.where(is_back, client, 0xC6336407)
    frames["source_port"] = np.where(is_back, 443, port)
    frames["target_port"] = np.where(is_back, port, 443)
    frames["sequence"], frames["flags"] = step, _FLAGS[step]
    return frames


class _Watch:
    """Memory and CPU seconds of a process and those below it, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        self.peak_mb, self._pid, self._is_over = 0.0, pid, Event()
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()

    def cpu_s(self) -> float:
        ticks = 0
        for one in _family(self._pid):
            fields = Path(f"/proc/{one}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
        return round(ticks / _TICKS, 2)

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.1):
            try:
                pages = [int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in _family(self._pid)]
            except (OSError, IndexError):
                continue  # it ends
            self.peak_mb = max(self.peak_mb, round(sum(pages) * _PAGE / 1e6, 1))


def _family(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(word) for task in tasks for word in (task / "children").read_text().split()]
    return [pid, *(other for child in children for other in _family(child))]


def _judged(report: dict[str, Any], sent: int, options: argparse.Namespace) -> dict[str, Any]:  # Any: JSON
    rows = report["rows"]
    packets = sum(row["packets_out"] + row["packets_in"] for row in rows)
    octets = sum(row["bytes_out"] + row["bytes_in"] for row in rows)
    flows = sum(row["flows"] for row in rows)
    coverage = report["coverage"]
    is_exact = (coverage["frames"], packets, octets) == (sent, sent, sent * _FRAME_BYTES)
    if not options.flood:
        is_exact &= flows == min(options.conversations, sent // _EACH)
    notes = [note["reason"] for note in coverage.get("degradations", report.get("degradations", []))]
    return {"packets": packets, "flows": flows, "is_exact": is_exact, "notes": notes}


def _fit(points: list[dict[str, float]]) -> dict[str, float]:
    if len(points) < 3:  # two are always on a line
        return {}
    packets, seconds = ([point[name] for point in points] for name in ("packets", "cpu_s"))
    slope, offset = linear_regression(packets, seconds)
    off = max(abs(s - offset - slope * p) for p, s in zip(packets, seconds, strict=True))
    return {"us_a_packet": round(slope * 1e6, 4), "most_off": round(off / seconds[-1], 4)}


if __name__ == "__main__":
    sys.exit(main())
