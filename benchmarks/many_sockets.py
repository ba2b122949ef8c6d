"""How long ``portcall`` takes on many sockets: opens connections on loopback, and times the real commands in turn.

    python benchmarks/many_sockets.py [--sockets 10000] [--rounds 7]

Two processes hold the sockets, an end of each connection; ``ulimit -Hn`` must allow each half of them. All of them have
to do with one port, PORT below; CLIENT is the port of one client, PROGRAM what both run. ``ss`` is timed beside them
where there is one. Each command runs once a round, and is compared with the first one of its round: what else the
machine does, slows both.
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

SOURCE = Path(__file__).resolve().parents[1] / "src"
COMMANDS = (
    "conns --top 20",
    "conns",
    "conns --format jsonl",
    "conns --format csv",
    "conns --by app",
    "conns PORT",
    "ports",
    "who PORT",
    "who CLIENT",
    "who PROGRAM",
    "explain PORT",
    "explain CLIENT",
    "explain 127.0.0.1",
    "explain 127.0.0.1:PORT",
    "explain 127.0.0.1:CLIENT-127.0.0.1:PORT",
    "explain ESTAB",
    "explain",
    "check 127.0.0.1 PORT",
)
SS = ("ss", "-H", "-tunp", "state", "connected")


def main() -> None:
    """Print a line for each command: processor time, its spread, its ratio to the first one's, and wall-clock time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sockets", type=int, default=10_000, help="sockets in all (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each command (default: %(default)s)")
    options = parser.parse_args()
    connections = options.sockets // 2
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
        names = {
            "PORT": str(listener.getsockname()[1]),
            "CLIENT": str(clients[0].getsockname()[1]),
            "PROGRAM": Path(sys.executable).name,
        }
        print(f"{2 * len(clients)} sockets of two processes; {names}", flush=True)
        commands = {f"portcall {words}": command(words, names) for words in COMMANDS}
        show(measure(commands | ({" ".join(SS): list(SS)} if shutil.which("ss") else {}), options.rounds))
        os.close(released)
        os.waitpid(child, 0)


def command(words: str, names: dict[str, str]) -> list[str]:
    """The command line, with what names stand for in their places."""
    for name, meant in names.items():
        words = words.replace(name, meant)
    return [sys.executable, "-m", "portcall", *words.split()]


def measure(commands: dict[str, list[str]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """(processor seconds, wall seconds) of each run of each command."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, line in commands.items():
            began_s, used_s = time.perf_counter(), children_s()
            subprocess.run(line, stdout=subprocess.DEVNULL, env=environment, check=True)
            runs[name].append((children_s() - used_s, time.perf_counter() - began_s))
    return runs


def show(runs: dict[str, list[tuple[float, float]]]) -> None:
    """Medians, the spread of the processor time, and the median of its ratios within a round."""
    first = next(iter(runs.values()))
    for name, pairs in runs.items():
        cpu_s, wall_s = zip(*pairs, strict=True)
        ratio = statistics.median(mine / other for mine, (other, _) in zip(cpu_s, first, strict=True))
        spread = f"({min(cpu_s):.2f}-{max(cpu_s):.2f})"
        print(
            f"{name:50} CPU {statistics.median(cpu_s):.2f} s {spread}, x {ratio:.2f}; {statistics.median(wall_s):.2f} s"
        )


def children_s() -> float:
    """Processor time of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
