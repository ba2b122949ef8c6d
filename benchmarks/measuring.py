"""What one command costs, and where and when it was measured: what the benchmarks of whole commands have in common."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent


class Cost(NamedTuple):
    """Of one run, as the kernel accounts it to the finished process and its children."""

    cpu_s: float
    """User and system."""
    wall_s: float
    memory_mb: float
    """The most that was resident; a process begins with the memory of what started it."""


def cost_of(command: list[str], workshop: Path) -> Cost:
    """Run a command once; its failure ends everything, for half a run costs half as much."""
    messages = workshop / "messages"
    with messages.open("wb") as stderr:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, env=_environment())
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)  # it is waited for, and must not be again
    if process.returncode:
        words = messages.read_text(errors="replace")[-2000:]
        sys.exit(f"{shlex.join(command)} failed with {process.returncode}: {words}")
    # Linux counts KiB, macOS bytes.
    memory_mb = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    return Cost(round(usage.ru_utime + usage.ru_stime, 4), round(wall_s, 4), round(memory_mb, 1))


def read_once(path: Path) -> None:
    """Have a file come from the page cache from now on."""
    if path.is_file():
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 20):
                pass


def circumstances() -> dict[str, object]:
    """Day, commit and machine of a measurement."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": _sent_by("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"),
        "machine": _machine(),
    }


def _environment() -> dict[str, str]:
    """Ours, with the package of this checkout, and with bytecode kept as an installation does."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(REPOSITORY / "src")}


def _machine() -> dict[str, object]:
    processors = [
        line.split(":")[1].strip() for line in _sent_by("cat", "/proc/cpuinfo").splitlines() if "model name" in line
    ]
    return {
        "processor": processors[0] if processors else platform.processor(),
        "processors": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "compiler": next(iter(_sent_by(os.environ.get("CC", "cc"), "--version").splitlines()), ""),
    }


def _sent_by(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
