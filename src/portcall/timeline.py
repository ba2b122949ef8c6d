"""The address-to-name timeline: which names resolvers gave for an address, to whom and until when.

A client asks for a name and connects to the address that it was told; so an address stands for the names that this very
client was told for it before. Answers to all (mDNS) and names that the capture file itself brings hold for everybody.
Bounded: the pairs of client and address that were told longest ago go first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.model import NO_TIME
from portcall.speech import NameKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.locality import Addresses
    from portcall.speech import Answer


class Telling(NamedTuple):
    """A name that a client was told for an address, and when."""

    time_ns: int
    """NO_TIME where the capture has no times."""
    until_ns: int
    """When its time to live, and some grace, was over."""
    name: str


NO_NAMES: tuple[tuple[str, ...], NameKind] = ((), NameKind.DNS)

_MOST_PAIRS = 1 << 17
_MOST_NAMES = 8  # of one pair
_GRACE_NS = 60 * 10**9  # programs go on with an address for a while after its time to live
_NANOSECONDS = 10**9
_EVERYBODY = bytes(16)
_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93)  # odd, bits well mixed
_MULTICAST_4, _MULTICAST_6 = 0xE0, 0xFF  # first byte of the group: 224.0.0.0/4 (RFC 5771), ff00::/8 (RFC 4291 §2.7)


class NameTimeline:
    """Which names an address had for a client at a time."""

    def __init__(self) -> None:
        self._told: dict[tuple[bytes, bytes], list[Telling]] = {}
        self._of_capture: dict[bytes, tuple[str, ...]] = {}
        self._numbers: dict[tuple[tuple[str, ...], NameKind], int] = {NO_NAMES: 0}
        self._sets = [NO_NAMES]
        self._hashes: NDArray[np.uint64] | None = None

    def __getitem__(self, number: int) -> tuple[tuple[str, ...], NameKind]:
        """The names behind a number of ``find``, in order, and where they come from."""
        return self._sets[number]

    def __bool__(self) -> bool:
        return bool(self._told or self._of_capture)

    def note(self, client: bytes, time_ns: int, answers: tuple[Answer, ...]) -> None:
        """A resolver answered a client (16 bytes, IPv4 in the last four)."""
        if _is_multicast(client):
            client = _EVERYBODY
        for answer in answers:
            until_ns = time_ns + answer.time_to_live_s * _NANOSECONDS + _GRACE_NS
            pair = client, answer.address.rjust(16, b"\0")
            told = self._told.pop(pair, None)
            if told:
                told = [entry for entry in told if entry.name != answer.name][1 - _MOST_NAMES :]
            self._told[pair] = [*(told or ()), Telling(time_ns, until_ns, answer.name)]
        self._hashes = None
        while len(self._told) > _MOST_PAIRS:
            del self._told[next(iter(self._told))]

    def note_capture(self, name: str, address: bytes) -> None:
        """The capture file says that an address (4 or 16 bytes) has a name."""
        self._hashes = None
        address = address.rjust(16, b"\0")
        known = self._of_capture.get(address, ())
        if name not in known and len(known) < _MOST_NAMES and len(self._of_capture) < _MOST_PAIRS:
            self._of_capture[address] = (*known, name)

    def told_before(self, client: bytes, server: bytes, time_ns: int) -> list[Telling]:
        """What this client, and then what everybody, was told of a server before it spoke; addresses of 16 bytes."""
        told = [*self._told.get((client, server), ()), *self._told.get((_EVERYBODY, server), ())]
        return [entry for entry in told if entry.time_ns <= time_ns or NO_TIME in (entry.time_ns, time_ns)]

    def of_capture(self, server: bytes) -> tuple[str, ...]:
        """The names that the capture file itself has for an address of 16 bytes."""
        return self._of_capture.get(server, ())

    def find(self, clients: Addresses, servers: Addresses, first_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n]: number of the names that each client knew its server by when it first spoke, 0 for none."""
        numbers = np.zeros(len(first_ns), np.int64)
        everybody = np.zeros(len(first_ns), np.uint64)
        of_servers = servers.high_half, servers.low_half
        hashes = [_hashes(*clients[:2], *of_servers), _hashes(everybody, everybody, *of_servers)]
        known = self._known_hashes()
        maybe = np.flatnonzero(_are_in(hashes[0], known) | _are_in(hashes[1], known))
        pairs = zip(_as_bytes(clients, maybe), _as_bytes(servers, maybe), first_ns[maybe].tolist(), strict=True)
        numbers[maybe] = [self._number(client, server, time_ns) for client, server, time_ns in pairs]
        return numbers

    def _known_hashes(self) -> NDArray[np.uint64]:
        """The hashes of all pairs, sorted; computed once for many calls of ``find``."""
        if self._hashes is None:
            halves = np.frombuffer(b"".join(client + address for client, address in self._pairs()), ">u8")
            self._hashes = np.unique(_hashes(*halves.astype(np.uint64).reshape(-1, 4).T))
        return self._hashes

    def _pairs(self) -> Iterator[tuple[bytes, bytes]]:
        yield from self._told
        for address in self._of_capture:
            yield _EVERYBODY, address

    def _number(self, client: bytes, server: bytes, time_ns: int) -> int:
        before = self.told_before(client, server, time_ns)
        current = [entry for entry in before if time_ns <= entry.until_ns] or before[-1:]
        names = tuple(sorted({entry.name for entry in current}))
        found = (names, NameKind.DNS) if names else (self.of_capture(server), NameKind.CAPTURE)
        if not found[0]:
            return 0
        number = self._numbers.setdefault(found, len(self._sets))
        if number == len(self._sets):
            self._sets.append(found)
        return number


def _is_multicast(address: bytes) -> bool:
    if any(address[:12]):
        return address[0] == _MULTICAST_6
    return address[12] & 0xF0 == _MULTICAST_4


def _are_in(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """bool[n]: whether each of the hashes is among the known ones, which are sorted and at least one."""
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.asarray(known[places] == hashes)


def _hashes(*halves: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Of the four halves of two addresses. That they can be foreseen matters not: what they find is compared."""
    mixed = np.zeros(len(halves[0]), np.uint64)
    for column, multiplier in zip(halves, _MULTIPLIERS, strict=True):
        mixed += column * np.uint64(multiplier)
    return mixed


def _as_bytes(column: Addresses, rows: NDArray[np.intp]) -> Iterator[bytes]:
    halves = np.stack([column.high_half[rows], column.low_half[rows]], axis=1).astype(">u8").tobytes()
    return (halves[at : at + 16] for at in range(0, len(halves), 16))
