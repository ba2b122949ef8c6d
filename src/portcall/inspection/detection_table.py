"""Findings by number: what was found in many conversations is kept once, and within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.records.detections import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_CHARACTERS = 32 << 20
_CHARACTERS_OF_A_FINDING = 200  # about what one takes besides its texts


class Findings:
    """Numbers for what was found, 0 for nothing, so that a row needs only a number. Bounded by its text."""

    def __init__(self) -> None:
        self._numbers: dict[Finding, int] = {}
        self._findings: list[Finding | None] = [None]
        self._have_names = bytearray(1)
        self._characters = 0
        self.left_out = 0
        """Conversations whose names found no room."""

    def __getitem__(self, number: int) -> Finding | None:
        """What has this number."""
        return self._findings[number]

    def have_names(self) -> NDArray[np.bool_]:
        """bool[numbers]: whether each finding has a name."""
        return np.frombuffer(bytes(self._have_names), np.bool_)

    def number(self, finding: Finding) -> int:
        """The number of a finding; where there is no room for its names, of one without them."""
        known = self._numbers.get(finding)
        if known is not None:
            return known
        if self._characters > _MOST_CHARACTERS and (finding.names or finding.details):
            self.left_out += 1
            return self.number(Finding(finding.protocol))
        self._characters += _CHARACTERS_OF_A_FINDING + sum(len(name.text) for name in finding.names)
        self._characters += sum(len(text) for _, text in finding.details)
        self._numbers[finding] = len(self._findings)
        self._findings.append(finding)
        self._have_names.append(bool(finding.names))
        return len(self._findings) - 1
