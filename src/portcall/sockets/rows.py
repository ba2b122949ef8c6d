"""Sockets → output rows: services of the serving end, who opened, how far it is exposed, who holds it. Pure.

Who opened a conversation that exists, the strongest evidence first: its state; a listening socket on its local end
(they opened), or on the remote end where that is on this machine too (we did); else the ports, by ``originator``.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from portcall.labels.addresses import is_same_address
from portcall.labels.port_services import class_of, service_name_of
from portcall.records.schema import asked_names
from portcall.records.sockets import STATES, SocketListing, SystemSocket
from portcall.sockets.exposure import exposure_of, is_any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from portcall.records.ownership import Owner

    Row = dict[str, Any]  # Any: plain values of several types, see schema

IN, OUT = "in", "out"

_NUMBERS = {"tcp": 6, "udp": 17, "udplite": 136}
_OPENED_BY_STATE = {"SYN-SENT": OUT, "SYN-RECV": IN}
_IPV6 = 6


class Listeners:
    """Where sockets listen, to be asked by end."""

    def __init__(self, sockets: Iterable[SystemSocket]) -> None:
        self._ends: dict[tuple[int, str, int], list[SystemSocket]] = {}
        for socket in sockets:
            if socket.is_listening:
                self._ends.setdefault((socket.namespace, socket.protocol, socket.local_port), []).append(socket)

    def take(self, namespace: int, protocol: str, address: str, port: int) -> bool:
        """Whether a socket listens for what comes to that end."""
        return any(takes(socket, address) for socket in self._ends.get((namespace, protocol, port), ()))


def takes(listener: SystemSocket, address: str) -> bool:
    """Whether a listening socket takes what comes to the address, if the port is its own."""
    if not is_any(listener.local_ip):
        return is_same_address(listener.local_ip, address, listener.interface)
    return (":" in address) == (listener.ip_version == _IPV6) or (listener.takes_ipv4_too and ":" not in address)


def port_rows(listing: SocketListing) -> list[Row]:
    """One row for each socket that listens or is only bound, by protocol, port and address."""
    holding = [socket for socket in listing.sockets if socket.is_without_peer]
    return [_port_row(socket, listing) for socket in sorted(holding, key=_order)]


def conversation_rows(listing: SocketListing, is_wanted: Callable[[SystemSocket], bool] | None = None) -> list[Row]:
    """One row for each socket that has a peer; or of these for each that is wanted."""
    talking = (socket for socket in listing.sockets if not socket.is_without_peer)
    sockets = sorted((one for one in talking if is_wanted is None or is_wanted(one)), key=_order)
    return [
        _conversation_row(socket, direction, evidence, listing.time_ns)
        for socket, (direction, evidence) in zip(sockets, _directions_in(listing, sockets), strict=True)
    ]


def held_rows(
    listing: SocketListing,
    relations: Mapping[SystemSocket, str],
    meanings: Mapping[SystemSocket, Sequence[str]] | None = None,
) -> list[Row]:
    """One row for each of those sockets, listening or not, with its exposure and where its process comes from.

    ``meanings`` are what the words were taken for that mean a socket.
    """
    sockets = sorted(relations, key=lambda socket: (not socket.is_without_peer, *_order(socket)))
    rows = []
    for socket, (direction, evidence) in zip(sockets, _directions_in(listing, sockets), strict=True):
        owner = socket.holders[0] if socket.holders else None
        conversation = _conversation_row(socket, direction, evidence, listing.time_ns)
        rows.append(
            {
                "relation": relations[socket],
                **conversation,
                **(_exposure(socket, listing) if socket.is_without_peer else dict.fromkeys(_EXPOSURE)),
                "process_since_ns": owner.start_ns if owner else None,
                "started_by": [f"{name}({pid})" for pid, name in owner.parents] if owner else [],
                "also_held_by": [f"{other.program.name}({other.pid})" for other in socket.holders[1:]],
                "meant_as": list((meanings or {}).get(socket, ())),
            }
        )
    return rows


def count_rows(rows: Iterable[Mapping[str, Any]], by: str) -> list[Row]:  # Any: as in Row
    """Conversations summed up by one of their columns (``app``: by process), the most first."""
    column = _COLUMN_OF.get(by, by)
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    counts = [_count_row(by, name, members) for name, members in groups.items()]
    return sorted(counts, key=lambda row: (-row["conversations"], row[by] is None, str(row[by])))


_COLUMN_OF = {"app": "process", "host": "remote_ip"}


def _count_row(by: str, name: str | None, members: list[Mapping[str, Any]]) -> Row:
    directions = Counter(member["direction"] for member in members)
    return {
        by: name,
        "conversations": len(members),
        "established": sum(member["state"] == "ESTAB" for member in members),
        "opened_in": directions[IN],
        "opened_out": directions[OUT],
        "hosts": len({member["remote_ip"] for member in members}),
        "bytes_sent": sum(member["bytes_sent"] or 0 for member in members),
        "bytes_received": sum(member["bytes_received"] or 0 for member in members),
        "pids": sorted({pid for member in members for pid in member["pids"]}),
    }


def _order(socket: SystemSocket) -> tuple[Any, ...]:  # Any: texts and numbers
    end = (socket.local_port, socket.ip_version, socket.local_ip)
    return socket.namespace_name, socket.protocol, *end, socket.remote_ip or "", socket.remote_port or 0, socket.inode


def _port_row(socket: SystemSocket, listing: SocketListing) -> Row:
    return {
        "protocol": socket.protocol,
        "address": socket.local_ip,
        "port": socket.local_port,
        **_exposure(socket, listing),
        "service": service_name_of(_NUMBERS[socket.protocol], socket.local_port),
        "port_class": _port_class(socket.local_port),
        **_holder(socket),
        "state": socket.state,
        "interface": socket.interface,
        "inode": socket.inode or None,
        "namespace": socket.namespace_name or None,
    }


_EXPOSURE = ("exposure", "exposed_to", "outside", "published_for")


def _exposure(socket: SystemSocket, listing: SocketListing) -> Row:
    found = exposure_of(socket, listing.networks.get(socket.namespace, ()))
    words = found.reach.value, found.words, "yes" if found.is_outside else "no", found.published
    return dict(zip(_EXPOSURE, words, strict=True))


def _conversation_row(socket: SystemSocket, direction: str | None, evidence: str | None, time_ns: int) -> Row:
    figures = socket.figures
    is_serving = direction == IN or socket.is_without_peer
    serving = socket.local_port if is_serving else socket.remote_port if direction == OUT else None
    return {
        "protocol": socket.protocol,
        "state": socket.state,
        "state_meaning": STATES[socket.state],
        "local_ip": socket.local_ip,
        "local_port": socket.local_port,
        "remote_ip": socket.remote_ip,
        "remote_port": socket.remote_port,
        "direction": direction,
        "opener_evidence": evidence,
        "service": None if serving is None else service_name_of(_NUMBERS[socket.protocol], serving),
        "local_port_class": _port_class(socket.local_port),
        "remote_port_class": None if socket.remote_port is None else _port_class(socket.remote_port),
        **_holder(socket),
        "since_ns": socket.since_ns,
        "age_ns": None if socket.since_ns is None else max(time_ns - socket.since_ns, 0),
        "bytes_sent": figures and figures.bytes_sent,
        "bytes_received": figures and figures.bytes_received,
        "bytes_sent_again": figures and figures.sent_bytes_repeated,
        "bytes_to_send": socket.send_queue_bytes,
        "bytes_to_read": socket.receive_queue_bytes,
        "round_trip_ns": (figures and figures.round_trip_ns) or None,
        "round_trip_variation_ns": (figures and figures.round_trip_ns and figures.round_trip_variation_ns) or None,
        "interface": socket.interface,
        "inode": socket.inode or None,
        "namespace": socket.namespace_name or None,
        **dict.fromkeys(asked_names("remote")),
    }


def _holder(socket: SystemSocket) -> Row:
    """Who has it open: the oldest process by name, and the numbers of all."""
    owner: Owner | None = socket.holders[0] if socket.holders else None
    program = owner.program if owner else None
    return {
        "process": program.name if program else None,
        "script": program.script if program else None,
        "pid": owner.pid if owner else None,
        "pids": [holder.pid for holder in socket.holders],
        "exe": program.exe if program else None,
        "cmdline": list(program.cmdline) if program else [],
        "user": (owner and owner.user) or socket.user,
        "container": (program.container or program.unit) if program else None,
        "holding": socket.holding.value,
    }


@lru_cache(maxsize=1 << 16)
def _port_class(port: int) -> str:
    return class_of(port).label


def _directions_in(listing: SocketListing, sockets: list[SystemSocket]) -> list[tuple[str | None, str | None]]:
    own = {number: {str(one.address.ip) for one in networks} for number, networks in listing.networks.items()}
    return _directions(sockets, Listeners(listing.sockets), own)


def _directions(
    sockets: list[SystemSocket], listeners: Listeners, own: Mapping[int, set[str]]
) -> list[tuple[str | None, str | None]]:
    """in, out or None, and the evidence for it, of each socket; ``own`` are a namespace's addresses."""
    found: list[tuple[str | None, str | None]] = []
    for socket in sockets:
        if socket.is_without_peer:
            found.append((None, None))
            continue
        known = _known_direction(socket, listeners, own.get(socket.namespace, set()))
        found.append(known or _direction_by_port(_NUMBERS[socket.protocol], socket.local_port, socket.remote_port or 0))
    return found


@lru_cache(maxsize=1 << 16)
def _direction_by_port(protocol: int, local_port: int, remote_port: int) -> tuple[str | None, str | None]:
    from portcall.flows.originator import OriginatorEvidence, client_by_port  # a kernel, which listeners do not need

    is_client, evidence = client_by_port(protocol, local_port, remote_port)
    if evidence is OriginatorEvidence.FIRST_SENDER:  # equal ports, and nobody saw the first packet
        return None, None
    return OUT if is_client else IN, evidence.name.lower().replace("_", "-")


def _known_direction(socket: SystemSocket, listeners: Listeners, own: set[str]) -> tuple[str, str] | None:
    by_state = _OPENED_BY_STATE.get(socket.state)
    if by_state:
        return by_state, "state"
    if listeners.take(socket.namespace, socket.protocol, socket.local_ip, socket.local_port):
        return IN, "listener"
    remote_ip, remote_port = socket.remote_ip, socket.remote_port
    if remote_ip is None or remote_port is None:
        return None
    is_here = remote_ip in own or remote_ip.startswith("127.")
    if is_here and listeners.take(socket.namespace, socket.protocol, remote_ip, remote_port):
        return OUT, "remote-listener"
    return None
