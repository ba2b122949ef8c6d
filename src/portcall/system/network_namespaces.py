"""Linux network namespaces: which there are, and how to open something inside one.

A namespace is known by the inode number of its file, which is what sockets and the kernel's own tables know it by; the
kernel's programs know it by a cookie, which only a socket inside can say. It
is found by a name (of ``ip netns``), by a process in it, or by a path; and it lives as long as one of these does.
"""

from __future__ import annotations

import errno
import os
import shlex
import socket
import sys
import threading
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from portcall.errors import PortcallError, UsageError
from portcall.system.remedies import ROOT_OF_THE_HOST, is_root, more_rights
from portcall.system.scarcity import what_is_scarce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ALL = "all"
"""Stands for every namespace where one is named."""

_NAMED = Path("/run/netns")
_NAMED_BY_DOCKER = Path("/run/docker/netns")
_OWN = Path("/proc/self/ns/net")
_HERE = Path("/proc/thread-self/ns/net")
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_SO_NETNS_COOKIE = 71  # asm-generic/socket.h, Linux 5.14

Result = TypeVar("Result")


class ForbiddenNamespaceError(PortcallError):
    """One that this user may not enter, or look for."""

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}; {remedy}" if remedy else reason)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace that existed when it was looked for."""

    number: int
    """Inode number of its file."""
    name: str
    """As ``ip netns`` knows it, else the path by which it was found."""
    path: str

    @property
    def title(self) -> str | None:
        """What people call it: its name, ``net:[NUMBER]`` where it has none; None for one's own."""
        if self.name and not self.path.startswith("/proc/"):
            return self.name
        return f"net:[{self.number}]" if self.name else None


def own_namespace() -> Namespace:
    """The one that this process is in."""
    return Namespace(_own_status().st_ino, "", str(_OWN))


def _own_status() -> os.stat_result:
    try:
        return _OWN.stat()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        reason = f"{_OWN}: {why}; sockets and processes are only found in /proc"
        raise PortcallError(f"{reason}: mount -t proc proc /proc. 'portcall read' needs none") from error


def find_namespace(name: str) -> Namespace:
    """The namespace that a name of ``ip netns``, a process number or a path means; UsageError where none does."""
    path = Path(name) if "/" in name else Path(f"/proc/{name}/ns/net") if name.isdigit() else _NAMED / name
    try:
        status = path.stat()
    except PermissionError as error:
        reason = f"the network namespace {name!r} is not open to this user"
        raise ForbiddenNamespaceError(reason, more_rights(ROOT_OF_THE_HOST)) from error
    except OSError as error:  # there is none, or cannot be one of that name
        raise UsageError(f"no network namespace {name!r}; 'ip netns' lists those with a name") from error
    if status.st_dev != _own_status().st_dev:  # a plain file: what is left of a name
        sudo = "" if is_root() else "sudo "
        remedy = f"; remove it: {sudo}ip netns del {shlex.quote(path.name)}" if path.parent == _NAMED else ""
        raise UsageError(f"{str(path)!r} is no network namespace (any more){remedy}")
    return Namespace(status.st_ino, name, str(path))


def choose_namespaces(names: Sequence[str]) -> list[Namespace]:
    """Those that are meant, each once: by name, ``all``, or without any name one's own. UsageError for one unknown."""
    if sys.platform != "linux":
        if names:
            raise UsageError("--netns needs Linux")
        return [Namespace(0, "", "")]
    if ALL in names:
        return every_namespace()
    return list({(found := find_namespace(name)).number: found for name in names}.values()) or [own_namespace()]


def every_namespace() -> list[Namespace]:
    """Each that has a name or a process now, named ones first; without those that this user may not see."""
    found: dict[int, Namespace] = {}
    named = [*sorted(_NAMED.glob("*")), *sorted(_NAMED_BY_DOCKER.glob("*"))]
    places = [*((path.name, str(path)) for path in named), ("", str(_OWN))]
    places += [(path, path) for path in glob("/proc/[0-9]*/ns/net")]  # noqa: PTH207 - a Path for each process costs more
    device = _own_status().st_dev
    for name, path in places:
        try:
            status = os.stat(path)  # noqa: PTH116 - as above
        except OSError:  # gone meanwhile, or somebody else's
            continue
        if status.st_dev == device:  # else the name of one that comes or goes just now: a plain file without its mount
            found.setdefault(status.st_ino, Namespace(status.st_ino, name, path))
    return list(found.values())


def named_namespaces() -> list[str]:
    """The names that ``ip netns`` and Docker gave, whether or not this user may enter what they name."""
    return sorted({path.name for folder in (_NAMED, _NAMED_BY_DOCKER) for path in folder.glob("*")})


def has_gone(namespace: Namespace) -> bool:
    """Whether its name, or the process that it was found by, is no more, or is of another one; it may live on."""
    try:
        return Path(namespace.path).stat().st_ino != namespace.number
    except PermissionError:
        return not Path(namespace.path).parents[1].exists()  # the process, of somebody else
    except OSError:
        return True


def inside(namespace: Namespace, action: Callable[[], Result]) -> Result:
    """What the action gives inside the namespace; sockets stay where they were opened.

    It runs in a thread of its own, which ends there, so that no failure leaves this process in the wrong namespace.
    FileNotFoundError for a namespace that is gone, PortcallError for one that cannot be entered.
    """
    if namespace.number == _OWN.stat().st_ino:
        return action()
    ((_, acted),) = inside_each([namespace], lambda _: action())
    return acted.result()


def why_of(error: Exception) -> str:
    """Why a namespace could not be looked into, where the remedy is told beside."""
    return error.reason if isinstance(error, ForbiddenNamespaceError) else str(error)


@dataclass(frozen=True, slots=True)
class Attempt(Generic[Result]):
    """What came of an action in one namespace."""

    value: Result | None = None
    error: Exception | None = None

    def result(self) -> Result:
        """What it gave; its error is raised."""
        if self.error:
            raise self.error
        return self.value  # type: ignore[return-value] # it gave it


def inside_each(
    namespaces: Iterable[Namespace], action: Callable[[Namespace], Result]
) -> list[tuple[Namespace, Attempt[Result]]]:
    """The same in one namespace after the other: each with what has come of it, or with its error.

    One thread does it all, one's own namespace first, so that many cost one thread and no waiting for each.
    """
    own = _OWN.stat().st_ino
    in_turn = sorted(namespaces, key=lambda namespace: namespace.number != own)
    outcomes: list[tuple[Namespace, Attempt[Result]]] = []

    def act() -> None:
        outcomes.extend((namespace, _outcome(namespace, action)) for namespace in in_turn)

    if all(namespace.number == own for namespace in in_turn):
        act()
    else:
        thread = threading.Thread(target=act)
        thread.start()
        thread.join()
    return outcomes


def _outcome(namespace: Namespace, action: Callable[[Namespace], Result]) -> Attempt[Result]:
    try:
        return Attempt(_enter_and_act(namespace, action))
    except Exception as error:  # noqa: BLE001 - whatever it is, whoever asks for the result gets it
        return Attempt(error=error)


def _enter_and_act(namespace: Namespace, action: Callable[[Namespace], Result]) -> Result:
    try:
        _enter(namespace)
    except FileNotFoundError:
        raise
    except OSError as error:
        why = what_is_scarce(error) or (error.strerror or str(error)).lower()
        remedy = more_rights(ROOT_OF_THE_HOST) if error.errno in (errno.EPERM, errno.EACCES) else ""
        raise ForbiddenNamespaceError(
            f"cannot enter the network namespace {namespace.name!r}: {why}", remedy
        ) from error
    return action(namespace)


def _enter(namespace: Namespace) -> None:
    """Bring this thread there; to be where it began takes no rights."""
    if _HERE.stat().st_ino == namespace.number:
        return
    descriptor = os.open(namespace.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _set_namespace(descriptor)
    finally:
        os.close(descriptor)


def _set_namespace(descriptor: int) -> None:
    """setns(2); Python has it since 3.12."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def namespace_cookie() -> int | None:
    """The cookie of the namespace that this thread is in; None on kernels that do not tell."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            return int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), "little")
        except OSError:
            return None
