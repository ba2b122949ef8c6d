"""A bound of memory for this process and all below it: what they have resident, looked at now and then."""

from __future__ import annotations

import os
from pathlib import Path

from portcall.queries.byte_sizes import size_bytes

_PAGE_BYTES = os.sysconf("SC_PAGESIZE") if hasattr(os, "sysconf") else 4096
_FRAMES_BETWEEN_LOOKS = 1 << 14  # which take 5 MB at the most
_LEAST_BYTES, _MOST_BYTES = 128 * 10**6, 1 << 50
_USABLE = 0.75
"""Of the bound: letting go takes memory itself."""
DEFAULT_BYTES = 512 * 10**6


def memory_bytes(text: str) -> int:
    """How much a size is: ``512MB``, ``2GiB``; UsageError where it is none, or too little to work in."""
    return size_bytes(text, "--memory", _LEAST_BYTES, _MOST_BYTES)


class MemoryBound:
    """So many bytes for a process tree."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._frames = 0

    def is_exceeded(self, frames: int) -> bool:
        """Whether, after so many more frames, there is so little left that something must go."""
        self._frames += frames
        if self._frames < _FRAMES_BETWEEN_LOOKS:
            return False
        self._frames = 0
        return tree_bytes() > _USABLE * self.most_bytes


def tree_bytes() -> int:
    """What this process and those below it have resident; 0 where the system does not say."""
    total, left = 0, ["self"]
    while left:
        process = Path("/proc") / left.pop()
        try:
            total += int((process / "statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
            for task in (process / "task").iterdir():
                left += (task / "children").read_text(encoding="ascii").split()
        except OSError:  # it has ended, or there is no such file here
            continue
    return total
