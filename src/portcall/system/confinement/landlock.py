"""Landlock: of all files only those beneath some places, no TCP but none, no signals to others (landlock(7)).

A place that is not there has no rule, and needs none; nor does a pipe without a name, as a shell makes it for
``<(command)``: it is of no file system that rules are for, and may be opened all the same. Rules hold for the thread
that sets them and what it begins, so they are set while there is one thread. What is open stays open. The kernel says
how much of it it knows: its ABI.

    1  Linux 5.13  files      2  5.19  other folders      3  6.2  truncate      4  6.7  TCP
    5  6.10  devices' ioctls      6  6.12  signals, abstract sockets

struct landlock_ruleset_attr: u64 handled_access_fs, handled_access_net, scoped
struct landlock_path_beneath_attr, packed: u64 allowed_access, s32 parent_fd (include/uapi/linux/landlock.h)
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from typing import TYPE_CHECKING

from portcall.system.kernel_calls import call

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1
_WITH_NETWORK, _WITH_SCOPES = 4, 6


# What may be done with files beneath a place (LANDLOCK_ACCESS_FS_…). Plain numbers: a Flag takes a millisecond to make.
EXECUTE, WRITE_FILE, READ_FILE, READ_FOLDER = (1 << bit for bit in range(4))
REMOVE_FILE, MAKE_FOLDER, MAKE_FILE, TRUNCATE, DEVICE_IOCTL = 1 << 5, 1 << 7, 1 << 8, 1 << 14, 1 << 15
READ = READ_FILE | READ_FOLDER
RUN = READ | EXECUTE
WRITE = WRITE_FILE | TRUNCATE | MAKE_FILE | REMOVE_FILE | MAKE_FOLDER
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | DEVICE_IOCTL
_SINCE = {1: 13, 2: 14, 3: 15, 5: 16}
"""ABI → how many of the rights it knows."""
SINCE = {2: "moves between folders", 3: "truncation", 4: "TCP", 5: "devices", 6: "signals and abstract sockets"}
"""ABI → what it guards besides; to what is older, for people."""
_BIND_AND_CONNECT = 0b11
_ABSTRACT_SOCKETS, _SIGNALS = 0b01, 0b10


def abi() -> int:
    """How much of it the kernel knows; 0 for nothing: too old, or left out of what it was started with."""
    try:
        return call("landlock_create_ruleset", None, 0, _VERSION)
    except OSError:
        return 0


def restrict(places: Iterable[tuple[str, int]], *, has_network: bool = False) -> None:
    """Have this thread, for good, no rights to files but these. OSError where the kernel refuses."""
    known = call("landlock_create_ruleset", None, 0, _VERSION)
    handled = (1 << max(bits for since, bits in _SINCE.items() if since <= known)) - 1
    network = 0 if has_network or known < _WITH_NETWORK else _BIND_AND_CONNECT
    scopes = 0 if known < _WITH_SCOPES else _ABSTRACT_SOCKETS | _SIGNALS
    attribute = struct.pack("=3Q", handled, network, scopes)
    attribute = attribute[: 8 * (1 + (known >= _WITH_NETWORK) + (known >= _WITH_SCOPES))]
    ruleset = call("landlock_create_ruleset", attribute, len(attribute), 0)
    try:
        for path, rights in places:
            _allow(ruleset, path, rights & handled)
        call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError):  # it is not there, or no path
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        if rights:
            call("landlock_add_rule", ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    except OSError as error:
        if error.errno != errno.EBADFD:
            raise
    finally:
        os.close(place)
