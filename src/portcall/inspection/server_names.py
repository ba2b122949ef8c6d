"""Names: what the traffic itself says of each conversation's server, and what follows from it.

A name that the conversation mentions comes first (TLS, HTTP, a certificate), then what a resolver answered this client
before: the address-to-name timeline. Such names are inferred: where several share an address, that is said and none is
guessed, though all may belong to one app. Name and protocol then label the row: its service, its app. Pure; the clock
is that of the packets. Equal facts are told once, so a million conversations cost some thousand looks at a name.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.flows.aggregation import grouped
from portcall.flows.originator import Asker
from portcall.inspection.asked_questions import QuestionNumbers
from portcall.inspection.detection_table import Detected, DetectionTable
from portcall.inspection.dns_cache import DnsCache
from portcall.inspection.expected_flows import ExpectedFlows
from portcall.inspection.inspector import Inspector
from portcall.labels.hostnames import app_of_hostname
from portcall.labels.port_services import Rank, ranks
from portcall.labels.registry import Registry
from portcall.labels.service_keys import has_ports, identity_by_port, server_ports
from portcall.records.packets import NO_TIME
from portcall.records.tls_secrets import read_key_log

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.flows.table import FlowTable
    from portcall.inspection.dns_cache import CachedAnswer
    from portcall.inspection.handover import PayloadKeeper
    from portcall.labels.service_keys import Identity
    from portcall.records.detections import Detection, NameKind
    from portcall.records.packets import FrameBatch

AMBIGUOUS = "ambiguous"
"""Stands in ``hostname_source`` where resolvers gave several names for the address."""

_CARRIERS = frozenset({"tls", "quic", "dtls", "http", "http2", "websocket"})
"""Protocols that carry others: on the port of a service they do not contradict it …"""
_RECOGNISABLE = frozenset(
    {
        "http",
        "http-alt",
        "https",
        "https-alt",
        "ssh",
        "telnet",
        "ftp",
        "smtp",
        "imap",
        "pop3",
        "dns",
        "irc",
        "ldap",
        "smb",
    }
    | {"mysql", "postgresql", "redis", "mongodb", "rdp", "vnc", "mqtt", "amqp", "sip", "rtsp", "ntp", "snmp", "bgp"}
)
"""… unless that would have been recognised if it were there."""
_SAME = {"smtp": "submission", "smb": "netbios-ssn", "pop": "pop3"}
"""Protocol → the start of other services' names that it is spoken by."""
_TLS_AT_ONCE = frozenset({"postgresql", "rdp"})
"""Services that would be recognised, but whose clients may begin with TLS (PostgreSQL 17)."""
_ENVELOPES = frozenset({"proxy-protocol"})
"""Protocols that only stand before another one: alone they make no service."""
_PART_OF = {"ftp-data": "ftp"}
"""Protocol → the app that it is a part of."""
_IPV4_NUMBERS = 4
_MOST_TOLD = 1 << 18  # remembered
MOST_SECRETS = 1 << 17


class _Facts(NamedTuple):
    """What is known of a row: all that ``ServerLabel`` follows from."""

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


_NOTHING = ServerLabel(0, None, None, None, 0)
"""Of a row that says nothing, as most ports of a scan do: its service is that of its port, in ``by_port``."""


class ServerLabels(NamedTuple):
    """What the traffic says of FLOW[n]."""

    by_port: NDArray[np.int64]
    """int64[n]: the service key of a row of which nothing is told."""
    told: list[ServerLabel]
    """Each distinct thing that is told; the first is nothing."""
    which: NDArray[np.int64]
    """int64[n]: index in ``told``."""

    @property
    def services(self) -> NDArray[np.int64]:
        """int64[n]: the service key of each row."""
        keys = np.array([told.key for told in self.told], np.int64)
        return np.where(self.which > 0, keys[self.which], self.by_port)

    @property
    def hosts(self) -> NDArray[np.uint64]:
        """uint64[n]: number of the server's name, 0 for none."""
        return np.array([told.host for told in self.told], np.uint64)[self.which]


class ServerNames:
    """All that was detected in one capture. ``with_details``: what flow rows show besides protocol and name.

    ``with_questions``: which packets carry which DNS question. ``with_logs``: what logs say of conversations.
    """

    def __init__(self, *, with_details: bool = False, with_questions: bool = False, with_logs: bool = False) -> None:
        self.registry = Registry()
        """What the numbers in labels mean."""
        self.with_details = with_details
        self.with_logs = with_logs
        self.questions = QuestionNumbers() if with_questions else None
        self.detections = DetectionTable()
        self.dns_cache = DnsCache()
        self.expected_flows = ExpectedFlows()
        self.key_log: dict[tuple[str, bytes], bytes] = {}
        self._told: dict[tuple[int, bool, int, int, bool], ServerLabel] = {}

    def inspector_for(self, table: FlowTable, holder: PayloadKeeper | None = None) -> Inspector:
        """An inspector for one flow table; ``holder`` keeps payloads for those who merge it, or log them."""
        return Inspector(
            table,
            self.detections,
            self.dns_cache,
            self.expected_flows,
            key_log=self.key_log,
            with_details=self.with_details,
            holder=holder,
        )

    def note_capture(self, batch: FrameBatch) -> None:
        """Keep what the capture itself says beside its frames: what hosts are called, and secrets of TLS sessions."""
        for name, address in batch.host_names:
            self.dns_cache.note_capture(name, address)
        for session, secret in read_key_log(batch.key_log) if batch.key_log else ():
            if len(self.key_log) < MOST_SECRETS:
                self.key_log[session] = secret

    def label(
        self,
        flows: NDArray[np.void],
        client_is_low: NDArray[np.bool_],
        services: NDArray[np.int64],
        found: Detected,
    ) -> ServerLabels:
        """What is told of FLOW[n], whose service keys by port are given."""
        are_clients = (found.askers > 0) & ((found.askers == Asker.LOW) != client_is_low)
        nameless = (~self.detections.have_names()[found.numbers] | are_clients) & has_ports(flows)
        inferred = self._inferred(flows, client_is_low, nameless)
        rows = np.flatnonzero(found.numbers | inferred)
        server_port = server_ports(flows, client_is_low)[rows]
        columns = {
            "service": services[rows],
            "is_curated": ranks(flows["protocol"][rows], server_port) == Rank.CURATED,
            "found": found.numbers[rows],
            "inferred": inferred[rows],
            "are_clients": are_clients[rows],
        }
        groups, members = grouped(columns, tuple(columns))
        facts = zip(*(column[members].tolist() for column in columns.values()), strict=True)
        which = np.zeros(len(flows), np.int64)
        which[rows] = 1 + groups
        return ServerLabels(services, [_NOTHING, *map(self._tell, facts)], which)

    def detection(self, number: int) -> Detection | None:
        """What has this number in Found; None for 0."""
        return self.detections[number]

    def answered_before(self, client: str, server: str, time_ns: int | None) -> list[CachedAnswer]:
        """What resolvers told an address (as text) of another one before a time; of a capture without times, all."""
        asker, asked = (ipaddress.ip_address(end).packed.rjust(16, b"\0") for end in (client, server))
        return self.dns_cache.answered_before(asker, asked, NO_TIME if time_ns is None else time_ns)

    @property
    def left_out(self) -> int:
        """Conversations whose names found no room."""
        return self.detections.left_out

    def _inferred(
        self, flows: NDArray[np.void], client_is_low: NDArray[np.bool_], nameless: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """int64[n]: number of the names that resolvers gave for the server, where a row mentions none of it."""
        if not self.dns_cache:
            return np.zeros(len(flows), np.int64)
        return self.dns_cache.find(flows, client_is_low, nameless)

    def _tell(self, known: tuple[int, bool, int, int, bool]) -> ServerLabel:
        told = self._told.get(known)
        if told is None:
            if len(self._told) >= _MOST_TOLD:
                self._told.clear()
            fact = _Facts(*known)
            inferred = self.dns_cache[fact.inferred]
            told = self._told[known] = _tell(fact, self.detections[fact.found], inferred, self.registry)
        return told


def _tell(
    fact: _Facts, detection: Detection | None, inferred: tuple[tuple[str, ...], NameKind], registry: Registry
) -> ServerLabel:
    names, source = _names(None if fact.are_clients else detection, inferred)
    hostname = names[0] if len(names) == 1 else None
    host = registry.host_number(hostname) if hostname else 0
    protocol = detection.protocol if detection else None
    key = _key(fact, protocol, names, registry)
    return ServerLabel(key, protocol, hostname, source if hostname else AMBIGUOUS if names else None, host)


def _key(fact: _Facts, protocol: str | None, names: tuple[str, ...], registry: Registry) -> int:
    """The service key for what the port says, the protocol, and the names, if need be several."""
    service, by_port = fact.service, identity_by_port(fact.service)
    protocol = None if protocol in _ENVELOPES else protocol
    foreign = protocol is not None and not _agrees(protocol, by_port, is_curated=fact.is_curated)
    apps = {label.app if label else None for label in map(app_of_hostname, names)}
    app = apps.pop() if len(apps) == 1 else None
    if app:
        return registry.found_key(service, protocol if foreign else None, app, "name")
    if protocol is None:
        return service
    app = _PART_OF.get(protocol) or (not foreign and by_port.app) or protocol
    return registry.found_key(service, protocol if foreign else None, app, "protocol")


def _agrees(protocol: str, by_port: Identity, *, is_curated: bool) -> bool:
    """Whether a protocol that was recognised is what the port promises, or carries it.

    What IANA has on a port is seldom what is found there; so that TLS or HTTP carries it is believed of a curated port.
    """
    service = by_port.app
    if service is None:
        return False
    if protocol == "tls" and service in _TLS_AT_ONCE:
        return True
    if protocol in _CARRIERS and is_curated and service not in _RECOGNISABLE:
        return True
    if protocol in ("tls", "quic"):
        return service.startswith("https")
    if service.startswith("https"):
        return False
    return service.startswith((protocol, _SAME.get(protocol, protocol)))


def _names(
    detection: Detection | None, inferred: tuple[tuple[str, ...], NameKind]
) -> tuple[tuple[str, ...], str | None]:
    """The host names to choose from, and where they stood; addresses in the place of a name are none."""
    for name in detection.names if detection else ():
        host = _host(name.text)
        if host:
            return (host,), name.kind.value
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
