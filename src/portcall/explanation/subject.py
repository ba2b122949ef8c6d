"""What somebody wants explained: the words of ``portcall explain`` → a subject.

    subject       = port | service | class | state | transport | address | socket | conversation
    port          = NUMBER | transport "/" NUMBER | NUMBER "/" transport          443   tcp/53   53/udp
    class         = "well-known" | "registered" | "ephemeral" | FIRST "-" LAST    ephemeral   1024-49151
    state         = as ss, netstat or RFC 9293 write it                           TIME-WAIT   ESTABLISHED
    socket        = [transport "/"] address ":" NUMBER                            0.0.0.0:80   [::1]:80   :80   *:80
    conversation  = [transport "/"] socket ("-" | "->" | "↔" | " ") socket        192.168.1.5:54823-142.250.80.46:443

A service is a name from the lists of ``labels.ports``. An IPv6 address stands in brackets where a port follows, and
may have a zone. Nothing is looked up: whether a port has a service, or an address a name, is not asked here.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

from portcall.errors import UsageError
from portcall.labels.ports import TRANSPORTS, PortClass, nearest_name, ports_of
from portcall.records.sockets import STATES, end_text

LAST_PORT = 65535
CLASS_RANGES = {
    PortClass.WELL_KNOWN: (0, 1023),
    PortClass.REGISTERED: (1024, 49151),
    PortClass.EPHEMERAL: (49152, LAST_PORT),
}
"""First and last port of the three classes, RFC 6335 §6."""

_TRANSPORT = "|".join(TRANSPORTS)
_PORT = re.compile(rf"(?:({_TRANSPORT})[/:])?(\d+)(?:/({_TRANSPORT}))?", re.IGNORECASE)
_SOCKET = re.compile(rf"(?:({_TRANSPORT})[/:])?(\[[^\]]*\]|[^\[\]:]*):(\d+)(?:/({_TRANSPORT}))?", re.IGNORECASE)
_BETWEEN = re.compile(r"(?<=\d)\s*(?:->|<->|↔|–|-|\s)\s*(?=[\[\d*:])")
_WILDCARDS = {"": "0.0.0.0", "*": "0.0.0.0", "localhost": "127.0.0.1"}  # noqa: S104 - a word for it, nothing binds
_STATES = {**{state: state for state in STATES}, "ESTABLISHED": "ESTAB", "LISTENING": "LISTEN"}
_STATES |= {"SYN-RECEIVED": "SYN-RECV", "SYN-RCVD": "SYN-RECV"}
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
    subject = next(filter(None, (parse(words) for parse in _PARSERS)), None)
    if subject is None:
        near = nearest_name(words)
        hint = f"Did you mean '{near}'?" if near else "Try a port (443), a service (https) or a socket (127.0.0.1:80)"
        raise UsageError(f"{text!r} is no port, service, address or socket. {hint}")
    return subject


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


def _port(words: str) -> Subject | None:
    found = _PORT.fullmatch(words)
    if not found:
        return None
    return Subject("port", words, (_number(found[2]),), _transport(found[1], found[3]))


def _conversation(words: str) -> Subject | None:
    parts = _BETWEEN.split(words)
    if len(parts) != 2 or not all(map(_SOCKET.fullmatch, parts)):  # noqa: PLR2004 - ends
        return None
    near, far = map(_socket, parts)
    if not near or not far:
        return None
    return Subject("conversation", words, transport=near.transport or far.transport, ends=near.ends + far.ends)


def _socket(words: str) -> Subject | None:
    found = _SOCKET.fullmatch(words)
    if not found:
        return None
    host = found[2].strip("[]").lower()
    host = "::" if found[2] == "[]" else _WILDCARDS.get(host, host)
    if not _is_address(host):
        raise UsageError(f"{words!r}: {host!r} is no address. Write it like 192.168.1.5:443 or [2001:db8::1]:443")
    return Subject("socket", words, transport=_transport(found[1], found[4]), ends=(End(host, _number(found[3])),))


def _address(words: str) -> Subject | None:
    host = words.strip("[]").lower()
    host = _WILDCARDS.get(host, host) if words else host
    return Subject("address", words, address=host) if _is_address(host) else None


def _service(words: str) -> Subject | None:
    found = ports_of(words)
    if not found:
        return None
    return Subject("service", words, tuple(dict.fromkeys(port for port, _ in found)))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return re.fullmatch(r"[^%]+(%[\w.-]+)?", text) is not None  # Python takes anything for a zone


def _number(digits: str) -> int:
    number = int(digits) if len(digits) <= len(str(LAST_PORT)) else LAST_PORT + 1
    if number > LAST_PORT:
        raise UsageError(f"{digits} is no port: ports are the numbers from 0 to {LAST_PORT}")
    return number


def _transport(before: str | None, after: str | None) -> str | None:
    words = {word.lower() for word in (before, after) if word}
    if len(words) > 1:
        raise UsageError(f"{before} and {after}: a port belongs to one transport at a time")
    return words.pop() if words else None


_PARSERS = (_class, _state, _named_transport, _port, _conversation, _socket, _address, _service)
