"""When a recording goes on in another file: ``--rotate 100MB`` or ``--rotate 1h``, and how many are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass

from portcall.errors import UsageError

_BYTES = {
    **{f"{letter}B": 1000**power for power, letter in enumerate(("k", "M", "G", "T"), 1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate(("K", "M", "G", "T"), 1)},
}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_WRITTEN = re.compile(rf"(\d{{1,12}})({'|'.join([*_BYTES, *_SECONDS])})", re.ASCII)
_LEAST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Rotation:
    """When to begin another file; with neither, never."""

    most_bytes: int | None = None
    most_seconds: int | None = None
    keep: int | None = None
    """How many files of this run stay; None: all."""

    @property
    def is_wanted(self) -> bool:
        """Whether there may be several files."""
        return self.most_bytes is not None or self.most_seconds is not None


def rotation_of(rotate: str | None, keep: int | None) -> Rotation:
    """What ``--rotate`` and ``--keep`` ask for. UsageError for what is neither a size nor a time."""
    if rotate is None:
        if keep is not None:
            raise UsageError("--keep is for files of --rotate: say when to begin another, as --rotate 100MB")
        return Rotation()
    match = _WRITTEN.fullmatch(rotate)
    number, unit = (int(match[1]), match[2]) if match else (0, "")
    if number and unit in _SECONDS:
        return Rotation(most_seconds=number * _SECONDS[unit], keep=keep)
    if number * _BYTES.get(unit, 0) >= _LEAST_BYTES:
        return Rotation(most_bytes=number * _BYTES[unit], keep=keep)
    raise UsageError(
        f"--rotate {rotate}: neither a size nor a time. Write it like 100MB, 1GiB, 30s, 15min or 1h; at least 64KiB"
    )
