"""Service keys: one small number for what is known of a conversation's server, so that flows are summed by number.

    key = kind << 24 | number        kind        number
                                     NAMED       labels' service id
                                     PORT        protocol << 16 | port      a port without a name
                                     TEMPORARY   protocol << 16             one that a system picked by itself
                                     PROTOCOL    protocol << 16             a protocol without ports
                                     UNMATCHED      0                          later fragments: the ports are unknown
                                     NO_OWNER    0                          PORT and TEMPORARY in one, for --by app
                                     FOUND       index in a list            what the traffic itself told

Keys of merged attributions mean the same within one process, as the service ids do.
"""

from __future__ import annotations

import enum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.labels.port_services import (
    PORTED,
    PROTOCOLS_BY_PORT,
    is_temporary,
    port_table,
    protocol_name,
    service_id_of,
    service_name,
)
from portcall.records.flows import FlowKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOURCES = ("process", "name", "protocol", "port")
"""What an app may rest on, the strongest first."""
NO_OWNER = "no-owner"
WITHOUT_FIRST = "fragment-without-first"

_KIND_SHIFT, _PROTOCOL_SHIFT = 24, 16
_HAS_PORTS = np.zeros(256, np.bool_)
_HAS_PORTS[list(PORTED)] = True
_MOST_FOUND = 1 << 20


class ServiceKind(enum.IntEnum):
    """What a service key numbers."""

    NAMED = 0
    PORT = 1
    TEMPORARY = 2
    PROTOCOL = 3
    UNMATCHED = 4
    NO_OWNER = 5
    FOUND = 6


class Identity(NamedTuple):
    """What output rows say of a service key."""

    label: str | None
    """The service in words: its name, else ``tcp/8444`` or ``tcp/ephemeral``; the protocol where that has no ports."""
    app: str | None
    app_source: str | None
    unattributed_reason: str | None


def has_ports(flows: NDArray[np.void]) -> NDArray[np.bool_]:
    """bool[n]: whether a FLOW row's ports are known."""
    return np.asarray(_HAS_PORTS[flows["protocol"]] & (flows["kind"] != FlowKind.UNMATCHED))


def server_ports(flows: NDArray[np.void], client_is_low: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """uint16[n]: the port of the end that was called."""
    return np.where(client_is_low, flows["high_port"], flows["low_port"])


@cache
def keys_by_port() -> NDArray[np.int32]:
    """By labels' BEGINNINGS: the service key of a server at each port. 1.5 MiB."""
    ports = np.arange(1 << 16, dtype=np.int32)
    unnamed = np.where(
        is_temporary(ports), np.int32(_first(ServiceKind.TEMPORARY)), np.int32(_first(ServiceKind.PORT)) | ports
    )
    keys = unnamed | np.array(PROTOCOLS_BY_PORT, np.int32)[:, None] << _PROTOCOL_SHIFT
    ids = np.stack([port_table(protocol).ids for protocol in PROTOCOLS_BY_PORT])
    np.copyto(keys, ids, where=ids >= 0)
    return np.asarray(keys.ravel())


@cache
def keys_without_port() -> NDArray[np.int32]:
    """int32[257]: the key of each protocol that has no ports, -1 for the others; then that of orphans."""
    keys = np.arange(256, dtype=np.int32) << _PROTOCOL_SHIFT | np.int32(_first(ServiceKind.PROTOCOL))
    return np.append(np.where(_HAS_PORTS, np.int32(-1), keys), np.int32(_first(ServiceKind.UNMATCHED)))


def found_key(service: int, protocol: str | None, app: str, app_source: str) -> int:
    """The key for what the traffic told of a server: its app, and its protocol where that is not the one of its port.

    ``service`` is the key by port. It is what remains when so much was told that no number is left.
    """
    if protocol is None:
        return _FOUND.key(Identity(identity(service).label, app, app_source, None), service) or service
    named = service_id_of(protocol)
    pure = (
        _FOUND.key(Identity(protocol, protocol, "protocol", None))
        if named is None
        else _first(ServiceKind.NAMED) | named
    )
    return _FOUND.key(Identity(protocol, app, app_source, None), pure) or service


def app_keys(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[n]: equal for service keys of one app, and NO_OWNER for all that have none."""
    unnamed = (keys >= _first(ServiceKind.PORT)) & (keys < _first(ServiceKind.PROTOCOL))
    return _FOUND.replaced(np.where(unnamed, _first(ServiceKind.NO_OWNER), keys), "app")


def label_keys(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[n]: equal for keys of one service, whatever app was found behind it."""
    return _FOUND.replaced(keys, "label")


def source_ranks(keys: NDArray[np.int64]) -> NDArray[np.uint8]:
    """uint8[n]: what a key's app rests on, as an index in SOURCES."""
    ranks = np.full(len(keys), SOURCES.index("port"), np.uint8)
    ranks[(keys >> _KIND_SHIFT) == ServiceKind.PROTOCOL] = SOURCES.index("protocol")
    found = np.flatnonzero((keys >> _KIND_SHIFT) == ServiceKind.FOUND)
    sources = [SOURCES.index(identity(key).app_source or "port") for key in keys[found].tolist()]
    ranks[found] = np.array(sources, np.uint8)
    return ranks


def are_attributed(keys: NDArray[Any]) -> NDArray[np.bool_]:
    """bool[n]: whether a service key has an app."""
    return np.isin(
        _FOUND.replaced(keys, "app") >> _KIND_SHIFT, (ServiceKind.NAMED, ServiceKind.PROTOCOL, ServiceKind.FOUND)
    )


def are_unmatched(keys: NDArray[Any]) -> NDArray[np.bool_]:
    """bool[n]: whether a service key stands for fragments without their first."""
    return np.asarray((keys >> _KIND_SHIFT) == ServiceKind.UNMATCHED)


@lru_cache(maxsize=1 << 16)
def identity(key: int) -> Identity:
    """What output rows say of a service key."""
    kind, number = key >> _KIND_SHIFT, key & ((1 << _KIND_SHIFT) - 1)
    if kind == ServiceKind.FOUND:
        return _FOUND.identities[number]
    protocol = protocol_name(number >> _PROTOCOL_SHIFT)
    if kind == ServiceKind.PORT:
        return Identity(f"{protocol}/{number & 0xFFFF}", None, None, NO_OWNER)
    if kind == ServiceKind.NAMED:
        name = service_name(number)
        return Identity(name, name, "port", None)
    if kind == ServiceKind.PROTOCOL:
        return Identity(protocol, protocol, "protocol", None)
    if kind == ServiceKind.UNMATCHED:
        return Identity(None, None, None, WITHOUT_FIRST)
    return Identity(f"{protocol}/ephemeral" if kind == ServiceKind.TEMPORARY else None, None, None, NO_OWNER)


def _first(kind: ServiceKind) -> int:
    return int(kind) << _KIND_SHIFT


class _Found:
    """What was found in the traffic of this process, numbered; and for each number the keys of its app and service."""

    def __init__(self) -> None:
        self.identities: list[Identity] = []
        self._keys: dict[tuple[Identity, int | None], int] = {}
        self._replacements: dict[str, list[int]] = {"app": [], "label": []}

    def key(self, known: Identity, label_key: int | None = None) -> int | None:
        """The key for this identity, whose service has ``label_key`` (None: its own); None when there are too many."""
        entry = known, label_key
        key = self._keys.get(entry)
        if key is None and len(self.identities) < _MOST_FOUND:
            key = self._keys[entry] = _first(ServiceKind.FOUND) | len(self.identities)
            self.identities.append(known)
            for replacements in self._replacements.values():
                replacements.append(key)
            at = len(self.identities) - 1
            self._replacements["label"][at] = key if label_key is None else label_key
            self._replacements["app"][at] = self._app_key(known.app) or key
        return key

    def replaced(self, keys: NDArray[Any], what: str) -> NDArray[np.int64]:
        """int64[n]: the same keys, but for FOUND ones that of their ``app`` or ``label``."""
        found = np.flatnonzero((keys >> _KIND_SHIFT) == ServiceKind.FOUND)
        if not len(found):
            return keys
        replaced = keys.copy()
        table = np.array(self._replacements[what], np.int64)
        replaced[found] = table[keys[found] & ((1 << _KIND_SHIFT) - 1)]
        return replaced

    def _app_key(self, app: str | None) -> int | None:
        """One key for all that belongs to an app, the service's where that has the same name."""
        named = service_id_of(app) if app else None
        if named is not None:
            return _first(ServiceKind.NAMED) | named
        alone = Identity(app, app, None, None)
        return self._keys.get((alone, None)) or self.key(alone)


_FOUND = _Found()
