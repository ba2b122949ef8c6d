"""Whom a conversation is with, as expectations have it: its app, its server and the server's port.

An app is only what rests on a process: names and protocols say no more than host and port do. A name is in lower case,
without port and last dot; what can be no host name, such as ``0.0.0.0/0`` or ``*.com`` of somebody who wants to be
expected everywhere, is marked as text. An address outside of private networks may be that of many hosts.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.labels.addresses import address_kind, plain_address
from portcall.labels.hostnames import registered_domain
from portcall.records.detections import OUTER_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.records.column_values import Columns

EPHEMERAL = "ephemeral"
COLUMNS = (
    "protocol", "app", "app_source", "hostname", "hostname_source", "server_ip", "server_port", "server_port_class",
    "service",
)  # fmt: skip
"""The columns of rows by flow that tell it."""
HIDDEN_NAMES = frozenset(kind.value for kind in OUTER_KINDS.values())
"""Sources of names that are a cover: the one that is meant is encrypted (ECH)."""
AS_TEXT = "name:"
"""Stands before a name that can be none, in expectations too."""
HOST_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*(?!\d+$)[a-z0-9_-]{1,63}", re.ASCII)
"""A name that may be expected; no address, whose last label is a number."""
PORT_WORD = re.compile(r"[a-z0-9][a-z0-9_.+-]{0,63}", re.ASCII | re.IGNORECASE)
"""What may stand for a port: its number, a service, a protocol."""
_PORT_OF_NAME = re.compile(r":\d{0,5}$", re.ASCII)
_SHARED = frozenset({"public", "documentation"})
_NETWORK_BITS = {4: 24, 6: 48}
"""Of the networks in which hosts live beside each other: what is handed out, or announced, at the least."""


class Server(NamedTuple):
    """A conversation's app, server and port."""

    app: str | None
    """The process; None where it is not known."""
    name: str | None
    address: str
    port: str
    is_hidden: bool
    """Whether the name is a cover."""


def servers_of(columns: Columns) -> Iterator[Server | None]:
    """Of each row; None for what is on no flow."""
    return map(_server, zip(*map(columns.plain, COLUMNS), strict=True)) if len(columns) else iter(())


@lru_cache(1 << 14)
def _server(values: tuple[Any, ...]) -> Server | None:
    protocol, app, app_source, name, source, address, port, port_class, service = values
    plain = plain_address(address) if address else None
    if protocol is None or plain is None:
        return None
    if port_class is None:
        port = protocol
    elif port_class == EPHEMERAL:
        port = service or port_class
    process = app if app_source == "process" else None
    host, address = host_name(name) if name else None, plain.partition("%")[0]
    return Server(process, host, address, port_word(port), source in HIDDEN_NAMES)


def port_word(port: object) -> str:
    """What stands for a port, a service or a protocol; ``ephemeral`` for what has no such word."""
    return str(port) if PORT_WORD.fullmatch(str(port)) else EPHEMERAL


def host_name(sent: str) -> str:
    """A name as it is expected; a certificate's name for all below one as that one."""
    name = _PORT_OF_NAME.sub("", sent.lower()).removesuffix(".")
    bare = name.removeprefix("*.")
    if HOST_NAME.fullmatch(bare) and (bare == name or registered_domain(bare)):
        return bare
    return f"{AS_TEXT}{name}"


@lru_cache(1 << 14)
def is_shared(address: str) -> bool:
    """Whether many hosts may be behind an address, as on the internet; in private networks it is one."""
    return address_kind(address).name in _SHARED


@lru_cache(1 << 14)
def neighbourhood(address: str) -> str:
    """The network in which an address lies: 24 bits of IPv4, 48 of IPv6."""
    bits = _NETWORK_BITS[ipaddress.ip_address(address).version]
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))
