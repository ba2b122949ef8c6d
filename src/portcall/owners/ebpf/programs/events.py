"""What programs report, and the pieces that all of them are made of.

A program builds its report on its stack, and copies it to a ring. Where it lies there, from r10 downwards:

    r10 - 104   the report, EVENT
    r10 - 152   a key of 48 bytes for the map ``tuples``, or key and value for the map ``sockets``
    r10 - 184   32 bytes to read into

r6 keeps the program's context throughout, as r1 does not survive a call.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from portcall.owners.ebpf.assembler import R0, R1, R2, R3, R4, R6, R10, Assembler, Register
from portcall.records.ownership import Evidence

if TYPE_CHECKING:
    from portcall.owners.ebpf.syscalls import AttachPoint, ProgramKind

EVENT = np.dtype(
    [
        ("time_ns", "u8"),  # CLOCK_MONOTONIC
        ("socket", "u8"),  # its cookie
        ("namespace_cookie", "u8"),  # of the network namespace, where the program can ask for it
        ("control_group", "u8"),  # number of the process's cgroup2 directory
        ("process", "u4"),  # 0 where the kernel works for nobody in particular
        ("child", "u4"),  # of a fork
        ("user", "u4"),
        ("evidence", "u1"),  # Evidence, or ProcessReport
        ("protocol", "u1"),
        ("family", "u1"),  # AF_INET or AF_INET6
        ("reserved", "u1"),
        ("local_port", "u2"),
        ("remote_port", "u2"),
        ("namespace", "u4"),  # inode of the network namespace, where the program can read it
        ("local", "u1", (16,)),  # IPv4 in the first four bytes
        ("remote", "u1", (16,)),
        ("name", "S16"),  # of the thread
    ]
)
"""A socket seen at work, a fork or an exit. 104 bytes."""

EXEC_PATH_BYTES, EXEC_ARGUMENTS_BYTES = 256, 512
EXEC = np.dtype(
    [
        ("time_ns", "u8"),
        ("control_group", "u8"),
        ("process", "u4"),
        ("user", "u4"),
        ("arguments_length", "u8"),  # bytes of ``arguments`` that count
        ("name", "S16"),
        ("path", f"S{EXEC_PATH_BYTES}"),
        ("arguments", f"V{EXEC_ARGUMENTS_BYTES}"),  # NUL after each
    ]
)
"""A program started: its file and command line as it was given them. 816 bytes."""

ACTIVITY = np.dtype([("last_ns", "u8"), ("process", "u4"), ("changes", "u4")])
"""A value of the map ``sockets``: when and by which process a user's socket last sent or received."""

TUPLE_KEY_BYTES = 48
"""A key of the map ``tuples``: u64 cookie, 32 bytes addresses, u16 local and remote port, u32 process or direction."""

AF_INET, AF_INET6, AF_PACKET = 2, 10, 17
SOCK_RAW = 3
COMMON = "sock.__sk_common."
REPORT = -EVENT.itemsize
KEY = REPORT - TUPLE_KEY_BYTES
SCRATCH = KEY - 32


class ProcessReport(enum.IntEnum):
    """In an EVENT's ``evidence``, where it is about a process and no socket."""

    FORKED = 100
    EXITED = 101


class Helper(enum.IntEnum):
    """Numbers of kernel functions, include/uapi/linux/bpf.h."""

    MAP_LOOKUP = 1
    MAP_UPDATE = 2
    MAP_DELETE = 3
    MONOTONIC_NS = 5
    PROCESS_AND_THREAD = 14
    USER_AND_GROUP = 15
    NAME = 16
    LOAD_PACKET_BYTES = 26
    SOCKET_COOKIE = 46
    CONTROL_GROUP = 80
    FULL_SOCKET = 95
    READ_USER = 112
    READ_KERNEL = 113
    READ_KERNEL_STRING = 115
    NAMESPACE_COOKIE = 122
    RING_OUTPUT = 130
    RING_RESERVE = 131
    RING_SUBMIT = 132


@dataclass(frozen=True, slots=True)
class Maps:
    """Descriptors of the maps that programs share."""

    events: int
    """Ring of EVENT."""
    execs: int
    """Ring of EXEC."""
    lost: int
    """Array of one u64: reports that a full ring refused."""
    sockets: int
    """Cookie → ACTIVITY, of sockets that belong to user space: all others are the kernel's own."""
    tuples: int
    """Keys of TUPLE_KEY_BYTES that were reported already."""


@dataclass(frozen=True, slots=True)
class KernelProgram:
    """One program, ready to load."""

    name: str
    kind: ProgramKind
    attach_point: AttachPoint
    variants: tuple[bytes, ...]
    """The best one first; older kernels may accept only the next, which reports less."""
    tracepoint: str = ""


def field(name: str) -> int:
    """Where a field of the report lies, from r10."""
    offset: int = EVENT.fields[name][1]  # type: ignore[index]  # it is a structured type
    return REPORT + offset


def begin(code: Assembler, below: int = SCRATCH) -> None:
    """Keep the context and zero the stack down to ``below``: the verifier wants bytes written before they are read."""
    code.set(R6, R1).set(R0, 0)
    for offset in range(below, 0, 8):
        code.store(8, R10, offset, R0)


def take_cookie(code: Assembler, source: Register = R6) -> None:
    """The socket's cookie into the report, and into r0."""
    code.set(R1, source).call(Helper.SOCKET_COOKIE).store(8, R10, field("socket"), R0)


def take_process(code: Assembler) -> None:
    """Who runs now. To be believed only in a system call's context, not where a packet interrupted somebody."""
    code.call(Helper.PROCESS_AND_THREAD).compute(R0, ">>", 32).store(4, R10, field("process"), R0)
    code.call(Helper.USER_AND_GROUP).store(4, R10, field("user"), R0)
    code.address(R1, R10, field("name")).set(R2, 16).call(Helper.NAME)
    code.call(Helper.CONTROL_GROUP).store(8, R10, field("control_group"), R0)


def take_namespace_cookie(code: Assembler) -> None:
    """The cookie of the context's network namespace."""
    code.set(R1, R6).call(Helper.NAMESPACE_COOKIE).store(8, R10, field("namespace_cookie"), R0)


def take_time(code: Assembler) -> None:
    """Now."""
    code.call(Helper.MONOTONIC_NS).store(8, R10, field("time_ns"), R0)


def look_up_socket(code: Assembler, maps: Maps) -> None:
    """r0 = the ACTIVITY of the socket whose cookie is in the report, or 0; the cookie is the key at KEY."""
    code.load(8, R0, R10, field("socket")).store(8, R10, KEY, R0)
    look_up(code, maps.sockets, KEY)


def remember_socket(code: Assembler, maps: Maps) -> None:
    """Mark the report's socket as user space's; its ACTIVITY is what lies at KEY + 8, 16 bytes."""
    code.load(8, R0, R10, field("socket")).store(8, R10, KEY, R0)
    code.map(R1, maps.sockets).address(R2, R10, KEY).address(R3, R10, KEY + 8).set(R4, 0).call(Helper.MAP_UPDATE)


def look_up(code: Assembler, descriptor: int, key: int) -> None:
    """r0 = the value at the key that lies at r10 + key, or 0."""
    code.map(R1, descriptor).address(R2, R10, key).call(Helper.MAP_LOOKUP)


def disown_kernel_sockets(code: Assembler, maps: Maps) -> None:
    """Where the socket is not a user's, whoever runs now has nothing to do with it: KERNEL, and no process."""
    look_up_socket(code, maps)
    code.jump_if(R0, "!=", 0, "is_user")
    code.store(1, R10, field("evidence"), Evidence.KERNEL).store(4, R10, field("process"), 0)
    code.label("is_user")


def send(code: Assembler, maps: Maps, result: int) -> None:
    """Copy the report to the ring, or count it as lost; the program ends at the label ``done`` with this result."""
    code.map(R1, maps.events).address(R2, R10, REPORT).set(R3, EVENT.itemsize).set(R4, 0).call(Helper.RING_OUTPUT)
    code.jump_if(R0, "==", 0, "done")
    count_lost(code, maps)
    code.label("done").exit(result)


def count_lost(code: Assembler, maps: Maps) -> None:
    """One report more is lost; goes on at ``done``, here or by falling through."""
    code.store(4, R10, SCRATCH, 0)
    look_up(code, maps.lost, SCRATCH)
    code.jump_if(R0, "==", 0, "done").set(R1, 1).atomic_add(R0, 0, R1)


def reserve_exec(code: Assembler, maps: Maps) -> None:
    """r0 = room for an EXEC in its ring, or 0: it is larger than a stack."""
    code.map(R1, maps.execs).set(R2, EXEC.itemsize).set(R3, 0).call(Helper.RING_RESERVE)


def skip_known_tuple(code: Assembler, maps: Maps, told_apart_by: Register | int) -> None:
    """Go to ``done`` where this socket was reported with this peer before, told apart as given."""
    code.store(4, R10, KEY + 44, told_apart_by)
    for size, source, at in ((8, "socket", 0), (4, "local_port", 40)):
        code.load(size, R0, R10, field(source)).store(size, R10, KEY + at, R0)
    for offset in range(0, 32, 8):  # the remote address follows the local one
        code.load(8, R0, R10, field("local") + offset).store(8, R10, KEY + 8 + offset, R0)
    look_up(code, maps.tuples, KEY)
    code.jump_if(R0, "!=", 0, "done")
    code.map(R1, maps.tuples).address(R2, R10, KEY).address(R3, R10, KEY).set(R4, 0).call(Helper.MAP_UPDATE)
