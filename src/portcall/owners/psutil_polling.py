"""The portable way: psutil lists the sockets that exist, twice a second; what lives shorter is not seen.

It serves macOS and Windows (written for, untested there) and Linux without rights, where it sees one's own processes.
A socket has no identity here but its addresses: when the same addresses have other processes, it is another socket.
"""

from __future__ import annotations

import itertools
import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.owners.psutil_listing import process_event
from portcall.records.ownership import Evidence, OwnerEvents, ProcessChange, ProcessEvent
from portcall.records.report import Degradation
from portcall.records.sightings import SIGHTING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

POLL_S = 0.5

_LISTS = {"tcp": 6, "tcp6": 6, "udp": 17, "udp6": 17, "udplite": 136, "udplite6": 136}

_Key = tuple[int, int, tuple[str, int], tuple[str, int]]
_NO_END = ("", 0)


class _Seen(NamedTuple):
    socket: int
    pids: frozenset[int]


class PsutilOwners:
    """Owner events from a list of sockets, made anew every POLL_S."""

    name = "psutil"
    lost = 0

    def __init__(self) -> None:
        self.degradations = [
            Degradation("owners of short-lived sockets", f"psutil looks every {POLL_S} s", "Linux with eBPF, as root")
        ]
        self._seen: dict[_Key, _Seen] = {}
        self._pids: set[int] = set()
        self._numbers = itertools.count(1)
        self._polled_s = -POLL_S

    def fileno(self) -> int | None:
        """None: nothing announces news, only time does."""
        return None

    def drain(self, unknown: NDArray[np.void] | None = None) -> OwnerEvents:
        """What changed since the last look, if it is time to look again."""
        del unknown
        now_ns = time.time_ns()
        if time.monotonic() - self._polled_s < POLL_S:
            return OwnerEvents(np.zeros(0, SIGHTING), [], now_ns)
        self._polled_s = time.monotonic()
        rows = list(self._changes(now_ns))
        processes = list(self._processes(now_ns))
        return OwnerEvents(np.concatenate([np.zeros(0, SIGHTING), *rows]), processes, now_ns)

    def close(self) -> None:
        """Nothing is open."""

    def _changes(self, now_ns: int) -> Iterator[NDArray[np.void]]:
        is_first = not self._seen
        found = _sockets()
        for key, seen in list(self._seen.items()):
            if not seen.pids & found.get(key, frozenset()):
                del self._seen[key]
                yield _sighting(key, seen.socket, 0, Evidence.CLOSED, now_ns)
        for key, pids in found.items():
            known = self._seen.get(key)
            number = known.socket if known else next(self._numbers)
            for pid in pids - (known.pids if known else frozenset()):
                yield _sighting(key, number, pid, Evidence.HELD, 0 if is_first else now_ns)
            self._seen[key] = _Seen(number, pids)

    def _processes(self, now_ns: int) -> Iterator[ProcessEvent]:
        pids = frozenset().union(*(seen.pids for seen in self._seen.values()))
        for pid in self._pids - pids:
            yield ProcessEvent(ProcessChange.EXITED, now_ns, pid)
        for pid in pids - self._pids:
            found = process_event(pid)
            if found:
                yield found
        self._pids = set(pids)


def _sockets() -> dict[_Key, frozenset[int]]:
    """Processes of every socket that can be seen."""
    return _listed_by_linux() if sys.platform == "linux" else _listed_by_psutil()


def _listed_by_linux() -> dict[_Key, frozenset[int]]:
    """From /proc itself: psutil leaves out raw and ping sockets, and those of threads that share no files."""
    from portcall.owners.open_files import holders_of_sockets
    from portcall.owners.raw_sockets import list_raw_sockets, read_list

    found: dict[_Key, set[int]] = {}
    holders = holders_of_sockets()
    lists = [(protocol, read_list(name)) for name, protocol in _LISTS.items()]
    for protocol, rows in [*lists, *list_raw_sockets().items()]:
        for row in rows:
            family = int(row["family"])
            length, version = (4, 4) if family == socket.AF_INET else (16, 6)
            ends = [(socket.inet_ntop(family, row[end].tobytes()[:length]), int(row[f"{end}_port"]))
                    for end in ("source", "target")]  # fmt: skip
            pids = holders.get(int(row["inode"]))
            if pids:
                found.setdefault((protocol, version, ends[0], ends[1]), set()).update(pids)
    return {key: frozenset(pids) for key, pids in found.items()}


def _listed_by_psutil() -> dict[_Key, frozenset[int]]:
    """Of all processes, or where that is forbidden, of our own."""
    import psutil

    connections: list[tuple[Any, int | None]]  # Any: psutil has a type for each of the two lists
    try:
        connections = [(row, row.pid) for row in psutil.net_connections(kind="inet")]
    except psutil.AccessDenied:  # macOS without root
        connections = [(row, os.getpid()) for row in psutil.Process().net_connections(kind="inet")]
    found: dict[_Key, set[int]] = {}
    for row, pid in connections:
        if pid:
            protocol = socket.IPPROTO_TCP if row.type == socket.SOCK_STREAM else socket.IPPROTO_UDP
            version = 4 if row.family == socket.AF_INET else 6
            key = protocol, version, tuple(row.laddr) or _NO_END, tuple(row.raddr) or _NO_END
            found.setdefault(key, set()).add(pid)
    return {key: frozenset(pids) for key, pids in found.items()}


def _sighting(key: _Key, number: int, pid: int, evidence: Evidence, time_ns: int) -> NDArray[np.void]:
    protocol, version, local, remote = key
    row = np.zeros(1, SIGHTING)
    row["time_ns"], row["socket"], row["process"], row["evidence"] = time_ns, number, pid, evidence
    row["protocol"], row["ip_version"] = protocol, version
    for name, (address, port) in (("local", local), ("remote", remote)):
        row[f"{name}_port"] = port
        if address:
            packed = socket.inet_pton(socket.AF_INET if version == 4 else socket.AF_INET6, address.split("%")[0])  # noqa: PLR2004
            row[name][0, 16 - len(packed) :] = list(packed)
    return row
