"""Which end of a conversation is the server, and why: somebody listens there on this machine, else by the ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from portcall.explanation import receivers as delivery
from portcall.flows.originator import OriginatorEvidence, client_by_port
from portcall.labels.port_services import PROTOCOL_NUMBERS, class_of, known_name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.explanation.subject import End
    from portcall.records.sockets import SystemSocket

_WORDS = {
    OriginatorEvidence.PORT_CLASS: "its port {server} is {server_class}, {client} is {client_class}: servers wait at "
    "ports that are known, clients take what they are lent",
    OriginatorEvidence.CURATED_NAME: "its port {server} is where {service} lives, and {client} is no service's place",
    OriginatorEvidence.IANA_NAME: "its port {server} is registered for {service}, and {client} for nobody",
    OriginatorEvidence.LOWER_PORT: "its port is the lower number, which is weak evidence",
}


@dataclass(frozen=True, slots=True)
class Roles:
    """Who opened a conversation, and who was called."""

    client: End
    server: End
    evidence: str


def find_roles(ends: tuple[End, End], transport: str | None, sockets: Sequence[SystemSocket]) -> Roles | None:
    """The roles of two ends, of which sockets of this machine may be one; None where nothing tells them."""
    near, far = ends
    known = delivery.between(sockets, ends, transport)
    for client, server in ((far, near), (near, far)):
        is_here = server.port in {socket.local_port for socket in delivery.at_address(known, server.address)}
        waiting = [one for one in delivery.receivers(sockets, server, transport) if one.state == "LISTEN"]
        if is_here and waiting:
            holder = waiting[0].holders[0].program.name if waiting[0].holders else "a program"
            return Roles(client, server, f"{holder} listens there, at port {server.port} of this machine")
    protocol = PROTOCOL_NUMBERS[transport or "tcp"]
    near_is_client, evidence = client_by_port(protocol, near.port, far.port)
    if evidence is OriginatorEvidence.FIRST_SENDER:
        return None
    client, server = (near, far) if near_is_client else (far, near)
    words = _WORDS[evidence].format(
        server=server.port,
        client=client.port,
        server_class=class_of(server.port).label,
        client_class=class_of(client.port).label,
        service=known_name_of(protocol, server.port),
    )
    return Roles(client, server, words)
