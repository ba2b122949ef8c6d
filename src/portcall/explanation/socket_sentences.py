"""One socket of this machine in words: whose it is, what it does, and what its state means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from portcall.explanation.subject import End
from portcall.records.sockets import NOT_ACCEPTED, STATES, Holding
from portcall.sockets.exposure import exposure_of

if TYPE_CHECKING:
    from portcall.records.sockets import SocketListing, SystemSocket

_UNNAMED = {
    Holding.HIDDEN: "somebody else's program",
    Holding.KERNEL: "the kernel itself",
    Holding.UNFOUND: "a program that cannot be found",
    Holding.NOBODY: "no program (any more)",
}
_DOES = {"ESTAB": "talks to", "SYN-SENT": "calls", "SYN-RECV": "is called by"}


@dataclass(frozen=True, slots=True)
class SocketFacts:
    """A socket as explanations speak of it."""

    protocol: str
    local: str
    """Address and port, as ``192.168.1.5:443`` or ``[::1]:443``."""
    remote: str | None
    state: str
    state_meaning: str
    process: str | None
    """Of several that have it open, the oldest."""
    script: str | None
    """What it runs, if it is an interpreter."""
    pid: int | None
    user: str | None
    exposed_to: str | None
    """Who can reach it, as far as its address tells; None with a peer."""
    sentence: str


def socket_facts(socket: SystemSocket, listing: SocketListing) -> SocketFacts:
    """What explanations say of a socket of the listing."""
    networks = listing.networks.get(socket.namespace, ())
    exposed_to = exposure_of(socket, networks).words if socket.is_without_peer else None
    local, remote = str(local_end(socket)), str(remote_end(socket)) if socket.remote_ip else None
    holder = socket.holders[0] if socket.holders else None
    return SocketFacts(
        protocol=socket.protocol,
        local=local,
        remote=remote,
        state=socket.state,
        state_meaning=STATES.get(socket.state, ""),
        process=holder.program.name if holder else None,
        script=holder.program.script if holder else None,
        pid=holder.pid if holder else None,
        user=socket.user,
        exposed_to=exposed_to,
        sentence=f"{_does(socket, local, remote)} ({socket.protocol}, {socket.state})"
        + (f"; reach: {exposed_to}" if exposed_to else ""),
    )


def _does(socket: SystemSocket, local: str, remote: str | None) -> str:
    """Who does what with whom; of a conversation that no program has, why not."""
    if remote is None:
        return f"{who(socket)} {'waits at' if socket.is_listening else 'holds'} {local}"
    if socket.holding is not Holding.NOBODY or socket.holders:
        return f"{who(socket)} at {local} {_DOES.get(socket.state, 'is done with')} {remote}"
    if socket.state in NOT_ACCEPTED:
        return f"the conversation of {remote} with {local} waits until a program accepts it"
    return f"the conversation of {local} with {remote} is over, and no program has it any more"


def who(socket: SystemSocket) -> str:
    """Whose a socket is: its oldest process with its number and what that runs, or why none is named."""
    if not socket.holders:
        return _UNNAMED.get(socket.holding, "a program")
    pid, program = socket.holders[0].pid, socket.holders[0].program
    script = f"{program.script}, " if program.script not in (None, program.name) else ""
    return f"{program.name} ({script}pid {pid})"


def local_end(socket: SystemSocket) -> End:
    """Where it is on this machine."""
    return End(socket.local_ip, socket.local_port)


def remote_end(socket: SystemSocket) -> End:
    """Its peer; only for sockets that have one."""
    return End(socket.remote_ip or "", socket.remote_port or 0)
