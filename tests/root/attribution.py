"""Attribution against ground truth: a workload runs, tcpdump records, owners watch; then flow ends are joined.

    PYTHONPATH=src python tests/root/attribution.py --workload DIRECTORY [--backend NAME] [--late]

DIRECTORY has ``workload.py`` and ``score.py``. Needs root and tcpdump; traffic is on loopback and in namespaces that
the workload makes and removes. The live command has its own test; this shows what owners and join are worth alone.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.conversations import flow_rows
from portcall.decode import Decoder
from portcall.flows import FlowTable
from portcall.model import FLOW_END, FRAME, FrameBatch, Verdict
from portcall.openers import clients_are_low
from portcall.owners import open_owners
from portcall.owners.processes import user_name
from portcall.ownership import Timeline
from portcall.sources.captures import open_capture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.owners import Owners

_DRAIN_S = 0.03
_SCORE = re.compile(
    r"(?P<ends>\d+) socket ends: right (?P<right>\d+) .*wrong (?P<wrong>\d+), unattributed (?P<unattributed>\d+), "
    r"no flow (?P<no_flow>\d+); payload exact (?P<exact>\d+); bytes right (?P<bytes_right>[\d.]+)"
)


class Peek:
    """Ends of the packets on loopback, as they come, for back ends that must be asked. Best effort."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.bind(("lo", 3))  # ETH_P_ALL
        self._socket.settimeout(0)
        self._decoder = Decoder()

    def ends(self, namespace: int) -> NDArray[np.void]:
        """FLOW_END[n], each once."""
        frames, data = [], b""
        while len(frames) < 4096:
            try:
                frame, address = self._socket.recvfrom(256)
            except BlockingIOError:
                break
            if address[2] != socket.PACKET_OUTGOING:  # loopback shows every frame twice
                frames.append((time.time_ns(), len(data), len(frame), len(frame), 0, 1, 0, 0))
                data += frame
        packets = self._decoder.decode(FrameBatch(np.array(frames, FRAME), np.frombuffer(data or b"\0", np.uint8), 1))
        packets = packets[packets["verdict"] == Verdict.OK]
        ends = [np.zeros(0, FLOW_END)]
        for local, remote in (("source", "target"), ("target", "source")):
            rows = np.zeros(len(packets), FLOW_END)
            for name in ("protocol", "ip_version"):
                rows[name] = packets[name]
            rows["local"], rows["local_port"] = packets[local], packets[f"{local}_port"]
            rows["remote"], rows["remote_port"] = packets[remote], packets[f"{remote}_port"]
            rows["namespace"] = namespace
            ends.append(rows)
        return np.unique(np.concatenate(ends))


class Watch:
    """Owners drained into a timeline, and the changes collected."""

    def __init__(self, owners: Owners) -> None:
        self.peek = Peek() if owners.name == "netlink" else None
        self.namespace = Path("/proc/self/ns/net").stat().st_ino
        self.owners = owners
        self.timeline = Timeline(owners.name, user_name)
        self.changes: list[NDArray[np.void]] = []
        self.sightings = 0
        self.cpu_s = 0.0

    def drain(self) -> None:
        """One turn of what the live command's loop does."""
        before = time.process_time()
        unknown = None
        if self.peek:
            unknown = self.peek.ends(self.namespace)
            unknown = unknown[~self.timeline.knows(unknown)]
        events = self.owners.drain(unknown)
        self.timeline.update(events)
        self.changes.append(self.timeline.take_changes())
        self.sightings += len(events.sightings)
        self.cpu_s += time.process_time() - before


def run(workload: Path, backend: str, scale: float, *, late: bool, keep: Path) -> dict[str, Any]:
    """Figures of one run: what the scorer found, and what it cost."""
    truth, capture, flows = keep / "truth.jsonl", keep / "lo.pcap", keep / "flows.jsonl"
    watch = None if late else Watch(open_owners(backend))
    recorder = None if late else _record(capture)
    load = subprocess.Popen(
        [sys.executable, str(workload / "workload.py"), str(truth), "--scale", str(scale)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert load.stdin
    assert load.stdout
    try:
        _wait_for("READY", load, watch)
        if watch is None or recorder is None:
            watch, recorder = Watch(open_owners(backend)), _record(capture)
        load.stdin.write("GO\n")
        load.stdin.flush()
        _wait_for("DONE", load, watch)
        ended = time.monotonic() + 1
        while time.monotonic() < ended:
            _turn(watch, [])
        watch.drain()
    finally:
        load.wait()
        if recorder:
            recorder.terminate()
            recorder.wait()
    started = time.process_time()
    rows = list(rows_with_owners(capture, watch))
    join_s = time.process_time() - started
    flows.write_text("".join(json.dumps(row) + "\n" for row in rows))
    score = subprocess.run(
        [sys.executable, str(workload / "score.py"), str(truth), str(flows), *(["--late"] if late else [])],
        capture_output=True,
        text=True,
        check=False,
    )
    found = _SCORE.search(score.stdout)
    assert found, score.stdout + score.stderr
    figures: dict[str, Any] = {name: float(value) for name, value in found.groupdict().items()}
    figures |= {
        "status": score.returncode,
        "report": score.stdout,
        "lost": watch.owners.lost,
        "sightings": watch.sightings,
        "sockets": len(watch.timeline),
        "degradations": watch.owners.degradations,
        "drain_cpu_s": watch.cpu_s,
        "join_cpu_s": join_s,
        "command_known": _share_of_known(rows),
        "largest_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    watch.owners.close()
    return figures


def rows_with_owners(capture: Path, watch: Watch) -> Iterator[dict[str, Any]]:
    """The capture's flow rows, with what the timeline knows of both ends."""
    table = FlowTable()
    decoder = Decoder()
    changes = np.concatenate(watch.changes)
    number = 1
    for batch in open_capture(str(capture)).source.batches():
        packets = decoder.decode(FrameBatch(batch.frames, batch.buffer, number))
        packets["namespace"] = _slices(packets, changes)
        table.update(packets, number)
        number += len(packets)
    flows = table.records()
    namespace = Path("/proc/self/ns/net").stat().st_ino
    low = watch.timeline.find(_ends(flows, "low", "high", namespace))
    high = watch.timeline.find(_ends(flows, "high", "low", namespace))
    client_is_low, _ = clients_are_low(flows)
    for row, is_low, *matches in zip(flow_rows(flows), client_is_low.tolist(), low, high, strict=True):
        for end, match in zip(("client", "server"), matches if is_low else matches[::-1], strict=True):
            row[f"{end}_pid"] = match.owner and match.owner.pid
            row[f"{end}_process"] = match.owner and match.owner.program.name
            row[f"{end}_cmdline"] = match.owner and match.owner.program.cmdline
            row[f"{end}_quality"] = match.quality.value
        yield row


def _slices(packets: NDArray[np.void], changes: NDArray[np.void]) -> NDArray[np.int64]:
    """Which turn of owners each packet is in: rows of another turn are other rows."""
    turns = np.zeros(len(packets), np.int64)
    for protocol, port in {(int(change["protocol"]), int(change["local_port"])) for change in changes}:
        here = changes[(changes["protocol"] == protocol) & (changes["local_port"] == port)]
        times = np.sort(here["time_ns"])
        for end in ("source_port", "target_port"):
            on_it = (packets["protocol"] == protocol) & (packets[end] == port)
            turns[on_it] += np.searchsorted(times, packets["ts_ns"][on_it], side="right")
    return turns


def _ends(flows: NDArray[np.void], local: str, remote: str, namespace: int) -> NDArray[np.void]:
    ends = np.zeros(len(flows), FLOW_END)
    for name in ("protocol", "ip_version", "first_ns", "last_ns"):
        ends[name] = flows[name]
    ends["local"], ends["remote"] = flows[local], flows[remote]
    ends["local_port"], ends["remote_port"] = flows[f"{local}_port"], flows[f"{remote}_port"]
    ends["namespace"] = namespace
    return ends


def _share_of_known(rows: list[dict[str, Any]]) -> float:
    owned = [row[f"{end}_cmdline"] for row in rows for end in ("client", "server") if row[f"{end}_pid"]]
    return sum(map(bool, owned)) / max(1, len(owned))


def _record(capture: Path) -> subprocess.Popen[bytes]:
    recorder = subprocess.Popen(
        [
            "tcpdump",
            "-i",
            "lo",
            "-s",
            "200",
            "-B",
            "65536",
            "-U",
            "-w",
            str(capture),
            "--time-stamp-precision=nano",
            "ip or ip6",
        ],
        stderr=subprocess.PIPE,
    )
    assert recorder.stderr
    while b"listening on" not in (line := recorder.stderr.readline()):
        assert line, "tcpdump does not start"
    return recorder


def _wait_for(word: str, load: subprocess.Popen[str], watch: Watch | None) -> None:
    assert load.stdout
    while load.stdout not in _turn(watch, [load.stdout]) or word not in (line := load.stdout.readline()):
        assert load.poll() is None or watch is None or line, f"the workload ended before {word}"


def _turn(watch: Watch | None, streams: list[Any]) -> list[Any]:
    readable = select.select(streams, [], [], (0.003 if watch.peek else _DRAIN_S) if watch else None)[0]
    if watch:
        watch.drain()
    return readable


def main() -> int:
    """Runs, and one line of figures each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", type=Path, required=True)
    parser.add_argument("--backend", default="ebpf")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--late", action="store_true")
    parser.add_argument("--keep", type=Path, help="where the truth, the capture and the rows stay")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        figures = run(
            options.workload, options.backend, options.scale, late=options.late, keep=options.keep or Path(place)
        )
    sys.stdout.write(f"{figures.pop('report')}\n{figures}\n")
    return int(figures["status"])


if __name__ == "__main__":
    sys.exit(main())
