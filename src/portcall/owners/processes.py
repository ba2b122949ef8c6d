"""Processes as /proc shows them: name, program, command line, user, parent, and the container or unit they belong to.

What /proc shows of a process is gone with the process, so back ends tell what they can when they see it. Without root,
the link to the program of another user's process cannot be read; its command line, user and place can.
"""

from __future__ import annotations

import os
import pwd
import re
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.owners import process_links
from portcall.records.ownership import DELETED, ProcessChange, ProcessEvent, Program
from portcall.system import interpreters
from portcall.system.confinement.capabilities import SYS_PTRACE, permitted
from portcall.system.interpreters import is_interpreter, script_of
from portcall.system.remedies import is_root

if TYPE_CHECKING:
    from collections.abc import Iterator

PROC = Path("/proc")
MAX_ARGUMENTS_BYTES = 4096

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_SCAN_PAUSE_NS = 1_000_000_000
_WHOLE_NAME_BYTES, _MOST_OF_A_LETTER, _NAMING_ARGUMENTS = 14, 3, 3
_ENDED = ("Z", "X")
_FLAGS, _EXITING = 6, 0x4  # field 9 of proc(5), of which two come before; PF_EXITING, include/linux/sched.h
_FIRST_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, include/linux/proc_ns.h
# Docker, containerd, CRI-O and podman name a cgroup by 64 hexadecimal digits; LXC and systemd-nspawn by the name given.
_CONTAINER = re.compile(r"(?:^|[/:-])([0-9a-f]{64})(?:\.scope)?(?:/|$)")
_NAMED_CONTAINER = re.compile(
    r"/(?:lxc(?:\.payload)?[./]|machine\.slice/(?:machine-|systemd-nspawn@))([^/]+?)(?:\.scope|\.service)?(?:/|$)"
)
_UNIT = re.compile(r"([^/]+\.(?:service|scope))(?:/|$)")
_SHORT_ID = 12


def find_process(pid: int) -> ProcessEvent | None:
    """The process as it is now, FOUND; None where there is none."""
    place = PROC / str(pid)
    try:
        name = (place / "comm").read_text(errors="replace").rstrip("\n")
        after_name = _after_name(place)
        living, arguments = place, _arguments(place)
        if not arguments:  # of the kernel's own, or the first thread ended, maybe just now
            living = _living_thread(pid)
            arguments = _arguments(living)
        user = _effective_user((living / "status").read_text(errors="replace"))
        container, unit = place_of((living / "cgroup").read_text(errors="replace"))
    except (OSError, ValueError):
        return None  # it ended while it was looked at
    exe = read_program_path(pid)
    program = program_of(name, exe, split_arguments(arguments), (container, unit))
    program = program._replace(script=read_script(pid, arguments, exe, MAX_ARGUMENTS_BYTES))
    start_ns = _boot_ns() + int(after_name[19]) * _TICK_NS  # field 22 of proc(5), of which two come before
    return ProcessEvent(ProcessChange.FOUND, start_ns, pid, int(after_name[1]), user, program)


def sees_every_process() -> bool:
    """Without root, /proc may be mounted so that it does not even list the processes of others.

    Root of a container may lack what it takes to look at the files of those that have more rights: CAP_SYS_PTRACE.
    """
    may_look = is_root() and permitted() >> SYS_PTRACE & 1
    return bool(may_look) and str(Path("/proc/self/ns/pid").readlink()) == _FIRST_PID_NAMESPACE


def thread_ids(pid: int) -> list[int]:
    """The threads of a process that exist now, the first one first. OSError where it ended."""
    found = [int(entry.name) for entry in (PROC / str(pid) / "task").iterdir()]
    return sorted(found, key=lambda thread: (thread != pid, thread))


def program_of(
    name: str, path: str | None, arguments: tuple[str, ...], place: tuple[str | None, str | None] = (None, None)
) -> Program:
    """What runs. A name that the kernel may have cut (TASK_COMM_LEN, 15 bytes) is whole in the path or the arguments.

    A script is called by its own name, which its interpreter has as an argument.
    """
    bare = name.rstrip("\ufffd")  # the cut may go through a letter
    if len(bare.encode(errors="replace")) > _WHOLE_NAME_BYTES - (name != bare) * _MOST_OF_A_LETTER:
        files = ((path or "").removesuffix(DELETED), *arguments[:_NAMING_ARGUMENTS])
        name = next((file for file in (one.rpartition("/")[2] for one in files) if file.startswith(bare)), name)
    return Program(name, path, arguments, *place)


def all_processes() -> Iterator[ProcessEvent]:
    """Every process that exists now."""
    for pid in process_ids():
        found = find_process(pid)
        if found:
            yield found


def process_ids() -> list[int]:
    """All pids that exist now."""
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def read_program_path(pid: int) -> str | None:
    """The file that a process runs, as the kernel says it: with DELETED at its end where the file is gone.

    None for kernel threads and for what may not be looked at.
    """
    try:
        return _program_link(PROC / str(pid))
    except FileNotFoundError:
        living = _living_thread(pid)
    except OSError:
        return None
    try:
        return _program_link(living)
    except OSError:
        return None


def _program_link(place: Path) -> str:
    """Of a process's place, or of one of its threads'."""
    if process_links.are_asked():
        _, _, pid, *thread = place.parts
        return process_links.program_link(int(pid), int(thread[-1]) if thread else 0)
    return str((place / "exe").readlink())


def read_script(pid: int, arguments: bytes, exe: str | None, most_bytes: int) -> str | None:
    """What an interpreter runs; where its command line is as long as that, and so may be cut, the rest is read."""
    words, exe = split_arguments(arguments), exe and exe.removesuffix(DELETED)
    if len(arguments) < most_bytes or not is_interpreter(words, exe):
        return script_of(words, exe)
    try:
        with (PROC / str(pid) / "cmdline").open("rb") as stream:
            whole = stream.read(interpreters.MAX_ARGUMENTS_BYTES)
    except OSError:
        whole = b""  # it ended meanwhile
    if not whole.startswith(arguments):  # or has become another program
        whole = arguments
    is_cut = len(whole) in (len(arguments), interpreters.MAX_ARGUMENTS_BYTES)
    return script_of(split_arguments(whole), exe, is_cut=is_cut)


def split_arguments(arguments: bytes) -> tuple[str, ...]:
    """A command line as the kernel keeps it, a NUL after each argument."""
    text = arguments.rstrip(b"\0").decode(errors="replace")
    return tuple(text.split("\0")) if text else ()


def place_of(control_groups: str) -> tuple[str | None, str | None]:
    """(container, unit) from the text of /proc/PID/cgroup: the first line that tells one of them."""
    for line in control_groups.splitlines():
        container, unit = place_of_path(line.split(":", 2)[-1])
        if container or unit:
            return container, unit
    return None, None


def place_of_path(path: str) -> tuple[str | None, str | None]:
    """(container, unit) that a cgroup's path tells; None for what it does not."""
    container = _CONTAINER.search(path)
    if container:
        return container[1][:_SHORT_ID], None
    named = _NAMED_CONTAINER.search(path)
    if named:
        return named[1], None
    units = _UNIT.findall(path)
    return None, units[-1] if units else None


@lru_cache(maxsize=1024)
def user_name(user: int) -> str:
    """A user's name; the number where it has none."""
    try:
        return process_links.asked_user_name(user) if process_links.are_asked() else pwd.getpwuid(user).pw_name
    except (KeyError, OSError):
        return str(user)


@lru_cache(maxsize=1024)
def user_number(name: str) -> int | None:
    """The number of a user that ``user_name`` gave; None where there is no such user any more."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return int(name) if name.isdigit() else None


class ControlGroups:
    """Paths of cgroup2 directories by the numbers that the kernel's programs report."""

    def __init__(self, mount: str | None) -> None:
        self._mount = mount
        self._places: dict[int, tuple[str | None, str | None]] = {}
        self._places_before: dict[int, tuple[str | None, str | None]] = {}
        self._scanned_ns = -_SCAN_PAUSE_NS
        self._is_only = not _has_other_hierarchies()

    def place(self, number: int, pid: int) -> tuple[str | None, str | None]:
        """(container, unit) of a process, which may be gone already."""
        if number not in self._places and number not in self._places_before:
            self._scan()
        known = self._places.get(number) or self._places_before.get(number)
        if known and (self._is_only or any(known)):
            return known
        try:
            return place_of((PROC / str(pid) / "cgroup").read_text(errors="replace"))
        except OSError:
            return None, None

    def _scan(self) -> None:
        """Directories come and go with every service, so look again for a number that is new, but not all the time.

        Those of the look before are known too: a report may come after its directory was removed.
        """
        now_ns = time.monotonic_ns()
        if self._mount is None or now_ns - self._scanned_ns < _SCAN_PAUSE_NS:
            return
        self._scanned_ns = now_ns
        self._places_before, self._places = self._places, {}
        for directory, _, _ in os.walk(self._mount):
            try:
                number = Path(directory).stat().st_ino
            except OSError:
                continue  # removed since it was listed
            self._places[number] = place_of_path(directory.removeprefix(self._mount))


def _has_other_hierarchies() -> bool:
    """Whether cgroup version 1 is in use too, where services and containers may be named only there."""
    try:
        lines = (PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return False
    return any(not line.startswith("0::") for line in lines)


def _living_thread(pid: int) -> Path:
    """Where /proc shows a thread that goes on, as the first one may have ended; else the process's own place."""
    place = PROC / str(pid)
    with suppress(OSError):  # it ended
        for thread in thread_ids(pid):
            fields = _after_name(place / "task" / str(thread))
            if fields[0] not in _ENDED and not int(fields[_FLAGS]) & _EXITING:
                return place / "task" / str(thread)
    return place


def _arguments(place: Path) -> bytes:
    """The command line, as far as it is kept; a thread that ends has none, before its state says so."""
    with (place / "cmdline").open("rb") as stream:
        return stream.read(MAX_ARGUMENTS_BYTES)


def _after_name(place: Path) -> list[str]:
    """The fields of proc(5)'s ``stat`` from the third one, the state, on; ValueError where there are none."""
    fields = (place / "stat").read_text(errors="replace").rpartition(")")[2].split()
    if not fields:
        raise ValueError("no fields")
    return fields


def _effective_user(status: str) -> int:
    for line in status.splitlines():
        if line.startswith("Uid:"):
            return int(line.split()[2])
    raise ValueError("no Uid")


def _boot_ns() -> int:
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
