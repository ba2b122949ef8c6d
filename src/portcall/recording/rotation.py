"""When a recording goes on in another file, and how many are kept."""

from __future__ import annotations

from dataclasses import dataclass


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
