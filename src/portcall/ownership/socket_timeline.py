"""Who held this endpoint, when? Sightings and process events in, one Match per flow end out.

1. A socket is told by its cookie, never by port or inode: ports and inodes are used again. A process is (pid, start).
2. A flow's end is looked up by both addresses and ports, then among bound sockets: ``end_keys`` says in which order.
3. Of several sockets, the one that was open while the packets passed counts; else the nearest in time, as packets may
   come a little before the first report, and long after the close (TIME_WAIT).
4. Of a socket's processes, who sends or receives beats who accepted, connected, bound or merely holds it.
5. Two owners for one answer make no owner: AMBIGUOUS is said, never guessed.

Pure: told by events, asked by time; it knows no back end, clock or file. A socket is forgotten FORGET_AFTER_NS after
its end, and beyond its bounds (``OwnerBounds``) the oldest go first.
"""

from __future__ import annotations

from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from portcall.ownership.end_keys import answers_echo, candidates, has_ports, is_bound, keys_of, local_key, port_of
from portcall.ownership.failed_search import NO_SOCKET, SEVERAL_OWNERS, failure_at
from portcall.ownership.observed_socket import (
    NEVER_NS,
    SECOND_NS,
    TCP,
    ObservedSocket,
    Use,
    holders_of,
    nearest,
    place,
    port_at,
    speakers,
    was_left,
    without_activators,
)
from portcall.ownership.owner_bounds import OwnerBounds
from portcall.ownership.process_table import ProcessTable
from portcall.ownership.remembered_sockets import RememberedSockets
from portcall.records.ownership import Evidence, Match, MatchQuality, Owner, ProcessChange, Program
from portcall.records.sightings import OWNER_CHANGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from portcall.records.ownership import ExistingSockets, OwnerEvents

LINGER_NS = 60 * SECOND_NS
"""How long after a connection's end its packets may come: Linux's TIME_WAIT."""
BOUND_LINGER_NS = 2 * SECOND_NS
"""The same for a port that was merely open: its next packets are most likely somebody else's."""
FORGET_AFTER_NS = LINGER_NS + 15 * SECOND_NS  # by then packets have come, and rows are settled
KERNEL = Owner(0, None, Program("[kernel]"))

_SWEEP_NS = 10 * SECOND_NS
_CHANGES_PER_SOCKET = 3  # where a socket goes round among workers, rows do not follow every turn
_MOST_TURNS = 64  # of those who use a socket by turns, the latest
_KEPT_BY_MANY = ("process", "namespace")
_PORTS_PER_SOCKET = 64  # a raw socket may send from every port there is


class SocketTimeline:
    """Sockets and processes over time. ``source`` names the back end that tells; ``bounds``: None, the usual ones."""

    def __init__(self, source: str, user_name: Callable[[int], str] = str, bounds: OwnerBounds | None = None) -> None:
        self.source, self.bounds = source, bounds or OwnerBounds()
        self.processes = ProcessTable(user_name)
        self._tables = RememberedSockets()
        self._closed: deque[tuple[int, int]] = deque()
        self._exits: deque[tuple[int, int]] = deque()
        self._changes: list[tuple[int, int, int, int, int]] = []
        self._answers: dict[Match, Match] = {}
        self._numbers: dict[int, int] = {}
        self._swept_ns = self._missed_ns = 0
        self._tells_closes = True

    def __len__(self) -> int:
        """Sockets remembered."""
        return len(self._tables.sockets)

    def update(self, events: OwnerEvents) -> None:
        """Take what a back end has seen since the last update."""
        if len(events.sightings) or events.processes:
            self._take(events)
        if events.existing:
            self._close_missed(events.existing)
        if abs(events.until_ns - self._swept_ns) > _SWEEP_NS:
            # By the time of the last sweep: a clock that is set, or a machine that slept, costs no row that waits.
            before_ns = min(self._swept_ns, events.until_ns) + _SWEEP_NS - FORGET_AFTER_NS
            self._swept_ns = events.until_ns
            self._forget(before_ns)

    def find(self, ends: NDArray[np.void]) -> list[Match]:
        """A Match for each of FLOW_END[n], one object for those that are equal: rows keep them for long."""
        times = zip(*(ends[name].tolist() for name in ("namespace", "first_ns", "last_ns")), strict=True)
        found = [self._find(key, *when) for key, when in zip(keys_of(ends), times, strict=True)]
        return [self._answers.setdefault(match, match) for match in found]

    def knows(self, ends: NDArray[np.void]) -> NDArray[np.bool_]:
        """bool[n]: whether a socket was seen for exactly these ends; for others, some back ends must be asked."""
        return np.array([key in self._tables.exact for key in keys_of(ends)], np.bool_)

    def note_ended(self, ends: NDArray[np.void]) -> None:
        """TCP connections that both ends of FLOW_END[n] were seen to end: not every back end tells of every close."""
        for key, last_ns in zip(keys_of(ends), ends["last_ns"].tolist(), strict=True):
            for socket in [use.socket for use in self._tables.exact.get(key, ())]:
                if socket.closed_ns == NEVER_NS and socket.opened_ns <= last_ns:
                    self._close(socket, last_ns, 0)

    def take_changes(self) -> NDArray[np.void]:
        """OWNER_CHANGE[n] learned since the last call, in order of time.

        A socket without connections begins on a port that another one had before, or is handed to another process: a
        flow on that port (in that namespace, 0: any) that goes on after ``time_ns`` goes on in a new row.
        """
        changes, self._changes = np.array(sorted(self._changes), OWNER_CHANGE), []
        return changes

    def _take(self, events: OwnerEvents) -> None:
        for event in sorted(events.processes, key=attrgetter("time_ns")):
            self.processes.update(event)
        self._tells_closes = events.tells_closes
        self._exits = deque(
            sorted((event.time_ns, event.pid) for event in events.processes if event.change is ProcessChange.EXITED)
            if not events.tells_closes
            else ()
        )
        sightings = events.sightings[np.argsort(events.sightings["time_ns"], kind="stable")]
        keys = keys_of(sightings)
        columns = ("time_ns", "socket", "process", "user", "namespace", "evidence", "protocol")
        for row in zip(*(self._values(sightings, name) for name in columns), keys, strict=True):
            self._close_until(row[0])
            self._see(*row)
        self._close_until(NEVER_NS)

    def _values(self, sightings: NDArray[np.void], column: str) -> list[int]:
        """A column's values; where many sockets keep the same ones, one object for each."""
        values: list[int] = sightings[column].tolist()
        return [self._numbers.setdefault(n, n) for n in values] if column in _KEPT_BY_MANY else values

    def _see(  # noqa: PLR0913, PLR0917 - the columns of a sighting
        self, time_ns: int, cookie: int, pid: int, user: int, namespace: int, evidence: int, protocol: int, key: bytes
    ) -> None:
        socket = self._tables.sockets.get(cookie)
        if evidence == Evidence.CLOSED:
            if socket is not None:
                self._close(socket, time_ns, pid)
            return
        if socket is None:
            socket = self._tables.sockets[cookie] = ObservedSocket(cookie, protocol, namespace, time_ns)
        elif time_ns < socket.opened_ns:
            socket.opened_ns = time_ns
        if namespace:
            socket.namespace = namespace
        use = self._index(socket, key, time_ns, is_copy=evidence == Evidence.PACKET and not has_ports(key))
        if evidence == Evidence.KERNEL:
            socket.is_kernel = True
        elif evidence != Evidence.PACKET and pid:
            self._credit(socket, use, time_ns, pid, evidence)
            self.processes.note_user(pid, user)

    def _credit(self, socket: ObservedSocket, use: Use | None, time_ns: int, pid: int, evidence: int) -> None:
        if time_ns > socket.closed_ns:  # a report of what was done before may come after that of the close
            socket.closed_ns = NEVER_NS
        self._tables.file_process(socket, pid)
        if evidence < Evidence.USED:
            if evidence > socket.rank:
                socket.rank, socket.roles = evidence, ()
            if evidence == socket.rank and pid not in [known for _, known in socket.roles]:
                socket.roles += ((time_ns, pid),)
            return
        if evidence == Evidence.SHARED:
            socket.shared_ns = min(socket.shared_ns, time_ns)
        if use is not None and use.socket.protocol != TCP and pid not in [known for _, known in use.used]:
            self._note_next_speaker(use, time_ns)
            use.used += ((time_ns, pid),)
        if not socket.used or socket.used[-1][1] != pid:
            if 0 < len(socket.used) <= _CHANGES_PER_SOCKET:
                self._note_handover(socket, time_ns)
            socket.used = (*socket.used[-_MOST_TURNS:], (time_ns, pid))

    def _index(self, socket: ObservedSocket, key: bytes, time_ns: int, *, is_copy: bool) -> Use | None:
        """File the socket under what the sighting calls it; gives the use if it names a peer."""
        port = port_of(key)
        here = place(socket.protocol, port)
        if port and not is_copy and here not in socket.places and len(socket.places) < _PORTS_PER_SOCKET:
            self._note_birth(socket, here, time_ns)
        if is_bound(key):
            if port or not has_ports(key):
                self._tables.file_binding(socket, local_key(key), time_ns)
            return None
        use, is_full = self._tables.file_peer(socket, key, time_ns, self.bounds.most_peers)
        self.bounds.peers_forgotten += is_full
        return use

    def _note_birth(self, socket: ObservedSocket, here: int, time_ns: int) -> None:
        before = self._tables.file_port(socket, here)
        if before is not None:
            if not self._tells_closes:  # nor births: the first report may come after the first packet
                time_ns = min(time_ns, before.closed_ns + 1)
            self._changes.append((time_ns, socket.namespace, port_at(here), socket.protocol, 0))

    def _note_next_speaker(self, use: Use, time_ns: int) -> None:
        """Without ports, a socket's birth says nothing: what tells is that another one speaks on the same key."""
        if use.used or has_ports(use.key) or port_of(use.key):
            return
        if any(other.used for other in self._tables.exact.get(use.key, ()) if other is not use):
            self._changes.append((time_ns, use.socket.namespace, 0, use.key[0], 0))

    def _note_handover(self, socket: ObservedSocket, time_ns: int) -> None:
        for here in socket.places:
            self._changes.append((time_ns, socket.namespace, port_at(here), socket.protocol, 0))

    def _close(self, socket: ObservedSocket, time_ns: int, pid: int) -> None:
        socket.closed_ns, socket.closer = time_ns, pid
        self._closed.append((time_ns, socket.cookie))

    def _close_missed(self, existing: ExistingSockets) -> None:
        """Reports were lost before: what was there then, and is no more, has been closed."""
        self._missed_ns = existing.before_ns
        for socket in self._tables.sockets.values():
            cookies = existing.cookies.get(socket.protocol)
            is_listed = not cookies or socket.cookie in cookies or socket.namespace != existing.namespace
            if not is_listed and socket.closed_ns == NEVER_NS and socket.opened_ns < existing.before_ns:
                self._close(socket, existing.before_ns, 0)

    def _close_until(self, time_ns: int) -> None:
        """Where closes are not told: a socket ends with the last process that is known to have it."""
        while self._exits and self._exits[0][0] <= time_ns:
            exit_ns, pid = self._exits.popleft()
            for cookie in self._tables.of_process.pop(pid, ()):
                socket = self._tables.sockets.get(cookie)
                if socket is not None and not any(other in self._tables.of_process for other in socket.processes):
                    self._close(socket, exit_ns, 0)

    def _find(self, key: bytes, namespace: int, first_ns: int, last_ns: int) -> Match:
        failure = NO_SOCKET
        for uses, quality in candidates(self._tables.exact, self._tables.bound, key):
            is_exact = quality is MatchQuality.EXACT
            near = nearest(uses, namespace, first_ns, last_ns, LINGER_NS if is_exact else BOUND_LINGER_NS)
            if not has_ports(key):
                near = speakers(near)
            owners: dict[tuple[int, int | None], Owner] = {}
            for use in near:
                for owner in self._owners(use, first_ns, last_ns):
                    owners[owner.pid, owner.start_ns] = owner
            owners = without_activators(owners) if len(owners) > 1 else owners
            if len(owners) > 1:
                return Match(
                    None, MatchQuality.AMBIGUOUS, self.source, "ambiguous", f"{quality.value} {SEVERAL_OWNERS}"
                )
            for owner in owners.values():
                return Match(owner, quality, self.source, "kernel" if owner is KERNEL else None)
            if uses and failure == NO_SOCKET:
                failure = failure_at(quality, uses, namespace, first_ns, last_ns)
        if answers_echo(key):  # every host does, by itself: RFC 1122 §3.2.2.6
            return Match(KERNEL, MatchQuality.WILDCARD, self.source, "kernel")
        return Match(None, MatchQuality.NONE, self.source, "no-owner", failure)

    def _owners(self, use: Use, first_ns: int, last_ns: int) -> list[Owner]:
        socket = use.socket
        holders = holders_of(use, first_ns, last_ns)
        if not holders and socket.is_kernel:
            return [KERNEL]
        return [self.processes.owner(pid, time_ns) for time_ns, pid in holders]

    def _forget(self, before_ns: int) -> None:
        tables = self._tables
        while self._closed and self._closed[0][0] < before_ns:
            closed_ns, cookie = self._closed.popleft()
            socket = tables.sockets.get(cookie)
            if socket is not None and socket.closed_ns == closed_ns:
                tables.drop(socket)
        while len(tables.sockets) > self.bounds.most_sockets:
            oldest = next(iter(tables.sockets.values()))
            self.bounds.sockets_forgotten += oldest.closed_ns == NEVER_NS
            tables.drop(oldest)
        for pid in self.processes.exited(before_ns):
            tables.let_go_of(pid)
        for socket in [
            one for one in tables.sockets.values() if was_left(one, before_ns, self._missed_ns, self.processes)
        ]:
            tables.drop(socket)
        self.processes.forget(before_ns, tables.of_process)
        tables.give_back()
        self._answers, self._numbers = {}, {}
