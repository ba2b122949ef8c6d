"""Findings by number: what was found in many conversations is kept once, and within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.records.detections import Detection

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_CHARACTERS = 32 << 20
_CHARACTERS_OF_A_DETECTION = 200  # about what one takes besides its texts


class DetectionTable:
    """Numbers for what was found, 0 for nothing, so that a row needs only a number. Bounded by its text."""

    def __init__(self) -> None:
        self._numbers: dict[Detection, int] = {}
        self._detections: list[Detection | None] = [None]
        self._have_names = bytearray(1)
        self._characters = 0
        self.left_out = 0
        """Conversations whose names found no room."""

    def __getitem__(self, number: int) -> Detection | None:
        """What has this number."""
        return self._detections[number]

    def have_names(self) -> NDArray[np.bool_]:
        """bool[numbers]: whether each finding has a name."""
        return np.frombuffer(bytes(self._have_names), np.bool_)

    def number(self, detection: Detection) -> int:
        """The number of a finding; where there is no room for its names, of one without them."""
        known = self._numbers.get(detection)
        if known is not None:
            return known
        if self._characters > _MOST_CHARACTERS and (detection.names or detection.details):
            self.left_out += 1
            return self.number(Detection(detection.protocol))
        self._characters += _CHARACTERS_OF_A_DETECTION + sum(len(name.text) for name in detection.names)
        self._characters += sum(len(text) for _, text in detection.details)
        self._numbers[detection] = len(self._detections)
        self._detections.append(detection)
        self._have_names.append(bool(detection.names))
        return len(self._detections) - 1
