"""To leave a process nothing but its memory, what it has open, and the few places that it is meant to reach.

    no_new_privs   no program that is begun has more rights (and what follows may be asked for without rights)
    capabilities   none, in any of the five sets
    Landlock       files beneath the places of its ``Scope``; no TCP; no signals and abstract sockets of others
    seccomp        no new programs, processes and sockets, and nothing of ``refused_calls``

Each is set as far as the kernel has it, and what it lacks is said by name. All of it is for good. The first three are
of a thread and those that it begins: a process is confined while it has one thread. docs/security.md says which is, and
when.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.records.report import Degradation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


FEATURE = "confinement"
_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS
_TASKS = "/proc/self/task"
_OF_THE_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share", "/nix/store", "/gnu/store"),
    *("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/locale.alias", "/etc/terminfo"),
    *("/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/services", "/etc/protocols", "/etc/ssl/openssl.cnf"),
    *("/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/gai.conf", "/etc/pki/tls/openssl.cnf"),
    *("/dev/urandom", "/sys/devices/system/cpu", "/sys/fs/cgroup"),
    # All of it, as a process's own folder has another inode whenever the kernel has forgotten it. What is secret of
    # other processes (memory, environment, descriptors) is guarded like ptrace, which Landlock refuses.
    "/proc",
)
"""What is read whatever is counted: libraries, words of the system's language, names of users."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a process may still reach by name."""

    reads: Sequence[str] = ()
    """Files, and folders with all that is beneath them."""
    writes: Sequence[str] = ()
    """Folders in which files may be made, written and removed, or files that are there."""
    history: str = ""
    """A folder, also to be written to, in which files are made by its owner, whoever makes those of ``writes``: SQLite
    has a log there, which would be in its owner's way."""
    runs: Sequence[str] = ()
    """Folders, or files, of programs that may be begun, with all that lies beneath; they are as confined."""
    may_connect: bool = False
    """Whether it may talk to others by new sockets."""
    may_fork: bool = False
    """Whether it may become several processes of this program, each as confined."""
    may_enter: bool = False
    """Whether it may go into other namespaces, for which it also wants a right."""
    may_compare: bool = False
    """Whether it may ask if two threads of others share their files, which is less than to list these."""
    may_change_files: bool = True
    """Whether it may change any; where Landlock is not set, nothing else bounds which."""
    files_are_bounded: bool = True
    """Whether Landlock is set, which also keeps it from looking at other processes."""
    keeps: Sequence[int] | None = ()
    """Capabilities, by number, without which what is named could not be reached; None: those that it has."""


def scope_to_look(writes: Sequence[str] = (), *, enters: bool = False) -> Scope:
    """What it takes to list who holds the sockets of this machine, with the rights for it that are there to keep.

    No Landlock, which would hide other processes: without places to write, seccomp keeps files from being changed. A
    container's root who may not trace others sees those of root alone, having no fewer rights: it keeps all.
    """
    from portcall.system.confinement import capabilities

    held = capabilities.permitted()
    reading = capabilities.DAC_READ_SEARCH if held >> capabilities.DAC_READ_SEARCH & 1 else capabilities.DAC_OVERRIDE
    wanted = (reading, capabilities.SYS_PTRACE, *([capabilities.SYS_ADMIN] if enters else ()))
    is_one_of_roots = os.geteuid() == 0 and not held >> capabilities.SYS_PTRACE & 1
    return Scope(
        writes=writes,
        may_connect=True,  # to ask the kernel
        may_enter=enters,
        may_compare=True,
        may_change_files=bool(writes),
        files_are_bounded=False,
        keeps=None if is_one_of_roots else tuple(one for one in wanted if held >> one & 1),
    )


def confine(scope: Scope) -> list[Degradation]:
    """Leave this process nothing else, from now on; gives what of it this kernel lacks."""
    if sys.platform != "linux":
        return [_lacking("only Linux has Landlock and seccomp", "none on this system")]
    from portcall.system.confinement import capabilities, landlock, seccomp_filter
    from portcall.system.kernel_calls import process_control

    lacking = []
    if (threads := len(os.listdir(_TASKS)) if os.path.isdir(_TASKS) else 1) > 1:  # noqa: PTH112, PTH208 - as quickly as it can
        lacking.append(_lacking(f"{threads - 1} threads began before it, and keep files", "report this as a bug"))
    steps: dict[str, Callable[[], object]] = {
        "no_new_privs": lambda: process_control(_NO_NEW_PRIVILEGES, 1),
        "capabilities": lambda: None if scope.keeps is None else capabilities.keep_only(*scope.keeps),
        "Landlock": lambda: landlock.restrict(_places(scope), has_network=scope.may_connect),
        "seccomp": lambda: seccomp_filter.install(
            may_connect=scope.may_connect,
            may_execute=bool(scope.runs),
            may_fork=scope.may_fork,
            may_change_file_user=bool(scope.history),
            may_change_files=scope.may_change_files,
            allows=[name for name, may in (("setns", scope.may_enter), ("kcmp", scope.may_compare)) if may],
        ),
    }
    if not scope.files_are_bounded:
        del steps["Landlock"]
    for name, step in steps.items():
        try:
            step()
        except OSError as error:
            lacking.append(_lacking(f"no {name} here: {error.strerror or error}", REMEDIES[name]))
    return lacking


def places_of_python() -> Iterator[str]:
    """Where modules lie that are imported later: but for the folder that the program was started in."""
    here = os.getcwd() if os.path.isdir(".") else ""  # noqa: PTH109, PTH112 - as above
    yield from (path for path in sys.path if path and path not in (here, "/"))
    yield str(Path(__file__).parents[2])


REMEDIES = {
    "no_new_privs": "a kernel since Linux 3.5",
    "capabilities": "run it as a user without them",
    "Landlock": "a kernel since Linux 5.13 whose option lsm= names landlock",
    "seccomp": "a kernel with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64",
}
"""What would bring each."""


def _lacking(reason: str, remedy: str) -> Degradation:
    return Degradation(FEATURE, reason, remedy)


def _places(scope: Scope) -> Iterator[tuple[str, int]]:
    from portcall.system.confinement.landlock import DEVICE_IOCTL, READ, RUN, WRITE

    of_the_system = RUN if scope.runs else READ
    for path in (*_OF_THE_SYSTEM, *places_of_python()):
        yield path, of_the_system
    for path in scope.runs:
        yield path, RUN
    yield "/dev/null", READ | WRITE | DEVICE_IOCTL  # or C libraries take it for broken
    for path in scope.reads:
        yield path, READ
    for path in (*scope.writes, *filter(None, [scope.history])):
        yield path, READ | WRITE
