"""What psutil tells of sockets that exist now, where no better way is written; and of interfaces, on all systems.

macOS lists only one's own sockets without root. There is no interface, inode, queue or round-trip time to be had.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from portcall.records.ownership import Owner, ProcessChange, ProcessEvent, Program
from portcall.records.report import Degradation
from portcall.records.sockets import Holding, InterfaceNetwork, SocketListing, SystemSocket
from portcall.system.interpreters import script_of
from portcall.system.remedies import ROOT_OF_THE_HOST, more_rights

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATE_WORDS = {
    "ESTABLISHED": "ESTAB", "SYN_SENT": "SYN-SENT", "SYN_RECV": "SYN-RECV", "FIN_WAIT1": "FIN-WAIT-1",
    "FIN_WAIT2": "FIN-WAIT-2", "TIME_WAIT": "TIME-WAIT", "CLOSE_WAIT": "CLOSE-WAIT", "LAST_ACK": "LAST-ACK",
    "LISTEN": "LISTEN", "CLOSING": "CLOSING",
}  # fmt: skip
"""psutil's words, https://psutil.readthedocs.io (connections constants); CLOSE and NONE are sockets without a state."""

_ANY = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - read, not bound


def list_portably(*, only_listening: bool = False) -> SocketListing:
    """All sockets that psutil may see here; which those are is in the degradations."""
    import psutil

    notes: tuple[Degradation, ...] = ()
    rows: list[tuple[Any, int | None]]  # Any: psutil has a type for each of the two lists
    try:
        rows = [(row, row.pid) for row in psutil.net_connections(kind="inet")]
    except psutil.AccessDenied:
        rows = [(row, os.getpid()) for row in psutil.Process().net_connections(kind="inet")]
        reason = "without root this system lists only one's own sockets; how many others have is not known"
        notes = (Degradation("sockets of other processes", reason, more_rights(ROOT_OF_THE_HOST)),)
    pids: dict[Any, set[int]] = {}  # Any: a row's values
    for row, pid in rows:
        pids.setdefault((row.type, row.family, row.laddr, row.raddr, row.status), set()).update([pid] if pid else [])
    owners: dict[int, Owner | None] = {}
    sockets = (_socket(key, holders, owners) for key, holders in pids.items())
    kept = tuple(one for one in sockets if one is not None and (one.is_without_peer or not only_listening))
    return SocketListing(kept, time.time_ns(), {0: interface_networks()}, notes)


def interface_networks() -> tuple[InterfaceNetwork, ...]:
    """The addresses of all interfaces with their networks."""
    import psutil

    return tuple(
        InterfaceNetwork(name, network)
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6) and (network := _network(address)) is not None
    )


def _network(address: Any) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:  # Any: psutil's tuple
    ip = ipaddress.ip_address(address.address.partition("%")[0])
    if address.netmask is None:
        return ipaddress.ip_interface(ip)
    bits = int(ipaddress.ip_address(address.netmask)).bit_count()
    return ipaddress.ip_interface(f"{ip}/{bits}")


def _socket(key: Any, pids: set[int], owners: dict[int, Owner | None]) -> SystemSocket | None:  # Any: as above
    kind, family, local, remote, status = key
    is_tcp, version = kind == socket.SOCK_STREAM, 4 if family == socket.AF_INET else 6
    state = _STATE_WORDS.get(status) if is_tcp else "ESTAB" if remote else "UNCONN"
    if state is None or not local:  # neither bound nor connected: nobody can reach it
        return None
    holders = tuple(owner for pid in sorted(pids) if (owner := _owner(pid, owners)) is not None)
    return SystemSocket(
        protocol="tcp" if is_tcp else "udp",
        ip_version=version,
        local_ip=_plain(local[0]) or _ANY[version],
        local_port=local[1],
        remote_ip=_plain(remote[0]) if remote else None,
        remote_port=remote[1] if remote else None,
        state=state,
        holding=Holding.PROCESS if holders else Holding.HIDDEN,
        holders=holders,
        user=holders[0].user if holders else None,
    )


def _plain(address: str) -> str:
    """Without the zone of link-local addresses, and IPv4 as such."""
    plain = address.partition("%")[0]
    return plain.removeprefix("::ffff:") if "." in plain else plain


def _owner(pid: int, owners: dict[int, Owner | None]) -> Owner | None:
    if pid not in owners:
        found = process_event(pid)
        owners[pid] = None
        if found and found.program:
            owners[pid] = Owner(pid, found.time_ns, found.program, _user_of(pid), tuple(_parents(found.parent)))
    return owners[pid]


def _parents(pid: int) -> Iterator[tuple[int, str]]:
    seen: set[int] = set()
    while pid and pid not in seen and (found := process_event(pid)) and found.program:
        seen.add(pid)
        yield pid, found.program.name
        pid = found.parent


def _user_of(pid: int) -> str | None:
    import psutil

    try:
        return psutil.Process(pid).username()
    except psutil.Error:
        return None


def process_event(pid: int) -> ProcessEvent | None:
    """The process as it is now, FOUND; None where there is none, or where it may not be looked at."""
    return _described_by_linux(pid) if sys.platform == "linux" else _described_by_psutil(pid)


def _described_by_linux(pid: int) -> ProcessEvent | None:
    from portcall.owners.processes import find_process

    return find_process(pid)


def _described_by_psutil(pid: int) -> ProcessEvent | None:
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            exe, arguments = _or_none(process.exe), tuple(_or_none(process.cmdline) or ())
            program = Program(process.name(), exe, arguments, script=script_of(arguments, exe))
            start_ns, parent = int(process.create_time() * 1e9), process.ppid() or 0
            user = process.uids().effective if hasattr(process, "uids") else None
    except psutil.Error:
        return None
    return ProcessEvent(ProcessChange.FOUND, start_ns, pid, parent, user, program)


def _or_none(ask: Any) -> Any:  # Any: psutil's methods, each with its own result
    import psutil

    try:
        return ask() or None
    except psutil.AccessDenied:
        return None
