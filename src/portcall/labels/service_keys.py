"""Service keys: one small number for what is known of a conversation's server, so that flows are summed by number.

    key = kind << 24 | number        kind        number
                                     NAMED       labels' service id
                                     PORT        protocol << 16 | port      a port without a name
                                     TEMPORARY   protocol << 16             one that a system picked by itself
                                     PROTOCOL    protocol << 16             a protocol without ports
                                     UNMATCHED      0                          later fragments: the ports are unknown
                                     NO_OWNER    0                          PORT and TEMPORARY in one, for --by app
                                     FOUND       index in a Registry        what the traffic itself told

FOUND keys belong to the ``registry`` of a run; all others mean the same wherever this build runs.
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
    service_name,
)
from portcall.records.flows import FlowKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOURCES = ("process", "name", "protocol", "port")
"""What an app may rest on, the strongest first."""
NO_OWNER = "no-owner"
WITHOUT_FIRST = "fragment-without-first"

KIND_SHIFT, _PROTOCOL_SHIFT = 24, 16
HAS_PORTS = np.zeros(256, np.bool_)
HAS_PORTS[list(PORTED)] = True


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
    return np.asarray(HAS_PORTS[flows["protocol"]] & (flows["kind"] != FlowKind.UNMATCHED))


def server_ports(flows: NDArray[np.void], client_is_low: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """uint16[n]: the port of the end that was called."""
    return np.where(client_is_low, flows["high_port"], flows["low_port"])


@cache
def keys_by_port() -> NDArray[np.int32]:
    """By labels' BEGINNINGS: the service key of a server at each port. 1.5 MiB."""
    ports = np.arange(1 << 16, dtype=np.int32)
    unnamed = np.where(
        is_temporary(ports), np.int32(first_key(ServiceKind.TEMPORARY)), np.int32(first_key(ServiceKind.PORT)) | ports
    )
    keys = unnamed | np.array(PROTOCOLS_BY_PORT, np.int32)[:, None] << _PROTOCOL_SHIFT
    ids = np.stack([port_table(protocol).ids for protocol in PROTOCOLS_BY_PORT])
    np.copyto(keys, ids, where=ids >= 0)
    return np.asarray(keys.ravel())


@cache
def keys_without_port() -> NDArray[np.int32]:
    """int32[257]: the key of each protocol that has no ports, -1 for the others; then that of orphans."""
    keys = np.arange(256, dtype=np.int32) << _PROTOCOL_SHIFT | np.int32(first_key(ServiceKind.PROTOCOL))
    return np.append(np.where(HAS_PORTS, np.int32(-1), keys), np.int32(first_key(ServiceKind.UNMATCHED)))


def are_attributed(keys: NDArray[Any]) -> NDArray[np.bool_]:
    """bool[n]: whether a service key has an app."""
    return np.isin(keys >> KIND_SHIFT, (ServiceKind.NAMED, ServiceKind.PROTOCOL, ServiceKind.FOUND))


def are_unmatched(keys: NDArray[Any]) -> NDArray[np.bool_]:
    """bool[n]: whether a service key stands for fragments without their first."""
    return np.asarray((keys >> KIND_SHIFT) == ServiceKind.UNMATCHED)


@lru_cache(maxsize=1 << 16)
def identity_by_port(key: int) -> Identity:
    """What output rows say of a service key of any kind but FOUND."""
    kind, number = key >> KIND_SHIFT, key & ((1 << KIND_SHIFT) - 1)
    if kind == ServiceKind.FOUND:
        raise ValueError("only its registry knows a key of kind FOUND")
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


def first_key(kind: ServiceKind) -> int:
    """The least key of a kind."""
    return int(kind) << KIND_SHIFT
