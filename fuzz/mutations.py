"""Inputs that are nearly right, always the same: what is tried where no fuzzer is installed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, 1 << 63)
_MOST_CHANGES = 4


def mutations(seeds: Sequence[bytes], most_bytes: int) -> Iterator[bytes]:
    """Changed seeds without an end: numbers at the edge of their type, pieces lost, doubled, cut and exchanged."""
    chance = random.Random(7)  # noqa: S311 (no secret: the same every time)
    while seeds:
        content = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, _MOST_CHANGES)):
            chance.choice(_CHANGES)(chance, content, chance.choice(seeds))
        yield bytes(content[:most_bytes])


def _number(chance: random.Random, content: bytearray, _: bytes) -> None:
    octets = chance.choice((1, 2, 4, 8))
    at, order = _place(chance, content), chance.choice(("little", "big"))
    number = chance.choice(_NUMBERS) % (1 << 8 * octets)
    content[at : at + octets] = number.to_bytes(octets, "little" if order == "little" else "big")


def _bit(chance: random.Random, content: bytearray, _: bytes) -> None:
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _less(chance: random.Random, content: bytearray, _: bytes) -> None:
    at = _place(chance, content)
    del content[at : at + chance.randint(1, 16)]


def _twice(chance: random.Random, content: bytearray, _: bytes) -> None:
    at = _place(chance, content)
    content[at:at] = content[at : at + chance.randint(1, 64)]


def _end(chance: random.Random, content: bytearray, _: bytes) -> None:
    del content[_place(chance, content) :]


def _other(chance: random.Random, content: bytearray, other: bytes) -> None:
    content[_place(chance, content) :] = other[_place(chance, bytearray(other)) :]


def _place(chance: random.Random, content: bytearray) -> int:
    return chance.randint(0, len(content))


_CHANGES = (_number, _bit, _less, _twice, _end, _other)
