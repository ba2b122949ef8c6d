"""Run portcall, a lower bound in C and other tools on the same captures, side by side, and say what each one costs.

    compare.py [--captures DIRECTORY] [--only limit,portcall] [--rounds 7] [-o results/NAME.json]

Every round runs each contender once, one after the other, so that a busy machine is busy for all of them. What counts
are CPU seconds, user and system, and the peak of resident memory, both as the kernel accounts them to the finished
process and its children (a process begins with the memory of what started it, so nothing shows less than this runner's
own 20 MB or so). A ratio is taken within each round; medians, least and greatest are shown. Files are read once
before, so that they come from the page cache. Nothing is subtracted: start-up is measured by itself, on a capture that
is a header and nothing else. Contenders that are not installed are left out, and that is said.

What is compressed is measured where it lies beside the others (gzip -k mix.pcap; zstd, lz4), against the program that
decompresses it. There it is the time on the clock that counts, ``wall_s`` of the file: portcall uses two processors.

``limit`` is limit.c of ``--shared`` (or PORTCALL_BENCH): records, headers and a table of flows in C, and no output.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from generate import SHARED
from measuring import circumstances, cost_of, read_once

BASE = "limit"
WITH_NAMES = "portcall with names"
_EMPTY_BYTES = 24  # a pcap's header
_FEW_PACKETS = 200
_DECOMPRESSORS = (("igzip", "gz"), ("gzip", "gz"), ("zstd", "zst"), ("lz4", "lz4"))
_NFSTREAM = "import sys, nfstream; print(sum(1 for _ in nfstream.NFStreamer(source=sys.argv[1], n_meters=1)))"


@dataclass(frozen=True)
class Contender:
    """One command to measure. In ``command``, {capture} and {directory} (empty, its own) are filled in."""

    name: str
    command: tuple[str, ...]
    captures: tuple[str, ...]
    most_rounds: int | None = None
    """So many rounds at the most, and none that does not count: for what takes long."""
    baseline: str | None = None
    """Name of the contender that ratios are to; None for limit on the same packets."""


@dataclass
class Measurement:
    """What one contender took on one capture, a number for each round."""

    contender: Contender
    capture: str
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)


def main() -> int:
    """Compare, print a table and write a file."""
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        workshop = Path(name)
        captures = _captures(options.captures, workshop)
        contenders = [one for one in _contenders(options, workshop) if _is_wanted(one, options.only)]
        measurements = [
            Measurement(one, capture) for one in contenders for capture in one.captures if capture in captures
        ]
        for capture in {measurement.capture for measurement in measurements}:
            read_once(captures[capture])
        # The round before the first leaves bytecode behind, and does not count.
        for number in range(-1, options.rounds):
            for measurement in measurements:
                most_rounds = measurement.contender.most_rounds
                if most_rounds is None or 0 <= number < most_rounds:
                    _measure(measurement, captures[measurement.capture], workshop, counts=number >= 0)
    print(_table(measurements))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(_result(measurements), indent=1) + "\n", encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run portcall and other tools on the same captures, side by side")
    directory = Path(tempfile.gettempdir()) / "bench"
    parser.add_argument(
        "--captures", type=Path, default=directory, help="where generate.py has written (default: %(default)s)"
    )
    parser.add_argument("--shared", type=Path, default=Path(SHARED), help="where limit.c is (default: %(default)s)")
    parser.add_argument("--only", default="", help="parts of contenders' names, with commas between: limit,portcall")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--portcall", default=f"{sys.executable} -m portcall", help="command (default: %(default)s)")
    parser.add_argument("--nfstream", default=sys.executable, help="a Python that has nfstream (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the results")
    return parser.parse_args()


def _contenders(options: argparse.Namespace, workshop: Path) -> list[Contender]:
    """Every contender that can run here."""
    all_kinds = ("mix.pcap", "snap.pcap", "tiny.pcap")
    read = (*shlex.split(options.portcall), "read", "{capture}", "--by", "service", "--no-names", "--format", "json")
    named = tuple(word for word in read if word != "--no-names")
    python = (sys.executable, "-c")
    limit = _compiled(options.shared / "limit.c", workshop)
    peers = [
        Contender("tcpdump, reading alone", ("tcpdump", "-r", "{capture}", "-w", "/dev/null"), ("mix.pcap",), 3),
        Contender("capinfos -c", ("capinfos", "-c", "{capture}"), ("mix.pcap",), 3),
        Contender("argus", ("argus", "-X", "-r", "{capture}", "-w", "/dev/null"), ("mix.pcap",), 3),
        Contender("nfpcapd", ("nfpcapd", "-r", "{capture}", "-w", "{directory}"), ("mix.pcap",), 3),
        Contender(
            "softflowd",
            # Its own files are else those of the system's service. Its flows go nowhere.
            ("softflowd", "-d", "-m", "1000000", "-p", "{directory}/pid", "-c", "{directory}/ctl", "-r", "{capture}"),
            ("mix.pcap",),
            3,
        ),
        # The peers that name applications: their ratio is of their time to ours with names.
        Contender("ndpiReader", ("ndpiReader", "-q", "-i", "{capture}"), all_kinds, 1, WITH_NAMES),
        Contender("nfstream", (options.nfstream, "-c", _NFSTREAM, "{capture}"), all_kinds, 1, WITH_NAMES),
        Contender(
            "tshark", ("tshark", "-n", "-r", "{capture}", "-q", "-z", "conv,tcp", "-z", "conv,udp"), ("mix.pcap",), 1
        ),
    ]
    decompressors = [
        Contender(f"{program} -dc", (program, "-dc", "{capture}"), (f"mix.pcap.{suffix}",))
        for program, suffix in _DECOMPRESSORS
    ]
    compressed = {suffix: f"{program} -dc" for program, suffix in reversed(_DECOMPRESSORS) if shutil.which(program)}
    return [
        *([Contender(BASE, (limit, "{capture}"), all_kinds)] if limit else []),
        *([Contender("limit -m read", (limit, "-m", "read", "{capture}"), all_kinds)] if limit else []),
        Contender("portcall", (*read, "-o", os.devnull), (*all_kinds[:1], "mix.pcapng", *all_kinds[1:], "empty.pcap")),
        Contender("portcall, one job", (*read, "--jobs", "1", "-o", os.devnull), all_kinds),
        Contender(WITH_NAMES, (*named, "-o", os.devnull), all_kinds, baseline="portcall"),
        Contender(f"{WITH_NAMES}, one job", (*named, "--jobs", "1", "-o", os.devnull), all_kinds, baseline="portcall"),
        *(one for one in decompressors if _is_installed(one)),
        *(
            Contender("portcall", (*read, "-o", os.devnull), (f"mix.pcap.{suffix}",), baseline=program)
            for suffix, program in compressed.items()
        ),
        Contender("import numpy", (*python, "import numpy"), ("few.pcap",)),
        Contender("portcall", (*read, "-o", os.devnull), ("few.pcap",), baseline="import numpy"),
        Contender("import rich.console", (*python, "import rich.console"), ("none",)),
        Contender(
            "portcall --help", (*shlex.split(options.portcall), "--help"), ("none",), baseline="import rich.console"
        ),
        *(peer for peer in peers if _is_installed(peer)),
    ]


def _is_installed(contender: Contender) -> bool:
    program = contender.command[0]
    is_there = shutil.which(program) is not None
    if contender.name == "nfstream":
        is_there = (
            is_there
            and not subprocess.run([program, "-c", "import nfstream"], capture_output=True, check=False).returncode
        )
    if not is_there:
        print(f"{contender.name}: not installed, left out", file=sys.stderr)
    return is_there


def _is_wanted(contender: Contender, only: str) -> bool:
    """Whether the name has one of the parts; what ratios are to comes along with portcall."""
    parts = only.split(",")
    return any(part in contender.name for part in parts) or ("portcall" in parts and "import" in contender.name)


def _compiled(source: Path, workshop: Path) -> str | None:
    program = workshop / "limit"
    if not source.exists():
        print(f"limit: there is no {source}, so there are no ratios. Try --shared", file=sys.stderr)
        return None
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O3", "-march=native", "-pthread", "-w", "-o", program, source], check=True)
    return str(program)


def _captures(directory: Path, workshop: Path) -> dict[str, Path]:
    """Name → file; with a capture of no packets and one of a few, cut from the first."""
    captures = {path.name: path for path in sorted(directory.glob("*.pcap*"))}
    if "mix.pcap" not in captures:
        sys.exit(f"compare.py: no mix.pcap in {directory}. Write it with: python benchmarks/generate.py {directory}")
    empty, few = workshop / "empty.pcap", workshop / "few.pcap"
    with captures["mix.pcap"].open("rb") as whole, few.open("wb") as part:
        empty.write_bytes(whole.read(_EMPTY_BYTES))
        part.write(empty.read_bytes())
        for _ in range(_FEW_PACKETS):
            header = whole.read(16)
            part.write(header + whole.read(int.from_bytes(header[8:12], "little")))
    return {**captures, "empty.pcap": empty, "few.pcap": few, "none": Path(os.devnull)}


def _measure(measurement: Measurement, capture: Path, workshop: Path, *, counts: bool) -> None:
    """Run a contender once; its failure ends everything, for half a run costs half as much."""
    with tempfile.TemporaryDirectory(dir=workshop) as directory:
        command = [
            word.replace("{capture}", str(capture)).replace("{directory}", directory)
            for word in measurement.contender.command
        ]
        cost = cost_of(command, workshop)
    print(f"{measurement.contender.name:24} {measurement.capture:12} {cost.cpu_s:8.3f} s", file=sys.stderr)
    if counts:
        measurement.cpu_s.append(cost.cpu_s)
        measurement.wall_s.append(cost.wall_s)
        measurement.memory_mb.append(cost.memory_mb)


def _table(measurements: list[Measurement]) -> str:
    """Markdown, a line for each measurement."""
    lines = [
        "| | capture | CPU s: median (least–greatest) | × base | memory MB | rounds |",
        "|---|---|---|---|---|---|",
    ]
    for one in measurements:
        ratios = _ratios(one, measurements)
        lines.append(
            f"| {one.contender.name} | {one.capture} | {_spread(one.cpu_s, 3)} | "
            f"{_spread(ratios, 2) if ratios else ''} | {max(one.memory_mb):.0f} | {len(one.cpu_s)} |"
        )
    return "\n".join(lines)


def _ratios(one: Measurement, measurements: list[Measurement]) -> list[float]:
    """CPU seconds over those of what it is compared with, round by round; none where that was not measured."""
    packets = Path(one.capture).stem
    for other in measurements:
        is_base = other is not one and other.contender.name == (one.contender.baseline or BASE)
        if is_base and Path(other.capture).stem == packets:
            return [mine / base for mine, base in zip(one.cpu_s, other.cpu_s, strict=False)]
    return []


def _spread(values: list[float], digits: int) -> str:
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def _result(measurements: list[Measurement]) -> dict[str, object]:
    return {
        **circumstances(),
        "measurements": [
            {
                "contender": one.contender.name,
                "capture": one.capture,
                "cpu_s": one.cpu_s,
                "wall_s": one.wall_s,
                "memory_mb": one.memory_mb,
                "ratios": [round(ratio, 3) for ratio in _ratios(one, measurements)],
            }
            for one in measurements
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
