"""Runs of the real command: how each ended, what it said, how long it took and how much memory.

Each has a process of its own, forked from a small one that has imported the command already: hundreds of runs would be
hundreds of times the same imports. A child's peak memory counts from the moment it is forked, and pytest is larger
than the command may become, so the small process is spawned.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
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
    cpu_s: float
    """Of a processor, all threads together."""
    peak_bytes: int
    """Greatest resident memory, mapped pages included."""

    def __str__(self):
        return f"portcall {' '.join(self.arguments)}: status {self.status}, {self.stderr.decode(errors='replace')!r}"


def run_all(commands, first):
    """A Run of each command line; ``first`` is one that imports what they need."""
    workers, context = min(2, os.cpu_count() or 1), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_import_all, initargs=(first,)) as pool:
        return list(pool.map(_run, commands))


def _import_all(first):
    from portcall.cli import main

    os.chdir("/")  # no folder that code is taken from, or the command would begin again, see portcall.isolation
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        del os.environ[name]
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(first) == 0


def _run(arguments):
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            _become(arguments, stdout.fileno(), stderr.fileno())
        deadline = threading.Timer(MAX_SECONDS, os.kill, (child, 9))
        deadline.start()
        _, status, usage = os.wait4(child, 0)
        seconds = time.monotonic() - begun
        deadline.cancel()
        peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        cpu_s = usage.ru_utime + usage.ru_stime
        status = os.waitstatus_to_exitcode(status)
        return Run(tuple(arguments), status, _content(stdout), _content(stderr), seconds, cpu_s, peak_bytes)


def _become(arguments, stdout, stderr):
    """Be the command, in a process that was just forked; never returns."""
    try:
        for descriptor, stream in enumerate((os.open(os.devnull, os.O_RDONLY), stdout, stderr)):
            os.dup2(stream, descriptor)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 - they last
        sys.argv = ["portcall", *arguments]
        from portcall.__main__ import run

        run()
    finally:
        sys.stderr.flush()
        os._exit(70)  # the command ends its process by itself


def _content(stream):
    stream.seek(0)
    return stream.read()
