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
from portcall.owners.diag_rows import rows_of, sightings_of
from portcall.owners.open_files import holders_of_sockets, look_for_holders
from portcall.owners.processes import all_processes, sees_every_process
from portcall.owners.raw_sockets import list_raw_sockets, write_cookies
from portcall.owners.sock_diag import SocketList
from portcall.records.ownership import Evidence, OwnerEvents
from portcall.records.report import Degradation
from portcall.records.sightings import SIGHTING
from portcall.system.network_namespaces import Namespace, every_namespace, inside_each, namespace_cookie, why_of
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
        reason = f"{len(refused)} of {len(namespaces)} network namespaces cannot be entered: {why_of(refused[0])}"
        degradations.append(Degradation("sockets older than portcall", reason, more_rights(ROOT_OF_THE_HOST)))
    return Snapshot(events, cookies, degradations)


def _look(_: Namespace) -> tuple[int | None, _Lists, _Lists]:
    """The namespace's cookie, what sock_diag lists, and what it does not."""
    sockets = SocketList()
    try:
        listed = {protocol: rows_of(messages) for protocol, messages in sockets.all().items()}
        return namespace_cookie(), listed, list_raw_sockets()
    finally:
        sockets.close()
