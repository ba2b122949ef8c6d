"""Service keys: one small number for what is known of a conversation's server, so that flows are summed by number.

    key = kind << 24 | number        kind        number
                                     NAMED       labels' service id
                                     PORT        protocol << 16 | port      a port without a name
                                     TEMPORARY   protocol << 16             one that a system picked by itself
                                     PROTOCOL    protocol << 16             a protocol without ports
                                     ORPHAN      0                          later fragments: the ports are unknown
                                     NO_OWNER    0                          PORT and TEMPORARY in one, for --by app

Keys of merged attributions mean the same within one process, as the service ids do.
"""

from __future__ import annotations

import enum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.labels import PORTED, is_temporary, protocol_name, service_ids, service_name
from portcall.model import FlowKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_OWNER = "no-owner"
WITHOUT_FIRST = "fragment-without-first"

_KIND_SHIFT, _PROTOCOL_SHIFT = 24, 16
_HAS_PORTS = np.zeros(256, np.bool_)
_HAS_PORTS[list(PORTED)] = True


class Kind(enum.IntEnum):
    """What a service key numbers."""

    NAMED = 0
    PORT = 1
    TEMPORARY = 2
    PROTOCOL = 3
    ORPHAN = 4
    NO_OWNER = 5


class Identity(NamedTuple):
    """What output rows say of a service key."""

    label: str | None
    """The service in words: its name, else ``tcp/8444`` or ``tcp/ephemeral``; the protocol where that has no ports."""
    app: str | None
    app_source: str | None
    unattributed_reason: str | None


def has_ports(flows: NDArray[np.void]) -> NDArray[np.bool_]:
    """bool[n]: whether a FLOW row's ports are known."""
    return np.asarray(_HAS_PORTS[flows["protocol"]] & (flows["kind"] != FlowKind.ORPHAN))


def server_ports(flows: NDArray[np.void], client_is_low: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """uint16[n]: the port of the end that was called."""
    return np.where(client_is_low, flows["high_port"], flows["low_port"])


def service_keys(flows: NDArray[np.void], client_is_low: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64[n]: the service key of each of FLOW[n]."""
    protocols, ports = flows["protocol"], server_ports(flows, client_is_low)
    keys = service_ids(protocols, ports).astype(np.int64)
    unnamed = np.flatnonzero(keys < 0)
    keys[unnamed] = _unnamed_ports()[ports[unnamed]] | _shifted(protocols[unnamed])
    portless = np.flatnonzero(~has_ports(flows))
    keys[portless] = _first(Kind.PROTOCOL) | _shifted(protocols[portless])
    keys[flows["kind"] == FlowKind.ORPHAN] = _first(Kind.ORPHAN)
    return keys


def without_ports(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[n]: the same keys, with NO_OWNER for all that have no name."""
    unnamed = (keys >= _first(Kind.PORT)) & (keys < _first(Kind.PROTOCOL))
    return np.where(unnamed, _first(Kind.NO_OWNER), keys)


def are_attributed(keys: NDArray[Any]) -> NDArray[np.bool_]:
    """bool[n]: whether a service key has an app."""
    return np.isin(keys >> _KIND_SHIFT, (Kind.NAMED, Kind.PROTOCOL))


def is_orphan(keys: NDArray[Any]) -> NDArray[np.bool_]:
    """bool[n]: whether a service key stands for fragments without their first."""
    return np.asarray((keys >> _KIND_SHIFT) == Kind.ORPHAN)


@lru_cache(maxsize=1 << 16)
def identity(key: int) -> Identity:
    """What output rows say of a service key."""
    kind, number = key >> _KIND_SHIFT, key & ((1 << _KIND_SHIFT) - 1)
    protocol = protocol_name(number >> _PROTOCOL_SHIFT)
    if kind == Kind.PORT:
        return Identity(f"{protocol}/{number & 0xFFFF}", None, None, NO_OWNER)
    if kind == Kind.NAMED:
        name = service_name(number)
        return Identity(name, name, "port", None)
    if kind == Kind.PROTOCOL:
        return Identity(protocol, protocol, "protocol", None)
    if kind == Kind.ORPHAN:
        return Identity(None, None, None, WITHOUT_FIRST)
    return Identity(f"{protocol}/ephemeral" if kind == Kind.TEMPORARY else None, None, None, NO_OWNER)


@cache
def _unnamed_ports() -> NDArray[np.int64]:
    """Port → key of a service without a name, but for its protocol. 512 KiB."""
    ports = np.arange(1 << 16, dtype=np.int64)
    return np.where(is_temporary(ports), _first(Kind.TEMPORARY), _first(Kind.PORT) | ports)


def _shifted(protocols: NDArray[np.uint8]) -> NDArray[np.int64]:
    return protocols.astype(np.int64) << _PROTOCOL_SHIFT


def _first(kind: Kind) -> int:
    return int(kind) << _KIND_SHIFT
