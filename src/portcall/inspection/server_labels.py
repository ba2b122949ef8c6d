"""What follows from all that is known of one server: the name it goes by, its protocol, its service and its app.

A name that the conversation mentions comes first, then what a resolver answered; where several names share an address
none is guessed. A protocol labels what its port does not promise. Pure: equal facts have equal labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.labels.carried_services import SPOKEN_OVER_HTTP, is_made_up, may_be_in_tls
from portcall.labels.hostnames import app_of_hostname
from portcall.labels.service_keys import identity_by_port
from portcall.records.detections import OUTER_KINDS, NameKind

if TYPE_CHECKING:
    from portcall.labels.registry import Registry
    from portcall.labels.service_keys import Identity
    from portcall.records.detections import Detection

AMBIGUOUS = "ambiguous"
"""Stands in ``hostname_source`` where resolvers gave several names for the address."""

_OVER_HTTP = frozenset({"http", "http2", "websocket"})
"""Protocols that carry others: they do not contradict a service that is spoken through them."""
_OVER_TLS = frozenset({"tls", "quic", "dtls"})
"""The same, of protocols that hide what they carry: of most services the port is then all that tells."""
_SAME = {"smtp": "submission", "smb": "netbios-ssn", "pop": "pop3"}
"""Protocol → the start of other services' names that it is spoken by."""
_ENVELOPES = frozenset({"proxy-protocol"})
"""Protocols that only stand before another one: alone they make no service."""
_PART_OF = {"ftp-data": "ftp"}
"""Protocol → the app that it is a part of."""
_IPV4_NUMBERS = 4
_COVERS = frozenset(kind.value for kind in OUTER_KINDS.values())

FACTS = np.dtype([("service", "i4"), ("is_curated", "?"), ("found", "i4"), ("inferred", "i4"), ("are_clients", "?")])
"""What is known of a row, as ``Facts`` names it: all that ``ServerLabel`` follows from. 14 bytes."""


class Facts(NamedTuple):
    """What is known of a row."""

    service: int
    """Service key by port."""
    is_curated: bool
    """Whether that is a service of the curated list."""
    found: int
    """Number of the finding."""
    inferred: int
    """Number of the timeline's names."""
    are_clients: bool
    """Whether the names that were found are of the end that opened the connection, and was asked over it."""


class ServerLabel(NamedTuple):
    """What is told of a server."""

    key: int
    """Service key, see ``service_keys``."""
    protocol: str | None
    """As recognised in the traffic."""
    hostname: str | None
    hostname_source: str | None
    host: int
    """``Registry.host_number`` of the hostname, 0 for none."""


NOTHING = ServerLabel(0, None, None, None, 0)
"""Of a row that says nothing, as most ports of a scan do: its service is that of its port, in ``by_port``."""


def tell(
    fact: Facts, detection: Detection | None, inferred: tuple[tuple[str, ...], NameKind], registry: Registry
) -> ServerLabel:
    """The label for these facts: what was detected, and the names that resolvers gave."""
    names, source = _names(None if fact.are_clients else detection, inferred)
    hostname = names[0] if len(names) == 1 else None
    host = registry.host_number(hostname) if hostname else 0
    protocol = detection.protocol if detection else None
    is_cover = source in _COVERS  # then the app is that of the name behind it, if a resolver told one
    sent = detection.names[0].text if detection and detection.names else None
    key = _key(fact, protocol, inferred[0] if is_cover else names, sent, registry)
    return ServerLabel(key, protocol, hostname, source if hostname else AMBIGUOUS if names else None, host)


def _key(fact: Facts, protocol: str | None, names: tuple[str, ...], sent: str | None, registry: Registry) -> int:
    """The service key for what the port says, the protocol, and the names, if need be several.

    ``sent``: the name that the conversation itself mentions.
    """
    service, by_port = fact.service, identity_by_port(fact.service)
    protocol = None if protocol in _ENVELOPES else protocol
    foreign = protocol is not None and not _agrees(protocol, by_port, sent, is_curated=fact.is_curated)
    if sent and protocol == "tls" and is_made_up(by_port.app, sent):
        names = ()
    apps = {label.app if label else None for label in map(app_of_hostname, names)}
    app = apps.pop() if len(apps) == 1 else None
    if app:
        return registry.found_key(service, protocol if foreign else None, app, "name")
    if protocol is None:
        return service
    app = _PART_OF.get(protocol) or (not foreign and by_port.app) or protocol
    return registry.found_key(service, protocol if foreign else None, app, "protocol")


def _agrees(protocol: str, by_port: Identity, sent: str | None, *, is_curated: bool) -> bool:
    """Whether a protocol that was recognised is what the port promises, or carries it.

    What IANA has on a port is seldom what is found there; so that TLS or HTTP carries it is believed of a curated port.
    """
    service = by_port.app
    if service is None:
        return False
    if is_curated and protocol in _OVER_HTTP and service in SPOKEN_OVER_HTTP:
        return True
    if is_curated and protocol in _OVER_TLS and may_be_in_tls(service, sent):
        return True
    if protocol in ("tls", "quic"):
        return service.startswith("https")
    if service.startswith("https"):
        return False
    return service.startswith((protocol, _SAME.get(protocol, protocol)))


def _names(
    detection: Detection | None, inferred: tuple[tuple[str, ...], NameKind]
) -> tuple[tuple[str, ...], str | None]:
    """The host names to choose from, and where they stood; addresses in the place of a name are none.

    A cover comes after the names that the conversation shows otherwise, and before those that resolvers gave.
    """
    cover: tuple[tuple[str, ...], str] | None = None
    for name in detection.names if detection else ():
        host = _host(name.text)
        is_offered = name.may_be_cover and inferred[1] is NameKind.TLS_SNI_OUTER
        kind = OUTER_KINDS[name.kind] if is_offered else name.kind
        if host and kind.value not in _COVERS:
            return (host,), kind.value
        cover = cover or ((host,), kind.value) if host else cover
    if cover or inferred[1] is NameKind.TLS_SNI_OUTER:
        return cover or ((), None)
    return inferred[0], inferred[1].value if inferred[0] else None


def _host(text: str) -> str | None:
    """The name in a Host header or server name: without port and last dot, in lower case; None for an address.

    IPv6 stands in brackets or has several colons; IPv4 has four numbers with dots between (RFC 3986 §3.2.2). Whatever
    else some programs take for an address (0x7f000001) is a name.
    """
    host, _, port = text.strip().lower().partition(":")
    if host.startswith("[") or ":" in port:
        return None
    host = host.rstrip(".")
    if not host[-1:].isdigit():  # no address ends so, and most names do
        return text if host == text else host or None  # the same text takes its memory once
    labels = host.split(".")
    return None if len(labels) == _IPV4_NUMBERS and all(map(str.isdecimal, labels)) else host
