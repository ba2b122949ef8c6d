"""Without programs in the kernel: ask it about the socket of each new packet, then look for who holds that socket.

The proc connector tells which processes are young, so their files are looked through first: all
processes take milliseconds. What is gone before the question arrives stays unknown, so sockets that live a millisecond
are often missed.
"""

from __future__ import annotations

import socket
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from portcall.errors import PortcallError
from portcall.owners.diag_rows import rows_of, sightings_of
from portcall.owners.losses import ended
from portcall.owners.open_files import holders_of_sockets
from portcall.owners.process_connector import ProcessConnector
from portcall.owners.processes import find_process, sees_every_process
from portcall.owners.raw_sockets import list_raw_sockets, write_cookies
from portcall.owners.snapshot import take_snapshot
from portcall.owners.sock_diag import DATAGRAMS, UDP, SocketList
from portcall.records.ownership import ICMP_PROTOCOLS, PROTOCOLS_WITH_PORTS, Evidence, OwnerEvents, ProcessChange
from portcall.records.report import Degradation
from portcall.records.sightings import FLOW_END, SIGHTING
from portcall.system.network_namespaces import every_namespace, inside, own_namespace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.ownership import ProcessEvent

MOST_YOUNG = 64
"""Processes looked through for every socket: those that started last."""
QUESTIONS_PER_END = 5

_SCAN_PAUSE_S = 0.5
_ANSWER_S = 0.2
_MAX_ASKED = 1 << 16
_TIMELESS_BYTES = FLOW_END.fields["first_ns"][1]  # type: ignore[index]  # of a structured type
_NOT_ACCEPTED = 0  # inode of a socket that no process has yet, or has any more


class NetlinkOwners:
    """Owner events from questions to the kernel; ``OSError`` where it answers none. Needs its rights on."""

    name = "netlink"

    def __init__(self) -> None:
        self.degradations = [
            Degradation("owners of short-lived sockets", "netlink is asked when a packet came, often too late", "eBPF")
        ]
        self._connector = ProcessConnector()
        self._lists = {own_namespace().number: SocketList(_ANSWER_S)}
        self._young: OrderedDict[int, None] = OrderedDict()
        self._asked: OrderedDict[bytes, int] = OrderedDict()
        self._sees_all = sees_every_process()
        self._raw_listed: set[int] = set()
        self._known_pids: set[int] = set()
        self._ends_missed = 0
        self._waiting: OwnerEvents | None = take_snapshot().events
        self._holders = holders_of_sockets()
        self._scanned_s = time.monotonic()

    @property
    def lost(self) -> int:
        """Times that the kernel dropped process events."""
        return self._connector.lost

    def fileno(self) -> int:
        """Readable when processes began or ended."""
        return self._connector.fileno()

    def drain(self, unknown: NDArray[np.void] | None = None) -> OwnerEvents:
        """Process events since the last drain, and what the kernel says of these FLOW_END[n]."""
        processes = self._connector.drain()
        if self._waiting is not None:
            processes = self._waiting.processes + processes
        if self._connector.lost > self._ends_missed:
            self._ends_missed = self._connector.lost
            processes += ended(self._known_pids)
        self._follow(processes)
        parts = [np.zeros(0, SIGHTING) if self._waiting is None else self._waiting.sightings]
        self._waiting = None
        self._raw_listed.clear()
        parts += [self._ask(end) for end in (() if unknown is None else unknown) if self._is_worth_asking(end)]
        sightings = np.concatenate(parts)
        for pid in set(sightings["process"].tolist()) - self._known_pids - {0}:
            found = find_process(pid)
            if found:
                processes.append(found)
                self._known_pids.add(pid)
        return OwnerEvents(sightings, processes, time.time_ns(), tells_closes=False)

    def close(self) -> None:
        """Close all netlink sockets."""
        self._connector.close()
        for sockets in self._lists.values():
            sockets.close()

    def _follow(self, processes: list[ProcessEvent]) -> None:
        for event in processes:
            if event.change is ProcessChange.EXITED:
                self._young.pop(event.pid, None)
                self._known_pids.discard(event.pid)
            else:
                self._known_pids.add(event.pid)
                if event.change is ProcessChange.STARTED:
                    self._young[event.pid] = None
        while len(self._young) > MOST_YOUNG:
            self._young.popitem(last=False)

    def _is_worth_asking(self, end: np.void) -> bool:
        """Not for ever: a packet of another machine, or to a port that nobody has, never gets an answer."""
        key = end.tobytes()[:_TIMELESS_BYTES]
        count = self._asked.get(key, 0)
        self._asked[key] = count + 1
        if len(self._asked) > _MAX_ASKED:
            self._asked.popitem(last=False)
        return count < QUESTIONS_PER_END and not _is_the_kernels(end)

    def _ask(self, end: np.void) -> NDArray[np.void]:
        if int(end["protocol"]) not in PROTOCOLS_WITH_PORTS:
            return self._list_raw(int(end["namespace"]) or own_namespace().number)
        sockets = self._list(int(end["namespace"]))
        if sockets is None:
            return np.zeros(0, SIGHTING)
        is_ipv4 = int(end["ip_version"]) == 4  # noqa: PLR2004
        start = 12 if is_ipv4 else 0
        local, remote = ((end[side].tobytes()[start:], int(end[f"{side}_port"])) for side in ("local", "remote"))
        family = socket.AF_INET if is_ipv4 else socket.AF_INET6
        found = rows_of(sockets.one(int(end["protocol"]), family, local, remote))
        inodes = [inode for inode in found["inode"].tolist() if inode != _NOT_ACCEPTED]
        holders = {inode: self._holders_of(inode) for inode in inodes}
        namespace = int(end["namespace"]) or own_namespace().number
        unheld = Evidence.KERNEL if self._sees_all and int(end["protocol"]) in DATAGRAMS else Evidence.PACKET
        protocol, now_ns = int(end["protocol"]), time.time_ns()
        sightings = sightings_of(found, protocol, namespace, holders, now_ns, unheld=unheld)
        if not len(found) and unheld is Evidence.KERNEL and protocol == UDP:
            return self._tunnel(
                rows_of(sockets.one(protocol, family, (local[0], remote[1]), remote)), namespace, now_ns
            )
        if len(found) and (int(end["protocol"]) in DATAGRAMS or int(found["target_port"][0])):
            # An open UDP socket has no addresses of its own: the packet has them.
            for name in ("local", "remote", "local_port", "remote_port", "ip_version"):
                sightings[name] = end[name]
        return sightings

    def _tunnel(self, found: NDArray[np.void], namespace: int, now_ns: int) -> NDArray[np.void]:
        """A socket of the kernel that is bound to the port that a peer has: see ``end_keys``."""
        holders = {inode: self._holders_of(inode) for inode in found["inode"].tolist() if inode != _NOT_ACCEPTED}
        sightings = sightings_of(found, UDP, namespace, holders, now_ns, unheld=Evidence.KERNEL)
        return np.asarray(sightings[sightings["evidence"] == Evidence.KERNEL])

    def _list_raw(self, number: int) -> NDArray[np.void]:
        """All raw and ping sockets of a namespace, once a drain."""
        if number in self._raw_listed:
            return np.zeros(0, SIGHTING)
        self._raw_listed.add(number)
        namespace = next((there for there in (own_namespace(), *every_namespace()) if there.number == number), None)
        try:
            lists = inside(namespace, list_raw_sockets) if namespace else {}
        except (OSError, PortcallError):
            return np.zeros(0, SIGHTING)
        parts = [np.zeros(0, SIGHTING)]
        for protocol, rows in lists.items():
            holders = {inode: self._holders_of(inode) for inode in rows["inode"].tolist()}
            write_cookies(rows, holders)
            parts.append(sightings_of(rows, protocol, number, holders, time.time_ns()))
        return np.concatenate(parts)

    def _list(self, namespace: int) -> SocketList | None:
        namespace = namespace or own_namespace().number
        if namespace not in self._lists:
            known = {there.number: there for there in every_namespace()}
            try:
                if namespace not in known:
                    return None
                self._lists[namespace] = inside(known[namespace], lambda: SocketList(_ANSWER_S))
            except (OSError, PortcallError):
                return None
        return self._lists[namespace]

    def _holders_of(self, inode: int) -> list[int]:
        young = holders_of_sockets(list(reversed(self._young)))
        found = young.get(inode, []) + [pid for pid in self._holders.get(inode, []) if pid not in young.get(inode, [])]
        if not found and time.monotonic() - self._scanned_s > _SCAN_PAUSE_S:
            self._holders, self._scanned_s = holders_of_sockets(), time.monotonic()
            found = self._holders.get(inode, [])
        return found


def _is_the_kernels(end: np.void) -> bool:
    """What ICMP says besides asking for an echo, the kernel says."""
    return int(end["protocol"]) in ICMP_PROTOCOLS and not int(end["local_port"])
