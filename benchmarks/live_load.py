"""How much live traffic a source stands: packets counted and dropped, and CPU for each, with decoding and flow table.

    sudo PYTHONPATH=src python benchmarks/live_load.py [--command] [--source ring|scapy] [--seconds S] [--bulk] [--idle]

Two network namespaces with a veth pair between them are made for it and removed afterwards. One end sends small UDP
packets with sendmmsg (compiled here with cc), or with ``--bulk`` an iperf3 stream; the other end is captured. CPU is
that of the capturing process, user and system; filling the ring is the receiving interrupt's work, and not in it.
That process is this one, with decoding and flow table; with ``--command`` it is ``portcall live`` with all it does,
owners too.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portcall.decoding.decoder import Decoder
from portcall.flows.table import FlowTable
from portcall.sources.devices.afpacket import RingSource
from portcall.sources.devices.interface_watch import select_interfaces
from portcall.sources.devices.scapy import ScapySource
from portcall.system.network_namespaces import find_namespace, own_namespace

if TYPE_CHECKING:
    from collections.abc import Callable

    from portcall.sources.devices.capture_devices import LiveSource

SENDER, RECEIVER = "portcall-load-a", "portcall-load-b"
PORT = 9000
BOTH = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


def run(*words: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def make_pair(stack: ExitStack) -> None:
    """Namespaces 10.77.0.1 → 10.77.0.2, gone when the stack is."""
    for name in (SENDER, RECEIVER):
        run("ip", "netns", "add", name)
        stack.callback(run, "ip", "netns", "del", name)
    run("ip", "-n", SENDER, "link", "add", "load0", "type", "veth", "peer", "name", "load0", "netns", RECEIVER)
    for name, address in ((SENDER, "10.77.0.1/24"), (RECEIVER, "10.77.0.2/24")):
        run("ip", "-n", name, "address", "add", address, "dev", "load0")
        run("ip", "-n", name, "link", "set", "load0", "up")
        run("ip", "-n", name, "link", "set", "lo", "up")


def start_small(stack: ExitStack, seconds: float) -> subprocess.Popen[str]:
    """The sender of small packets; a socket that reads nothing keeps the receiver from answering with ICMP errors."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    program = folder / "send_packets"
    run("cc", "-O2", "-o", str(program), str(Path(__file__).with_name("send_packets.c")))
    sink = "import socket; s=socket.socket(type=socket.SOCK_DGRAM); s.bind(('',9000)); print(flush=True); input()"
    receiver = subprocess.Popen(["ip", "netns", "exec", RECEIVER, sys.executable, "-c", sink], **BOTH)
    stack.callback(receiver.kill)
    receiver.stdout.readline()
    words = ["ip", "netns", "exec", SENDER, str(program), "10.77.0.2", str(PORT), "18", str(seconds), "64"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def start_bulk(stack: ExitStack, seconds: float) -> subprocess.Popen[str]:
    """One TCP stream of iperf3, with super-frames as the kernel makes them."""
    words = ["ip", "netns", "exec", RECEIVER, "iperf3", "--server", "--one-off", "--forceflush"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE)
    stack.callback(server.kill)
    while b"listening" not in server.stdout.readline():
        pass
    words = ["ip", "netns", "exec", SENDER, "iperf3", "--client", "10.77.0.2", "--time", str(seconds), "--json"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def open_source(name: str, options: dict[str, Any]) -> LiveSource:
    """The source, on the receiving end."""
    namespace = find_namespace(RECEIVER)
    if name == "ring":
        return RingSource([select_interfaces(["load0"], namespace)], **options)
    # scapy knows only its own namespace, so the whole process goes there.
    ctypes.CDLL(None).setns(os.open(f"/run/netns/{RECEIVER}", os.O_RDONLY), 0)
    return ScapySource([select_interfaces(["load0"], own_namespace())], filter=options.get("filter"))


def measure(
    source: LiveSource, is_over: Callable[[], bool], decoder: Decoder, table: FlowTable
) -> tuple[int, float, int, float]:
    """Frames, CPU seconds, wake-ups and wall seconds until it is over."""
    frames = wakes = 0
    waiting = select.epoll()
    for descriptor in source.descriptors():
        waiting.register(descriptor, select.EPOLLIN)
    started, wall = time.process_time(), time.monotonic()
    while not is_over():
        if not waiting.poll(1):
            continue
        wakes += 1
        for batch in source.batches():
            table.update(decoder.decode(batch), frames + 1)
            frames += len(batch.frames)
    for batch in source.finish():
        table.update(decoder.decode(batch), frames + 1)
        frames += len(batch.frames)
    return frames, time.process_time() - started, wakes, time.monotonic() - wall


def measure_command(
    source: str, start_sender: Callable[[], subprocess.Popen[str] | None], seconds: float
) -> tuple[dict[str, Any], subprocess.Popen[str] | None]:
    """The same through ``portcall live`` on the receiving end, and the sender."""
    words = ["nsenter", f"--net=/run/netns/{RECEIVER}", sys.executable, "-m", "portcall", "live", "-i", "load0"]
    words += ["--source", source, "--format", "json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as live:
        live.stderr.readline()  # with the first line it listens
        before, wall = cpu_seconds(live.pid), time.monotonic()
        sender = start_sender()
        if sender:
            sender.wait()
        else:
            time.sleep(seconds)
        cpu, wall = cpu_seconds(live.pid) - before, time.monotonic() - wall
        live.send_signal(signal.SIGINT)
        report = json.loads(live.communicate()[0])
    frames = report["coverage"]["frames"]
    result = {
        "source": report["source"],
        "frames": frames,
        "frames_per_second": round(frames / wall),
        "dropped_by_kernel": report["coverage"]["dropped_by_kernel"],
        "apps": [row["app"] or row["unattributed_reason"] for row in report["rows"]][:3],
        "cpu_us_per_frame": round(cpu / max(frames, 1) * 1e6, 3),
        "cpu_percent": round(100 * cpu / wall, 2),
    }
    return result, sender


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_here(
    options: argparse.Namespace, stack: ExitStack, start_sender: Callable[[], subprocess.Popen[str] | None]
) -> tuple[dict[str, Any], subprocess.Popen[str] | None]:
    """A source in this process, and the sender."""
    wishes = {"filter": options.filter, "snap_length": options.snap_length}
    wishes |= {"block_bytes": options.block_bytes, "blocks": options.blocks}
    source = open_source(options.source, {name: wish for name, wish in wishes.items() if wish})
    stack.callback(source.close)
    sender, end = start_sender(), time.monotonic() + options.seconds
    is_over = (lambda: time.monotonic() > end) if sender is None else (lambda: sender.poll() is not None)
    table = FlowTable()
    frames, cpu, wakes, wall = measure(source, is_over, Decoder(), table)
    result = {
        "source": source.name,
        "frames": frames,
        "frames_per_second": round(frames / wall),
        "dropped_by_kernel": source.dropped_by_kernel(),
        "flows": len(table),
        "cpu_us_per_frame": round(cpu / max(frames, 1) * 1e6, 3),
        "cpu_percent": round(100 * cpu / wall, 2),
        "wakes_per_second": round(wakes / wall, 2),
    }
    return result, sender


def main() -> None:
    """Measure once and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=["ring", "scapy"], default="ring")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--filter")
    parser.add_argument("--snap-length", type=int)
    parser.add_argument("--block-bytes", type=int)
    parser.add_argument("--blocks", type=int)
    parser.add_argument("--bulk", action="store_true", help="an iperf3 stream instead of small packets")
    parser.add_argument("--idle", action="store_true", help="no traffic at all")
    parser.add_argument("--command", action="store_true", help="measure portcall live, with owners")
    options = parser.parse_args()
    with ExitStack() as stack:
        make_pair(stack)

        def start_sender() -> subprocess.Popen[str] | None:
            return None if options.idle else (start_bulk if options.bulk else start_small)(stack, options.seconds)

        if options.command:
            result, sender = measure_command(options.source, start_sender, options.seconds)
        else:
            result, sender = measure_here(options, stack, start_sender)
        if sender and not options.bulk:
            result["sent"] = int(sender.communicate()[0])
        elif sender:
            received = json.loads(sender.communicate()[0])["end"]["sum_received"]
            result["gbit_per_second"] = round(received["bits_per_second"] / 1e9, 2)
        print(json.dumps(result))


if __name__ == "__main__":
    main()
