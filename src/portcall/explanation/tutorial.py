"""The tutorial of ports in under a page, shown on the sockets that this machine has now.

Every passage says one thing that is true everywhere, and then where it can be seen here. Where the machine has nothing
to show, the passage stays general; examples are never made up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portcall.explanation.facts import (
    TRANSPORT_LESSON,
    TRANSPORT_MEANINGS,
    class_meaning,
)
from portcall.explanation.next_steps import STORY_CLASSIC, STORY_STEPS, Step
from portcall.explanation.roles import Roles, find_roles
from portcall.explanation.service_facts import service_facts
from portcall.explanation.socket_sentences import SocketFacts, local_end, remote_end, socket_facts, who
from portcall.explanation.subject import CLASS_RANGES
from portcall.labels.addresses import address_kind
from portcall.labels.port_services import class_of
from portcall.records.sockets import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.explanation.facts import Machine
    from portcall.records.report import Degradation
    from portcall.records.sockets import SystemSocket

PORTS_TO_KNOW = (20, 21, 22, 25, 53, 67, 68, 80, 110, 143, 443, 587, 3306, 5432, 6379, 8080, 27017)
"""Those that most of all work meets."""
_UDP_ONLY = frozenset({67, 68})


@dataclass(frozen=True, slots=True)
class Passage:
    """One idea of the tutorial."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Tutorial:
    """The passages, what they were told on, and what to type next."""

    passages: tuple[Passage, ...]
    states: dict[str, int]
    """State → sockets of this machine in it."""
    listener: SocketFacts | None
    """A socket that waits for others, as an example."""
    conversation: SocketFacts | None
    """A socket with a peer, as an example; its local end may be the server."""
    next_steps: tuple[Step, ...] = STORY_STEPS
    classic: tuple[Step, ...] = STORY_CLASSIC
    degradations: tuple[Degradation, ...] = ()
    """What could not be seen."""


def write_tutorial(machine: Machine) -> Tutorial:
    """The tutorial on this machine's sockets."""
    sockets = machine.listing.sockets
    listener = min((s for s in sockets if s.state == "LISTEN"), key=_best_listener, default=None)
    conversation = min((s for s in sockets if s.remote_ip), key=_best_conversation, default=None)
    roles = _roles(conversation, sockets) if conversation else None
    passages = (
        Passage("port", _PORT),
        Passage("why", _why(sockets)),
        Passage("ranges", _ranges(machine)),
        Passage("socket", _socket(listener)),
        Passage("reach", _reach(sockets)),
        Passage("two ports", _two_ports(conversation, roles)),
        Passage("4-tuple", _four_tuple(sockets, conversation, roles)),
        Passage("transports", _transports(sockets)),
        Passage("states", _states(sockets)),
        Passage("to know", _to_know()),
        Passage("elsewhere", _ELSEWHERE),
    )
    return Tutorial(
        passages,
        dict(Counter(socket.state for socket in sockets).most_common()),
        socket_facts(listener, machine.listing) if listener else None,
        socket_facts(conversation, machine.listing) if conversation else None,
    )


_PORT = (
    "A number from 0 to 65535. The IP address brings data to a machine, as a ship finds a harbour; the port is the "
    "berth, where one program waits to unload."
)
_ELSEWHERE = (
    "A port that takes the handshake is open; one that refuses is closed: no program waits there; behind silence is "
    "mostly a firewall."
)


def _why(sockets: Sequence[SystemSocket]) -> str:
    waiting = sum(socket.is_listening for socket in sockets)
    talking = sum(socket.remote_ip is not None for socket in sockets)
    return (
        f"{_count(talking, 'socket')} of this machine {_verb(talking, 'talks', 'talk')} to others now, and {waiting} "
        f"{_verb(waiting, 'waits', 'wait')}. All their packets come to the same addresses: the kernel reads the ports "
        "in each and hands it to one socket. That is demultiplexing."
    )


def _ranges(machine: Machine) -> str:
    counts = Counter(map(class_of, {socket.local_port for socket in machine.listing.sockets}))
    parts: list[str] = []
    for port_class, (first, last) in CLASS_RANGES.items():
        meaning = class_meaning(port_class, machine.settings)
        parts.append(f"{first}–{last} {port_class.label} ({counts[port_class]} in use here): {meaning}.")
    first, last = machine.settings.lent_ports
    return " ".join([*parts, f"This system lends {first}–{last}."])


def _socket(listener: SystemSocket | None) -> str:
    rule = "One end of network traffic: address and port."
    if listener is None:
        return f"{rule} Nothing waits for TCP connections here now."
    end = local_end(listener)
    return f"{rule} Here {who(listener)} waits at {end}{_service_of(end.port)}."


def _reach(sockets: Sequence[SystemSocket]) -> str:
    kinds = Counter(_kind(socket.local_ip) for socket in sockets if socket.is_listening)
    everywhere, itself = kinds["wildcard"], kinds["loopback"]
    others = sum(kinds.values()) - everywhere - itself
    return (
        f"Who waits at 0.0.0.0 or [::] takes what comes to any address ({everywhere} here); at 127.0.0.1 or [::1] only "
        f"what this machine sends itself ({itself}); at one address, only what comes to it ({others})."
    )


def _roles(conversation: SystemSocket, sockets: Sequence[SystemSocket]) -> Roles:
    """Who opened; where nothing tells it, the local end is told as the client."""
    near, far = local_end(conversation), remote_end(conversation)
    return find_roles((near, far), conversation.protocol, sockets) or Roles(near, far, "")


def _two_ports(conversation: SystemSocket | None, roles: Roles | None) -> str:
    rule = (
        "Every conversation has two: the server's, which stays, and the client's, lent by its system until the "
        "conversation ends; answers find their way back by it."
    )
    if conversation is None or roles is None:
        return f"{rule} No conversation is going on here now."
    client, server = roles.client, roles.server
    is_client = local_end(conversation) == client
    holder, place = who(conversation), f"port {server.port}{_service_of(server.port)}"
    if is_client:
        return f"{rule} Here {holder} was lent {client.port} to talk to {place}."
    return f"{rule} Here {holder} serves at {place} somebody at {client.port}."


def _four_tuple(sockets: Sequence[SystemSocket], conversation: SystemSocket | None, roles: Roles | None) -> str:
    rule = "Both sockets together name a conversation, and no other has the same four parts and transport"
    if conversation is None or roles is None:
        return f"{rule}."
    here = local_end(conversation)
    shared = sum(local_end(socket) == here for socket in sockets if socket.remote_ip)
    alike = "" if shared == 1 else f", one of {shared} at {here}"
    return f"{rule}: here {roles.client} ↔ {roles.server}{alike}."


def _transports(sockets: Sequence[SystemSocket]) -> str:
    tcp, udp = (TRANSPORT_MEANINGS[name] for name in ("tcp", "udp"))
    text = f"TCP: {tcp}. UDP: {udp}. {TRANSPORT_LESSON}."
    ports = {name: {s.local_port for s in sockets if s.protocol == name and s.is_listening} for name in ("tcp", "udp")}
    both = sorted(ports["tcp"] & ports["udp"])
    return f"{text} Here {both[0]} is in use on both." if both else text


def _states(sockets: Sequence[SystemSocket]) -> str:
    counts = Counter(socket.state for socket in sockets)
    return (
        "; ".join(f"{state} ({counts[state]} here) {STATES[state]}" for state in ("LISTEN", "ESTAB", "TIME-WAIT")) + "."
    )


def _to_know() -> str:
    named: dict[str, list[str]] = {}
    for port in PORTS_TO_KNOW:
        title = service_facts(port, "udp" if port in _UDP_ONLY else "tcp").name or ""
        named.setdefault(title.removesuffix("-data"), []).append(str(port))
    return ", ".join(f"{'/'.join(ports)} {name}" for name, ports in named.items()) + "."


def _best_listener(socket: SystemSocket) -> tuple[bool, bool, int]:
    """The lower, the better an example: with a process, and at a port that people know."""
    return not socket.holders, socket.local_port not in PORTS_TO_KNOW, socket.local_port


def _best_conversation(socket: SystemSocket) -> tuple[bool, bool, bool, int]:
    """The lower, the better an example: with a process, going on, and with a service that people know."""
    port = min(socket.local_port, socket.remote_port or 0)
    return not socket.holders, socket.state != "ESTAB", port not in PORTS_TO_KNOW, port


def _service_of(port: int) -> str:
    title = service_facts(port, "tcp").title
    return f" ({title})" if title else ""


def _kind(address: str) -> str:
    return address_kind(address).name


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _verb(number: int, one: str, many: str) -> str:
    return one if number == 1 else many
