"""The one grammar of ends and conversations, as every command takes them: words → one Endpoint, or two.

    words         = end | conversation , with a transport before or behind:  tcp/END   tcp:END   tcp END   END/tcp
    conversation  = end ("-" | "–" | "->" | "<->" | "→" | "↔" | " ") end
    end           = [place ":"] port | address
    place         = address | "*" | "localhost" | nothing, which is any address as "*" is
    address       = IPv4 | IPv6, in brackets where a port follows; in any of its forms, and with a zone
    port          = NUMBER | FIRST "-" LAST | the name of a service | "*" behind a place, which is any
    transport     = tcp | udp | sctp | dccp | udplite | icmp | icmp6 | ip-N

    443   53/udp   tcp/53   :8080   https   8000-8010              ports, at any address
    192.168.1.5:443   [::1]:80   [fe80::1%eth0]:22   *:80          an address and a port
    localhost:http   10.0.0.5   2001:db8::5
    192.168.1.5:54823-142.250.80.46:443   [::1]:5 -> [::1]:6/udp   conversations
    10.0.0.5-192.0.2.1/icmp

Between "-", which names and ranges have too, each end says where it is. Only a command that asks a name server takes
names for addresses. Words that mean nothing are a UsageError with what may have been meant. Pure, whatever the words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portcall.errors import UsageError
from portcall.labels.addresses import is_same_address, plain_address
from portcall.records.schema import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

LAST_PORT = 65535
EXAMPLES = "Write it like 8080, 443/udp, https, 192.168.1.5:443, [::1]:8080 or 192.168.1.5:54823-142.250.80.46:443"

_LOCALHOST = ("127.0.0.1", "::1")
_MOST_CHARACTERS = 255  # as long as a file's name, and a process may be called like one
_SHOWN_CHARACTERS = 60
_LONGEST_SERVICE = 40
_WITH_PORTS = ("tcp", "udp", "sctp", "dccp", "udplite")
_TRANSPORT = rf"{'|'.join(_WITH_PORTS)}|icmp6?|ip-\d{{1,3}}"
_BEFORE = re.compile(rf"({_TRANSPORT})(?:\s*[/:]\s*|\s+)(?=\S)", re.IGNORECASE | re.ASCII)
_BEHIND = re.compile(rf"(?<=\S)(?:\s*/\s*|\s+)({_TRANSPORT})\Z", re.IGNORECASE | re.ASCII)
_BETWEEN = re.compile(r"\s*(?:<?-+>|[→↔])\s*|\s+[-–]\s+|\s+")
_SAYS_WHERE = re.compile(r"(?:\[[^\[\]]+\]|[^\[\]:/]*):[^\[\]:/]+|\[[^\[\]]+\]|\*|localhost", re.IGNORECASE)
_NUMBERS = re.compile(r"(\d+)(?:[-–](\d+))?", re.ASCII)
_LOOPBACK_AND_PORT = re.compile(r"::1:\d+", re.ASCII)
"""An address by the letter, of a block that nobody uses any more (RFC 4291 §2.5.5.1)."""
_LIKE_A_SERVICE = re.compile(rf"[\w+*-]{{2,{_LONGEST_SERVICE}}}", re.ASCII)
_NOT_IN_NAMES = re.compile(r"[\[\]:/\s]")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of traffic; what the words leave open is any."""

    text: str
    """As it was written, without a transport."""
    ports: Sequence[int] = ()
    """Empty: any."""
    addresses: tuple[str, ...] = ()
    """As sockets and rows write them; empty: any. ``localhost`` is two."""
    has_place: bool = False
    """Whether the words say where: by an address, or by a colon before the port."""
    host: str | None = None
    """The place as it was written, without brackets, for a name server; None for any."""
    service: tuple[tuple[int, str], ...] = ()
    """(port, transport) of the service whose name stands for the ports, our list's before IANA's."""

    def is_at(self, address: str | None, interface: str | None = None) -> bool:
        """Whether an address, of a socket that uses just that interface, is this end's."""
        return not self.addresses or any(is_same_address(address, wanted, interface) for wanted in self.addresses)

    def has_port(self, port: int | None, transport: str | None) -> bool:
        """Whether a port of a transport is this end's: what a service is called, is so for some transports only."""
        if self.service:
            return (port, "udp" if transport == "udplite" else transport) in self.service
        return not self.ports or port in self.ports


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What somebody means: one end, or the two of a conversation."""

    text: str
    """As it was asked."""
    ends: tuple[Endpoint, ...]
    transport: str | None = None
    """In lower case; None: any."""


def parse_endpoints(text: str, *, takes_names: bool = False) -> Endpoints:
    """What the words mean; UsageError, with what may have been meant, where that is nothing.

    ``takes_names``: what is no address is the name of a host.
    """
    if len(text) > _MOST_CHARACTERS:
        raise refused(text, f"{len(text)} characters are too many to name an end")
    words, transports = _without_transport(text.strip())
    parts = _parts(words)
    if len(parts) > 2:  # noqa: PLR2004 - the ends
        raise refused(text, "a conversation has two ends")
    ends = []
    for part in parts:
        words, more = _without_transport(part)
        transports += more
        ends.append(_end(words, text, takes_names=takes_names))
    transport = _only(transports, text)
    if transport and transport not in _WITH_PORTS and any(end.ports for end in ends):
        raise refused(text, f"{transport} has no ports")
    return Endpoints(text.strip(), tuple(ends), transport)


def refused(text: str, reason: str, hint: str = EXAMPLES) -> UsageError:
    """The error that every command has for words that it cannot use, however long they are."""
    asked = repr(shortened(text))
    return UsageError(f"{reason if reason.startswith(f'{asked} ') else f'{asked}: {reason}'}. {hint}")


def nearest_service(words: str) -> str | None:
    """The service whose name the words nearly are, if there is one."""
    from portcall.labels.port_services import nearest_name

    return nearest_name(words) if _LIKE_A_SERVICE.fullmatch(words) else None


def shortened(text: str) -> str:
    """The words as an error shows them."""
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _without_transport(words: str) -> tuple[str, list[str]]:
    """The words without the transports before and behind them, and these."""
    found = []
    while match := _BEFORE.match(words) or _BEHIND.search(words):
        found.append(match[1].lower())
        words = words[: match.start()] + words[match.end() :]
    return words, found


def _only(transports: list[str], text: str) -> str | None:
    if len(set(transports)) > 1:
        raise refused(text, f"{' and '.join(transports)}: a port belongs to one transport at a time")
    return transports[0] if transports else None


def _parts(words: str) -> list[str]:
    """The ends; at "-", which names and ranges have too, it is cut only where both say where they are."""
    parts = _BETWEEN.split(words)
    if len(parts) > 1:
        return parts
    cuts = ([words[: dash.start()], words[dash.end() :]] for dash in re.finditer("[-–]", words))
    return next((ends for ends in cuts if all(map(_says_where, ends))), parts)


def _says_where(words: str) -> bool:
    bare, _ = _without_transport(words)
    return _SAYS_WHERE.fullmatch(bare) is not None or plain_address(bare) is not None


def _end(words: str, text: str, *, takes_names: bool) -> Endpoint:
    if not words:
        raise refused(text, "neither a port nor an address")
    place = _place(words)
    if place is not None:
        return Endpoint(words, (), place, has_place=True, host=_bare(words) if place else None)
    host, colon, port = words.rpartition(":")
    place = _place(host)
    if place is None or _lacks_brackets(host):
        if not takes_names or _NOT_IN_NAMES.search(host):
            raise _no_address(host, port, text)
        place = ()
    ports: Sequence[int] | None = () if port == "*" else _numbers(port, text)
    service = _service(port) if ports is None else ()
    if ports is None and not service:
        if takes_names and not colon and not _NOT_IN_NAMES.search(port):
            return Endpoint(words, has_place=True, host=words)
        raise _no_port(port, text)
    named = tuple(dict.fromkeys(number for number, _ in service))
    return Endpoint(words, ports or named, place, bool(colon), None if host in ("", "*") else _bare(host), service)


def _place(words: str) -> tuple[str, ...] | None:
    """The addresses of a place, none for any; None where it is no place."""
    if words in ("", "*"):
        return ()
    if _LOOPBACK_AND_PORT.fullmatch(words):
        return None
    if words.lower() == "localhost":
        return _LOCALHOST
    address = plain_address(_bare(words))
    return None if address is None else (address,)


def _bare(words: str) -> str:
    return words[1:-1] if words.startswith("[") and words.endswith("]") else words


def _numbers(words: str, text: str) -> Sequence[int] | None:
    """The ports of a number or a range; None where it is neither."""
    found = _NUMBERS.fullmatch(words)
    if found is None:
        return None
    first, last = (_number(digits, text) for digits in (found[1], found[2] or found[1]))
    if first > last:
        raise refused(text, f"{first} to {last}: a range of ports begins with the lower one")
    return range(first, last + 1) if first < last else (first,)


def _number(digits: str, text: str) -> int:
    number = int(digits)
    if number > LAST_PORT:
        raise refused(text, f"{shortened(digits)} is no port: ports are the numbers from 0 to {LAST_PORT}")
    return number


def _service(name: str) -> tuple[tuple[int, str], ...]:
    from portcall.labels.port_services import ports_of  # numpy, which numbers do not need

    return tuple(ports_of(name)) if len(name) <= _LONGEST_SERVICE else ()


def _lacks_brackets(host: str) -> bool:
    """Whether nobody can tell where the address ends and the port begins; behind a zone one can."""
    return ":" in host and "%" not in host and not host.startswith("[")


def _no_address(host: str, port: str, text: str) -> UsageError:
    if text.count("[") != text.count("]"):
        return refused(text, "a bracket is missing")
    if _lacks_brackets(host) and plain_address(host):
        reason = "an IPv6 address stands in brackets where a port follows"
        return refused(text, reason, f"Did you mean '[{host}]:{shortened(port)}'?")
    return refused(text, f"{shortened(host)!r} is no address")


def _no_port(words: str, text: str) -> UsageError:
    place, slash, transport = words.rpartition("/")
    if not words or (slash and not (place and transport)):
        return refused(text, "neither a port nor an address")
    if slash:
        return refused(text, f"{shortened(transport)!r} is no transport{did_you_mean(transport[:9], _WITH_PORTS)}")
    near = nearest_service(words)
    reason = f"{shortened(words)!r} is no port, service, address or socket"
    return refused(text, reason, f"Did you mean {near!r}?") if near else refused(text, reason)
