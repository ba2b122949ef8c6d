"""One run of the real command: how it ended, what it said, how long it took and how much memory.

It runs in a small process of its own: a child's peak memory counts from the moment it is forked, and pytest is larger
than the command may become.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

MAX_SECONDS = 60.0
"""A run is ended after this, so that one that hangs does not hang the suite."""


@dataclass(frozen=True)
class Run:
    """What one run came to."""

    arguments: tuple[str, ...]
    status: int
    """Exit status, or minus the signal that ended it."""
    stdout: bytes
    stderr: bytes
    seconds: float
    peak_bytes: int
    """Greatest resident memory, mapped pages included."""

    def __str__(self):
        return f"portcall {' '.join(self.arguments)}: status {self.status}, {self.stderr.decode(errors='replace')!r}"


def run_portcall(source_folder, *arguments):
    """Run ``python -m portcall`` with the package in ``source_folder``."""
    environment = {**os.environ, "PYTHONPATH": str(source_folder)}
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        begun = time.monotonic()
        command = [sys.executable, "-m", "portcall", *arguments]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment)
        deadline = threading.Timer(MAX_SECONDS, child.kill)
        deadline.start()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - begun
        deadline.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)  # or Popen believes that it still runs
        peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Run(arguments, child.returncode, _content(stdout), _content(stderr), seconds, peak_bytes)


def _content(stream):
    stream.seek(0)
    return stream.read()
