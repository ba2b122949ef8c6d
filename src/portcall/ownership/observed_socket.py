"""One socket as the owners reported it: who held it, used it and was its peer, and when. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from portcall.records.ownership import ACTIVATORS, Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.ownership.few_uses import FewUses
    from portcall.ownership.process_table import ProcessTable
    from portcall.records.ownership import Owner

SECOND_NS = 1_000_000_000
EARLY_NS = 2 * SECOND_NS
"""How long before a socket's first sighting its packets may come."""
NEVER_NS = (1 << 63) - 1
TCP = 6


@dataclass(slots=True, eq=False)
class ObservedSocket:
    """A socket by its cookie, and what is known of its holders, users and peers."""

    cookie: int
    protocol: int
    namespace: int
    opened_ns: int
    closed_ns: int = NEVER_NS
    closer: int = 0
    is_kernel: bool = False
    rank: int = 0
    """The best evidence below USED."""
    roles: tuple[tuple[int, int], ...] = ()
    """(when, process) of that evidence."""
    used: tuple[tuple[int, int], ...] = ()
    """(since when, process): each is the one that uses it until the next."""
    shared_ns: int = NEVER_NS
    peers: FewUses = None
    bindings: FewUses = None
    processes: tuple[int, ...] = ()
    places: tuple[int, ...] = ()
    """Its ports, as ``place`` numbers them."""


@dataclass(slots=True, eq=False)
class Use:
    """One key under which a socket is found."""

    socket: ObservedSocket
    since_ns: int
    key: bytes
    used: tuple[tuple[int, int], ...] = ()
    """(when, process) of packets on this very key."""


def place(protocol: int, port: int) -> int:
    """One number for a port of a protocol; ``port_at`` gives the port."""
    return protocol << 16 | port


def port_at(place_number: int) -> int:
    """The port of a place."""
    return place_number & 0xFFFF


def holders_of(use: Use, first_ns: int, last_ns: int) -> Sequence[tuple[int, int]]:
    """(when, process) of those who may have caused the packets of that time, by the best evidence there is."""
    socket = use.socket
    if len(use.used) == 1:
        return use.used
    if socket.used:
        if last_ns >= socket.shared_ns:
            return socket.used
        before = tuple(turn for turn in socket.used if turn[0] <= first_ns)
        later = tuple(turn for turn in socket.used if first_ns < turn[0] <= last_ns)
        return before[-1:] + later or socket.used[:1]
    if socket.rank == Evidence.ACCEPTED and socket.closer:
        return [(socket.closed_ns, socket.closer)]  # accepted and handed on: who closes it last is who worked on it
    if socket.rank == Evidence.HELD:
        return [(max(time_ns, first_ns), pid) for time_ns, pid in socket.roles]  # it may run another program by then
    return socket.roles


def nearest(uses: Sequence[Use], namespace: int, first_ns: int, last_ns: int, linger_ns: int) -> Sequence[Use]:
    """Of these, the sockets that were open at that time, else the one nearest to it."""
    here = [use for use in uses if may_be_same(use.socket.namespace, namespace) and is_claimed(use.socket)]
    gaps = [max(use.socket.opened_ns - last_ns, first_ns - use.socket.closed_ns, 0) for use in here]
    open_then = [use for use, gap in zip(here, gaps, strict=True) if not gap]
    if len(open_then) > 1 and open_then[0].socket.protocol == TCP:
        return latest_of_each_namespace(open_then)
    if open_then:
        return open_then
    in_reach = [
        (gap, i)
        for i, (use, gap) in enumerate(zip(here, gaps, strict=True))
        if gap <= (EARLY_NS if use.socket.opened_ns > last_ns else linger_ns)
    ]
    return [here[min(in_reach)[1]]] if in_reach else ()


def latest_of_each_namespace(uses: Sequence[Use]) -> Sequence[Use]:
    """A connection is on one socket; one that is still held though its connection was reset is older than the next."""
    latest = {use.socket.namespace: use for use in sorted(uses, key=attrgetter("since_ns"))}
    return list(latest.values())


def speakers(uses: Sequence[Use]) -> Sequence[Use]:
    """Of sockets that each get a copy of what comes, those that sent some; else the kernel's own; else all."""
    return [use for use in uses if use.used] or [use for use in uses if use.socket.is_kernel] or uses


def without_activators(owners: dict[tuple[int, int | None], Owner]) -> dict[tuple[int, int | None], Owner]:
    """Those whose work it is, where somebody who opens sockets for others holds one beside them."""
    return {key: owner for key, owner in owners.items() if owner.program.name not in ACTIVATORS} or owners


def is_claimed(socket: ObservedSocket) -> bool:
    """Whether somebody holds it, a process or the kernel."""
    return bool(socket.processes) or socket.is_kernel


def unconnected(uses: Sequence[Use]) -> Sequence[Use]:
    """Without TCP sockets that were bound and then connected: those have one conversation, found by its key."""
    return [use for use in uses if use.socket.protocol != TCP or not use.socket.peers]


def may_be_same(namespace: int, other: int) -> bool:
    """Whether two namespaces may be one: 0 is one that is not known."""
    return namespace == other or not namespace or not other


def unfile(index: dict[bytes, tuple[Use, ...]], use: Use) -> None:
    """Take a use out of an index."""
    others = tuple(other for other in index[use.key] if other is not use)
    if others:
        index[use.key] = others
    else:
        del index[use.key]


def was_left(socket: ObservedSocket, before_ns: int, missed_ns: int, processes: ProcessTable) -> bool:
    """Whether its close was missed: nobody who is known to have it has lived since then.

    That tells of a connection; of others only if they are older than ``missed_ns``, up to when reports were lost, for
    somebody may hold them who has not touched them yet.
    """
    is_connection = socket.protocol == TCP and bool(socket.peers)
    may_be_missed = is_connection or (socket.opened_ns < missed_ns and bool(socket.processes))
    if not may_be_missed or socket.closed_ns != NEVER_NS or socket.opened_ns >= before_ns:
        return False
    return not any(processes.lives(pid, before_ns) for pid in socket.processes)
