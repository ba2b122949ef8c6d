"""Does ``portcall live`` take the same memory and the same time after half an hour as after a minute?

    sudo PYTHONPATH=src python benchmarks/soak.py [--minutes 30] [--connections 200] [--processes 20] [--warm-up 300]

In a network namespace of its own, a client makes so many connections a second on loopback, and so many processes a
second (``nc``) make one each and end. ``portcall live --every 60`` writes a report a minute. Every five seconds a line
of JSON tells memory of the process and all below it, descriptors, and CPU seconds since the line before. Memory is what
is anonymous, shared pages in parts (``Pss_Anon``): pages of files and the ring of packets are not what could grow; what
is resident stands beside it.

The last line has what there is to judge: the slope of memory after the warm-up with its interval, as ``growth`` says,
and whether 1 MB an hour is kept; CPU seconds a second in the first and the last five minutes after it; descriptors
then; what was sent, counted and dropped; reports of owners that were lost; the share of bytes with an owner in the
first minute, in the last and at the least; and each report's frames, drops and share.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from threading import Thread
from typing import Any

from growth import WINDOWS, growth

REQUEST, ANSWER = b"x" * 300, b"y" * 700
_NEW_NETWORK = 0x40000000  # linux/sched.h: CLONE_NEWNET
_SAMPLE_S, _PART_S, _INTERVAL_S = 5, 300, 60
_ALLOWED_MB_AN_HOUR = 1.0
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Make the traffic, and print what the command took."""
    parser = argparse.ArgumentParser(description="Measure memory and CPU of portcall live over time")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--connections", type=int, default=200, help="a second (default: 200)")
    parser.add_argument("--processes", type=int, default=20, help="a second (default: 20)")
    parser.add_argument("--warm-up", type=float, default=300, help="seconds that are not judged (default: 300)")
    options = parser.parse_args()
    if not shutil.which("nc"):
        sys.exit("soak.py: nc is not installed. On Debian: apt install netcat-openbsd")
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK):
        sys.exit("soak.py: run it as root, it makes a network namespace")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        Thread(target=_serve, args=(server,), daemon=True).start()
        port = server.getsockname()[1]
        words = ["live", "-i", "lo", "--every", str(_INTERVAL_S), "-o", f"{name}/%Y%m%d-%H%M%S.json"]
        live = subprocess.Popen([sys.executable, "-m", "portcall", *words], stderr=subprocess.PIPE, text=True)
        print((live.stderr.readline() if live.stderr else "").strip(), file=sys.stderr)
        samples, made = _talk(live.pid, port, options)
        live.send_signal(signal.SIGINT)
        _, said = live.communicate()
        reports = _reports(Path(name))
    print(json.dumps({**_summary(samples, options.warm_up), "connections": made, **reports, "status": live.returncode}))
    print("".join(line + "\n" for line in dict.fromkeys(said.splitlines()) if "note" in line), file=sys.stderr, end="")
    return 0


def _serve(server: socket.socket) -> None:
    while True:
        connection, _ = server.accept()
        with connection:
            while len(connection.recv(4096)):
                connection.sendall(ANSWER)


def _talk(pid: int, port: int, options: argparse.Namespace) -> tuple[list[dict[str, float]], int]:
    """Connections and processes at their rates; gives a sample for each five seconds, and how many connections."""
    began = time.monotonic()
    made, started, samples, running, last_cpu_s = 0, 0, [], [], _cpu_s(pid)
    with selectors.DefaultSelector() as nothing:
        while (now := time.monotonic() - began) < options.minutes * 60:
            while started < now * options.processes:
                running.append(subprocess.Popen(["nc", "-N", "127.0.0.1", str(port)], stdin=-3, stdout=-3))
                started += 1
            running = [process for process in running if process.poll() is None]
            while made < now * options.connections:
                with socket.create_connection(("127.0.0.1", port)) as client:
                    client.sendall(REQUEST)
                    client.recv(4096)
                made += 1
            if now >= _SAMPLE_S * (len(samples) + 1):
                cpu_s = _cpu_s(pid)
                sample = {"second": round(now), **_memory_mb(pid), "cpu_s": round(cpu_s - last_cpu_s, 2)}
                samples.append(
                    {**sample, "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())), "connections": made}
                )
                last_cpu_s = cpu_s
                print(json.dumps(samples[-1]), flush=True)
            nothing.select(0.005)
    for process in running:
        process.wait()
    return samples, made + started


def _family(pid: int) -> list[int]:
    """The process, and all below it, whichever thread began them."""
    children = [int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in _words_of(task / "children")]
    return [pid, *(other for child in children for other in _family(child))]


def _words_of(path: Path) -> list[str]:
    """Nothing of a process that has ended meanwhile."""
    try:
        return path.read_text(encoding="utf-8").split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _memory_mb(pid: int) -> dict[str, float]:
    """Of the whole family: proc_pid_smaps(5)."""
    found = {"Pss_Anon:": 0, "Rss:": 0}
    for one in _family(pid):
        words = _words_of(Path(f"/proc/{one}/smaps_rollup"))
        for name in found:
            found[name] += int(words[words.index(name) + 1]) if name in words else 0
    return {"memory_mb": round(found["Pss_Anon:"] * 1024 / 1e6, 2), "resident_mb": round(found["Rss:"] * 1024 / 1e6, 2)}


def _cpu_s(pid: int) -> float:
    ticks = 0
    for one in _family(pid):
        words = " ".join(_words_of(Path(f"/proc/{one}/stat"))).rpartition(")")[2].split()
        ticks += sum(map(int, words[11:13]))
    return ticks / _TICKS


def _summary(samples: list[dict[str, float]], warm_up_s: float) -> dict[str, Any]:  # Any: numbers
    late = [sample for sample in samples if sample["second"] > warm_up_s] or samples
    first = [sample for sample in late if sample["second"] <= late[0]["second"] + _PART_S - _SAMPLE_S]
    last = [sample for sample in late if sample["second"] > late[-1]["second"] - _PART_S]
    result: dict[str, Any] = {
        "memory_mb": [samples[0]["memory_mb"], late[0]["memory_mb"], samples[-1]["memory_mb"]],
        "resident_mb": [samples[0]["resident_mb"], late[0]["resident_mb"], samples[-1]["resident_mb"]],
        "cpu_s_a_second": [round(mean(one["cpu_s"] for one in part) / _SAMPLE_S, 4) for part in (first, last)],
        "descriptors": [late[0]["descriptors"], samples[-1]["descriptors"]],
    }
    intervals = round((late[-1]["second"] - late[0]["second"]) / _INTERVAL_S)  # memory swings with each
    found = growth([(sample["second"], sample["memory_mb"]) for sample in late], min(intervals, WINDOWS))
    if found:
        result["memory_mb_an_hour"] = {name: round(value, 2) for name, value in found._asdict().items()}
        result["verdict"] = found.verdict(_ALLOWED_MB_AN_HOUR)
    return result


def _reports(folder: Path) -> dict[str, Any]:  # Any: numbers
    """Of all reports: frames, what was lost, and the share of credited bytes that have an owner."""
    shares, lost = [], []
    for path in sorted(folder.glob("*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        coverage = report["coverage"]
        credited = coverage["bytes"] + coverage["bytes_credited_twice"]
        share = coverage["bytes_attributed"] / credited if credited else 1.0
        shares.append([coverage["frames"], coverage["dropped_by_kernel"], round(share, 6)])
        lost += [note["reason"] for note in report["degradations"] if note["feature"] == "owners"]
    whole = [share for _, _, share in shares[1:-1]] or [1.0]  # the first and the last interval are cut
    return {
        "frames": sum(frames for frames, _, _ in shares),
        "dropped": sum(dropped or 0 for _, dropped, _ in shares),
        "lost": lost[-1:],
        "owned": [whole[0], whole[-1], min(whole)],
        "reports": shares,
    }


if __name__ == "__main__":
    sys.exit(main())
