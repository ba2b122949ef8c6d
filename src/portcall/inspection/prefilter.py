"""Prefixes: how the payloads of each dissector's protocols may begin, as tables that a kernel looks bytes up in.

Most payloads are nothing that any dissector knows. To ask them all about each costs 20 µs; here every dissector states
what must stand in the first bytes for it to have any chance, and the rest is passed over in nanoseconds. What it does
not state is taken for possible, so a prefix never changes an answer, it only saves the question. A datagram is all
that is sent at once: one that ends before a prefix has looked at all it wants does not fit it.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.dissectors import Certainty, find_dissectors
from portcall.kernels.prefix_tables import WORD_BYTES, PrefixTables
from portcall.records.detections import TCP, UDP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from portcall.dissectors import Dissector
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends

_TRANSPORTS = (TCP, UDP)
_WORD_BITS = 64
_MOST_PREFIXES = 2 * _WORD_BITS
_EVERY_BIT = (1 << _MOST_PREFIXES) - 1
_ANYTHING: tuple[Prefix, ...] = ({},)


class Tables(NamedTuple):
    """What ``prefix_tables.PrefixTables`` looks up, a bit for every prefix: first those of TCP, then of UDP."""

    offsets: NDArray[np.int64]
    """int64[n]: where prefixes look, in order."""
    looking: NDArray[np.uint64]
    """uint64[2, n, 2]: those that look there."""
    classes: NDArray[np.uint16]
    """uint16[2, n, 256]: an index for each byte there …"""
    allowed: NDArray[np.uint64]
    """uint64[c, 2]: … of those that it allows."""
    known_ports: NDArray[np.uint64]
    """uint64[2, 1024]: the ports that are somebody's, a bit each …"""
    port_numbers: NDArray[np.uint16]
    """uint16[2, 65536]: … an index for each port …"""
    of_ports: NDArray[np.uint64]
    """uint64[2, m, 2]: … of those that count on that port; 0 is a port that is nobody's."""
    short: NDArray[np.uint64]
    """uint64[2, n, 2]: those that neither look there nor beyond, which a datagram that ends before may still fit."""
    text: NDArray[np.uint64]
    """uint64[2, 2]: those whose first line has to be text …"""
    with_length: NDArray[np.uint64]
    """uint64[2, 2]: … and those that say in their first bytes how long they are, which is not zero."""
    words: NDArray[np.uint8]
    """uint8[k, 16]: words with zeros behind them …"""
    of_words: NDArray[np.uint64]
    """uint64[2, k, 2]: … and the prefixes that want them somewhere."""
    homes: NDArray[np.uint8]
    """uint8[65536]: whose each port is: 0 nobody's, 1 of TLS, 2 only of others."""
    asked_after_tls: NDArray[np.uint64]
    """uint64[3, 2]: the prefixes of those who are, by the greater one of both ports' homes."""


class _Prefix(NamedTuple):
    dissector: Dissector
    allowed: Prefix
    ports: frozenset[int] | None
    """On which it counts; None for all."""
    is_text: bool = False
    has_length: bool = False
    word: bytes = b""
    """That has to stand somewhere; empty where none has."""


def _tables() -> Tables:
    """Of all dissectors."""
    offsets = sorted({at for transport in _TRANSPORTS for prefix in _of(transport) for at in prefix.allowed})
    ends = np.full((len(_TRANSPORTS), _MOST_PREFIXES), -1)  # the last offset that each looks at
    port_numbers = np.zeros((len(_TRANSPORTS), 1 << 16), np.uint16)
    of_ports: list[list[list[int]]] = []
    for i, transport in enumerate(_TRANSPORTS):
        for bit, prefix in enumerate(_of(transport)):
            ends[i, bit] = max(prefix.allowed, default=-1)
        distinct = dict.fromkeys([_anywhere(transport), *_of_ports(transport).values()])
        numbers = {bits: number for number, bits in enumerate(distinct)}
        for port, bits in _of_ports(transport).items():
            port_numbers[i, port] = numbers[bits]
        of_ports.append([_halves(bits) for bits in distinct])
    most = max(map(len, of_ports))
    padded = np.array([masks + [[0, 0]] * (most - len(masks)) for masks in of_ports], np.uint64)
    looking, classes, allowed = _at_offsets(offsets)
    wanted = sorted({word for transport in _TRANSPORTS for word in _of_words(transport)})
    return Tables(
        np.array(offsets, np.int64),
        looking,
        classes,
        allowed,
        _packed(port_numbers != 0),
        port_numbers,
        padded,
        _packed(ends[:, None, :] < np.array(offsets)[:, None]),
        text=np.array(
            [_halves(_bits(transport, lambda prefix: prefix.is_text)) for transport in _TRANSPORTS], np.uint64
        ),
        with_length=np.array(
            [_halves(_bits(transport, lambda prefix: prefix.has_length)) for transport in _TRANSPORTS], np.uint64
        ),
        words=np.array([list(word.ljust(WORD_BYTES, b"\0")) for word in wanted], np.uint8).reshape(-1, WORD_BYTES),
        of_words=np.array(
            [[_halves(_of_words(transport).get(word, 0)) for word in wanted] for transport in _TRANSPORTS],
            np.uint64,
        ).reshape(len(_TRANSPORTS), -1, 2),
        homes=_homes_of("tls"),
        asked_after_tls=_asked_after("tls", TCP),
    )


@cache
def lookup() -> PrefixTables:
    """The tables of all dissectors, to look payloads up in."""
    return PrefixTables(*_tables())


def candidates_by_prefix(ends: Ends, first: bytes, *, is_whole: bool = False) -> frozenset[Dissector]:
    """The dissectors that may know what begins with ``first`` between these ports; ``is_whole``: and ends with it."""
    prefixes = lookup().candidates_by_prefix(ends.transport, ends.source_port, ends.target_port, first, is_whole)
    return dissectors_of(ends.transport, prefixes)


def _bits(transport: int, is_one: Callable[[_Prefix], object]) -> int:
    """The bits of the prefixes of which something is true."""
    return sum(1 << bit for bit, prefix in enumerate(_of(transport)) if is_one(prefix))


def _packed(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """uint64[…, k] of bool[…, 64 k], the first the lowest."""
    return np.packbits(bits, axis=-1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def _at_offsets(offsets: list[int]) -> tuple[NDArray[np.uint64], NDArray[np.uint16], NDArray[np.uint64]]:
    """Who looks at each offset, and whom each byte there allows: an index in those that differ, of which there are few.

    Bits are numbers of any length here, as there are many offsets and bytes, and few that anybody looks at.
    """
    numbers: dict[int, int] = {}
    looking, classes = [], []
    for transport in _TRANSPORTS:
        looks = dict.fromkeys(offsets, 0)
        allowed: dict[int, dict[int, int]] = {at: {} for at in offsets}
        for bit, prefix in enumerate(_of(transport)):
            for at, bytes_there in prefix.allowed.items():
                if len(bytes_there) == 256:  # noqa: PLR2004 - any byte
                    continue
                looks[at] |= 1 << bit
                for byte in bytes_there:
                    allowed[at][byte] = allowed[at].get(byte, 0) | 1 << bit
        looking.append([_halves(looks[at]) for at in offsets])
        for at in offsets:
            others = _EVERY_BIT & ~looks[at]
            row = [numbers.setdefault(others, len(numbers))] * 256
            for byte, bits in allowed[at].items():
                row[byte] = numbers.setdefault(others | bits, len(numbers))
            classes.append(row)
    shape = len(_TRANSPORTS), len(offsets), 256
    return (
        np.array(looking, np.uint64),
        np.array(classes, np.uint16).reshape(shape),
        np.array(list(map(_halves, numbers)), np.uint64),
    )


def _of_words(transport: int) -> dict[bytes, int]:
    """Each word that has to stand somewhere, and the bits of those that want it."""
    found: dict[bytes, int] = {}
    for bit, prefix in enumerate(_of(transport)):
        if prefix.word:
            found[prefix.word] = found.get(prefix.word, 0) | 1 << bit
    return found


def prefixes_of(module: str, transport: int, *, on_ports_only: bool = False) -> NDArray[np.uint64]:
    """uint64[2]: the bits of a module of ``dissectors``, or of those of its prefixes that count on some ports only."""
    own = _bits(
        transport,
        lambda prefix: prefix.dissector.__name__.endswith(f".{module}") and (prefix.ports or not on_ports_only),
    )
    return np.array(_halves(own), np.uint64)


def _homes_of(module: str) -> NDArray[np.uint8]:
    homes = np.zeros(1 << 16, np.uint8)
    homes[list(hinted_ports())] = 2
    homes[list(_called(module).PORTS)] = 1
    return homes


def _asked_after(module: str, transport: int) -> NDArray[np.uint64]:
    """uint64[3, 2]: the bits of those who are asked after that dissector, by the greater one of both ports' homes.

    Who goes by magic bytes is asked first; but whose port it is before that, and who knows only his ports at last.
    """
    dissector = _called(module)

    def is_after(other: Dissector) -> tuple[bool, bool, bool]:
        is_last, is_later = other.CERTAINTY == Certainty.PORT, other.CERTAINTY > dissector.CERTAINTY
        return is_later, is_later or not other.PORTS & dissector.PORTS, is_last

    return np.array(
        [
            _halves(_bits(transport, lambda prefix, home=home: is_after(prefix.dissector)[home]))  # type: ignore[misc]
            for home in range(3)
        ],
        np.uint64,
    )


def _called(module: str) -> Dissector:
    return next(one for one in find_dissectors() if one.__name__.endswith(f".{module}"))


@cache
def hinted_ports() -> frozenset[int]:
    """The ports that some dissector calls its own."""
    return frozenset().union(*(dissector.PORTS for dissector in find_dissectors()))


@lru_cache(maxsize=1 << 14)
def dissectors_of(transport: int, bits: int) -> frozenset[Dissector]:
    """Whose prefixes these are, a bit each."""
    return frozenset(prefix.dissector for bit, prefix in enumerate(_of(transport)) if bits >> bit & 1)


def _halves(bits: int) -> list[int]:
    return [bits & (1 << _WORD_BITS) - 1, bits >> _WORD_BITS]


@cache
def _anywhere(transport: int) -> int:
    """The bits of the prefixes that count on all ports."""
    return sum(1 << bit for bit, prefix in enumerate(_of(transport)) if prefix.ports is None)


@cache
def _of_ports(transport: int) -> dict[int, int]:
    """Port → the bits of all prefixes that count there; only ports that have some of their own."""
    found: dict[int, int] = {}
    for bit, prefix in enumerate(_of(transport)):
        for port in prefix.ports or ():
            found[port] = found.get(port, _anywhere(transport)) | 1 << bit
    return found


@cache
def _of(transport: int) -> tuple[_Prefix, ...]:
    """Every prefix over one transport; ValueError where there are too many for the bits."""
    found = tuple(_all_of(transport))
    if len(found) > _MOST_PREFIXES:
        raise ValueError(f"{len(found)} prefixes over protocol {transport}, more than {_MOST_PREFIXES}: join some")
    return found


def _all_of(transport: int) -> Iterator[_Prefix]:
    for dissector in find_dissectors():
        if transport in dissector.TRANSPORTS:
            home = dissector.PORTS if dissector.CERTAINTY == Certainty.PORT else None
            for prefix in getattr(dissector, "PREFIXES", {}).get(transport, _ANYTHING):
                yield _Prefix(dissector, prefix, home)
            for prefix in getattr(dissector, "TEXT_PREFIXES", {}).get(transport, ()):
                yield _Prefix(dissector, prefix, home, is_text=True)
            for prefix in getattr(dissector, "LENGTH_PREFIXES", {}).get(transport, ()):
                yield _Prefix(dissector, prefix, home, has_length=True)
            for prefix, ports in getattr(dissector, "PREFIXES_ON_PORTS", {}).get(transport, ()):
                yield _Prefix(dissector, prefix, ports)
            for word, ports in getattr(dissector, "WORDS_ON_PORTS", {}).get(transport, ()):
                yield _Prefix(dissector, {}, ports, word=word)
