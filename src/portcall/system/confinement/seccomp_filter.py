"""A filter of system calls (seccomp(2)), for all threads and for good: what counting packets never needs is refused.

Classic BPF over struct seccomp_data (include/uapi/linux/seccomp.h), which the kernel runs before each call:

    0 number:32   4 machine:32   8 instruction:64   16 six arguments:64 each

    machine?  ─another's→ killed: 32-bit programs have numbers of their own
    number?   ─newer than all that we know→ ENOSYS, at which C libraries take an older one
              ─one of ``refused_calls``→ EPERM
              ─clone→ threads of this process only         ─kill, prlimit→ this process only
               (neither for who begins programs or forks, whose children have other numbers)
              ─ioctl→ nothing that types for the user of a terminal
              ─socketpair→ streams, which reach nobody else
              ─open→ whatever changes nothing, where files may not be changed
              ─any other→ allowed
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import TYPE_CHECKING, Any

from portcall.system.confinement.refused_calls import (
    CLONE,
    CLONE3,
    EXECUTES,
    FILE_USER,
    FILES,
    FORKS,
    IDENTITY,
    IOCTL,
    NETWORK,
    NEWEST,
    OF_THIS_PROCESS,
    OPENS,
    PAIR,
    REFUSED,
)
from portcall.system.kernel_calls import call

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_…, include/uapi/linux/audit.h
_NUMBER, _MACHINE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24  # of arguments the lower half; little-endian
_LOAD, _IF_EQUAL, _IF_GREATER, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_REFUSE, _UNKNOWN = _ERROR | errno.EPERM, _ERROR | errno.ENOSYS
_THREAD = 0x00010000  # CLONE_THREAD
_NAMESPACES = 0x7E020000  # CLONE_NEW…
_TYPES_FOR_THE_USER = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_UNIX = 1  # AF_UNIX
_CHANGES_FILES = 0o3 | 0o100 | 0o1000 | 0o20000000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, __O_TMPFILE
_NO_STREAM = 0xFFFFFFFF & ~(1 | 0x800 | 0x80000)  # but for SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC
_SET_FILTER = 1  # SECCOMP_SET_MODE_FILTER
_FLAGS = 1 | 4
"""SECCOMP_FILTER_FLAG_TSYNC, SPEC_ALLOW: else kernels before 5.16 slow all memory down, against code of other users in
this process, of which there is none. Linux 4.17."""
_GET_ACTION = 2  # SECCOMP_GET_ACTION_AVAIL
_INSTRUCTION = struct.Struct("=HBBI")


def is_known() -> bool:
    """Whether this kernel has such filters, and we know the numbers of its machine."""
    if os.uname().machine not in _MACHINES:
        return False
    try:
        call("seccomp", _GET_ACTION, 0, struct.pack("=I", _ERROR))
    except OSError:
        return False
    return True


def install(**may: Any) -> None:  # Any: what ``build`` takes
    """Refuse calls in all threads from now on, but for what ``build`` is told that they may.

    OSError where the kernel does not; it wants ``no_new_privs`` before.
    """
    program = build(**may)
    instructions = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION.size
    filter_program = struct.pack("@HP", count, ctypes.addressof(instructions))  # struct sock_fprog
    behind = call("seccomp", _SET_FILTER, _FLAGS, filter_program)
    if behind:
        raise OSError(errno.EBUSY, "seccomp: a thread has a filter of its own")


def build(
    *,
    may_connect: bool = False,
    may_execute: bool = False,
    may_fork: bool = False,
    may_change_file_user: bool = False,
    may_change_files: bool = True,
    allows: Collection[str] = (),
) -> bytes:
    """The program, struct sock_filter[n], for the machine and the process that this is.

    ``allows``: calls by name that are refused otherwise.
    """
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"seccomp: numbers of system calls are not known for {machine}")
    refused = {name: numbers for name, numbers in REFUSED.items() if not (may_connect and name in NETWORK)}
    refused |= {} if may_execute else {**EXECUTES, **IDENTITY}
    if may_change_file_user:  # which without capabilities is one of the users that it is
        refused = {name: numbers for name, numbers in refused.items() if name not in FILE_USER}
    refused = {name: numbers for name, numbers in refused.items() if name not in allows}
    if not may_change_files:
        refused |= FILES
    column = list(_MACHINES).index(machine)
    own = os.getpid()
    program = [_step(_LOAD, _MACHINE), *_unless(_IF_EQUAL, _MACHINES[machine], _KILL), _step(_LOAD, _NUMBER)]
    program += _where(_IF_GREATER, NEWEST, [_step(_RETURN, _UNKNOWN)])
    if not (may_execute or may_fork):
        program += _of(CLONE[column], [*_unless_bits(_THREAD), *_if_bits(_NAMESPACES)])
        program += _of(CLONE3[column], [_step(_RETURN, _UNKNOWN)])
        program += _refused(FORKS.values(), column)
        for numbers, takes_zero in OF_THIS_PROCESS.values():
            program += _of(numbers[column], _only(own, takes_zero=takes_zero))
    if not may_change_files:
        for numbers, argument in OPENS.values():
            program += _of(numbers[column], [_step(_LOAD, _FIRST_ARGUMENT + 8 * argument), *_if_bits(_CHANGES_FILES)])
    program += _of(IOCTL[column], _among(_SECOND_ARGUMENT, _TYPES_FOR_THE_USER))
    program += _of(PAIR[column], _streams_only())
    program += [*_refused(refused.values(), column), _step(_RETURN, _ALLOW)]
    return b"".join(program)


def _step(code: int, operand: int, if_true: int = 0, if_not: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, if_true, if_not, operand)


def _where(condition: int, operand: int, steps: list[bytes]) -> list[bytes]:
    """These steps where the condition holds of what is loaded; else on behind them."""
    return [_step(condition, operand, 0, len(steps)), *steps]


def _unless(condition: int, operand: int, outcome: int) -> list[bytes]:
    return [_step(condition, operand, 1, 0), _step(_RETURN, outcome)]


def _of(number: int | None, steps: list[bytes]) -> list[bytes]:
    """What is asked of one call, which else is allowed."""
    if number is None:
        return []
    return _where(_IF_EQUAL, number, [*steps, _step(_RETURN, _ALLOW)])


def _refused(calls: Iterable[tuple[int | None, int | None]], column: int) -> list[bytes]:
    steps = []
    for number in sorted(numbers[column] for numbers in calls if numbers[column] is not None):  # type: ignore[type-var] # none is None
        steps += _where(_IF_EQUAL, number, [_step(_RETURN, _REFUSE)])  # type: ignore[arg-type] # as above
    return steps


def _unless_bits(bits: int) -> list[bytes]:
    return [_step(_LOAD, _FIRST_ARGUMENT), *_unless(_IF_ANY_BIT, bits, _REFUSE)]


def _if_bits(bits: int) -> list[bytes]:
    return _where(_IF_ANY_BIT, bits, [_step(_RETURN, _REFUSE)])


def _among(argument: int, words: Iterable[int]) -> list[bytes]:
    steps = [_step(_LOAD, argument)]
    for word in words:
        steps += _where(_IF_EQUAL, word, [_step(_RETURN, _REFUSE)])
    return steps


def _streams_only() -> list[bytes]:
    steps = [_step(_LOAD, _FIRST_ARGUMENT), *_unless(_IF_EQUAL, _UNIX, _REFUSE), _step(_LOAD, _SECOND_ARGUMENT)]
    return [*steps, *_if_bits(_NO_STREAM)]


def _only(process: int, *, takes_zero: bool) -> list[bytes]:
    """Refused, unless the first argument is this process, or 0 where that means it."""
    steps = [_step(_LOAD, _FIRST_ARGUMENT)]
    if takes_zero:
        steps += _where(_IF_EQUAL, 0, [_step(_RETURN, _ALLOW)])
    return steps + _unless(_IF_EQUAL, process, _REFUSE)
