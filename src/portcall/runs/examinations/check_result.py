"""What trying one thing found out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["works", "works less well", "missing"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was found out about one thing."""

    state: State
    detail: str
    remedy: str | None = None
    """The command that mends it, where there is one."""
