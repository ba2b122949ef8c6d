"""Registry: the numbers of one run for what its traffic told: service keys of kind FOUND, and names of hosts.

They mean something only together with their registry, which ends with its run. What is counted by number is counted in
arrays; words come back when rows are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.labels.numbered_names import NumberedNames
from portcall.labels.port_services import service_id_of
from portcall.labels.service_keys import KIND_SHIFT, SOURCES, Identity, ServiceKind, first_key, identity_by_port

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_LABELS = 1 << 20
"""Names of hosts in rows, and apps with their services: so many of each."""
_NUMBER = (1 << KIND_SHIFT) - 1


class Registry:
    """What was found behind services, numbered, and for each number the keys of its app and its service."""

    def __init__(self, most: int = MOST_LABELS) -> None:
        """``most`` hosts, and as many services that were found."""
        self.left_out = 0
        """How often there was no room for the name of a host, or for an app."""
        self._most = most
        self._identities: list[Identity] = []
        self._keys: dict[tuple[Identity, int | None], int] = {}
        self._app_keys: list[int] = []
        self._label_keys: list[int] = []
        self._hosts = NumberedNames()

    def found_key(self, service: int, protocol: str | None, app: str, app_source: str) -> int:
        """The key for what was told of a server: its app, and its protocol where that is not the one of its port.

        ``service`` is the key by port. It is what remains when so much was told that no number is left.
        """
        if protocol is None:
            return self._key(Identity(identity_by_port(service).label, app, app_source, None), service) or service
        named = service_id_of(protocol)
        pure = (
            self._key(Identity(protocol, protocol, "protocol", None))
            if named is None
            else first_key(ServiceKind.NAMED) | named
        )
        return self._key(Identity(protocol, app, app_source, None), pure) or service

    def identity(self, key: int) -> Identity:
        """What output rows say of a service key."""
        return self._identities[key & _NUMBER] if key >> KIND_SHIFT == ServiceKind.FOUND else identity_by_port(key)

    def app_keys(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n]: equal for service keys of one app, and NO_OWNER for all that have none."""
        unnamed = (keys >= first_key(ServiceKind.PORT)) & (keys < first_key(ServiceKind.PROTOCOL))
        return _replaced(np.where(unnamed, first_key(ServiceKind.NO_OWNER), keys), self._app_keys)

    def label_keys(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n]: equal for keys of one service, whatever app was found behind it."""
        return _replaced(keys, self._label_keys)

    def source_ranks(self, keys: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8[n]: what a key's app rests on, as an index in SOURCES."""
        ranks = np.full(len(keys), SOURCES.index("port"), np.uint8)
        ranks[(keys >> KIND_SHIFT) == ServiceKind.PROTOCOL] = SOURCES.index("protocol")
        found = np.flatnonzero((keys >> KIND_SHIFT) == ServiceKind.FOUND)
        sources = [SOURCES.index(self.identity(key).app_source or "port") for key in keys[found].tolist()]
        ranks[found] = np.array(sources, np.uint8)
        return ranks

    def host_number(self, name: str) -> int:
        """A number for the name of a host, from 1 on; 0 once there are too many."""
        number = self._hosts.find(name)
        if number is None:
            if len(self._hosts) >= self._most:
                self.left_out += 1
                return 0
            number = self._hosts.add(name)
        return number

    def host_name(self, number: int) -> str:
        """The name with this number."""
        return self._hosts[number]

    def merge(self, later: Registry) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Take in what another one has numbered; gives the key here of each FOUND one, and the number of each host.

        Where there is no room a host has number 0, and a service the key of its label.
        """
        keys = np.zeros(len(later._identities), np.int64)
        for number, known in enumerate(later._identities):
            label = later._label_keys[number]
            if label == first_key(ServiceKind.FOUND) | number:
                keys[number] = self._key(known) or first_key(ServiceKind.NO_OWNER)
            else:
                label = int(keys[label & _NUMBER]) if label >> KIND_SHIFT == ServiceKind.FOUND else label
                keys[number] = self._key(known, label) or label
        return keys, np.array([0, *map(self.host_number, later._hosts)], np.int64)

    def plain(self) -> dict[str, Any]:
        """All of it as lists, texts and numbers."""
        labels = [
            None if label == first_key(ServiceKind.FOUND) | number else label
            for number, label in enumerate(self._label_keys)
        ]
        return {
            "found": [[*known, label] for known, label in zip(self._identities, labels, strict=True)],
            "hosts": list(self._hosts),
        }

    @classmethod
    def of_plain(cls, plain: dict[str, Any]) -> Registry:
        """The registry that gave this."""
        registry = cls()
        for *known, label in plain["found"]:
            registry._key(Identity(*known), label)
        for name in plain["hosts"]:
            registry.host_number(name)
        return registry

    def _key(self, known: Identity, label_key: int | None = None) -> int | None:
        """The key for this identity, whose service has ``label_key`` (None: its own); None when there are too many."""
        entry = known, label_key
        key = self._keys.get(entry)
        if key is None and len(self._identities) >= self._most:
            self.left_out += 1
        elif key is None:
            key = self._keys[entry] = first_key(ServiceKind.FOUND) | len(self._identities)
            at = len(self._identities)
            self._identities.append(known)
            self._label_keys.append(key if label_key is None else label_key)
            self._app_keys.append(key)
            self._app_keys[at] = self._app_key(known.app) or key
        return key

    def _app_key(self, app: str | None) -> int | None:
        """One key for all that belongs to an app, the service's where that has the same name."""
        named = service_id_of(app) if app else None
        if named is not None:
            return first_key(ServiceKind.NAMED) | named
        alone = Identity(app, app, None, None)
        return self._keys.get((alone, None)) or self._key(alone)


def _replaced(keys: NDArray[Any], others: list[int]) -> NDArray[np.int64]:
    """int64[n]: the same keys, but for FOUND ones what stands for them."""
    found = np.flatnonzero((keys >> KIND_SHIFT) == ServiceKind.FOUND)
    if not len(found):
        return keys
    replaced = keys.copy()
    replaced[found] = np.array(others, np.int64)[keys[found] & _NUMBER]
    return replaced
