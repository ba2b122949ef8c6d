"""Which of a machine's sockets a packet would reach, and which have to do with a port, an address or a conversation.

The kernel looks for a socket connected to just that sender first, then for one bound to the address, then for one bound
to the port at any address: of a listing, the best kind that is there wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.labels.addresses import address_kind, is_same_address
from portcall.sockets.exposure import is_any
from portcall.sockets.rows import takes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portcall.explanation.subject import End
    from portcall.records.sockets import SocketListing, SystemSocket


def is_own(address: str, listing: SocketListing) -> bool:
    """Whether packets to that address stay on this machine."""
    if is_any(address) or address_kind(address).name == "loopback":
        return True
    own = {str(network.address.ip) for networks in listing.networks.values() for network in networks}
    return address.partition("%")[0] in own


def bound_to_port(sockets: Iterable[SystemSocket], port: int, transport: str | None) -> list[SystemSocket]:
    """Sockets at that local port."""
    return [socket for socket in sockets if socket.local_port == port and _is_of(socket, transport)]


def talking_to_port(sockets: Iterable[SystemSocket], port: int, transport: str | None) -> list[SystemSocket]:
    """Sockets whose peer is at that port."""
    return [socket for socket in sockets if socket.remote_port == port and _is_of(socket, transport)]


def at_address(sockets: Iterable[SystemSocket], address: str) -> list[SystemSocket]:
    """Sockets at that local address."""
    return [socket for socket in sockets if is_same_address(socket.local_ip, address, socket.interface)]


def talking_to(sockets: Iterable[SystemSocket], address: str, port: int | None = None) -> list[SystemSocket]:
    """Sockets whose peer has that address, and that port if one is given."""
    return [s for s in sockets if port in (None, s.remote_port) and is_same_address(s.remote_ip, address, s.interface)]


def receivers(sockets: Sequence[SystemSocket], end: End, transport: str | None) -> list[SystemSocket]:
    """Sockets that get what a stranger sends to that end: bound to just it, else to its port at any address.

    Several where they share the port. Asked for an end at no address of its own, only sockets bound like that.
    """
    waiting = [s for s in sockets if s.is_listening and s.local_port == end.port and _is_of(s, transport)]
    exact = at_address(waiting, end.address)
    if exact and not is_any(end.address):
        return exact
    return [socket for socket in waiting if is_any(socket.local_ip) and takes(socket, end.address)]


def holding(sockets: Iterable[SystemSocket], end: End, transport: str | None) -> list[SystemSocket]:
    """Sockets that are bound to that end, or to its port at any address, and do not listen."""
    bound = [s for s in sockets if s.is_without_peer and not s.is_listening and _is_of(s, transport)]
    here = [s for s in bound if s.local_port == end.port]
    return [s for s in here if is_same_address(s.local_ip, end.address, s.interface) or takes(s, end.address)]


def conversations_at(sockets: Iterable[SystemSocket], end: End, transport: str | None) -> list[SystemSocket]:
    """Sockets with a peer at that local end; each gets only what its peer sends."""
    at_port = [s for s in sockets if s.remote_ip and s.local_port == end.port and _is_of(s, transport)]
    return at_address(at_port, end.address)


def between(sockets: Iterable[SystemSocket], ends: Sequence[End], transport: str | None) -> list[SystemSocket]:
    """Sockets of the conversation of two ends, whichever of them is here."""
    near, far = ends
    return [
        socket
        for socket in sockets
        if _is_of(socket, transport) and (_has_ends(socket, near, far) or _has_ends(socket, far, near))
    ]


def _has_ends(socket: SystemSocket, local: End, remote: End) -> bool:
    return (
        (socket.local_port, socket.remote_port) == (local.port, remote.port)
        and is_same_address(socket.local_ip, local.address, socket.interface)
        and is_same_address(socket.remote_ip, remote.address, socket.interface)
    )


def _is_of(socket: SystemSocket, transport: str | None) -> bool:
    return transport in (None, socket.protocol)
