"""Rights of this process: given up as soon as sockets and programs are open, before a packet is parsed.

sudo says who asked (SUDO_UID, SUDO_GID): that user is what is left, in fact and for good. Root that nobody called by
sudo becomes ``nobody``, but towards files whoever owns the folder that is written to, so that files belong to whom they
would belong. Who is no root stays who it is, and loses capabilities. This module opens nothing and reads no packet.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from portcall.records.report import Degradation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from portcall.system.confinement import Scope

NOBODY = 65534
"""Number of the user and the group who own nothing, on every Linux (fs/overflowuid)."""
_KEEP_CAPABILITIES = 8  # PR_SET_KEEPCAPS: those permitted outlive that this is no root any more
_SECURE_BITS, _NO_FIXUP = 28, 1 << 2  # PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP: setfsuid(2) takes no capability away
_file_user: list[int] = []
_was_root: list[bool] = []
_writers: list[tuple[int, int]] = []
"""Who writes the output, where somebody else reads a history before."""


def raise_priority() -> int | None:
    """Be served before those who are watched, so that no report of theirs is lost.

    Gives the priority before, for commands that are started; None where the system does not let us.
    """
    try:
        before = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    except (AttributeError, PermissionError):  # Windows has none; users may not
        return None
    return before


def has_invoking_user(environment: Mapping[str, str]) -> bool:
    """Whether this is root, for a user who called sudo."""
    user, group = environment.get("SUDO_UID", ""), environment.get("SUDO_GID", "")
    return hasattr(os, "geteuid") and os.geteuid() == 0 and user.isdigit() and group.isdigit() and user != "0"


def user_behind(environment: Mapping[str, str]) -> int | None:
    """The number of the user who this is, or who called sudo; None where the system has none."""
    if has_invoking_user(environment):
        return int(environment["SUDO_UID"])
    return os.geteuid() if hasattr(os, "geteuid") else None


def was_root() -> bool:
    """Whether this process has been root, and has given it up."""
    return bool(_was_root)


def become_invoking_user(environment: Mapping[str, str]) -> str | None:
    """Give up root for the user who called sudo; gives that user's number, None where there was nobody to become."""
    if not has_invoking_user(environment):
        return None
    user, group = environment["SUDO_UID"], environment["SUDO_GID"]
    os.initgroups(environment.get("SUDO_USER", "nobody"), int(group))
    os.setresgid(int(group), int(group), int(group))
    os.setresuid(int(user), int(user), int(user))
    return user


def give_up_rights(environment: Mapping[str, str], scope: Scope, *, imports_later: bool = False) -> list[Degradation]:
    """Be an unprivileged user, and reach nothing else, from now on and for good; gives what cannot be had here."""
    from portcall.system.confinement import confine

    kept, lacking = become_unprivileged(environment, scope, imports_later=imports_later)
    return [*lacking, *confine(kept)]


def become_unprivileged(
    environment: Mapping[str, str], scope: Scope, *, imports_later: bool = False
) -> tuple[Scope, list[Degradation]]:
    """The first half of it: which user this is. Gives what to confine it to, and what could not be had.

    Of what is named to be read, or with ``imports_later`` where Python is installed, some may be for root alone: then
    the one capability to read it is kept, which Landlock bounds to that.
    """
    if sys.platform != "linux":
        become_invoking_user(environment)
        return scope, []
    if os.geteuid() != 0 or scope.keeps is None:
        return scope, []
    from portcall.system.confinement import FEATURE

    try:
        return _become_unprivileged(environment, scope, imports_later=imports_later)
    except OSError as error:  # as in a container whose root may become nobody
        reason = f"it stays root, who may not become another user here: {error.strerror or error}"
        return scope, [Degradation(FEATURE, reason, "give the container CAP_SETUID and CAP_SETGID")]


def may_write(path: str | os.PathLike[str]) -> bool:
    """Whether this process may write there, as what it is towards files."""
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def file_user() -> int:
    """Whose files are made here."""
    return _file_user[-1] if _file_user else os.geteuid()


def become_writer() -> None:
    """Be who writes the output, once a history was read as its owner; of others it is done by then."""
    if _writers:
        _be_towards_files(*_writers[-1])


def _become_unprivileged(
    environment: Mapping[str, str], scope: Scope, *, imports_later: bool
) -> tuple[Scope, list[Degradation]]:
    from dataclasses import replace

    from portcall.system.confinement import (
        FEATURE,
        capabilities,
        landlock,
        places_of_python,
        seccomp_filter,  # noqa: F401 - wanted later, when it may be out of reach
    )
    from portcall.system.kernel_calls import process_control

    _was_root.append(True)
    rights = capabilities.permitted()
    wanted = [*scope.reads, *(places_of_python() if imports_later else ())]
    readable = [path for path in wanted if os.access(path, os.R_OK)]
    keeper = _owner([scope.history]) if scope.history else None  # while '.' of root's alone can be seen
    capabilities.shrink_bounding_set()
    if scope.history:
        with suppress(OSError):  # without CAP_SETPCAP; then nothing for root alone is read once it is the writer
            process_control(_SECURE_BITS, _NO_FIXUP)
    process_control(_KEEP_CAPABILITIES, 1)
    if become_invoking_user(environment) is None:
        writer = _owner(scope.writes) if scope.history else None
        _, user, group = writer or ("", NOBODY, NOBODY)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, group)
        os.setresuid(NOBODY, NOBODY, user)  # the last one is kept for ``become_writer``
        capabilities.have(rights, rights)
        _become_towards_files(scope.writes)
        if writer:
            _writers.append((user, group))
    elif scope.history:
        _writers.append((os.getuid(), os.getgid()))
    capabilities.have(0, rights)
    unreadable = [path for path in readable if not os.access(path, os.R_OK, effective_ids=True)]
    if keeper:
        capabilities.have(rights, rights)
        _be_towards_files(*keeper[1:])
        capabilities.have(0, rights)
        unreadable += [path for path in readable if not os.access(path, os.R_OK, effective_ids=True)]
    if not unreadable:
        return scope, []
    ways = (capabilities.DAC_READ_SEARCH, capabilities.DAC_OVERRIDE)
    kept = next((way for way in ways if rights >> way & 1), None)
    scope = replace(scope, keeps=(*(scope.keeps or ()), *(() if kept is None else (kept,))))
    if landlock.abi():
        return scope, []
    reason = f"{unreadable[0]} is for root alone, so the right to read any file is kept"
    return scope, [Degradation(FEATURE, reason, "read it as its owner, or copy it")]


def _become_towards_files(folders: Sequence[str]) -> None:
    """Be who owns the first folder that is there; or else root, where only that one's own files may be reached."""
    folder, *owner = _owner(folders) or ("", 0, 0)
    if not folder:
        return
    _be_towards_files(*owner)
    if not may_write(folder):
        _be_towards_files(0, 0)


def _be_towards_files(user: int, group: int) -> None:
    from portcall.system.kernel_calls import file_system_user

    file_system_user(user, group)
    _file_user.append(user)


def _owner(folders: Sequence[str]) -> tuple[str, int, int] | None:
    """The first of the folders that is there, or that one will be made in, and whose it is: a user and a group.

    Devices, which mostly are for everybody, come last: /dev/null says nothing of who wants a recording beside it.
    """
    for named in sorted(folders, key=lambda place: os.path.exists(place) and not os.path.isdir(place)):  # noqa: PTH110, PTH112 - below
        folder = named
        while not os.path.exists(folder) and folder != (above := os.path.dirname(folder)):  # noqa: PTH110, PTH120 - below
            folder = above
        try:
            status = os.stat(folder or ".")  # noqa: PTH116 - no pathlib, as above
        except (OSError, ValueError):
            continue
        return folder or ".", status.st_uid, status.st_gid
    return None
