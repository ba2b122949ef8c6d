"""Sockets that existed before anybody looked: sock_diag in every network namespace, and who holds their files.

A back end that sees only what happens from now on takes one snapshot at its start; its sightings are HELD, at
time 0, as nobody knows since when. What no process holds, though all can be looked at, and does not listen, is the
kernel's own: of VXLAN, WireGuard or NFS. A listener may be held without a file, as by io_uring.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from portcall.errors import PortcallError
from portcall.owners.open_files import open_sockets
from portcall.owners.processes import all_processes, process_ids, sees_every_process
from portcall.owners.raw_sockets import list_raw_sockets, write_cookies
from portcall.owners.sock_diag import SocketList, sightings_of
from portcall.records.ownership import SIGHTING, Evidence, OwnerEvents
from portcall.records.report import Degradation
from portcall.system.network_namespaces import Namespace, every_namespace, inside_each, namespace_cookie
from portcall.system.remedies import ROOT_OF_THE_HOST, more_rights

_Lists = dict[int, np.ndarray[tuple[int], np.dtype[np.void]]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was there at the start."""

    events: OwnerEvents
    namespace_of_cookie: dict[int, int]
    """Network namespaces: cookie → inode."""
    degradations: list[Degradation] = field(default_factory=list)


def take_snapshot() -> Snapshot:
    """All sockets and processes that can be seen now."""
    holders, forbidden = look_for_holders()
    namespaces = every_namespace()
    looks, cookies, refused = [], {}, []
    for namespace, looked in inside_each(namespaces, _look):
        try:
            cookie, lists, raw = looked.result()
        except (OSError, PortcallError) as error:
            refused.append(error)
            continue
        if cookie is not None:
            cookies[cookie] = namespace.number
        looks.append((namespace.number, lists, raw))
    sees_all = not forbidden and sees_every_process()
    holders = (
        holders_of_sockets() | holders
    )  # also of what was opened meanwhile, so that it is not taken for the kernel's
    parts = [np.zeros(0, SIGHTING)]
    for number, lists, raw in looks:
        for rows in raw.values():
            write_cookies(rows, holders)
        unheld = Evidence.KERNEL if sees_all else Evidence.PACKET
        parts += [sightings_of(rows, protocol, number, holders, 0) for protocol, rows in raw.items()]
        parts += [sightings_of(rows, protocol, number, holders, 0, unheld=unheld) for protocol, rows in lists.items()]
    events = OwnerEvents(np.concatenate(parts), list(all_processes()), time.time_ns())
    degradations = []
    if refused:
        reason = f"{len(refused)} of {len(namespaces)} network namespaces cannot be entered: {refused[0]}"
        degradations.append(Degradation("sockets older than portcall", reason, more_rights(ROOT_OF_THE_HOST)))
    return Snapshot(events, cookies, degradations)


def holders_of_sockets(pids: list[int] | None = None) -> dict[int, list[int]]:
    """Inode → pids of the processes that hold that socket, of all that may be looked at, or of those given."""
    return look_for_holders(pids)[0]


def look_for_holders(pids: list[int] | None = None) -> tuple[dict[int, list[int]], int]:
    """The same, and how many of those processes may not be looked at."""
    holders: dict[int, list[int]] = {}
    forbidden = 0
    for pid in process_ids() if pids is None else pids:
        try:
            inodes = open_sockets(pid)
        except OSError as error:  # else it ended
            forbidden += isinstance(error, PermissionError)
            continue
        for inode in inodes:
            holders.setdefault(inode, []).append(pid)
    return holders, forbidden


def _look(_: Namespace) -> tuple[int | None, _Lists, _Lists]:
    """The namespace's cookie, what sock_diag lists, and what it does not."""
    sockets = SocketList()
    try:
        return namespace_cookie(), sockets.all(), list_raw_sockets()
    finally:
        sockets.close()
