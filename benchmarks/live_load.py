"""How much live traffic a source stands: packets counted and dropped, and CPU for each, with decoding and flow table.

    sudo PYTHONPATH=src python benchmarks/live_load.py [--command] [--source ring|scapy] [--seconds S]
        [--past-ip] [--flows N] [--senders N] [--fanout hash|cpu] [--bulk] [--idle] [-- OPTIONS]

Two network namespaces with a veth pair between them are made for it and removed afterwards. One end sends small UDP
packets with sendmmsg (compiled here with cc), with ``--past-ip`` frames that no IP stack sees, out of a ring of
their own, or with ``--bulk`` an iperf3 stream; the other end is captured. CPU is that of the capturing process, user
and system; filling the ring is the receiving interrupt's work, and not in it: on veth it is in the sender's time.
That process is this one, with decoding and flow table; with ``--command`` it is ``portcall live`` with all it does,
owners too.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import chain
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
SOL_PACKET, PACKET_FANOUT = 263, 18
FANOUT = {"hash": 0, "cpu": 2}
Senders = list[subprocess.Popen[str]]
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


def start_small(stack: ExitStack, seconds: float, flows: int) -> subprocess.Popen[str]:
    """The sender of small packets; a socket that reads nothing keeps the receiver from answering with ICMP errors."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    program = folder / "send_packets"
    run("cc", "-O2", "-o", str(program), str(Path(__file__).with_name("send_packets.c")))
    sink = "import socket; s=socket.socket(type=socket.SOCK_DGRAM); s.bind(('',9000)); print(flush=True); input()"
    receiver = subprocess.Popen(["ip", "netns", "exec", RECEIVER, sys.executable, "-c", sink], **BOTH)
    stack.callback(receiver.kill)
    receiver.stdout.readline()
    words = ["ip", "netns", "exec", SENDER, str(program), "10.77.0.2", str(PORT), "18", str(seconds), str(flows)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def start_past_ip(stack: ExitStack, seconds: float, flows: int) -> subprocess.Popen[str]:
    """The sender of frames that no IP stack sees, of 60 bytes."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    program = folder / "send_frames"
    run("cc", "-O2", "-o", str(program), str(Path(__file__).with_name("send_frames.c")))
    words = ["ip", "netns", "exec", SENDER, str(program), "load0", "60", str(seconds), str(flows)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def start_bulk(stack: ExitStack, seconds: float, _flows: int) -> subprocess.Popen[str]:
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


def fan_out(sources: list[RingSource], kind: str) -> None:
    """Have the kernel give each frame to one of the rings, by the processor it passes or by its flow."""
    group = os.getpid() & 0xFFFF | FANOUT[kind] << 16
    for source in sources:
        (ring,) = source._rings.values()  # noqa: SLF001 - portcall itself has no use for it
        ring._socket.setsockopt(SOL_PACKET, PACKET_FANOUT, group)  # noqa: SLF001


def measure(
    sources: list[LiveSource], is_over: Callable[[], bool], decoder: Decoder, table: FlowTable
) -> tuple[int, float, int, float]:
    """Frames, CPU seconds, wake-ups and wall seconds until it is over."""
    frames = wakes = 0
    waiting = select.epoll()
    for source in sources:
        for descriptor in source.descriptors():
            waiting.register(descriptor, select.EPOLLIN)
    started, wall = time.process_time(), time.monotonic()
    while not is_over():
        if not waiting.poll(1):
            continue
        wakes += 1
        for batch in chain.from_iterable(source.batches() for source in sources):
            table.update(decoder.decode(batch), frames + 1)
            frames += len(batch.frames)
    for batch in chain.from_iterable(source.finish() for source in sources):
        table.update(decoder.decode(batch), frames + 1)
        frames += len(batch.frames)
    return frames, time.process_time() - started, wakes, time.monotonic() - wall


def measure_command(
    options: argparse.Namespace, start_senders: Callable[[], Senders]
) -> tuple[dict[str, Any], Senders]:
    """The same through ``portcall live`` on the receiving end, and the senders."""
    words = ["nsenter", f"--net=/run/netns/{RECEIVER}", sys.executable, "-m", "portcall", "live", "-i", "load0"]
    words += ["--source", options.source, "--format", "json", *options.options]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as live:
        live.stderr.readline()  # with the first line it listens
        before, wall = cpu_seconds(live.pid), time.monotonic()
        senders = start_senders()
        for sender in senders:
            sender.wait()
        if not senders:
            time.sleep(options.seconds)
        cpu, wall = cpu_seconds(live.pid) - before, time.monotonic() - wall
        live.send_signal(signal.SIGINT)
        report = json.loads(live.communicate()[0])
    frames = report["coverage"]["frames"]
    result = {
        "source": report["source"],
        "frames": frames,
        "frames_per_second": round(frames / wall),
        "dropped_by_kernel": report["coverage"]["dropped_by_kernel"],
        "apps": [row.get("app") or row.get("unattributed_reason") for row in report["rows"]][:3],
        "cpu_us_per_frame": round(cpu / max(frames, 1) * 1e6, 3),
        "cpu_percent": round(100 * cpu / wall, 2),
        "frames_per_cpu_second": round(frames / max(cpu, 0.01)),
    }
    return result, senders


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_here(
    options: argparse.Namespace, stack: ExitStack, start_senders: Callable[[], Senders]
) -> tuple[dict[str, Any], Senders]:
    """A source in this process, and the senders."""
    wishes = {"filter": options.filter, "snap_length": options.snap_length}
    wishes |= {"block_bytes": options.block_bytes, "blocks": options.blocks}
    sources = [
        open_source(options.source, {name: wish for name, wish in wishes.items() if wish})
        for _ in range(2 if options.fanout else 1)
    ]
    for source in sources:
        stack.callback(source.close)
    if options.fanout:
        fan_out(sources, options.fanout)
    senders, end = start_senders(), time.monotonic() + options.seconds

    def is_over() -> bool:
        return all(sender.poll() is not None for sender in senders) if senders else time.monotonic() > end

    table = FlowTable()
    frames, cpu, wakes, wall = measure(sources, is_over, Decoder(), table)
    result = {
        "source": f"{len(sources)} × {sources[0].name}",
        "frames": frames,
        "frames_per_second": round(frames / wall),
        "dropped_by_kernel": sum(source.dropped_by_kernel() for source in sources),
        "flows": len(table),
        "cpu_us_per_frame": round(cpu / max(frames, 1) * 1e6, 3),
        "cpu_percent": round(100 * cpu / wall, 2),
        "wakes_per_second": round(wakes / wall, 2),
    }
    return result, senders


def main() -> None:
    """Measure once and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=["ring", "scapy"], default="ring")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--filter")
    parser.add_argument("--snap-length", type=int)
    parser.add_argument("--block-bytes", type=int)
    parser.add_argument("--blocks", type=int)
    parser.add_argument("--past-ip", action="store_true", help="frames that no IP stack sees instead of small packets")
    parser.add_argument("--flows", type=int, default=64, help="of each sender")
    parser.add_argument("--senders", type=int, default=1)
    parser.add_argument("--fanout", choices=sorted(FANOUT), help="two rings that share the frames, without --command")
    parser.add_argument("--bulk", action="store_true", help="an iperf3 stream instead of small packets")
    parser.add_argument("--idle", action="store_true", help="no traffic at all")
    parser.add_argument("--command", action="store_true", help="measure portcall live, with owners")
    parser.add_argument("options", nargs="*", help="after --, for portcall live")
    options = parser.parse_args()
    start = start_bulk if options.bulk else start_past_ip if options.past_ip else start_small
    with ExitStack() as stack:
        make_pair(stack)

        def start_senders() -> Senders:
            count = 0 if options.idle else options.senders
            return [start(stack, options.seconds, options.flows) for _ in range(count)]

        if options.command:
            result, senders = measure_command(options, start_senders)
        else:
            result, senders = measure_here(options, stack, start_senders)
        told = [sender.communicate()[0] for sender in senders]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        if options.bulk:
            received = [json.loads(one)["end"]["sum_received"]["bits_per_second"] for one in told]
            result["gbit_per_second"] = round(sum(received) / 1e9, 2)
        elif told:
            result["sent"] = sum(map(int, told))
            if not options.command:
                result["sender_cpu_us_per_frame"] = round(1e6 * (used.ru_utime + used.ru_stime) / result["sent"], 3)
        print(json.dumps(result))


if __name__ == "__main__":
    main()
