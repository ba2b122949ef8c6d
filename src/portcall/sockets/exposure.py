"""How far a listening socket can be reached, in plain words, as far as its address tells.

    127.0.0.1, ::1, bound to lo        this machine only
    192.168.1.5                        one network, the one of that address
    0.0.0.0, ::                        every interface; :: takes IPv4 too unless its IPV6_V6ONLY is on
    224.0.0.251, 192.168.1.255         whoever sends to that group, or to all of a network

A firewall may still refuse what the address allows, and a port may be forwarded to a socket that only this machine
reaches; of forwarding only docker's own proxy is recognised, by its command line. Pure: networks come as an argument.
"""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING

from portcall.records.schema import end_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.records.sockets import InterfaceNetwork, SystemSocket

_PROXY = "docker-proxy"
_ONLY_BOUND = "nobody: it is bound, but does not listen"
_IPV4 = 4


class Reach(enum.Enum):
    """Who can reach a listening socket."""

    MACHINE = "machine"
    NETWORK = "network"
    EVERYWHERE = "everywhere"
    GROUP = "group"
    """Who sends to a multicast group or a broadcast address."""
    NOWHERE = "nowhere"
    """No interface has its address now, or it does not listen."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How far a socket can be reached."""

    reach: Reach
    words: str
    is_outside: bool
    """Whether other machines can reach it, if no firewall refuses them."""
    published: str | None = None
    """``ADDRESS:PORT`` of the container that docker passes it on to."""


def exposure_of(socket: SystemSocket, networks: Sequence[InterfaceNetwork]) -> Exposure:
    """The exposure of a socket without a peer; ``networks`` are those of its network namespace."""
    if not socket.is_listening:
        return Exposure(Reach.NOWHERE, _ONLY_BOUND, is_outside=False)
    reach, words, is_outside = _reach(socket, networks)
    published = next(filter(None, (_published(owner.program.cmdline) for owner in socket.holders)), None)
    if published:
        words += f"; published by docker for {published}"
    return Exposure(reach, words, is_outside, published)


def is_any(address: str) -> bool:
    """Whether a socket at this address takes what comes to all of the machine's addresses."""
    return address in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def _reach(socket: SystemSocket, networks: Sequence[InterfaceNetwork]) -> tuple[Reach, str, bool]:
    loopbacks = {one.interface for one in networks if one.address.ip.is_loopback}
    address = ipaddress.ip_address(socket.local_ip)
    if address.is_loopback or socket.interface in loopbacks:
        return Reach.MACHINE, "this machine only", False
    is_outside = not networks or any(one.interface not in loopbacks for one in networks)
    where = f" on {socket.interface}" if socket.interface else ""
    if address.is_multicast:
        return Reach.GROUP, f"the group {address}{where}", is_outside
    if is_any(socket.local_ip):
        return _any_address(socket, networks, is_outside=is_outside)
    return _one_address(address, networks, where, loopbacks)


def _any_address(
    socket: SystemSocket, networks: Sequence[InterfaceNetwork], *, is_outside: bool
) -> tuple[Reach, str, bool]:
    versions = "IPv4" if socket.ip_version == _IPV4 else "IPv4 and IPv6" if socket.takes_ipv4_too else "IPv6"
    if socket.interface:
        here = dict.fromkeys(str(one.address.network) for one in networks if one.interface == socket.interface)
        return Reach.NETWORK, f"one interface: {socket.interface} ({', '.join(here) or 'without address'})", True
    only = "" if is_outside else ", though there is none but loopback"
    return Reach.EVERYWHERE, f"every interface, {versions}{only}", is_outside


def _one_address(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    networks: Sequence[InterfaceNetwork],
    where: str,
    loopbacks: set[str],
) -> tuple[Reach, str, bool]:
    for one in networks:
        network = one.address.network
        if address == one.address.ip:
            if one.interface in loopbacks:
                return Reach.NETWORK, f"one address, on {one.interface}: who has a route to it", True
            return Reach.NETWORK, f"one network: {network} on {one.interface}", True
        if network.version == _IPV4 and network.num_addresses > 1 and address == network.broadcast_address:
            return Reach.GROUP, f"broadcasts in {network} on {one.interface}", True
    if str(address) == "255.255.255.255":
        return Reach.GROUP, f"broadcasts{where}", True
    if any(address in one.address.network for one in networks if one.interface in loopbacks):
        return Reach.MACHINE, "this machine only", False
    return Reach.NOWHERE, "nobody: no interface has this address now", False


def _published(command_line: Sequence[str]) -> str | None:
    """Where docker's proxy passes connections on to: its options -container-ip and -container-port."""
    if not command_line or PurePath(command_line[0]).name != _PROXY:
        return None
    given = dict(pairwise(command_line))
    address, port = given.get("-container-ip"), given.get("-container-port")
    return end_text(address, int(port)) if address and port and port.isascii() and port.isdigit() else None
