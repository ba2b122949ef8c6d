"""How long ``portcall`` takes to list many sockets: opens connections on loopback, and times the real command.

    python benchmarks/many_sockets.py [--sockets 10000]

Two processes hold the sockets, an end of each connection; ``ulimit -Hn`` must allow each half of them. ``ss`` is timed
beside it where there is one.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 5
SOURCE = Path(__file__).resolve().parents[1] / "src"
COMMANDS = ("conns", "conns --format jsonl", "conns --format csv", "conns --by app", "ports")


def main() -> None:
    """Print a line for each command: the median and the spread of its wall-clock times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sockets", type=int, default=10_000, help="sockets in all (default: %(default)s)")
    connections = parser.parse_args().sockets // 2
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        held, accepted = os.pipe()
        release, released = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(released)
            kept = [listener.accept()[0] for _ in range(connections)]
            os.write(accepted, b"x")
            os.read(release, 1)  # until the parent ends, however that is
            os._exit(len(kept) == 0)
        clients = [socket.create_connection(listener.getsockname()) for _ in range(connections)]
        os.read(held, 1)
        print(f"{2 * len(clients)} sockets of two processes")
        for words in COMMANDS:
            show(f"portcall {words}", [sys.executable, "-m", "portcall", *words.split()])
        if shutil.which("ss"):
            show("ss -H -tunp state connected", ["ss", "-H", "-tunp", "state", "connected"])
        os.close(released)
        os.waitpid(child, 0)


def show(name: str, command: list[str]) -> None:
    """Time one command: wall clock, and user and system time."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    wall_s, cpu_s = [], []
    for _ in range(RUNS):
        began_s, used_s = time.perf_counter(), children_s()
        subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=True)
        wall_s.append(time.perf_counter() - began_s)
        cpu_s.append(children_s() - used_s)
    spread = f"({min(wall_s):.2f}-{max(wall_s):.2f})"
    print(f"{name:28} {statistics.median(wall_s):6.2f} s {spread}, CPU {statistics.median(cpu_s):.2f} s")


def children_s() -> float:
    """Processor time of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
