"""A bound of memory for this process and all below it: what they have resident, looked at now and then."""

from __future__ import annotations

import os
from pathlib import Path

from portcall.errors import UsageError

_PAGE_BYTES = os.sysconf("SC_PAGESIZE") if hasattr(os, "sysconf") else 4096
_FRAMES_BETWEEN_LOOKS = 1 << 14  # which take 5 MB at the most
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
_LEAST_BYTES = 128 * 10**6
_USABLE = 0.75
"""Of the bound: letting go takes memory itself."""
DEFAULT_BYTES = 512 * 10**6


def memory_bytes(text: str) -> int:
    """How much a size is: ``512MB``, ``2GiB``; UsageError where it is none, or too little to work in."""
    number, unit = text.strip().upper().replace(" ", ""), ""
    for known in sorted(_UNITS, key=len, reverse=True):
        if number.endswith(known):
            number, unit = number[: -len(known)], known
            break
    try:
        size = int(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        raise UsageError(f"--memory {text}: not a size. Write it as 512MB or 2GiB") from None
    if size < _LEAST_BYTES:
        raise UsageError(f"--memory {text}: too little to work in. Give 128MB at least")
    return size


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
