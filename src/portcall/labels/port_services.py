"""What a port number alone says: its class, the service that usually lives there, and the words of the evidence.

Rules are data: ``curated_services`` is our short list of what people really find, and only its names label anything.
``data/iana-services.csv`` is a generated snapshot of IANA's registry: a name there makes a port more likely the serving
one, and is a hint for people, since nobody knows most of them.
A service belongs to a port *of one transport*: TCP/514 is a
remote shell, UDP/514 is syslog. Each list becomes a table indexed by [transport, port] at the first question about it,
so a million flows are labelled by indexing; a question about one port needs no NumPy.

    port   0 ─────────── 1023 │ 1024 ────────────────────── 49151 │ 49152 ─────── 65535     RFC 6335 §6
           well-known         │ registered                        │ ephemeral
                                         32768 ──────── Linux ────────── 60999

This module must not know flows, packets or which end of a conversation is the server; and it must load within a few
milliseconds, since every ``portcall read`` waits for it.
"""

from __future__ import annotations

import enum
from array import array
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from portcall.labels.curated_services import curated_names, range_of
from portcall.labels.port_lists import PORTS, TRANSPORTS, iana_entries, our_entries, placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from portcall.labels.port_lists import Entry

PORTED = frozenset({6, 17, 132, 33, 136})
"""IANA protocol numbers that carry ports: TCP, UDP, SCTP, DCCP, UDP-Lite."""

EPHEMERAL_BY_SYSTEM = {
    "IANA": (49152, 65535),  # RFC 6335 §6
    "Linux": (32768, 60999),  # net.ipv4.ip_local_port_range, kernel's Documentation/networking/ip-sysctl; Android too
    "macOS": (49152, 65535),  # net.inet.ip.portrange.first and .last
    "FreeBSD": (10000, 65535),  # net.inet.ip.portrange.first and .last; IPPORT_EPHEMERALFIRST in netinet/in.h
    "Windows": (49152, 65535),  # since Vista: netsh int ipv4 show dynamicport tcp
}
"""First and last port that a system hands out by itself to outgoing connections, where nobody changed its settings."""

LENT = EPHEMERAL_BY_SYSTEM["IANA"], EPHEMERAL_BY_SYSTEM["Linux"]
"""Of these, the ranges whose ports a system probably picked itself. FreeBSD's begins where many services live."""

PROTOCOL_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132, "dccp": 33}
"""IANA protocol numbers of TRANSPORTS."""

_ROW_OF_PROTOCOL = {6: 0, 17: 1, 136: 1, 132: 2, 33: 3}
"""Protocol number → row of the tables. UDP-Lite shares the names of UDP (RFC 3828 §6)."""

_NO_ROW = len(TRANSPORTS)
"""The last row of the tables, where no port has a service: for all other protocols."""

PROTOCOLS_BY_PORT = (*sorted(PORTED), 0)
"""Protocols whose 65536 entries follow one another in tables by port; the last one stands for all without ports."""

BEGINNINGS = array("q", [PROTOCOLS_BY_PORT.index(number if number in PORTED else 0) << 16 for number in range(256)])
"""Protocol number → where its entries begin in such a table."""

_PROTOCOL_NAMES = {6: "tcp", 17: "udp", 132: "sctp", 33: "dccp", 136: "udplite", 1: "icmp", 58: "icmp6"}

_NEAR = 0.75
"""How alike a name must be to be meant: of the thousands that IANA lists, some are a little like anything."""

FIRST_PORTS = (0, 1024, 49152)
"""The first port of each PortClass."""


class PortClass(enum.IntEnum):
    """The three ranges of RFC 6335 §6."""

    WELL_KNOWN = 0
    REGISTERED = 1
    EPHEMERAL = 2

    @property
    def label(self) -> str:
        """The word in output columns: well-known, registered or ephemeral."""
        return self.name.lower().replace("_", "-")


def class_of(port: int) -> PortClass:
    """The class of one port."""
    return PortClass((port >= FIRST_PORTS[1]) + (port >= FIRST_PORTS[2]))


class Rank(enum.IntEnum):
    """How well a port's service is known; a higher rank is better evidence for the serving end."""

    NONE = 0
    """No name, or only that of a range: a system may have picked such a port by itself."""
    IANA = 1
    CURATED = 2


def port_classes(ports: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """PortClass of each port, ``uint8[n]``."""
    return (ports >= FIRST_PORTS[1]).astype("u1") + (ports >= FIRST_PORTS[2])


def is_temporary(ports: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether a system probably picked the port itself, ``bool[n]``: whether LENT has it."""
    temporary = ports < 0
    for first, last in LENT:
        temporary |= (ports >= first) & (ports <= last)
    return temporary


def protocol_name(number: int) -> str:
    """The word for an IANA protocol number, ``ip-N`` where a report has none."""
    return _PROTOCOL_NAMES.get(number) or f"ip-{number}"


PROTOCOL_NAMES = tuple(map(protocol_name, range(256)))
"""The words for all numbers."""


def protocol_number(name: str) -> int:
    """The IANA number of a protocol, by the word that ``protocol_name`` has for it; ValueError for other words."""
    known = {word: number for number, word in _PROTOCOL_NAMES.items()}
    return known[name] if name in known else int(name.removeprefix("ip-"))


def ranks(protocols: NDArray[np.uint8], ports: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Rank of each port's service, ``uint8[n]``."""
    import numpy as np

    rows = np.array([_row(number) for number in range(256)], np.intp)
    return np.asarray(np.frombuffer(_ranks(), np.uint8)[rows[protocols] * PORTS + ports])


class PortTable(NamedTuple):
    """What is known of every port of one protocol."""

    ids: NDArray[np.int16]
    """[port] → a number for its service's name, -1 where it has none.

    Equal names have equal numbers, whatever the port or transport; they hold within this process only.
    """
    ranks: NDArray[np.uint8]
    """[port] → Rank."""


def port_table(protocol: int) -> PortTable:
    """What is known of every port of a protocol number."""
    import numpy as np

    first = _row(protocol) * PORTS
    ids = np.frombuffer(_ours().ids, np.int16)[first : first + PORTS]
    return PortTable(ids, np.frombuffer(ranks_of(protocol), np.uint8))


def ranks_of(protocol: int) -> bytes:
    """Rank of every port of a protocol number, a byte each."""
    first = _row(protocol) * PORTS
    return bytes(_ranks()[first : first + PORTS])


def service_id_of(name: str) -> int | None:
    """The number of a service's name, as in a ``PortTable``, or None where no port has it."""
    return _iana().id_of.get(name)


def service_name(service_id: int) -> str:
    """The name behind a number in a ``PortTable``; IndexError for -1 and other numbers that it never gave."""
    if service_id < 0:
        message = f"no service has the number {service_id}"
        raise IndexError(message)
    names = _ours().names
    return names[service_id] if service_id < len(names) else _iana().names[service_id]


def iana_name_of(protocol: int, port: int) -> str | None:
    """What IANA lists for a port that our list does not have: a hint for people, and no name of a service."""
    if _ranks()[_place(protocol, port)] == Rank.CURATED:
        return None
    service_id = _iana().ids[_place(protocol, port)]
    return None if service_id < 0 else service_name(service_id)


def known_name_of(protocol: int, port: int) -> str | None:
    """The name by our list, else the hint."""
    return service_name_of(protocol, port) or iana_name_of(protocol, port)


def service_name_of(protocol: int, port: int) -> str | None:
    """The service that usually lives on a port (0 to 65535) of a protocol number, by our list, or None."""
    service_id = _ours().ids[_place(protocol, port)]
    return None if service_id < 0 else service_name(service_id)


def service_evidence(protocol: int, port: int) -> str | None:
    """Where the name comes from: ``curated 443/tcp``, ``curated 60000-61000/udp``, or of a hint ``IANA 4444/tcp``."""
    row, place = _row(protocol), _place(protocol, port)
    rank = _ranks()[place]
    if rank == Rank.CURATED or (rank == Rank.IANA and _ours().ids[place] < 0):
        return f"{'curated' if rank == Rank.CURATED else 'IANA'} {port}/{TRANSPORTS[row]}"
    found = range_of(port, TRANSPORTS[row]) if row != _NO_ROW else None
    return found and f"curated {found.port}-{found.last_port}/{found.transport}"


def ports_of(name: str) -> list[tuple[int, str]]:
    """(port, transport) of every port whose service has that name, in any case; our list's before IANA's.

    Those of a range only where no port by itself has the name: ``vnc`` is 5900, ``mosh`` all from 60000 to 61000.
    """
    wanted, ours = name.lower(), _ours()
    ranges, single = our_entries()
    of_range, of_iana, of_ours = (
        {place for place, known in placed(listed) if known.lower() == wanted}
        for listed in (ranges, iana_entries(), single)
    )
    by_place = {place: Rank.NONE for place in of_range if ours.names[ours.ids[place]].lower() == wanted}
    by_place |= {place: Rank.IANA for place in of_iana if _ranks()[place] != Rank.CURATED}
    by_place |= dict.fromkeys(of_ours, Rank.CURATED)
    ranked = sorted((-rank, place % PORTS, place // PORTS) for place, rank in by_place.items())
    by_themselves = [found for found in ranked if found[0] != -Rank.NONE]
    return [(port, TRANSPORTS[row]) for _, port, row in by_themselves or ranked]


def nearest_name(name: str) -> str | None:
    """The service name that somebody may have meant, from our list before IANA's; None where none is near."""
    import difflib

    for names in (curated_names(), _iana().names):
        if near := difflib.get_close_matches(name.lower(), names, n=1, cutoff=_NEAR):
            return near[0]
    return None


class _Table(NamedTuple):
    ids: array[int]  # [transport or _NO_ROW, port] → index into names, or -1. 640 KiB
    names: list[str]
    id_of: dict[str, int]


@cache
def _ours() -> _Table:
    """Ranges and our own names, the latter written over the former."""
    ranges, single = our_entries()
    return _table([*ranges, *single], [])


@cache
def _iana() -> _Table:
    """IANA's names, which label nothing; their numbers follow those of ours, and equal names have equal numbers."""
    return _table(iana_entries(), _ours().names)


def _table(listed: Sequence[Entry], names: list[str]) -> _Table:
    names = list(dict.fromkeys([*names, *(name for _, _, name in listed)]))
    id_of = {name: index for index, name in enumerate(names)}
    ids = array("h", [-1]) * ((_NO_ROW + 1) * PORTS)
    for place, name in placed(listed):
        ids[place] = id_of[name]
    return _Table(ids, names, id_of)


@cache
def _ranks() -> bytearray:
    """[transport or _NO_ROW, port] → Rank. 320 KiB."""
    found = bytearray((_NO_ROW + 1) * PORTS)
    for rank, listed in ((Rank.IANA, iana_entries()), (Rank.CURATED, our_entries()[1])):
        for place, _ in placed(listed):
            found[place] = rank
    return found


def _row(protocol: int) -> int:
    return _ROW_OF_PROTOCOL.get(protocol, _NO_ROW)


def _place(protocol: int, port: int) -> int:
    """Where a port stands in a table; OverflowError where it is none."""
    if not 0 <= port < PORTS:
        message = f"no port has the number {port}"
        raise OverflowError(message)
    return _row(protocol) * PORTS + port
