"""What somebody wants explained: the words of ``portcall explain`` → a subject.

Most are those of ``queries.endpoints``: a port, a service, an address, a socket (an address and a port) or a
conversation. Beside them:

    class      = "well-known" | "registered" | "ephemeral" , or its range      ephemeral   1024-49151
    state      = as ss, netstat or RFC 9293 write it                           TIME-WAIT   ESTABLISHED
    transport  = "tcp" | "udp"

A port at any address is that port; alone, and in a conversation, any address is the one that a socket for any is bound
to. Nothing is looked up: whether a port has a
service, or an address a name, is not asked here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from portcall.labels.port_lists import TRANSPORTS
from portcall.labels.port_services import PortClass
from portcall.queries.endpoints import LAST_PORT, parse_endpoints, refused
from portcall.records.schema import end_text
from portcall.records.sockets import STATES

if TYPE_CHECKING:
    from portcall.queries.endpoints import Endpoint, Endpoints

CLASS_RANGES = {
    PortClass.WELL_KNOWN: (0, 1023),
    PortClass.REGISTERED: (1024, 49151),
    PortClass.EPHEMERAL: (49152, LAST_PORT),
}
"""First and last port of the three classes, RFC 6335 §6."""

_ANY = "0.0.0.0"  # noqa: S104 - a word for it, nothing binds
_STATES = {**{state: state for state in STATES}, "ESTABLISHED": "ESTAB", "LISTENING": "LISTEN"}
_STATES |= {"SYN-RECEIVED": "SYN-RECV", "SYN-RCVD": "SYN-RECV"}
_MOST_SHOWN = 5
_MET_EVERY_DAY = ("tcp", "udp")
Kind = Literal["port", "service", "class", "state", "transport", "address", "socket", "conversation"]


@dataclass(frozen=True, slots=True)
class End:
    """An address and a port of it."""

    address: str
    port: int

    def __str__(self) -> str:
        return end_text(self.address, self.port)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be explained."""

    kind: Kind
    text: str
    """As it was asked."""
    ports: tuple[int, ...] = ()
    """Of a port or service; a service may have several."""
    transport: str | None = None
    """One of TRANSPORTS where only that was meant."""
    ends: tuple[End, ...] = ()
    """One of a socket, two of a conversation."""
    address: str | None = None
    port_class: PortClass | None = None
    state: str | None = None
    """One of ``system_sockets.STATES``."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that it names, once."""
        alone = (self.address,) if self.address else ()
        return tuple(dict.fromkeys([*alone, *(end.address for end in self.ends)]))


def parse_subject(text: str) -> Subject:
    """The subject that the words mean; UsageError, with the nearest thing that would do, where they mean none."""
    words = text.strip()
    subject = _class(words) or _state(words) or _named_transport(words)
    return subject or _of_endpoints(parse_endpoints(words))


def _class(words: str) -> Subject | None:
    for port_class, (first, last) in CLASS_RANGES.items():
        if words.lower() == port_class.label or re.fullmatch(rf"{first}\s*[-–]\s*{last}", words):
            return Subject("class", words, port_class=port_class)
    return None


def _state(words: str) -> Subject | None:
    state = _STATES.get(words.upper().replace("_", "-"))
    return Subject("state", words, state=state) if state else None


def _named_transport(words: str) -> Subject | None:
    return Subject("transport", words, transport=words.lower()) if words.lower() in _MET_EVERY_DAY else None


def _of_endpoints(meant: Endpoints) -> Subject:
    text, transport = meant.text, meant.transport
    if transport not in (None, *TRANSPORTS):
        raise refused(text, f"{transport} has no ports of its own to explain")
    if len(meant.ends) > 1:
        near, far = (_end(end, text) for end in meant.ends)
        return Subject("conversation", text, transport=transport, ends=(near, far))
    (end,) = meant.ends
    if not end.ports:
        return Subject("address", text, address=_address(end), transport=transport)
    if end.addresses:
        return Subject("socket", text, transport=transport, ends=(_end(end, text),))
    if end.service:
        return Subject("service", text, tuple(end.ports), transport)
    return Subject("port", text, (_only_port(end, text),), transport)


def _end(end: Endpoint, text: str) -> End:
    if not end.ports:
        raise refused(text, f"{end.text!r} is no end of a conversation without its port")
    return End(_address(end), _only_port(end, text))


def _only_port(end: Endpoint, text: str) -> int:
    if len(end.ports) > 1:
        numbers = ", ".join(map(str, end.ports[:_MOST_SHOWN])) + (" …" if len(end.ports) > _MOST_SHOWN else "")
        raise refused(text, f"{end.text} is {len(end.ports)} ports, {numbers}; say which")
    return end.ports[0]


def _address(end: Endpoint) -> str:
    return end.addresses[0] if end.addresses else _ANY
