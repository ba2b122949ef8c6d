"""The best way on Linux: programs in the kernel report who makes, uses and closes sockets, and what processes become.

``EbpfOwners`` loads them, takes a snapshot of what was there before, and turns what the rings hold into sightings, in
bulk. After it is open it needs no rights: reading its rings is reading memory. What is lost without them is the link
/proc/PID/exe of other users' processes, for which the path given to exec(2) stands in.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from portcall.owners.diag_rows import plain_addresses
from portcall.owners.ebpf.loader import Loaded, control_group_mount
from portcall.owners.ebpf.programs.events import AF_INET, EXEC_ARGUMENTS_BYTES, ProcessReport
from portcall.owners.losses import LossWatch, ended
from portcall.owners.process_connector import ProcessConnector
from portcall.owners.processes import (
    ControlGroups,
    find_process,
    program_of,
    read_program_path,
    read_script,
    split_arguments,
)
from portcall.owners.snapshot import take_snapshot
from portcall.records.ownership import (
    ECHO_ASKED,
    FIRST_INODE,
    ICMP_PROTOCOLS,
    Evidence,
    OwnerEvents,
    ProcessChange,
    ProcessEvent,
    Program,
)
from portcall.records.report import Degradation
from portcall.records.sightings import SIGHTING
from portcall.system.remedies import ROOT_OF_THE_HOST, more_rights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.owners.ebpf.loader import Subset

_SAME = ("socket", "process", "user", "evidence", "protocol", "local_port", "remote_port")
_MOST_NAMESPACES = 1 << 12
"""That are remembered by cookie, those that sockets were met in last: others are learned again."""
_EXITED = ProcessChange.EXITED
_FIRST_PLACE_IN_MEMORY = 1 << 63  # no cookie is as great


class EbpfOwners:
    """Owner events from programs in the kernel. ``OSError`` where they cannot be loaded at all."""

    def __init__(self, subset: Subset = "all") -> None:
        self._loaded = Loaded(subset)
        self.name = "ebpf" if subset == "all" else f"ebpf-{subset}"
        self.degradations = list(self._loaded.degradations)
        self._control_groups = ControlGroups(control_group_mount(Path("/proc/mounts").read_text()))
        self._tells_closes = "sock_release" in self._loaded.programs
        self._connector = None if self._loaded.knows_processes() else self._open_connector()
        self._known_pids: set[int] = set()
        self._packet_sockets: dict[int, set[int]] = {}
        self._losses = LossWatch()
        # After the programs run, so that a socket is either in the snapshot or in the rings, or in both.
        snapshot = take_snapshot()
        self.degradations += snapshot.degradations
        self._namespaces = snapshot.namespace_of_cookie
        users = snapshot.events.sightings
        self._loaded.mark_users_sockets(users["socket"][users["process"] > 0].tolist())
        self._waiting: OwnerEvents | None = snapshot.events

    @property
    def programs(self) -> list[str]:
        """Names of the programs that run."""
        return self._loaded.programs

    @property
    def lost(self) -> int:
        """Reports lost since the start, because nobody read them in time."""
        return self._loaded.lost + (self._connector.lost if self._connector else 0)

    def fileno(self) -> int:
        """Readable when there is something to drain. It wakes once a drain, so look again after 20 to 50 ms at most."""
        return self._loaded.events.descriptor

    def drain(self, unknown: NDArray[np.void] | None = None) -> OwnerEvents:
        """What was seen since the last drain; the programs see everything, so ``unknown`` is not looked at."""
        del unknown
        until_ns = time.time_ns()
        events = self._loaded.events.read()  # before the execs, or a child could be taken for what its parent was
        execs = self._loaded.execs.read()
        existing = self._losses.look(self.lost, time.monotonic())
        if not (len(events) or len(execs) or self._waiting or self._connector or existing):
            return OwnerEvents(np.zeros(0, SIGHTING), [], until_ns, self._tells_closes)  # as mostly, under load
        offset_ns = _offset_ns()
        is_process = events["evidence"] >= ProcessReport.FORKED
        processes = [*self._first(), *self._executed(execs, offset_ns), *_born_or_gone(events[is_process], offset_ns)]
        if self._connector:
            processes += self._connector.drain()
        if existing:
            processes += ended(self._known_pids)
        sockets = events[~is_process]
        processes += self._met(sockets, processes, offset_ns)
        sightings = np.concatenate([self._sightings(sockets, offset_ns), self._closed_by_exit(processes)])
        if self._waiting is not None:
            sightings, self._waiting = np.concatenate([self._waiting.sightings, sightings]), None
        return OwnerEvents(sightings, processes, until_ns, self._tells_closes, existing)

    def close(self) -> None:
        """Take the programs out of the kernel."""
        if self._connector:
            self._connector.close()
        self._losses.close()
        self._loaded.close()

    def _open_connector(self) -> ProcessConnector | None:
        try:
            return ProcessConnector()
        except OSError as error:
            reason = f"programs of short-lived processes are not known: {error.strerror}"
            self.degradations.append(Degradation("process names", reason, more_rights(ROOT_OF_THE_HOST)))
            return None

    def _first(self) -> list[ProcessEvent]:
        return self._waiting.processes if self._waiting is not None else []

    def _executed(self, execs: NDArray[np.void], offset_ns: int) -> Iterator[ProcessEvent]:
        for row in execs:
            pid = int(row["process"])
            path = row["path"].decode(errors="replace")
            if not path.startswith("/"):  # as it was typed, seen from a directory that nobody reported
                path = read_program_path(pid) or path
            place = self._control_groups.place(int(row["control_group"]), pid)
            arguments = bytes(row["arguments"])[: int(row["arguments_length"])]
            program = program_of(row["name"].decode(errors="replace"), path, split_arguments(arguments), place)
            program = program._replace(script=read_script(pid, arguments, path, EXEC_ARGUMENTS_BYTES))
            yield ProcessEvent(
                ProcessChange.EXECUTED, int(row["time_ns"]) + offset_ns, pid, user=int(row["user"]), program=program
            )

    def _met(self, sockets: NDArray[np.void], processes: list[ProcessEvent], offset_ns: int) -> Iterator[ProcessEvent]:
        """Users of sockets of whom nothing was told: /proc is asked, else the thread's name has to do."""
        for event in processes:
            if event.change is ProcessChange.EXITED:
                self._known_pids.discard(event.pid)
            else:
                self._known_pids.add(event.pid)
        met, first = np.unique(sockets["process"], return_index=True)
        for pid, i in zip(met.tolist(), first.tolist(), strict=True):
            if pid and pid not in self._known_pids:
                row = sockets[i]
                yield find_process(pid) or ProcessEvent(
                    ProcessChange.FOUND,
                    int(row["time_ns"]) + offset_ns,
                    pid,
                    user=int(row["user"]),
                    program=Program(row["name"].decode(errors="replace")),
                )

    def _sightings(self, sockets: NDArray[np.void], offset_ns: int) -> NDArray[np.void]:
        sightings = np.zeros(len(sockets), SIGHTING)
        for name in _SAME:
            sightings[name] = sockets[name]
        sightings["time_ns"] = sockets["time_ns"].astype(np.int64) + offset_ns
        sightings["ip_version"] = np.where(sockets["family"] == AF_INET, 4, 6)
        for end in ("local", "remote"):
            sightings[end] = plain_addresses(sockets[end], sockets["family"])
        _write_echo_peers(sightings)
        for row in sockets[sockets["socket"] >= _FIRST_PLACE_IN_MEMORY]:
            self._packet_sockets.setdefault(int(row["process"]), set()).add(int(row["socket"]))
        self._learn_namespaces(sockets)
        cookies, which = np.unique(sockets["namespace_cookie"], return_inverse=True)
        namespaces = np.array([self._namespace(cookie) for cookie in cookies.tolist()], np.uint32)
        sightings["namespace"] = np.where(sockets["namespace"] > 0, sockets["namespace"], namespaces[which])
        return sightings

    def _closed_by_exit(self, processes: list[ProcessEvent]) -> NDArray[np.void]:
        """SIGHTING[n]: packet sockets end with the process that sent by them, as no program sees them close."""
        ended = [(event, self._packet_sockets.pop(event.pid, ())) for event in processes if event.change is _EXITED]
        rows = [(event.time_ns, number) for event, numbers in ended for number in numbers]
        closed = np.zeros(len(rows), SIGHTING)
        closed["evidence"] = Evidence.CLOSED
        closed["time_ns"], closed["socket"] = [time_ns for time_ns, _ in rows], [number for _, number in rows]
        return closed

    def _namespace(self, cookie: int) -> int:
        """A namespace's inode; until it is known, a number that is no inode, so that two are told apart."""
        inode = self._namespaces.pop(cookie, None)
        if inode is None:
            return cookie % FIRST_INODE
        self._namespaces[cookie] = inode  # as the one that was met last
        return inode

    def _learn_namespaces(self, sockets: NDArray[np.void]) -> None:
        """A socket reported by cookie here and by inode there tells which inode a cookie means."""
        by_cookie = sockets[sockets["namespace_cookie"] > 0]
        new = ~np.isin(by_cookie["namespace_cookie"], list(self._namespaces))
        if not new.any():
            return
        inodes = dict(
            zip(*(sockets[sockets["namespace"] > 0][name].tolist() for name in ("socket", "namespace")), strict=True)
        )
        for row in by_cookie[new]:
            inode = inodes.get(int(row["socket"]))
            if inode is not None:
                self._namespaces[int(row["namespace_cookie"])] = inode
        for cookie in [*self._namespaces][:-_MOST_NAMESPACES]:
            del self._namespaces[cookie]


def _write_echo_peers(out_sightings: NDArray[np.void]) -> None:
    """A connected ping socket asks its peer; the port that connect(2) was given means nothing."""
    asks = np.isin(out_sightings["protocol"], ICMP_PROTOCOLS) & (out_sightings["local_port"] > 0)
    out_sightings["remote_port"][asks & out_sightings["remote"].any(axis=1)] = ECHO_ASKED
    out_sightings["remote_port"][asks & ~out_sightings["remote"].any(axis=1)] = 0


def _born_or_gone(rows: NDArray[np.void], offset_ns: int) -> Iterator[ProcessEvent]:
    for time_ns, report, pid, child, user in zip(
        *(rows[name].tolist() for name in ("time_ns", "evidence", "process", "child", "user")), strict=True
    ):
        if report == ProcessReport.FORKED:
            yield ProcessEvent(ProcessChange.STARTED, time_ns + offset_ns, child, pid, user)
        else:
            yield ProcessEvent(ProcessChange.EXITED, time_ns + offset_ns, pid)


def _offset_ns() -> int:
    """What to add to the programs' clock, CLOCK_MONOTONIC, for ns since 1970: it changes when the clock is set.

    Of several measurements the shortest: in the others something came between the readings.
    """
    readings = [(time.monotonic_ns(), time.time_ns(), time.monotonic_ns()) for _ in range(5)]
    before, now_ns, after = min(readings, key=lambda reading: reading[2] - reading[0])
    return now_ns - (before + after) // 2
