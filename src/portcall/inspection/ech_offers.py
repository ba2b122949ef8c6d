"""Which names resolvers said are reached by ECH, behind which cover, and to whom: HTTPS records with ``ech``.

See RFC 9848. A client that was offered ECH behind a cover and then asks for the cover hides a name of these. Bounded:
of the cover that was met first, what was told longest ago goes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portcall.records.packets import NO_TIME
from portcall.records.plain_data import items, octets, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from portcall.records.detections import EchOffer

_MOST_OFFERS = 1 << 16


class EchOffers:
    """Client and cover → names, each with when it was offered first."""

    def __init__(self) -> None:
        self._names: dict[tuple[bytes, str], dict[str, int]] = {}
        self._covers: dict[str, int] = {}
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._names)

    def has_cover(self, name: str) -> bool:
        """Whether anybody was offered ECH behind this name, as sent."""
        return _plain(name) in self._covers

    def note(self, client: bytes, time_ns: int, offers: Iterable[EchOffer]) -> None:
        """A resolver told a client (16 bytes, IPv4 in the last four)."""
        for offer in offers:
            self._note(client, offer.public_name, offer.name, time_ns)

    def names(self, client: bytes, public_name: str, time_ns: int) -> frozenset[str]:
        """The names behind a cover, as sent, of which a client was told before a time; NO_TIME: ever."""
        told = self._names.get((client, _plain(public_name)), {})
        return frozenset(name for name, first_ns in told.items() if first_ns <= time_ns or time_ns == NO_TIME)

    def merge(self, later: EchOffers) -> None:
        """Take in what another one was told."""
        for (client, public_name), told in later._names.items():
            for name, first_ns in told.items():
                self._note(client, public_name, name, first_ns)

    def plain(self) -> list[Any]:
        """All of it, as lists, texts and numbers."""
        return [
            [client.hex(), public_name, [[name, first_ns] for name, first_ns in told.items()]]
            for (client, public_name), told in self._names.items()
        ]

    @classmethod
    def of_plain(cls, plain: object) -> EchOffers:
        """What gave these. ValueError for what none can give."""
        offers = cls()
        for client, public_name, told in (items(one, 3) for one in items(plain)):
            for name, first_ns in (items(one, 2) for one in items(told)):
                offers._note(octets(client, 16), text(public_name), text(name), whole(first_ns, NO_TIME))
        return offers

    def _note(self, client: bytes, public_name: str, name: str, first_ns: int) -> None:
        key = client, public_name
        if key not in self._names:
            self._names[key] = {}
            self._covers[public_name] = self._covers.get(public_name, 0) + 1
        told = self._names[key]
        self._count += name not in told
        told[name] = min(first_ns, told.get(name, first_ns))
        if self._count > _MOST_OFFERS:
            self._forget_one()

    def _forget_one(self) -> None:
        key = next(iter(self._names))
        told = self._names[key]
        del told[next(iter(told))]
        self._count -= 1
        if not told:
            del self._names[key]
            self._covers[key[1]] -= 1
            if not self._covers[key[1]]:
                del self._covers[key[1]]


def _plain(name: str) -> str:
    return name.lower().rstrip(".")
