"""System calls that neither Python nor the C library has, by name: ctypes, and the numbers of two machines.

The numbers are those of the kernel's arch/x86/entry/syscalls/syscall_64.tbl and scripts/syscall.tbl; arm64 is written
for, and untested.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import lru_cache

NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {"capget": 125, "capset": 126, "seccomp": 317, "bpf": 321},
    "aarch64": {"capget": 90, "capset": 91, "seccomp": 277, "bpf": 280},
}
_SET_PARENT_DEATH_SIGNAL, _SET_NAME = 1, 15  # linux/prctl.h
_OF_ALL = {"landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446}
"""Calls that are so young that every machine has the same number for them."""


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """What the system call gives; OSError with its number where it refuses, ENOSYS where its number is not known."""
    number = _OF_ALL.get(name) or NUMBERS.get(os.uname().machine, {}).get(name)
    if number is None:
        raise OSError(errno.ENOSYS, f"{name}(2) is not known for {os.uname().machine}")
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = _libc().syscall(ctypes.c_long(number), *words)
    return _checked(result, name)


def process_control(option: int, *arguments: int) -> int:
    """What prctl(2) gives; OSError where it refuses."""
    words = [ctypes.c_ulong(word) for word in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(_libc().prctl(option, *words), "prctl")


def name_process(name: str) -> None:
    """What ps and top call this process; of longer names the first 15 bytes. Only Linux has such names."""
    if os.uname().sysname == "Linux":
        text = ctypes.create_string_buffer(name.encode())
        process_control(_SET_NAME, ctypes.addressof(text))


def end_with_parent(number: int) -> None:
    """Have the kernel send this process a signal when the one that began it has ended. Only Linux does."""
    if os.uname().sysname == "Linux":
        process_control(_SET_PARENT_DEATH_SIGNAL, number)


def file_system_user(user: int, group: int) -> None:
    """Be this user and group towards files alone, in this thread and those that it begins (setfsuid(2))."""
    _libc().setfsgid(group)
    _libc().setfsuid(user)


def _checked(result: int, name: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return int(result)


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc
