"""Sockets that are remembered, by all that they are found by: cookie, ends, port, process.

What is remembered of a socket is put in and taken out here, so that the tables agree. Pure.
"""

from __future__ import annotations

from portcall.ownership.few_uses import each_of, pop_oldest, use_at, with_use
from portcall.ownership.observed_socket import TCP, ObservedSocket, Use, may_be_same, unfile
from portcall.ownership.table_sizes import fitting

Index = dict[bytes, tuple[Use, ...]]


class RememberedSockets:
    """Sockets, and the tables that find them."""

    def __init__(self) -> None:
        self.sockets: dict[int, ObservedSocket] = {}
        """By cookie, those that were seen first at the front."""
        self.exact: Index = {}
        """By both ends."""
        self.bound: Index = {}
        """By the local end."""
        self.of_process: dict[int, set[int]] = {}
        """Cookies by pid."""
        self.last_at: dict[int, int] = {}
        """The cookie of the last socket at a ``place``."""

    def file_peer(self, socket: ObservedSocket, key: bytes, time_ns: int, most_peers: int) -> tuple[Use, bool]:
        """The socket's use with this peer; and whether an older one had to be forgotten for it."""
        known = use_at(socket.peers, key)
        if known is not None:
            return known, False
        known = Use(socket, time_ns, key)
        peers = socket.peers = with_use(socket.peers, known)
        self.exact[key] = (*self.exact.get(key, ()), known)
        if not isinstance(peers, dict) or len(peers) <= most_peers:
            return known, False
        unfile(self.exact, pop_oldest(peers))
        return known, True

    def file_binding(self, socket: ObservedSocket, local: bytes, time_ns: int) -> None:
        """Find the socket by this local end."""
        if use_at(socket.bindings, local) is None:
            use = Use(socket, time_ns, local)
            socket.bindings = with_use(socket.bindings, use)
            self.bound[local] = (*self.bound.get(local, ()), use)

    def file_port(self, socket: ObservedSocket, here: int) -> ObservedSocket | None:
        """The socket is the last one at this ``place``; gives the one before it, if that was another flow's."""
        before = self.sockets.get(self.last_at.get(here, 0))
        socket.places += (here,)
        self.last_at[here] = socket.cookie
        is_taken_over = before is not None and socket.protocol != TCP
        return before if is_taken_over and before and may_be_same(before.namespace, socket.namespace) else None

    def file_process(self, socket: ObservedSocket, pid: int) -> None:
        """The process has the socket."""
        if pid not in socket.processes:
            socket.processes += (pid,)
            self.of_process.setdefault(pid, set()).add(socket.cookie)

    def let_go_of(self, pid: int) -> None:
        """Forget that a process which ended held sockets that others still hold: a server's children come and go."""
        for cookie in [*self.of_process.get(pid, ())]:
            socket = self.sockets[cookie]
            others = tuple(other for other in socket.processes if other != pid)
            roles = tuple(role for role in socket.roles if role[1] != pid)
            used = tuple(turn for turn in socket.used if turn[1] != pid)
            if others and bool(roles) == bool(socket.roles) and bool(used) == bool(socket.used):
                socket.processes, socket.roles, socket.used = others, roles, used
                self.of_process[pid].discard(cookie)
        if not self.of_process.get(pid, True):
            del self.of_process[pid]

    def drop(self, socket: ObservedSocket) -> None:
        """Forget a socket."""
        del self.sockets[socket.cookie]
        for index, uses in ((self.exact, socket.peers), (self.bound, socket.bindings)):
            for use in each_of(uses):
                unfile(index, use)
        for here in socket.places:
            if self.last_at.get(here) == socket.cookie:
                del self.last_at[here]
        for pid in socket.processes:
            cookies = self.of_process.get(pid, set())
            cookies.discard(socket.cookie)
            if not cookies:
                self.of_process.pop(pid, None)
        socket.peers = socket.bindings = None  # each points back at it, and only the collector frees what is in circles

    def give_back(self) -> None:
        """Let no table have room for much more than is in it, as after a flood of sockets: one step for each entry."""
        self.sockets, self.exact, self.bound = fitting(self.sockets), fitting(self.exact), fitting(self.bound)
        self.of_process, self.last_at = fitting(self.of_process), fitting(self.last_at)
        for pid, cookies in self.of_process.items():
            self.of_process[pid] = fitting(cookies)
