"""How many processors there are for us."""

from __future__ import annotations

import os


def processors() -> int:
    """How many of them this process may use: less than all where somebody has bound it to some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
