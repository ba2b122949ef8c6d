"""How much memory a ring has, alone and among those of other namespaces, and how it is divided into blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portcall.system.network_namespaces import Namespace

BLOCK_BYTES = 1 << 18
"""A batch of some two thousand small frames; a frame of 64 KiB still fits whole if it is wanted so."""
BLOCKS = 128
"""32 MiB: most of a second of 250 000 small packets a second, and six seconds of few, as no block waits longer than
RETIRE_MS: a report of many conversations may take a while. Other namespaces than one's own share as much."""
LEAST_RING_BYTES, MOST_RING_BYTES = 1 << 20, 1 << 31
"""What somebody may ask for."""
LEAST_BLOCKS = 16
"""What a namespace gets however many there are; where there are more than 32 of them, of smaller blocks."""
LEAST_BLOCK_BYTES = 1 << 15
MOST_SHARED_BYTES = 1 << 27
"""What the other namespaces have together, 512 KiB each where there are 256; those that come later add to it."""


@dataclass(frozen=True, slots=True)
class RingSize:
    """The memory of a ring, which those of several namespaces share."""

    block_bytes: int = BLOCK_BYTES
    blocks: int = BLOCKS

    @classmethod
    def of(cls, ring_bytes: int) -> RingSize:
        """That of so much memory, at the most; of smaller blocks where there were too few to take turns."""
        block_bytes = BLOCK_BYTES
        while ring_bytes < LEAST_BLOCKS * block_bytes and block_bytes > LEAST_BLOCK_BYTES:
            block_bytes //= 2
        return cls(block_bytes, max(ring_bytes // block_bytes, 2))

    @property
    def ring_bytes(self) -> int:
        """Of all blocks."""
        return self.block_bytes * self.blocks

    def among(self, namespace: Namespace, namespaces: int) -> RingSize:
        """That of a namespace's ring where this is the size of a lonely one, and so many are listened to."""
        if not namespace.name:  # one's own, which others' packets pass as well
            return self
        blocks, block_bytes = max(self.blocks // namespaces, LEAST_BLOCKS), self.block_bytes
        most_bytes = max(MOST_SHARED_BYTES, self.ring_bytes) // namespaces
        while blocks * block_bytes > most_bytes and block_bytes > LEAST_BLOCK_BYTES:
            block_bytes //= 2
        return RingSize(block_bytes, blocks)
