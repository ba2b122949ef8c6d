"""``portcall live`` against a workload with ground truth, and nethogs beside it where it is asked for.

    sudo PYTHONPATH=src python benchmarks/attribution.py --workload DIR [--late] [--nethogs] [--netns] [-- OPTIONS]

DIR has ``workload.py`` and ``score.py``, which are no part of this repository. OPTIONS are for ``portcall live``. The
traffic is on loopback and in namespaces that the workload makes and removes; ``--netns`` counts those too. nethogs
prints once a second whom it saw: it is given a process that it named at any time, whatever bytes it had for it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

SHORT_S = 1.0
"""A process whose traffic took less is one that lived shortly."""
_NETHOGS_LINE = re.compile(r".+/(?P<pid>\d+)/\d+\t[\d.]+\t[\d.]+$")


def start_live(stack: ExitStack, flows: Path, options: list[str]) -> subprocess.Popen[str]:
    """The command, already listening."""
    words = ["-m", "portcall", "live", "--filter", "ip or ip6", "--by", "flow", "-o", str(flows), *options]
    live = stack.enter_context(subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True))
    stack.callback(live.kill)
    print(live.stderr.readline(), end="", file=sys.stderr)
    return live


def start_nethogs(stack: ExitStack, printed: Path) -> subprocess.Popen[bytes]:
    """Nethogs on loopback, which it leaves out unless told otherwise."""
    stream = stack.enter_context(printed.open("wb"))
    nethogs = stack.enter_context(subprocess.Popen(["nethogs", "-a", "-t", "-d", "1", "lo"], stdout=stream))
    stack.callback(nethogs.kill)
    return nethogs


def cpu_seconds(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> float:
    """User and system time of a running process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processes_of(truth: Path) -> tuple[set[int], set[int]]:
    """Pids of the truth's processes in this namespace: those of short traffic, and the others."""
    here, times = Path("/proc/self/ns/net").stat().st_ino, defaultdict(list)
    for end in map(json.loads, truth.read_text().splitlines()):
        if end["netns"] == here:
            times[end["pid"]] += [end["t0"], end["t1"]]
    short = {pid for pid, moments in times.items() if max(moments) - min(moments) < SHORT_S}
    return short, set(times) - short


def named_by_nethogs(printed: Path) -> set[int]:
    """Pids in what nethogs printed."""
    lines = printed.read_text(errors="replace").splitlines()
    return {int(found["pid"]) for line in lines if (found := _NETHOGS_LINE.match(line.strip()))}


def named_by_portcall(flows: Path) -> set[int]:
    """Pids in the flow rows."""
    rows = map(json.loads, flows.read_text().splitlines())
    return {row[f"{end}_pid"] for row in rows for end in ("client", "server")}


def main() -> int:
    """Run once; the scorer's exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", type=Path, required=True, metavar="DIR")
    parser.add_argument("--scale", default="1")
    parser.add_argument("--late", action="store_true", help="start to watch when the long connections are there")
    parser.add_argument("--netns", action="store_true", help="in all network namespaces, on all interfaces")
    parser.add_argument("--nethogs", action="store_true", help="run nethogs at the same time")
    parser.add_argument("options", nargs="*", metavar="-- OPTIONS", help="of portcall live")
    options = parser.parse_args()
    where = ["--netns", "all", "-i", "any"] if options.netns else ["-i", "lo"]
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        truth, flows, printed = place / "truth.jsonl", place / "flows.jsonl", place / "nethogs.txt"
        live = None if options.late else start_live(stack, flows, where + options.options)
        nethogs = start_nethogs(stack, printed) if options.nethogs else None
        workload = stack.enter_context(
            subprocess.Popen(
                [sys.executable, str(options.workload / "workload.py"), str(truth), "--scale", options.scale],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        workload.stdout.readline()  # READY
        live = live or start_live(stack, flows, where + options.options)
        workload.communicate("GO\n")
        print(f"portcall: {cpu_seconds(live):.1f} s CPU")
        if nethogs:
            print(f"nethogs: {cpu_seconds(nethogs):.1f} s CPU")
            nethogs.terminate()
        live.send_signal(signal.SIGINT)
        live.communicate()
        if nethogs:
            nethogs.wait()
            short, others = processes_of(truth)
            for name, named in (("portcall", named_by_portcall(flows)), ("nethogs", named_by_nethogs(printed))):
                print(f"{name}: {len(named & short)} of {len(short)} short processes, ", end="")
                print(f"{len(named & others)} of {len(others)} others")
        scorer = [sys.executable, str(options.workload / "score.py"), str(truth), str(flows)]
        scorer += ["--late"] * options.late + ["--all-netns"] * options.netns
        sys.stdout.flush()
        return subprocess.run(scorer, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
