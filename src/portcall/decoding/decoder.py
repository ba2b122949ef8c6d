"""FrameBatch → packets: one verdict per frame, rows in = rows out.

``layer`` says which transport header of a tunnel counts: the outer one, or the innermost. Everything else is in
``kernels.headers`` and its layers. Decoding keeps no state between frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from portcall.kernels.headers import FrameDecoder
from portcall.records.packets import PACKET

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.packets import FrameBatch

Layer = Literal["outer", "inner"]


class Decoder:
    """Decodes batch after batch into one array, which the next batch overwrites."""

    def __init__(self, layer: Layer = "outer") -> None:
        self.layer = layer
        self.kernel = FrameDecoder(inner=layer == "inner")
        """What decodes; several threads may use it at once."""
        self._packets = np.zeros(0, PACKET)

    def decode(self, batch: FrameBatch) -> NDArray[np.void]:
        """PACKET[n] of the batch's n frames, valid until the next call."""
        if len(batch.frames) > len(self._packets):
            self._packets = np.zeros(len(batch.frames), PACKET)
        packets = self._packets[: len(batch.frames)]
        self.kernel.decode(batch.frames, batch.buffer, packets)
        if batch.namespace:
            packets["namespace"] = batch.namespace
        return packets
