"""Numbers and options as captures have them, which may be anything."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_MOST_REMEMBERED = 1 << 15
_MOST_DIGITS = 10


def number_of(text: str, most: int = (1 << 32) - 1) -> int | None:
    """A number in decimal digits; None for anything else, also for one that is negative or too great."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        return None
    number = int(text)
    return number if number <= most else None


def options_of(data: bytes, order: str) -> dict[int, bytes]:
    """Options by code, the first of each: code:16 length:16 value, padded to 4 bytes. One that is cut off ends them."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == 0 or at + 4 + length > len(data):
            break
        found.setdefault(code, data[at + 4 : at + 4 + length])
        at += 4 + (length + 3 & ~3)
    return found


def numbered(heads: NDArray[np.uint8], known: dict[bytes, int], number: Callable[[bytes], int]) -> NDArray[np.uint32]:
    """The number of each row of bytes; ``known`` are those that were asked for, and forgets when it is too full."""
    if len(known) > _MOST_REMEMBERED:
        known.clear()
    size, data = heads.shape[1], heads.tobytes()
    numbers = []
    for at in range(0, len(data), size):
        head = data[at : at + size]
        found = known.get(head)
        if found is None:
            found = known[head] = number(head)
        numbers.append(found)
    return np.array(numbers, np.uint32)
