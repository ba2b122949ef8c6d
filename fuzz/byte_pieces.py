"""What a target takes out of the bytes that a fuzzer gives it: numbers and pieces, from front to back.

Where the bytes end, numbers are 0 and pieces are empty; so every input means something. ``written`` is the way back,
for seeds.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class BytePieces:
    """Bytes that are used up from the front."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        """Whether there are bytes left."""
        return self._at < len(self._data)

    def number(self, octets: int = 1) -> int:
        """An unsigned number of so many bytes, the lowest first."""
        return int.from_bytes(self.take(octets), "little")

    def take(self, octets: int) -> bytes:
        """So many bytes, or those that are left."""
        taken = self._data[self._at : self._at + octets]
        self._at += octets
        return taken

    def piece(self) -> bytes:
        """A piece with its length before it, in two bytes."""
        return self.take(self.number(2))

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data))


def written(*parts: int | bytes) -> bytes:
    """A seed: each number as one byte, each piece with its length before it."""
    return b"".join(bytes([part]) if isinstance(part, int) else piece_of(part) for part in parts)


def piece_of(content: bytes) -> bytes:
    """A piece as ``BytePieces.piece`` reads it."""
    kept = content[:0xFFFF]
    return struct.pack("<H", len(kept)) + kept


def cut_to_size(data: bytes) -> NDArray[np.uint8]:
    """The bytes in memory of their own that ends with them, where the sanitizer sees whoever reads on."""
    return np.array(bytearray(data), np.uint8)
