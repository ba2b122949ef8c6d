"""Following a folder into which tcpdump rotates, with kills in between: ``benchmarks/follow_kills.py``, for seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a network namespace"),
    pytest.mark.skipif(not shutil.which("tcpdump"), reason="needs tcpdump"),
]
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "follow_kills.py"


@pytest.mark.parametrize("words", [[], ["--gzip"], ["--every", "2"]], ids=["rotated", "compressed", "in intervals"])
def test_each_frame_is_counted_once_though_it_is_killed_again_and_again(words):
    ran = subprocess.run(
        [sys.executable, SCRIPT, "--seconds", "8", "--kills", "3", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
