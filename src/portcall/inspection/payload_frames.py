"""Where payloads lie in the buffer of their batch, as far as the capture has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.records.packets import FRAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.records.packets import FrameBatch


def payload_frames(batch: FrameBatch, packets: NDArray[np.void], which: NDArray[np.uint32]) -> NDArray[np.void]:
    """FRAME[n] of the payloads alone, as far as they were captured and lie in the buffer.

    ``packets`` are PACKET[n], ``which[n]`` the places of their frames in the batch.
    """
    of_packets = batch.frames[which]
    offset = packets["payload_offset"].astype(np.int64)
    held = np.minimum(packets["payload"].astype(np.int64), of_packets["captured"].astype(np.int64) - offset)
    starts = of_packets["offset"].astype(np.int64) + offset
    are_held = (held > 0) & (starts < len(batch.buffer)) & (held <= len(batch.buffer) - starts)
    frames = np.zeros(len(packets), FRAME)
    frames["offset"], frames["captured"] = np.where(are_held, starts, 0), np.where(are_held, held, 0)
    return frames


def captured_payloads(batch: FrameBatch, packets: NDArray[np.void], which: NDArray[np.uint32]) -> Iterator[bytes]:
    """The bytes of each payload, as far as they were captured."""
    frames = payload_frames(batch, packets, which)
    for start, length in zip(frames["offset"].tolist(), frames["captured"].tolist(), strict=True):
        yield batch.buffer[start : start + length].tobytes()
