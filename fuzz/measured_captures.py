"""What ``portcall read`` takes for captures that fuzzers made: ``python fuzz/measured_captures.py [FOLDER]``.

Each file is read by the real command, in a process of its own, as rows by flow and as apps. Exit status 1: one took
more than 10 s of a processor or 300 MB, or did not end with a status of the command.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from corpus.measured_run import run_all  # noqa: E402 - it lies beside the tests

CORPUS = ROOT / "build" / "fuzz" / "corpus" / "captures"
MOST_S, MOST_BYTES = 10.0, 300 << 20
STATUSES = (0, 1, 3)
WORDS = (("--by", "flow", "--format", "jsonl"), ("--by", "app", "--format", "json"))


def main(folder: str = str(CORPUS)) -> int:
    """Read them all, and say what the most of it was."""
    files = sorted(path for path in Path(folder).resolve().iterdir() if path.is_file())
    commands = [("read", str(path), *words) for path in files for words in WORDS]
    runs = run_all(commands, ("read", str(ROOT / "captures" / "office.pcapng"), "--format", "json"))
    statuses = {status: sum(run.status == status for run in runs) for status in sorted({run.status for run in runs})}
    print(f"{len(files)} captures, {len(runs)} runs, statuses {statuses}")
    most_s, most_bytes = max(run.cpu_s for run in runs), max(run.peak_bytes for run in runs)
    print(f"at the most {most_s:.2f} s of a processor, {most_bytes >> 20} MB")
    bad = [
        run
        for run in runs
        if run.cpu_s > MOST_S or run.peak_bytes > MOST_BYTES or run.status not in STATUSES or b"Traceback" in run.stderr
    ]
    for run in bad:
        print(f"{run.cpu_s:.2f} s, {run.peak_bytes >> 20} MB: {run}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
