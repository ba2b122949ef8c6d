"""Where frames and the bytes they lie in are put: arrays that are used over and over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.records.packets import FRAME

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW_BYTES = 1 << 19
"""Read at once: with its frames it stays in the processor's second cache, and of half as many the calls cost more."""
HEAD_BYTES = 1 << 17
"""Before them, for what was left of the bytes before: a frame of 64 kB that was cut by the window's end, or two."""
FRAMES_AT_ONCE = 1 << 13


class Rooms:
    """The arrays for the batches of one source, always the same: so a batch is valid until the next is asked for."""

    def __init__(self) -> None:
        self._bytes = np.zeros(HEAD_BYTES + WINDOW_BYTES, np.uint8)
        self._frames = np.zeros(FRAMES_AT_ONCE, FRAME)

    def bytes(self) -> NDArray[np.uint8]:
        """uint8[HEAD_BYTES + WINDOW_BYTES] to read into."""
        return self._bytes

    def frames(self) -> NDArray[np.void]:
        """FRAME[n] for the frames of one batch."""
        return self._frames
