"""What it costs to record packets with their owners, against tcpdump, in one run.

    sudo PYTHONPATH=src python benchmarks/recording.py [--seconds S] [--rate PACKETS] [--flows N]

Two network namespaces with a veth pair between them are made for it and removed afterwards. One end sends small UDP
packets; at the other end ``portcall live -w`` and ``tcpdump -w`` capture the same packets at the same time, both to the
same disk. CPU is user and system time of each process; what fills the rings is the receiving interrupt's work, and is
in neither.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from live_load import BOTH, PORT, RECEIVER, SENDER, cpu_seconds, make_pair, run

PAYLOAD_BYTES = 18


def start_receiver(stack: ExitStack) -> None:
    """A socket that reads nothing, but is somebody's."""
    sink = "import socket; s=socket.socket(type=socket.SOCK_DGRAM); s.bind(('',9000)); print(flush=True); input()"
    receiver = subprocess.Popen(["ip", "netns", "exec", RECEIVER, sys.executable, "-c", sink], **BOTH)
    stack.callback(receiver.kill)
    receiver.stdout.readline()


def main() -> None:
    """Measure once and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=int, default=100_000)
    parser.add_argument("--flows", type=int, default=64)
    parser.add_argument("--folder", help="where to write (default: a temporary one)")
    options = parser.parse_args()
    with ExitStack() as stack:
        make_pair(stack)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        program = folder / "send_packets"
        run("cc", "-O2", "-o", str(program), str(Path(__file__).with_name("send_packets.c")))
        start_receiver(stack)
        inside = ["nsenter", f"--net=/run/netns/{RECEIVER}"]
        recorded, dumped = folder / "recorded.pcapng", folder / "dumped.pcap"
        words = [*inside, sys.executable, "-m", "portcall", "live", "-i", "load0", "--format", "json"]
        live = subprocess.Popen(
            [*words, "-w", str(recorded)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        live.stderr.readline()  # with the first line it listens
        dump = subprocess.Popen(
            [*inside, "tcpdump", "-i", "load0", "-w", str(dumped), "-B", "32768", "-Z", "root"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        dump.stderr.readline()
        before = cpu_seconds(live.pid), cpu_seconds(dump.pid)
        words = ["ip", "netns", "exec", SENDER, str(program), "10.77.0.2", str(PORT), str(PAYLOAD_BYTES)]
        sent = subprocess.run(
            [*words, str(options.seconds), str(options.flows), str(options.rate)],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        cpu = cpu_seconds(live.pid) - before[0], cpu_seconds(dump.pid) - before[1]
        live.send_signal(signal.SIGINT)
        dump.send_signal(signal.SIGINT)
        report = json.loads(live.communicate()[0])
        said = dump.communicate()[1]
        print(
            json.dumps(
                {
                    "sent": int(sent),
                    "frames": report["coverage"]["frames"],
                    "dropped": report["coverage"]["dropped_by_kernel"],
                    "notes": report["degradations"],
                    "tcpdump": said.split("\n")[-4:],
                    "cpu_s": [round(one, 2) for one in cpu],
                    "bytes": [recorded.stat().st_size, dumped.stat().st_size],
                    "apps": [row["app"] or row["unattributed_reason"] for row in report["rows"]][:3],
                }
            )
        )


if __name__ == "__main__":
    main()
