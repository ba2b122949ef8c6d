"""A burst of short conversations through ``portcall live``: how many of their ends have the right owner?

    sudo PYTHONPATH=src python benchmarks/burst.py [--conversations 30000] [--seconds 25]

As many TCP connections, and as many UDP sockets that send once, on loopback, from two processes each over eight
addresses to two servers each, spread evenly over the time. Every process remembers its ends and when they lived; then
each is looked up among the flow rows. Prints a line of JSON, with the CPU of the command until the burst was over.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

ADDRESSES = [f"127.0.0.{number}" for number in range(1, 9)]
CLIENTS = 2
SLACK_NS = 20_000_000
"""How far a row's time may lie from an end's: less than a port takes to come round again."""
REQUEST, ANSWER = bytes(100), bytes(300)

End = tuple[str, str, int, str, int, int, int, int]
"""Protocol, own address and port, the other's, pid, from and to in ns."""


def call_tcp(addresses: list[tuple[str, int]], seconds: float, count: int) -> Iterator[End]:
    """So many connections, one after the other."""
    for i in paced(count, seconds):
        began_ns = time.time_ns()
        with socket.create_connection(addresses[i % len(addresses)]) as connection:
            connection.sendall(REQUEST)
            while connection.recv(4096):
                pass
            yield end_of("tcp", connection.getsockname(), connection.getpeername(), began_ns)


def call_udp(addresses: list[tuple[str, int]], seconds: float, count: int) -> Iterator[End]:
    """So many sockets that send once and wait for the answer."""
    for i in paced(count, seconds):
        began_ns = time.time_ns()
        with socket.socket(type=socket.SOCK_DGRAM) as asking:
            asking.settimeout(10)
            asking.connect(addresses[i % len(addresses)])
            asking.send(REQUEST)
            asking.recv(4096)
            yield end_of("udp", asking.getsockname(), asking.getpeername(), began_ns)


def serve_tcp(listening: socket.socket) -> Iterator[End]:
    """Answer connections until a signal closes the door."""
    while True:
        connection, peer = listening.accept()
        began_ns = time.time_ns()
        with connection:
            connection.recv(4096)
            connection.sendall(ANSWER)
            yield end_of("tcp", connection.getsockname(), peer, began_ns)


def serve_udp(bound: socket.socket) -> Iterator[End]:
    """Answer datagrams until a signal closes the door; the socket has one address, so its own end is known."""
    while True:
        _, peer = bound.recvfrom(4096)
        began_ns = time.time_ns()
        bound.sendto(ANSWER, peer)
        yield end_of("udp", bound.getsockname(), peer, began_ns)


def paced(count: int, seconds: float) -> Iterator[int]:
    """Numbers, evenly over the time; at once where it is late."""
    began_s = time.monotonic()
    for i in range(count):
        time.sleep(max(0.0, began_s + seconds * i / count - time.monotonic()))
        yield i


def end_of(protocol: str, own: tuple[str, int], peer: tuple[str, int], began_ns: int) -> End:
    """What is remembered of an end that is over now."""
    return protocol, *own[:2], *peer[:2], os.getpid(), began_ns, time.time_ns()


def remember(told: Connection, role: Any, *arguments: Any) -> None:
    """Play a role, and tell its ends when it is over, by itself or by SIGTERM."""
    ends: list[End] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        ends.extend(role(*arguments))
    except SystemExit:
        pass
    finally:
        told.send(ends)


class Role:
    """A process that plays a role."""

    def __init__(self, role: Any, *arguments: Any) -> None:
        self._ends, told = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=remember, args=(told, role, *arguments))
        self.process.start()

    def ends(self) -> list[End]:
        """Its ends, once it is over."""
        found: list[End] = self._ends.recv()
        self.process.join()
        return found


def burst(count: int, seconds: float) -> tuple[list[End], float]:
    """All ends of a burst, and how long it took."""
    servers, addresses = [], {}
    for name, kind, serve in (("tcp", socket.SOCK_STREAM, serve_tcp), ("udp", socket.SOCK_DGRAM, serve_udp)):
        doors = [socket.socket(type=kind) for _ in ADDRESSES]
        for door, address in zip(doors, ADDRESSES, strict=True):
            door.bind((address, 0))
            if kind == socket.SOCK_STREAM:
                door.listen(1024)
        addresses[name] = [door.getsockname() for door in doors]
        servers += [Role(serve, door) for door in doors]
    began_s = time.monotonic()
    clients = [
        Role(call, addresses[name], seconds, count // CLIENTS)
        for name, call in (("tcp", call_tcp), ("udp", call_udp))
        for _ in range(CLIENTS)
    ]
    ends = [end for client in clients for end in client.ends()]
    took_s = time.monotonic() - began_s
    for server in servers:
        server.process.terminate()
    return ends + [end for server in servers for end in server.ends()], took_s


def verdicts(ends: list[End], rows: list[dict[str, Any]]) -> Counter[str]:
    """How many ends are right, wrong, without an owner, and on no row."""
    seen = defaultdict(list)
    for row in rows:
        client, server = ((row[f"{end}_ip"], row[f"{end}_port"]) for end in ("client", "server"))
        when = row["first_ns"], row["last_ns"]
        seen[(row["protocol"], *client, *server)].append((row["client_pid"], *when))
        seen[(row["protocol"], *server, *client)].append((row["server_pid"], *when))
    counts: Counter[str] = Counter()
    for *key, pid, began_ns, ended_ns in ends:
        candidates = seen.get(tuple(key), ())
        pids = [
            held for held, first, last in candidates if first <= ended_ns + SLACK_NS and last >= began_ns - SLACK_NS
        ]
        known = [held for held in pids if held]
        counts["right" if pid in pids else "wrong" if known else "no owner" if pids else "no row"] += 1
    return counts


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure once and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, default=30_000, help="of each protocol")
    parser.add_argument("--seconds", type=float, default=25)
    parser.add_argument("options", nargs="*", help="after --, for portcall live")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "flows.json"
        command = [sys.executable, "-m", "portcall", "live", "-i", "lo", "--filter", "tcp or udp"]
        command += ["--by", "flow", "-o", str(report), *options.options]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as live:
            live.stderr.readline()  # with the first line it listens
            ends, took_s = burst(options.conversations, options.seconds)
            cpu_s = cpu_seconds(live.pid)
            live.send_signal(signal.SIGINT)
            live.communicate()
        found = json.loads(report.read_text())
    counts = verdicts(ends, found["rows"])
    result = {
        "seconds": round(took_s, 1),
        "ends": len(ends),
        "right_percent": round(100 * counts["right"] / len(ends), 3),
        **counts,
        "command_cpu_seconds": round(cpu_s, 1),
        "dropped_by_kernel": found["coverage"]["dropped_by_kernel"],
        "notes": [f"{note['feature']}: {note['reason']}" for note in found["degradations"]],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
