"""The address-to-name timeline: which names resolvers gave for an address, to whom and until when.

A client asks for a name and connects to the address that it was told; so an address stands for the names that this very
client was told for it before. Answers to all (mDNS) and names that the capture file itself brings hold for everybody.
Bounded: what was told longest ago goes first. The work is in ``kernels.dns_answers``; here names are numbers' texts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.flows.reserved_memory import reserved
from portcall.inspection.ech_offers import EchOffers
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.kernels.dns_answers import SEVERAL, DnsAnswerStore
from portcall.kernels.interning import NameNumbers
from portcall.labels.numbered_names import NumberedNames
from portcall.records.detections import NameKind
from portcall.records.packets import NO_TIME
from portcall.records.plain_data import below, items, octets, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from portcall.records.detections import DnsAnswer, EchOffer

CACHED_ANSWER = np.dtype(
    [
        ("client", "u8", (2,)),  # the 16 bytes of an address, IPv4 in the last four; zeros: everybody
        ("server", "u8", (2,)),
        ("first_ns", "i8"),  # when it was told first …
        ("last_ns", "i8"),  # … and last, within the time that it held
        ("until_ns", "i8"),  # when its time to live, and some grace, was over
        ("earlier", "u8"),  # reference of the one before it, of the same pair
        ("name", "u4"),  # number of the name
        ("in_chain", "u4"),  # how many of the same pair were before it when it was told
    ]
)
"""One name that a client was told for an address. 72 bytes."""


class CachedAnswer(NamedTuple):
    """A name that a client was told for an address, and when."""

    time_ns: int
    """When first; NO_TIME where the capture has no times."""
    until_ns: int
    """When its time to live, and some grace, was over."""
    name: str


NO_NAMES: tuple[tuple[str, ...], NameKind] = ((), NameKind.DNS)

_MOST_OF_ADDRESS = 8
_EVERYBODY = bytes(16)
_SEED = int.from_bytes(os.urandom(8), "big")  # changes no result


class DnsCache:
    """Which names an address had for a client at a time."""

    def __init__(self, bounds: InspectionBounds | None = None) -> None:
        """``bounds`` are those of the run, in which is counted what is forgotten; None: the usual ones."""
        self._bounds = bounds or InspectionBounds()
        self.offers = EchOffers()
        """Which names are reached by ECH."""
        self._of_capture: dict[bytes, tuple[str, ...]] = {}
        self._number_of_set: dict[tuple[tuple[str, ...], NameKind], int] = {NO_NAMES: 0}
        self._sets = [NO_NAMES]
        self._begin()

    def _begin(self) -> None:
        most = self._bounds.most_answers
        slots = reserved(2 * most, np.dtype(np.uint64))
        self.store = DnsAnswerStore(reserved(most, CACHED_ANSWER), slots, _SEED)
        """What was told, by number of the name."""
        self.numbers = NameNumbers(_SEED)
        """Numbers of names for who tells the store by itself; they hold as long as this object does."""
        self._names = NumberedNames()

    def _begin_anew(self) -> None:
        self._bounds.answers_forgotten += len(self.store) + self.store.forgotten
        self._begin()

    @property
    def forgotten(self) -> int:
        """Answers that are no longer known, since the timeline began last; the bounds count those before."""
        return self.store.forgotten

    def forget_sets(self) -> None:
        """Number what ``find`` gives anew; nobody may know the former numbers."""
        self._number_of_set, self._sets = {NO_NAMES: 0}, [NO_NAMES]

    def __getitem__(self, number: int) -> tuple[tuple[str, ...], NameKind]:
        """The names behind a number of ``find``, in order, and where they come from."""
        return self._sets[number]

    def __bool__(self) -> bool:
        return bool(len(self.store) or self._of_capture)

    def number_of(self, name: str) -> int:
        """The number of a name. Where there are too many, the timeline begins anew with this one."""
        number = self._names.find(name)
        if number is None:
            if len(self._names) >= self._bounds.most_names:
                self._begin_anew()
            number = self._names.add(name)
        return number

    def note(self, client: bytes, time_ns: int, answers: Iterable[DnsAnswer], offers: Iterable[EchOffer] = ()) -> None:
        """A resolver answered a client (16 bytes, IPv4 in the last four)."""
        self.offers.note(client, time_ns, offers)
        for answer in answers:
            number = self.number_of(answer.name)
            self.store.note(client, answer.address.rjust(16, b"\0"), time_ns, answer.time_to_live_s, number)

    def note_capture(self, name: str, address: bytes) -> None:
        """The capture file says that an address (4 or 16 bytes) has a name."""
        address = address.rjust(16, b"\0")
        known = self._of_capture.get(address, ())
        if name in known or len(known) >= _MOST_OF_ADDRESS:
            return
        if known or len(self._of_capture) < self._bounds.most_addresses:
            self._of_capture[address] = (*known, name)
        else:
            self._bounds.addresses_left_out += 1

    def names_of_addresses(self) -> Iterator[tuple[bytes, str]]:
        """What resolvers called addresses, each pair once, the latest first; addresses of 4 or 16 bytes."""
        answers = self.answers()[["server", "name"]][::-1]
        pairs = zip(answers["server"], answers["name"].tolist(), strict=True)
        for address, number in dict.fromkeys((server.tobytes(), name) for server, name in pairs):
            yield address.removeprefix(bytes(12)), self._names[number]

    def merge(self, later: DnsCache) -> None:
        """Take in what another one was told after this one."""
        new = sum(self._names.find(name) is None for name in later._names)
        if len(self._names) + new > self._bounds.most_names:
            self._begin_anew()
        names = np.array([0, *map(self.number_of, later._names)], np.uint32)
        self.store.absorb(later.answers(), names)
        self.offers.merge(later.offers)
        for address, of_address in later._of_capture.items():
            for name in of_address:
                self.note_capture(name, address)

    def answers(self) -> NDArray[np.void]:
        """CACHED_ANSWER[n], from the oldest to the newest, a copy."""
        answers = np.zeros(len(self.store), CACHED_ANSWER)
        self.store.answers(answers)
        return answers

    def plain(self) -> dict[str, Any]:
        """What belongs to ``answers``, as lists and texts: the names by number, and those of the capture by address."""
        of_capture = [[address.hex(), list(names)] for address, names in self._of_capture.items()]
        return {"names": list(self._names), "of_capture": of_capture, "offers": self.offers.plain()}

    @classmethod
    def of_plain(
        cls, plain: dict[str, Any], answers: NDArray[np.void], bounds: InspectionBounds | None = None
    ) -> DnsCache:
        """The cache that gave these. ValueError for what none can give."""
        cache = cls(bounds)
        names = texts(plain["names"])
        below(
            np.array([len(names), len(answers)]),
            np.array([cache._bounds.most_names + 1, cache._bounds.most_answers + 1]),
        )
        cache.store.absorb(answers, np.array([0, *map(cache.number_of, names)], np.uint32))
        cache.offers = EchOffers.of_plain(plain["offers"])
        for address, of_address in (items(one, 2) for one in items(plain["of_capture"])):
            for name in texts(of_address):
                cache.note_capture(name, octets(address, 16))
        return cache

    def answered_before(self, client: bytes, server: bytes, time_ns: int) -> list[CachedAnswer]:
        """What this client, and then what everybody, was told of a server before it spoke; addresses of 16 bytes."""
        told = [*self.store.told(client, server), *self.store.told(_EVERYBODY, server)]
        return [
            CachedAnswer(first_ns, until_ns, self._names[name])
            for first_ns, _, until_ns, name in told
            if first_ns <= time_ns or time_ns == NO_TIME
        ]

    def find(
        self, flows: NDArray[np.void], clients_are_low: NDArray[np.bool_], wanted: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """int64[n]: number of the names that the client of each of FLOW[n] knew its server by when it first spoke.

        0 for none, and where none is ``wanted``.
        """
        found = np.zeros(len(flows), np.uint32)
        self.store.find(flows, clients_are_low, wanted, found)
        numbers = np.zeros(len(flows), np.int64)
        single = (found > 0) & (found < SEVERAL)
        names, which = np.unique(found[single], return_inverse=True)
        sets = [self._number_of(((self._names[name],), NameKind.DNS)) for name in names.tolist()]
        numbers[single] = np.array(sets, np.int64)[which]
        rows = np.flatnonzero(found == SEVERAL)
        for row, client, server in zip(rows.tolist(), *_ends(flows, clients_are_low, rows), strict=True):
            names_alive = self._alive(client.tobytes(), server.tobytes(), int(flows["first_ns"][row]))
            numbers[row] = self._number_of((names_alive, NameKind.DNS))
        if self._of_capture:
            rows = np.flatnonzero(wanted & (found == 0))
            for row, server in zip(rows.tolist(), _ends(flows, clients_are_low, rows)[1], strict=True):
                names_of_capture = self._of_capture.get(server.tobytes())
                if names_of_capture:
                    numbers[row] = self._number_of((names_of_capture, NameKind.CAPTURE))
        return numbers

    def hidden(self, client: bytes, server: bytes, time_ns: int, public_name: str) -> tuple[str, ...] | None:
        """The names behind a cover that a client may have asked a server for; None where nobody offered it ECH with it.

        Those of which it was told that they are at the server's address, where it was told that of any name.
        """
        offered = self.offers.names(client, public_name, time_ns)
        if not offered:
            return None
        there = {entry.name for entry in self.answered_before(client, server, time_ns)}
        return tuple(sorted(offered & there if there else offered))

    def number_of_hidden(self, names: tuple[str, ...]) -> int:
        """The number of such names, in the place of one that ``find`` gives."""
        return self._number_of((names, NameKind.TLS_SNI_OUTER))

    def _alive(self, client: bytes, server: bytes, time_ns: int) -> tuple[str, ...]:
        before = self.answered_before(client, server, time_ns)
        return tuple(sorted({entry.name for entry in before if time_ns <= entry.until_ns}))

    def _number_of(self, names: tuple[tuple[str, ...], NameKind]) -> int:
        number = self._number_of_set.setdefault(names, len(self._sets))
        if number == len(self._sets):
            self._sets.append(names)
        return number


def _ends(
    flows: NDArray[np.void], clients_are_low: NDArray[np.bool_], rows: NDArray[np.intp]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """uint8[n, 16] twice: the addresses of some rows' clients and servers."""
    low, high, is_low = flows["low"][rows], flows["high"][rows], clients_are_low[rows][:, None]
    return np.where(is_low, low, high), np.where(is_low, high, low)
