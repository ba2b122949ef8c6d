"""Which process had a pid at which time, and what program it was: fork clones, exec replaces, exit closes.

A pid is used again, so every process is told by (pid, start). A forked child is what its parent was at that moment,
until it runs a program of its own; what it was before stays known, for a flow may be older. Pure: told by events, asked
by time; it knows no back end and no /proc.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from portcall.ownership.table_sizes import fitting
from portcall.records.ownership import Owner, ProcessChange, Program

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from portcall.records.ownership import ProcessEvent

UNKNOWN = Program("unknown")
MAX_PARENTS = 8

_JUST_BEFORE_NS = 500_000  # a report may come from a processor whose clock is a little behind
_JUST_AFTER_NS = 100_000_000  # a process closes its sockets after its end was told
_EVER = -(1 << 62)


@dataclass(slots=True)
class _Process:
    pid: int
    start_ns: int | None
    parent: int
    user: int | None
    images: list[tuple[int, Program]] = field(default_factory=list)
    """(from when, what it ran), in order of time."""
    exit_ns: int | None = None

    def image(self, time_ns: int) -> Program:
        for since_ns, program in reversed(self.images):
            if since_ns <= time_ns + _JUST_BEFORE_NS:
                return program
        return self.images[0][1]

    def starts_before(self, time_ns: int) -> bool:
        return self.start_ns is None or self.start_ns <= time_ns + _JUST_BEFORE_NS


class ProcessTable:
    """Processes by pid and time. ``user_name`` turns a user id into a name."""

    def __init__(self, user_name: Callable[[int], str] = str) -> None:
        self._user_name = user_name
        self._generations: dict[int, list[_Process]] = {}
        self._exited: deque[tuple[int, int]] = deque()
        self._owners: dict[tuple[int, int | None, int | None, int], Owner] = {}

    def __len__(self) -> int:
        return sum(map(len, self._generations.values()))

    def update(self, event: ProcessEvent) -> None:
        """Take one event; events of one pid come in order of time."""
        if event.change is ProcessChange.EXITED:
            self._exit(event)
        elif event.change is ProcessChange.EXECUTED:
            self._execute(event)
        elif event.change is ProcessChange.STARTED:
            self._start(event)
        else:
            self._find(event)

    def note_user(self, pid: int, user: int) -> None:
        """The process acts as this user now."""
        generations = self._generations.get(pid)
        if generations:
            generations[-1].user = user

    def owner(self, pid: int, time_ns: int) -> Owner:
        """The process that had the pid at that time, as it was then; an unknown one has a pid only."""
        process = self._at(pid, time_ns)
        if process is None:
            return Owner(pid, None, UNKNOWN)
        image = process.image(time_ns)
        key = pid, process.start_ns, process.user, id(image)
        known = self._owners.get(key)
        if known is None:
            user = None if process.user is None else self._user_name(process.user)
            known = Owner(pid, process.start_ns, image, user, self._parents(process, time_ns))
            self._owners[key] = known
        return known

    def lives(self, pid: int, since_ns: int) -> bool:
        """Whether somebody has the pid, or ended after that time."""
        last = self._last(pid)
        return last is not None and (last.exit_ns is None or last.exit_ns >= since_ns)

    def exited(self, before_ns: int) -> list[int]:
        """Pids of processes that ended before then, and that nobody was given anew."""
        ended = {pid for exit_ns, pid in self._exited if exit_ns < before_ns}
        return [pid for pid in ended if (last := self._last(pid)) is not None and last.exit_ns is not None]

    def forget(self, before_ns: int, needed: Container[int]) -> None:
        """Drop processes that exited before then, unless their pid is needed."""
        kept = []
        while self._exited and self._exited[0][0] < before_ns:
            exit_ns, pid = self._exited.popleft()
            if pid in needed:
                kept.append((exit_ns, pid))
                continue
            generations = [process for process in self._generations.get(pid, ()) if process.exit_ns != exit_ns]
            if generations:
                self._generations[pid] = generations
            else:
                self._generations.pop(pid, None)
        self._exited.extendleft(reversed(kept))
        self._generations = fitting(self._generations)
        self._owners.clear()  # built again when asked for

    def _find(self, event: ProcessEvent) -> None:
        process = self._last(event.pid)
        if process is None or (process.exit_ns is not None and process.exit_ns + _JUST_AFTER_NS < event.time_ns):
            self._add(event, event.program or UNKNOWN)
        elif event.program is not None and process.images[-1][1] is UNKNOWN:
            process.images[-1] = (process.images[-1][0], event.program)

    def _start(self, event: ProcessEvent) -> None:
        parent = self._at(event.parent, event.time_ns)
        self._end(event.pid, event.time_ns)
        self._add(event, event.program or (parent.image(event.time_ns) if parent else UNKNOWN))
        if event.user is None and parent is not None:
            self._generations[event.pid][-1].user = parent.user

    def _execute(self, event: ProcessEvent) -> None:
        process = self._last(event.pid)
        program = event.program or UNKNOWN
        if process is None or process.exit_ns is not None:
            self._add(event, program)
            return
        before = process.images[-1][1]
        if program.container is None and program.unit is None:  # a process stays where it was put
            program = program._replace(container=before.container, unit=before.unit)
        process.images.append((event.time_ns, program))
        if event.user is not None:
            process.user = event.user

    def _exit(self, event: ProcessEvent) -> None:
        process = self._last(event.pid)
        if process is not None and process.exit_ns is None:
            process.exit_ns = event.time_ns
            self._exited.append((event.time_ns, event.pid))

    def _end(self, pid: int, time_ns: int) -> None:
        """The pid is given anew, so whoever had it is gone, also where nobody said so."""
        process = self._last(pid)
        if process is not None and process.exit_ns is None:
            process.exit_ns = time_ns
            self._exited.append((time_ns, pid))

    def _add(self, event: ProcessEvent, program: Program) -> None:
        start_ns = None if event.change is ProcessChange.EXECUTED else event.time_ns
        process = _Process(event.pid, start_ns, event.parent, event.user)
        process.images.append((_EVER if start_ns is None else start_ns, program))
        self._generations.setdefault(event.pid, []).append(process)

    def _last(self, pid: int) -> _Process | None:
        generations = self._generations.get(pid)
        return generations[-1] if generations else None

    def _at(self, pid: int, time_ns: int) -> _Process | None:
        generations = self._generations.get(pid)
        if not generations:
            return None
        for process in reversed(generations):
            if process.starts_before(time_ns):
                return process
        return generations[0]

    def _parents(self, process: _Process, time_ns: int) -> tuple[tuple[int, str], ...]:
        parents: list[tuple[int, str]] = []
        while process.parent and len(parents) < MAX_PARENTS:
            parent = self._at(process.parent, time_ns if process.start_ns is None else process.start_ns)
            if parent is None or parent is process:
                break
            parents.append((parent.pid, parent.image(time_ns).name))
            process = parent
        return tuple(parents)
