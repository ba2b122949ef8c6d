"""What live saw is what read says of its recording."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from root.test_live_command import WORKLOAD, Live

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
    pytest.mark.skipif(not (WORKLOAD / "workload.py").exists(), reason=f"needs the workload in {WORKLOAD}"),
]
OTHER = {"owner_source", "interface", "namespace", "evidence_frame"}
ITS_OWN = "net 127.0.0.0/8 or host ::1 or net 10.203.0.0/24"


def rows_of(text):
    rows = [
        {name: value for name, value in json.loads(line).items() if name not in OTHER} for line in text.splitlines()
    ]
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


@pytest.mark.parametrize("options", [[], ["--rotate", "1MB"]])
def test_read_says_of_a_recording_what_live_said(tmp_path, options):
    live = Live(
        "-i", "any", "--netns", "all", "--filter", ITS_OWN, "--by", "flow", "--format", "jsonl",
        "-w", str(tmp_path / "taken.pcapng"), *options,
    )  # fmt: skip
    live.wait_for_line()
    words = [sys.executable, str(WORKLOAD / "workload.py"), str(tmp_path / "truth.jsonl"), "--auto", "--scale", "0.1"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    _, said = live.end(signal.SIGINT)

    captures = sorted(map(str, tmp_path.glob("*.pcapng")))
    words = [sys.executable, "-m", "portcall", "read", *captures, "--by", "flow", "--format", "jsonl"]
    read = subprocess.run(words, check=True, capture_output=True, text=True).stdout

    assert len(captures) > len(options) // 2
    assert rows_of(read) == rows_of(said)
