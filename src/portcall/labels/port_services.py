"""What a port number alone says: its class, the service that usually lives there, and the words of the evidence.

Rules are data: ``curated_services`` is our short list of what people really find, and only its names label anything.
``data/iana-services.csv`` is a generated snapshot of IANA's registry: a name there makes a port more likely the serving
one, and is a hint for people, since nobody knows most of them.
A service belongs to a port *of one transport*: TCP/514 is a
remote shell, UDP/514 is syslog. Both lists become tables indexed by [transport, port] at the first question, so a
million flows are labelled by indexing.

    port   0 ─────────── 1023 │ 1024 ────────────────────── 49151 │ 49152 ─────── 65535     RFC 6335 §6
           well-known         │ registered                        │ ephemeral
                                         32768 ──────── Linux ────────── 60999

This module must not know flows, packets or which end of a conversation is the server; and it must load within a few
milliseconds, since every ``portcall read`` waits for it.
"""

from __future__ import annotations

import enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.labels.curated_services import curated_names, range_of, read_names, shipped_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.labels.curated_services import NamedPorts

TRANSPORTS = ("tcp", "udp", "sctp", "dccp")
"""Transports that have service names of their own, in the order of the tables' rows."""

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

PROTOCOL_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132, "dccp": 33}
"""IANA protocol numbers of TRANSPORTS."""

_ROW_OF_PROTOCOL = {6: 0, 17: 1, 136: 1, 132: 2, 33: 3}
"""Protocol number → row of the tables. UDP-Lite shares the names of UDP (RFC 3828 §6)."""

_NO_ROW = len(TRANSPORTS)
"""The last row of the tables, where no port has a service: for all other protocols."""

_BEGINNINGS = np.array([_ROW_OF_PROTOCOL.get(number, _NO_ROW) << 16 for number in range(256)], np.intp)
"""Protocol number → where its row begins in a flat table."""

PROTOCOLS_BY_PORT = (*sorted(PORTED), 0)
"""Protocols whose 65536 entries follow one another in tables by port; the last one stands for all without ports."""

BEGINNINGS = np.array(
    [PROTOCOLS_BY_PORT.index(number if number in PORTED else 0) << 16 for number in range(256)], np.intp
)
"""Protocol number → where its entries begin in such a table."""

_PROTOCOL_NAMES = {6: "tcp", 17: "udp", 132: "sctp", 33: "dccp", 136: "udplite", 1: "icmp", 58: "icmp6"}

_NEAR = 0.75
"""How alike a name must be to be meant: of the thousands that IANA lists, some are a little like anything."""

_DATA = Path(__file__).parents[1].joinpath("data")


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
    return PortClass(port_classes(np.array([port], np.uint16))[0])


class Rank(enum.IntEnum):
    """How well a port's service is known; a higher rank is better evidence for the serving end."""

    NONE = 0
    """No name, or only that of a range: a system may have picked such a port by itself."""
    IANA = 1
    CURATED = 2


def port_classes(ports: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """PortClass of each port, ``uint8[n]``."""
    return (ports >= 1024).astype(np.uint8) + (ports >= 49152)  # noqa: PLR2004 - see above


def is_temporary(ports: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether a system probably picked the port itself, ``bool[n]``: in IANA's ephemeral range or in Linux's.

    FreeBSD's range is left out: it begins at 10000, where many services live.
    """
    temporary = np.zeros(len(ports), np.bool_)
    for first, last in (EPHEMERAL_BY_SYSTEM["IANA"], EPHEMERAL_BY_SYSTEM["Linux"]):
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
    return np.asarray(_tables().ranks.ravel()[_BEGINNINGS[protocols] + ports])


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
    row = _ROW_OF_PROTOCOL.get(protocol, _NO_ROW)
    return PortTable(_tables().ids[row], _tables().ranks[row])


def service_id_of(name: str) -> int | None:
    """The number of a service's name, as in a ``PortTable``, or None where no port has it."""
    return _ids_by_name().get(name)


@cache
def _ids_by_name() -> dict[str, int]:
    return {name: service_id for service_id, name in enumerate(_tables().names)}


def service_name(service_id: int) -> str:
    """The name behind a number in a ``PortTable``; IndexError for -1 and other numbers that it never gave."""
    if service_id < 0:
        message = f"no service has the number {service_id}"
        raise IndexError(message)
    return _tables().names[service_id]


def iana_name_of(protocol: int, port: int) -> str | None:
    """What IANA lists for a port that our list does not have: a hint for people, and no name of a service."""
    service_id = _tables().hints[_ROW_OF_PROTOCOL.get(protocol, _NO_ROW), np.uint16(port)]
    return None if service_id < 0 else service_name(int(service_id))


def known_name_of(protocol: int, port: int) -> str | None:
    """The name by our list, else the hint."""
    return service_name_of(protocol, port) or iana_name_of(protocol, port)


def service_name_of(protocol: int, port: int) -> str | None:
    """The service that usually lives on a port (0 to 65535) of a protocol number, by our list, or None."""
    service_id = _tables().ids[_ROW_OF_PROTOCOL.get(protocol, _NO_ROW), np.uint16(port)]
    return None if service_id < 0 else service_name(int(service_id))


def service_evidence(protocol: int, port: int) -> str | None:
    """Where the name comes from: ``curated 443/tcp``, ``curated 60000-61000/udp``, or of a hint ``IANA 4444/tcp``."""
    row = _ROW_OF_PROTOCOL.get(protocol, _NO_ROW)
    rank = Rank(_tables().ranks[row, np.uint16(port)])
    if rank is Rank.CURATED or (rank is Rank.IANA and _tables().ids[row, np.uint16(port)] < 0):
        return f"{'curated' if rank is Rank.CURATED else 'IANA'} {port}/{TRANSPORTS[row]}"
    found = range_of(port, TRANSPORTS[row]) if row != _NO_ROW else None
    return found and f"curated {found.port}-{found.last_port}/{found.transport}"


def ports_of(name: str) -> list[tuple[int, str]]:
    """(port, transport) of every port whose service has that name, in any case; our list's before IANA's.

    Those of a range only where no port by itself has the name: ``vnc`` is 5900, ``mosh`` all from 60000 to 61000.
    """
    wanted = name.lower()
    numbers = [number for number, known in enumerate(_tables().names) if known.lower() == wanted]
    tables = _tables()
    is_label, is_hint = np.isin(tables.ids, numbers), np.isin(tables.hints, numbers)
    rows, ports = np.nonzero(is_label | is_hint)
    ranks_found = np.where(is_label & (tables.ranks != Rank.CURATED), is_hint * int(Rank.IANA), tables.ranks)[
        rows, ports
    ]
    ranked = sorted(zip((-ranks_found.astype(int)).tolist(), ports.tolist(), rows.tolist(), strict=True))
    by_themselves = [found for found in ranked if found[0] != -Rank.NONE]
    return [(port, TRANSPORTS[row]) for _, port, row in by_themselves or ranked]


def nearest_name(name: str) -> str | None:
    """The service name that somebody may have meant, from our list before IANA's; None where none is near."""
    import difflib

    for names in (curated_names(), _tables().names):
        if near := difflib.get_close_matches(name.lower(), names, n=1, cutoff=_NEAR):
            return near[0]
    return None


class _Tables(NamedTuple):
    ids: NDArray[np.int16]  # [transport or _NO_ROW, port] → index into names of our list, or -1. 640 KiB
    hints: NDArray[np.int16]  # the same of IANA's list, where ours has no name for that very port
    ranks: NDArray[np.uint8]  # [transport or _NO_ROW, port] → Rank. 320 KiB
    names: list[str]


@cache
def _tables() -> _Tables:
    """Ranges and our own names, the latter written over the former; IANA's names label nothing, and are kept apart."""
    iana = _read_iana((_DATA / "iana-services.csv").read_text(encoding="utf-8"))
    single, ranges = read_names(shipped_text())
    ours = single.first, single.transports, single.names
    names = list(dict.fromkeys(iana[2] + single.names + ranges.names))
    id_of = {name: index for index, name in enumerate(names)}

    ids = np.full((_NO_ROW + 1, 65536), -1, np.int16)
    hints = ids.copy()
    ranks_by_port = np.zeros((_NO_ROW + 1, 65536), np.uint8)
    for rank, (ports, transports, services) in (
        (Rank.NONE, _each_port(ranges)),
        (Rank.IANA, iana),
        (Rank.CURATED, ours),
    ):
        port_array = np.array(ports, np.uint16)
        id_array = np.array([id_of[name] for name in services], np.int16)
        target = hints if rank is Rank.IANA else ids
        for row, listed in enumerate(_listed(transports)):
            target[row, port_array[listed]] = id_array[listed]
            ranks_by_port[row, port_array[listed]] = rank
    hints[ranks_by_port == Rank.CURATED] = -1
    return _Tables(ids, hints, ranks_by_port, names)


def _read_iana(text: str) -> tuple[list[int], list[str], list[str]]:
    cells = text.partition("port,transports,name\n")[2].replace("\n", ",").split(",")[:-1]
    return list(map(int, cells[0::3])), cells[1::3], cells[2::3]


def _each_port(ranges: NamedPorts) -> tuple[list[int], list[str], list[str]]:
    """The same as lists of single ports."""
    counts = [last + 1 - first for first, last in zip(ranges.first, ranges.last, strict=True)]
    return (
        [first + offset for first, count in zip(ranges.first, counts, strict=True) for offset in range(count)],
        [joined for joined, count in zip(ranges.transports, counts, strict=True) for _ in range(count)],
        [name for name, count in zip(ranges.names, counts, strict=True) for _ in range(count)],
    )


def _listed(transports: list[str]) -> NDArray[np.bool_]:
    """``bool[4, n]``: whether entry n lists each of TRANSPORTS; ValueError where it lists another."""
    bits_of = {joined: sum(1 << TRANSPORTS.index(one) for one in joined.split("/")) for joined in set(transports)}
    bits = np.array([bits_of[joined] for joined in transports])
    return (bits >> np.arange(len(TRANSPORTS))[:, None] & 1).astype(bool)
