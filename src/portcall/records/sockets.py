"""The nouns of the toolbox: a socket that exists now, and a list of them.

A socket is what the operating system's own list says of it, in the words of ``ss``, and the processes that have it
open. Who opened a conversation, how far a listener can be reached, which service lives on a port: those are
conclusions, and stand elsewhere. This module knows no system, file or clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Iterable

    from portcall.records.ownership import Owner
    from portcall.records.report import Degradation

BOUND = "BOUND"

STATES = {
    "LISTEN": "waits for others to connect",
    "UNCONN": "takes datagrams from anybody",
    BOUND: "holds its port, but neither listens nor talks: nobody else gets the port, and who calls it is refused",
    "SYN-SENT": "has asked the other end to connect, and waits for an answer",
    "SYN-RECV": "was asked to connect and has said yes; the last word of the handshake is missing",
    "ESTAB": "is open: both ends may send",
    "FIN-WAIT-1": "has said that it will send no more, and waits for that to be heard",
    "FIN-WAIT-2": "has said that it will send no more; the other end heard it and may still send",
    "CLOSE-WAIT": "the other end will send no more; the program here has yet to close its side",
    "LAST-ACK": "both ends are done; waits for the other end to hear that this one is too",
    "CLOSING": "both ends said at once that they are done; waits for the other end to hear it",
    "TIME-WAIT": "is over; remembered for a minute, so that late packets do not reach a newer connection",
}
"""States as ``ss`` writes them → what each means, in one line. RFC 9293 §3.3.2.

BOUND is what ``ss --bound-inactive`` lists, and calls UNCONN.
"""

NOT_ACCEPTED = frozenset({"ESTAB", "SYN-RECV", "CLOSE-WAIT"})
"""States in which a conversation that no program has waits for one: the kernel holds it for its listener."""

HIDDEN_PROCESSES = "processes of others"
"""The feature that is degraded where a listing has sockets of processes that this user may not look at."""

LISTENING = frozenset({"LISTEN", "UNCONN"})
"""States of sockets that take what comes: what ``ss -l`` lists."""
WITHOUT_PEER = LISTENING | {BOUND}
"""States of sockets that hold a port, and have no peer."""


class Holding(enum.Enum):
    """Who has a socket open."""

    PROCESS = "process"
    """A process that is named."""
    HIDDEN = "hidden"
    """A process that this user may not look at."""
    KERNEL = "kernel"
    """No process, though all can be looked at: a datagram socket of the kernel's own, as of VXLAN or WireGuard."""
    UNFOUND = "unfound"
    """No file of any process, though all can be looked at: the kernel's own, or kept without a file, as by io_uring."""
    NOBODY = "nobody"
    """No process yet (not accepted), or none any more (closed, and the kernel finishes it)."""


@dataclass(frozen=True, slots=True)
class TcpFigures:
    """What the kernel counts for one TCP connection."""

    bytes_sent: int
    """Payload, each byte once, however often it was sent."""
    bytes_received: int
    round_trip_ns: int
    """Smoothed; 0 where nothing has been measured yet."""
    round_trip_variation_ns: int
    sent_bytes_repeated: int
    """Payload that was sent again."""


@dataclass(frozen=True, slots=True)
class SystemSocket:
    """One socket that exists now."""

    protocol: str
    """``tcp``, ``udp`` or ``udplite``."""
    ip_version: int
    """Of the socket: one of version 6 may talk to IPv4 addresses."""
    local_ip: str
    """As people write it (RFC 5952); ``0.0.0.0`` or ``::`` for any. IPv4 seen through an IPv6 socket is plain IPv4."""
    local_port: int
    remote_ip: str | None
    """None without a peer."""
    remote_port: int | None
    state: str
    """One of STATES."""
    holding: Holding
    holders: tuple[Owner, ...] = ()
    """The processes that have it open, the oldest first."""
    user: str | None = None
    """Who made it; None where the system does not say."""
    interface: str | None = None
    """The only one that it uses; None for all."""
    takes_ipv4_too: bool = False
    """An IPv6 socket at any address that also gets what comes by IPv4: its IPV6_V6ONLY is off."""
    receive_queue_bytes: int = 0
    """Not yet read by the program; of a listener: connections that it has not accepted yet."""
    send_queue_bytes: int = 0
    """Not yet heard by the peer; of a listener: how many connections may wait."""
    since_ns: int | None = None
    """When the connection was established, ns since 1970 UTC; None where the system does not say."""
    figures: TcpFigures | None = None
    inode: int = 0
    """0 where no process has it, and on systems without such numbers."""
    cookie: int | None = None
    """Tells it from every other socket since boot; None on systems without."""
    namespace: int = 0
    """Network namespace, by its inode number; 0 on systems without."""
    namespace_name: str = ""
    """Empty for one's own."""

    def __hash__(self) -> int:
        """Of what nearly always tells sockets apart: all their fields take as long to hash as to list."""
        return hash((self.cookie, self.inode, self.local_port, self.remote_port))

    @property
    def is_listening(self) -> bool:
        """Whether it has no peer and takes what comes."""
        return self.state in LISTENING

    @property
    def is_without_peer(self) -> bool:
        """Whether it holds a port and has no peer: it listens, or is only bound."""
        return self.state in WITHOUT_PEER


@dataclass(frozen=True, slots=True)
class InterfaceNetwork:
    """An address of an interface, and the network that it is part of."""

    interface: str
    address: ipaddress.IPv4Interface | ipaddress.IPv6Interface


@dataclass(frozen=True, slots=True)
class SocketListing:
    """All sockets that could be seen."""

    sockets: tuple[SystemSocket, ...]
    time_ns: int
    """When they were listed, ns since 1970 UTC."""
    networks: dict[int, tuple[InterfaceNetwork, ...]] = field(default_factory=dict)
    """Network namespace → the networks that its interfaces are on."""
    degradations: tuple[Degradation, ...] = ()

    def about(self, sockets: Iterable[SystemSocket]) -> SocketListing:
        """The same where only these are spoken of: that others' processes are hidden counts if one of these has one."""
        if any(socket.holding is Holding.HIDDEN for socket in sockets):
            return self
        return replace(self, degradations=tuple(note for note in self.degradations if note.feature != HIDDEN_PROCESSES))

    @property
    def unseen_holders(self) -> int:
        """How many of the sockets belong to processes that this user may not look at."""
        return sum(socket.holding is Holding.HIDDEN for socket in self.sockets)


@dataclass(frozen=True, slots=True)
class SocketCoverage:
    """How much of what is there could be seen."""

    sockets: int
    unseen_holders: int
    """Of them, those of processes that this user may not look at."""
