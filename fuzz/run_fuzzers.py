"""Fuzz targets one after the other, each for a while, again and again: ``python fuzz/run_fuzzers.py --seconds 600``.

One process fuzzes at a time. Corpora stay in ``build/fuzz/corpus``, so each run goes on where the last one ended; what
was found lies in ``build/fuzz/findings``, what it took in ``build/fuzz/totals.json``. Without the sanitized build it is
made first. Exit status 1 where something was found.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanitized_build import ROOT, build, environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_family import Target

FOLDER = ROOT / "build" / "fuzz"
TOTALS = FOLDER / "totals.json"
_LEAST_SECONDS = 10
_MOST_SECONDS = 90
_MORE_FOR_START = 60
HANG_S = 10
"""Of a processor, for one input."""
_LIMITS = (f"-timeout={HANG_S}", "-rss_limit_mb=3000", "-print_final_stats=1", "-use_value_profile=1", "-reload=0")
_COVERED = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")
_RUNS = re.compile(r"stat::number_of_executed_units: (\d+)")
_Total = dict[str, Any]  # Any: numbers, and the names of what was found


def main(arguments: Sequence[str]) -> int:
    """Run what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help="targets by name; all without one")
    parser.add_argument("--seconds", type=int, default=600, help="of time in all, default 600")
    parser.add_argument("--until", metavar="HH:MM", help="end then, at the latest")
    parser.add_argument("--list", action="store_true", help="name the targets, with what they took so far")
    options = parser.parse_args(arguments)
    if options.list:
        print(table(_totals()))
        return 0
    build()
    os.environ.update(environment())  # for the targets' seeds, which a process of its own writes
    names = _write_seeds(options.targets)
    end_s = min(time.monotonic() + options.seconds, _monotonic(options.until))
    each_s = max(_LEAST_SECONDS, min(_MOST_SECONDS, options.seconds // max(len(names), 1)))
    found = 0
    while True:
        totals = _totals()
        for name in sorted(names, key=lambda name: totals.get(name, {}).get("cpu_seconds", 0)):
            left_s = end_s - time.monotonic()
            if left_s < _LEAST_SECONDS:
                print(table(_totals()))
                return 1 if found else 0
            found += _fuzz(name, names[name], round(min(each_s, left_s)))


def table(totals: dict[str, _Total]) -> str:
    """What the targets took and found, as a table in Markdown; the last line is the sum."""
    lines = ["| target | runs | CPU s | edges | features | corpus | findings |", "|---|---:|---:|---:|---:|---:|---:|"]
    sums = [0, 0, 0]
    for name, total in sorted(totals.items()):
        findings = len(total["findings"])
        counts = (total["runs"], round(total["cpu_seconds"]), total["edges"], total["features"], total["corpus"])
        lines.append(f"| {name} | {' | '.join(map(str, counts))} | {findings} |")
        sums = [one + more for one, more in zip(sums, (total["runs"], total["cpu_seconds"], findings), strict=True)]
    return "\n".join([*lines, f"| **all** | {sums[0]} | {round(sums[1])} | | | | {sums[2]} |"])


def _write_seeds(chosen: Sequence[str]) -> dict[str, int]:
    """Have the seeds of each target in its corpus; gives the targets, each with the bytes of an input."""
    asked = [sys.executable, str(Path(__file__).with_name("write_seeds.py")), str(FOLDER), *chosen]
    written = subprocess.run(asked, check=False, stdout=subprocess.PIPE, text=True)
    if written.returncode:
        sys.exit(written.returncode)
    return dict(json.loads(written.stdout))


def _fuzz(name: str, most_bytes: int, seconds: int) -> int:
    """One target for so long; gives how many findings it made."""
    corpus, findings = FOLDER / "corpus" / name, FOLDER / "findings" / name
    for folder in (corpus, findings, FOLDER / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    log = FOLDER / "logs" / f"{name}.log"
    command = [sys.executable, str(Path(__file__).with_name("fuzz_one.py")), name, str(corpus)]
    command += [f"-max_total_time={seconds}", f"-max_len={most_bytes}", f"-artifact_prefix={findings}/", *_LIMITS]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        usage = _wait(process.pid, time.monotonic() + seconds + _MORE_FOR_START)
    text = log.read_text("utf-8", "replace")
    new = sorted(path.name for path in set(findings.iterdir()) - before if _is_one(name, path))
    _add(name, text, usage.ru_utime + usage.ru_stime, new)
    for finding in new:
        print(f"FOUND {name}: {findings / finding}; {_last_words(text)}", flush=True)
    return len(new)


def _is_one(name: str, finding: Path) -> bool:
    """Whether it is no hang that came of a busy machine alone; libFuzzer measures by the clock on the wall."""
    if not finding.name.startswith(("slow-unit-", "timeout-")):
        return True
    command = [sys.executable, str(Path(__file__).with_name("replay.py")), name, str(finding)]
    is_slow = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode != 0
    if not is_slow:
        finding.unlink()
    return is_slow


def _wait(pid: int, end_s: float) -> Any:  # Any: resource.struct_rusage
    """What a process used; it is ended where it goes on too long."""
    while True:
        ended, _, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return usage
        if time.monotonic() > end_s:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _add(name: str, text: str, cpu_seconds: float, new: list[str]) -> None:
    totals = _totals()
    total = totals.setdefault(
        name, {"runs": 0, "cpu_seconds": 0.0, "edges": 0, "features": 0, "corpus": 0, "findings": []}
    )
    covered, runs = _COVERED.findall(text), _RUNS.search(text)
    total["runs"] += int(runs[1]) if runs else _last_run(text)
    total["cpu_seconds"] += cpu_seconds
    total["findings"] += new
    if covered:
        total["edges"], total["features"], total["corpus"] = map(int, covered[-1])
    print(f"{time.strftime('%H:%M:%S')} {name}: {total['runs']} runs, {total['edges']} edges", flush=True)
    TOTALS.with_suffix(".part").write_text(json.dumps(totals, indent=1), encoding="utf-8")
    TOTALS.with_suffix(".part").replace(TOTALS)


def _last_run(text: str) -> int:
    """How many runs there were where a process did not end by itself."""
    runs = re.findall(r"^#(\d+)\t", text, re.MULTILINE)
    return int(runs[-1]) if runs else 0


def _last_words(text: str) -> str:
    told = re.findall(r"^(?:SUMMARY|ERROR|.*(?:Error|Exception): ).*$", text, re.MULTILINE)
    return " | ".join(dict.fromkeys(line.strip()[:160] for line in told[-3:]))


def _totals() -> dict[str, _Total]:
    try:
        return dict(json.loads(TOTALS.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def _monotonic(clock: str | None) -> float:
    """When it will be so late today."""
    if clock is None:
        return float("inf")
    hours, minutes = map(int, clock.split(":"))
    now = time.localtime()
    return time.monotonic() + (hours - now.tm_hour) * 3600 + (minutes - now.tm_min) * 60 - now.tm_sec


def file_name(content: bytes) -> str:
    """What an input is called, as libFuzzer calls its own."""
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def seed_corpus(target: Target, folder: Path) -> None:
    """Write what is not there yet of a target's seeds."""
    corpus = folder / "corpus" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    for content in target.seeds():
        path = corpus / file_name(content[: target.most_bytes])
        if not path.exists():
            path.write_bytes(content[: target.most_bytes])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
