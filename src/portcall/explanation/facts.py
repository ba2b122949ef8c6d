"""What to say of a port, a service, an address, a socket or a conversation, and of it on this machine now.

A subject and what is known of the machine go in; an Explanation comes out, which is data: the sentences for people are
fields of it, so that a view only lays them out and ``--format json`` has the same facts. Nothing is read here: sockets,
settings, origins and names come in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from portcall.explanation import receivers as delivery
from portcall.explanation.next_steps import Step, classic_commands, next_steps
from portcall.explanation.roles import Roles, find_roles
from portcall.explanation.service_facts import ServiceFacts, service_facts
from portcall.explanation.socket_sentences import SocketFacts, socket_facts
from portcall.explanation.subject import CLASS_RANGES
from portcall.labels.addresses import address_kind
from portcall.labels.port_services import PROTOCOL_NUMBERS, PortClass, class_of, known_name_of
from portcall.records.sockets import STATES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from portcall.explanation.subject import Subject
    from portcall.records.report import Degradation, Origin
    from portcall.records.sockets import SocketListing, SystemSocket
    from portcall.system.port_ranges import PortSettings

_MOST_PORTS = 4  # of a service with many

TRANSPORT_LESSON = (
    "TCP and UDP have ports of their own: the same number may belong to two programs that know nothing of each other"
)
TRANSPORT_MEANINGS = {
    "tcp": "a handshake opens a connection; what is sent arrives in order, or the sender hears of it",
    "udp": "single packets without a handshake: quicker, but only the program can notice a lost one",
}
CLASS_MEANINGS = {
    PortClass.WELL_KNOWN: "where the great services of the internet are expected to wait",
    PortClass.REGISTERED: "for programs such as databases, which IANA lists at their numbers; anybody may listen here",
    PortClass.EPHEMERAL: "nobody's fixed place, meant to be lent to outgoing connections while they last",
}
_END_LESSONS = {
    "socket": "A socket is one end of network traffic: an address, which leads to a machine, and a port, which leads "
    "to a program on it.",
    "conversation": "The four parts together, and the transport, tell this conversation from all others: the kernel "
    "looks at all of them in every packet. Another connection to the same server differs in the client's port.",
}


@dataclass(frozen=True, slots=True)
class PortFacts:
    """A port number, apart from whoever has it now."""

    port: int
    port_class: str
    class_range: tuple[int, int]
    class_meaning: str
    on_this_system: str
    services: tuple[ServiceFacts, ...]


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """An address, and what was found out about it."""

    address: str
    kind: str
    meaning: str
    is_own: bool
    """Whether this machine has it."""
    country: str | None = None
    network: str | None = None
    """Its owner."""
    reverse_name: str | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of this machine, and of the addresses in question."""

    listing: SocketListing
    settings: PortSettings
    origins: Mapping[str, Origin] = field(default_factory=dict)
    reverse_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is said of a subject."""

    question: str
    kind: str
    title: str
    lessons: tuple[str, ...]
    ports: tuple[PortFacts, ...]
    addresses: tuple[AddressFacts, ...]
    roles: Roles | None
    here: tuple[SocketFacts, ...]
    """Sockets of this machine that have the port, the address or the conversation, or get what is sent to it."""
    talking: tuple[SocketFacts, ...]
    """Sockets of this machine whose peer it is."""
    next_steps: tuple[Step, ...]
    classic: tuple[Step, ...]
    degradations: tuple[Degradation, ...] = ()
    """What could not be seen."""


def explain(subject: Subject, machine: Machine) -> Explanation:
    """The explanation of a subject."""
    title, lessons = _prefix(subject, machine)
    here, talking = _chosen(subject, machine.listing)
    return Explanation(
        question=subject.text,
        kind=subject.kind,
        title=title,
        lessons=lessons,
        ports=tuple(_port_facts(port, subject.transport, machine.settings) for port in _ports(subject)),
        addresses=tuple(_address_facts(address, machine) for address in subject.addresses),
        roles=_roles(subject, machine.listing.sockets),
        here=tuple(socket_facts(socket, machine.listing) for socket in here),
        talking=tuple(socket_facts(socket, machine.listing) for socket in talking),
        next_steps=next_steps(subject),
        classic=classic_commands(subject),
        degradations=machine.listing.about([*here, *talking]).degradations,
    )


def _chosen(subject: Subject, listing: SocketListing) -> tuple[list[SystemSocket], list[SystemSocket]]:
    """The same as ``sockets_of``, each socket once, and those first that tell most."""
    here, talking = sockets_of(subject, listing)
    known = set(here)
    return sorted(here, key=_interest), sorted((one for one in talking if one not in known), key=_interest)


def class_meaning(port_class: PortClass, settings: PortSettings) -> str:
    """What the class means, on this system."""
    meaning = CLASS_MEANINGS[port_class]
    if port_class is not PortClass.WELL_KNOWN:
        return meaning
    last = CLASS_RANGES[port_class][1]
    if settings.first_unprivileged > last:
        return f"{meaning}; to listen below {settings.first_unprivileged} a program needs root's rights"
    if settings.first_unprivileged <= 0:
        return f"{meaning}; on this system anybody may listen here, elsewhere only root"
    return f"{meaning}; on this system only those below {settings.first_unprivileged} need root's rights"


def _ports(subject: Subject) -> list[int]:
    return list(dict.fromkeys([*subject.ports[:_MOST_PORTS], *(end.port for end in subject.ends)]))


def _port_facts(port: int, transport: str | None, settings: PortSettings) -> PortFacts:
    first, last = settings.lent_ports
    among = "is" if settings.lends(port) else "is not"
    on_this_system = f"{port} {among} among the ports {first}–{last} that this system lends to outgoing connections"
    port_class = class_of(port)
    return PortFacts(
        port=port,
        port_class=port_class.label,
        class_range=CLASS_RANGES[port_class],
        class_meaning=class_meaning(port_class, settings),
        on_this_system=on_this_system,
        services=tuple(service_facts(port, one) for one in ([transport] if transport else _transports(port))),
    )


def _transports(port: int) -> list[str]:
    """TCP and UDP always, others where something else lives there."""
    names = {name: known_name_of(number, port) for name, number in PROTOCOL_NUMBERS.items()}
    usual = {names[name] for name in TRANSPORT_MEANINGS}
    return [name for name in names if name in TRANSPORT_MEANINGS or names[name] not in (*usual, None)]


def _address_facts(address: str, machine: Machine) -> AddressFacts:
    kind, origin = address_kind(address), machine.origins.get(address)
    return AddressFacts(
        address=address,
        kind=kind.name,
        meaning=kind.meaning,
        is_own=delivery.is_own(address, machine.listing),
        country=origin.country if origin else None,
        network=origin.network if origin else None,
        reverse_name=machine.reverse_names.get(address),
    )


def sockets_of(subject: Subject, listing: SocketListing) -> tuple[list[SystemSocket], list[SystemSocket]]:
    """(those that have what was asked for, those that talk to it)."""
    transport, sockets = subject.transport, listing.sockets
    if subject.kind in ("state", "transport"):
        return [s for s in sockets if subject.state in (None, s.state) and transport in (None, s.protocol)], []
    if subject.port_class is not None:
        first, last = CLASS_RANGES[subject.port_class]
        return [socket for socket in sockets if first <= socket.local_port <= last], []
    if subject.kind == "conversation":
        return delivery.between(sockets, subject.ends, transport), []
    if subject.address is not None:
        sockets = tuple(socket for socket in sockets if transport in (None, socket.protocol))
        return delivery.at_address(sockets, subject.address), delivery.talking_to(sockets, subject.address)
    if subject.ends:
        (end,) = subject.ends
        waiting = delivery.receivers(sockets, end, transport) if delivery.is_own(end.address, listing) else []
        held = delivery.holding(sockets, end, transport) if delivery.is_own(end.address, listing) else []
        here = [*waiting, *held, *delivery.conversations_at(sockets, end, transport)]
        return here, delivery.talking_to(sockets, end.address, end.port)
    ports = subject.ports[:_MOST_PORTS]
    return (
        [socket for port in ports for socket in delivery.bound_to_port(sockets, port, transport)],
        [socket for port in ports for socket in delivery.talking_to_port(sockets, port, transport)],
    )


def _interest(socket: SystemSocket) -> tuple[bool, bool]:
    """The lower, the more it tells: what waits for others, and what has a process."""
    return not socket.is_without_peer, not socket.holders


def _prefix(subject: Subject, machine: Machine) -> tuple[str, tuple[str, ...]]:
    """The title, and what such a thing is."""
    if subject.port_class is not None:
        return _class_prefix(subject.port_class, machine.settings)
    if subject.kind in ("port", "service"):
        return _port_title(subject), () if subject.transport else (_sentence(TRANSPORT_LESSON),)
    ends = " ↔ ".join(map(str, subject.ends))
    if subject.kind in ("socket", "conversation"):
        return f"{subject.kind.capitalize()} {ends}", (_END_LESSONS[subject.kind],)
    if subject.state is not None:
        return f"State {subject.state}", (f"A socket in this state {STATES[subject.state]}.",)
    if subject.transport is not None:
        lessons = TRANSPORT_MEANINGS[subject.transport], TRANSPORT_LESSON
        return subject.transport.upper(), tuple(map(_sentence, lessons))
    return f"Address {subject.address}", ()


def _class_prefix(port_class: PortClass, settings: PortSettings) -> tuple[str, tuple[str, ...]]:
    first, last = CLASS_RANGES[port_class]
    lent_first, lent_last = settings.lent_ports
    return f"{port_class.label.capitalize()} ports: {first}–{last}", (
        _sentence(class_meaning(port_class, settings)),
        f"The three classes are IANA's; this system lends {lent_first}–{lent_last} to outgoing connections.",
    )


def _port_title(subject: Subject) -> str:
    ports = subject.ports
    if subject.kind == "service":
        return f"Service {subject.text}: port{'s' if len(ports) > 1 else ''} {_port_list(ports)}"
    facts = [service_facts(ports[0], one) for one in ([subject.transport] if subject.transport else TRANSPORT_MEANINGS)]
    names = list(dict.fromkeys(fact.title or fact.name for fact in facts if fact.title or fact.name))
    which = f"{subject.transport}/{ports[0]}" if subject.transport else str(ports[0])
    return f"Port {which}" + (f": {names[0]}" if names else "")


def _port_list(ports: tuple[int, ...]) -> str:
    if len(ports) <= _MOST_PORTS:
        return ", ".join(map(str, ports))
    if ports == tuple(range(ports[0], ports[-1] + 1)):
        return f"{ports[0]}–{ports[-1]}"
    return f"{', '.join(map(str, ports[:_MOST_PORTS]))} and {len(ports) - _MOST_PORTS} more"


def _roles(subject: Subject, sockets: Sequence[SystemSocket]) -> Roles | None:
    if subject.kind != "conversation":
        return None
    near, far = subject.ends
    return find_roles((near, far), subject.transport, sockets)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
