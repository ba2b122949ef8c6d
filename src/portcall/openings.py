"""Openings: how the speech of each dissector's protocols may begin, as tables that a kernel looks bytes up in.

Most payloads are nothing that any dissector knows. To ask all about each costs 20 µs; here every dissector states what
the first bytes must be for it to have any chance, and the rest is passed over in nanoseconds. What a dissector does not
state is taken for possible, so an opening never changes an answer, it only saves the question.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.dissectors import Certainty, find_dissectors
from portcall.kernels.hellos import OPENING_BYTES
from portcall.speech import TCP, UDP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.dissectors import Dissector

_TRANSPORTS = (TCP, UDP)
_WORD_BITS = 64
_MOST_OPENINGS = 2 * _WORD_BITS
_ANYTHING: tuple[dict[int, frozenset[int]], ...] = ({},)


class Openings(NamedTuple):
    """Tables as ``hellos.HelloListener`` takes them."""

    tables: NDArray[np.uint64]
    of_ports: NDArray[np.uint64]
    own_ports: NDArray[np.uint8]


@cache
def openings() -> Openings:
    """Of all dissectors."""
    tables = np.zeros((2, OPENING_BYTES, 256, 2), np.uint64)
    of_ports = np.zeros((2, 2), np.uint64)
    own_ports = np.zeros(1 << 16, np.uint8)
    for number, transport in enumerate(_TRANSPORTS):
        for bit, (dissector, opening) in enumerate(_of_transport(transport)):
            word, mask = divmod(bit, _WORD_BITS)
            for at in range(OPENING_BYTES):
                tables[number, at, list(opening.get(at, range(256))), word] |= np.uint64(1 << mask)
            if dissector.CERTAINTY == Certainty.PORT:
                of_ports[number, word] |= np.uint64(1 << mask)
                own_ports[list(dissector.PORTS)] = 1
    return Openings(tables, of_ports, own_ports)


@lru_cache(maxsize=1 << 14)
def dissectors_of(transport: int, low: int, high: int) -> frozenset[Dissector]:
    """Whose openings these bits are."""
    bits = high << _WORD_BITS | low
    return frozenset(dissector for bit, (dissector, _) in enumerate(_of_transport(transport)) if bits >> bit & 1)


@cache
def _of_transport(transport: int) -> tuple[tuple[Dissector, dict[int, frozenset[int]]], ...]:
    """Every opening over one transport, and whose it is; ValueError where there are too many for the bits."""
    found = tuple(_all_of(transport))
    if len(found) > _MOST_OPENINGS:
        raise ValueError(f"{len(found)} openings over protocol {transport}, more than {_MOST_OPENINGS}: join some")
    return found


def _all_of(transport: int) -> Iterator[tuple[Dissector, dict[int, frozenset[int]]]]:
    for dissector in find_dissectors():
        if transport in dissector.TRANSPORTS:
            for opening in getattr(dissector, "OPENINGS", {}).get(transport, _ANYTHING):
                yield dissector, {at: frozenset(allowed) for at, allowed in opening.items()}
