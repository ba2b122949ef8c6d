"""Loads and attaches what this kernel accepts, and names what it does not.

Every map, program and link is a file descriptor of this process and nothing is pinned, so nothing stays in the kernel
after it, however it ends. Rights are needed to load only: the rings go on filling after the process gave them up.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from portcall.owners.ebpf import syscalls
from portcall.owners.ebpf.btf import VMLINUX, KernelTypes
from portcall.owners.ebpf.event_ring import Ring
from portcall.owners.ebpf.programs import control_groups, tracing
from portcall.owners.ebpf.programs.events import ACTIVITY, EVENT, EXEC, TUPLE_KEY_BYTES, KernelProgram, Maps
from portcall.owners.ebpf.syscalls import BpfError, MapKind, ProgramKind
from portcall.records.report import Degradation
from portcall.system.remedies import mount_control_groups

if TYPE_CHECKING:
    from collections.abc import Iterable

Subset = Literal["all", "cgroup", "tracing"]

RING_BYTES = 8 << 20
"""Some 75 000 sightings: 30 000 connections in a burst lost none, where 1 MiB lost tens of thousands."""
BTF_REMEDY = "a kernel built with CONFIG_DEBUG_INFO_BTF (Linux 5.8 or later)"
_SOCKETS = 1 << 17
_TUPLES = 1 << 16
_FEATURE = "owners by eBPF"


class Loaded:
    """Programs that run, and the rings that they fill.

    ``BpfError`` where not even the maps can be made (no rights, most often). ``programs`` are the names of those that
    run, ``degradations`` what is missing and why.
    """

    def __init__(self, subset: Subset = "all") -> None:
        self.programs: list[str] = []
        self.degradations: list[Degradation] = []
        self._descriptors: list[int] = []
        try:
            self.events = self._ring(EVENT, "events")
            self.execs = self._ring(EXEC, "execs")
            self._maps = self._create_maps()
        except BpfError:
            self.close()
            raise
        is_traced = subset != "cgroup" and self._load_tracing(is_alone=subset == "tracing")
        if subset != "tracing":
            self._load_control_groups(is_alone=not is_traced)

    @property
    def lost(self) -> int:
        """Reports that were lost because a ring was full, since the start."""
        return int(self._lost[0])

    def knows_processes(self) -> bool:
        """Whether the programs tell of every process that begins and ends."""
        return {"sched_process_exec", "sched_process_fork", "sched_process_exit"} <= set(self.programs)

    def mark_users_sockets(self, cookies: Iterable[int]) -> None:
        """Tell the programs of sockets that are older than they are and belong to user space."""
        for cookie in cookies:
            key = int(cookie).to_bytes(8, "little")
            syscalls.update_map(self._maps.sockets, key, bytes(ACTIVITY.itemsize))

    def close(self) -> None:
        """Detach all programs and free all maps."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []

    def _ring(self, record: np.dtype[np.void], name: str) -> Ring:
        ring = Ring(record, RING_BYTES, name)
        self._descriptors.append(ring.descriptor)
        return ring

    def _create_maps(self) -> Maps:
        # Mapped into memory, as reading a map by system call may need rights that are gone by then.
        lost = syscalls.create_map(MapKind.ARRAY, 4, 8, 1, name="lost", flags=syscalls.MAP_IS_MAPPABLE)
        self._descriptors.append(lost)
        self._lost = np.frombuffer(mmap.mmap(lost, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ), np.uint64, 1)
        sockets = syscalls.create_map(MapKind.LRU_HASH, 8, ACTIVITY.itemsize, _SOCKETS, name="sockets")
        self._descriptors.append(sockets)
        tuples = syscalls.create_map(MapKind.LRU_HASH, TUPLE_KEY_BYTES, TUPLE_KEY_BYTES, _TUPLES, name="tuples")
        self._descriptors.append(tuples)
        return Maps(self.events.descriptor, self.execs.descriptor, lost, sockets, tuples)

    def _load_tracing(self, *, is_alone: bool) -> bool:
        """Whether the six lean programs run, or enough of them to say who sends and receives."""
        try:
            types = KernelTypes(VMLINUX.read_bytes())
            programs = tracing.lean(self._maps, types)
            if is_alone:
                programs += tracing.without_control_groups(self._maps, types)
        except (OSError, LookupError, ValueError) as error:
            self.degradations.append(Degradation(_FEATURE, f"no tracing programs: {error}", BTF_REMEDY))
            return False
        for program in programs:
            self._load(program, types.tracepoint(program.tracepoint), None)
        return {"sock_send_length", "sock_recv_length"} <= set(self.programs)

    def _load_control_groups(self, *, is_alone: bool) -> None:
        mount = control_group_mount(Path("/proc/mounts").read_text())
        if mount is None:
            self.degradations.append(
                Degradation(_FEATURE, "no cgroup programs: no cgroup2 is mounted", mount_control_groups())
            )
            return
        programs = control_groups.lean(self._maps)
        if is_alone:
            programs += control_groups.without_tracing(self._maps)
        root = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
        for program in programs:
            self._load(program, 0, root)
        os.close(root)

    def _load(self, program: KernelProgram, type_number: int, root: int | None) -> None:
        """Load the best variant that the kernel accepts, and attach it; or say why not."""
        refusal = ""
        for i, code in enumerate(program.variants):
            try:
                descriptor = syscalls.load_program(
                    program.kind, code, name=program.name, attach_point=program.attach_point, type_number=type_number
                )
                self._descriptors.append(descriptor)
                self._descriptors.append(_attach(program, descriptor, root))
            except BpfError as error:
                refusal = refusal or str(error)
                continue
            self.programs.append(program.name)
            if i:
                reason = f"{program.name} cannot say which process it is: {refusal}"
                self.degradations.append(Degradation(_FEATURE, reason, "Linux 6.10 or later"))
            return
        self.degradations.append(
            Degradation(_FEATURE, f"no {program.name}: {refusal}", "Linux 6.10 or later, and root")
        )


def control_group_mount(mounts: str) -> str | None:
    """Where the cgroup2 hierarchy is, from the text of /proc/mounts; None where it is nowhere."""
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return place.encode().decode("unicode_escape")  # a space in a path is written \040
    return None


def _attach(program: KernelProgram, descriptor: int, root: int | None) -> int:
    if program.kind is ProgramKind.TRACING or root is None:
        return syscalls.attach_to_tracepoint(descriptor)
    return syscalls.attach_to_cgroup(descriptor, root, program.attach_point)
