"""A packet ring in plain memory, filled with the frames of captures as the kernel fills one (TPACKET_V3).

Layouts are those of linux/if_packet.h, which the kernel ``packet_ring`` reads; how frames follow each other is that of
the Linux kernel's net/packet/af_packet.c: each begins at a multiple of 8, its bytes at 98 where the link header has 14.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from portcall.records.packets import FrameBatch
    from portcall.sources.devices.ring_size import RingSize

_FRAME_HEADER = np.dtype(
    [
        ("next", "u4"),
        ("seconds", "u4"),
        ("ns", "u4"),
        ("captured", "u4"),
        ("wire", "u4"),
        ("status", "u4"),
        ("link_at", "u2"),
        ("network_at", "u2"),
        ("tag", "V20"),
        ("family", "u2"),
        ("protocol", "u2"),
        ("interface", "u4"),
        ("hardware", "u2"),
        ("way", "u1"),
        ("address", "V9"),
    ]
)
"""struct tpacket3_hdr and struct sockaddr_ll, 68 bytes."""
_BLOCK_HEADER_BYTES, _FRAME_AT, _NETWORK_AT = 48, 98, 112
_STATUS_USER, _AF_PACKET, _ETHER = 1, 17, 1


class MemoryRing:
    """``buffer`` is the ring. Each block is laid out anew once its reader has given it back."""

    def __init__(self, size: RingSize, snap_length: int, interface: int = 1) -> None:
        self.buffer = np.frombuffer(mmap.mmap(-1, size.ring_bytes), np.uint8)  # which processes may share
        self._size, self._snap_length, self._interface = size, snap_length, interface
        self._block, self._used, self._count, self._last = 0, _BLOCK_HEADER_BYTES, 0, 0

    def fill(self, batches: Iterable[FrameBatch]) -> Iterator[int]:
        """Lay out all frames; gives how many are in the ring whenever it is full, and at the end.

        Who takes that number must have the ring read empty before the next one.
        """
        held = 0
        for batch in batches:
            frames = batch.frames
            while len(frames):
                laid = self._lay(frames, batch.buffer)
                held, frames = held + laid, frames[laid:]
                if not laid and self._close_block() == 0:
                    yield held
                    held = 0
        self._close_block()
        yield held

    def _lay(self, frames: NDArray[np.void], source: NDArray[np.uint8]) -> int:
        """As many frames as fit into the block that is being filled."""
        captured = np.minimum(frames["captured"], self._snap_length).astype(np.int64)
        sizes = (_FRAME_AT + captured + 7) & ~7
        ends = np.cumsum(sizes)
        count = int(np.searchsorted(ends, self._size.block_bytes - self._used, side="right"))
        if not count:
            return 0
        frames, captured, sizes, ends = frames[:count], captured[:count], sizes[:count], ends[:count]
        starts = ends - sizes
        block = self.buffer[self._block * self._size.block_bytes :][self._used : self._size.block_bytes]
        headers = self._headers(frames, captured, sizes)
        block[(starts[:, None] + np.arange(_FRAME_HEADER.itemsize)).ravel()] = headers.view(np.uint8)
        within = np.arange(captured.sum()) - np.repeat(np.cumsum(captured) - captured, captured)
        origins = np.repeat(frames["offset"].astype(np.int64), captured)
        block[np.repeat(starts + _FRAME_AT, captured) + within] = source[origins + within]
        self._used, self._count = self._used + int(ends[-1]), self._count + count
        return count

    def _headers(
        self, frames: NDArray[np.void], captured: NDArray[np.int64], sizes: NDArray[np.int64]
    ) -> NDArray[np.void]:
        headers = np.zeros(len(frames), _FRAME_HEADER)
        headers["next"], headers["captured"], headers["wire"] = sizes, captured, frames["wire"]
        headers["seconds"], headers["ns"] = np.divmod(frames["ts_ns"], 10**9)
        headers["status"], headers["link_at"], headers["network_at"] = _STATUS_USER, _FRAME_AT, _NETWORK_AT
        headers["family"], headers["interface"], headers["hardware"] = _AF_PACKET, self._interface, _ETHER
        return headers

    def _close_block(self) -> int:
        """Hand the block over; gives the next one's number, 0 where the ring is full."""
        start = self._block * self._size.block_bytes
        words = self.buffer[start : start + _BLOCK_HEADER_BYTES].view(np.uint32)
        words[[0, 3, 4, 5, 2]] = 1, self._count, _BLOCK_HEADER_BYTES, self._used, _STATUS_USER
        self._block = (self._block + 1) % self._size.blocks
        self._used, self._count = _BLOCK_HEADER_BYTES, 0
        return self._block
