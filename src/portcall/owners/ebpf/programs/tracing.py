"""Programs at tracepoints: who sends and receives, and which processes begin and end. They need the kernel's BTF.

    program               runs                             context, 8 bytes an argument        reports
    sock_send_length      sendmsg of any kind is over      sock *, int result, int flags       USED, when the process
    sock_recv_length      recvmsg of any kind is over      sock *, int result, int flags       changes, see below
    sched_process_exec    a program has started            task *, old pid, linux_binprm *     EXEC
    sched_process_fork    clone(2)                         parent task *, child task *         FORKED, for processes
    sched_process_exit    a thread ends                    task *                              EXITED, for the last one
    net_dev_queue         a packet goes to a device        sk_buff *                           USED, of packet sockets
    inet_sock_set_state   TCP changes its state            sock *, int old, int new            CONNECTED, LISTENING,
                                                                                               CLOSED; only where no
                                                                                               cgroup program runs

A socket used by one process makes one report. When another process uses it, the report's time is just after the last
use by the one before, so that everything since is the newcomer's. After MAX_CHANGES a last one says SHARED.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.owners.ebpf.assembler import R0, R1, R2, R3, R6, R7, R8, R9, R10, Assembler
from portcall.owners.ebpf.programs.events import (
    ACTIVITY,
    AF_INET,
    AF_INET6,
    COMMON,
    EXEC,
    EXEC_ARGUMENTS_BYTES,
    EXEC_PATH_BYTES,
    KEY,
    SCRATCH,
    SOCK_RAW,
    Helper,
    KernelProgram,
    ProcessReport,
    begin,
    count_lost,
    field,
    look_up_socket,
    remember_socket,
    reserve_exec,
    send,
    take_process,
    take_time,
)
from portcall.owners.ebpf.programs.packet_ends import injected_packet
from portcall.owners.ebpf.syscalls import AttachPoint, ProgramKind
from portcall.records.ownership import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from portcall.owners.ebpf.assembler import Register
    from portcall.owners.ebpf.btf import KernelTypes
    from portcall.owners.ebpf.programs.events import Maps

MAX_CHANGES = 16
"""Changes of process reported per socket: workers that take turns on one socket could otherwise fill the ring."""

_PEEK = 2  # MSG_PEEK: who only looks does not use
_ESTABLISHED, _SYN_SENT, _CLOSE, _LISTEN = 1, 2, 7, 10
_NOTHING = 0
_LAST, _PROCESS, _CHANGES = (ACTIVITY.fields[name][1] for name in ("last_ns", "process", "changes"))  # type: ignore[index]


def lean(maps: Maps, types: KernelTypes) -> list[KernelProgram]:
    """The six that say who does it. LookupError where this kernel lacks a field that they need."""
    return [
        _program("sock_send_length", _transfer(maps, types.offset)),
        _program("sock_recv_length", _transfer(maps, types.offset, flags_argument=2)),
        _program("net_dev_queue", injected_packet(maps, types.offset)),
        _program("sched_process_exec", _exec(maps, types.offset)),
        _program("sched_process_fork", _fork(maps, types.offset)),
        _program("sched_process_exit", _exit(maps, types.offset)),
    ]


def without_control_groups(maps: Maps, types: KernelTypes) -> list[KernelProgram]:
    """The one more that says when TCP connections begin and end."""
    return [_program("inet_sock_set_state", _state(maps, types.offset))]


def _program(tracepoint: str, code: bytes) -> KernelProgram:
    return KernelProgram(tracepoint, ProgramKind.TRACING, AttachPoint.TRACE_RAW_TP, (code,), tracepoint)


def _transfer(maps: Maps, offset: Callable[[str], int], flags_argument: int | None = None) -> bytes:
    code = Assembler()
    begin(code)
    if flags_argument is not None:
        code.load(8, R0, R6, 8 * flags_argument).compute(R0, "&", _PEEK).jump_if(R0, "!=", 0, "done")
    code.load(8, R0, R6, 8).compute(R0, "<<", 32).compute(R0, "signed >>", 32).jump_if(R0, "signed <", 0, "done")
    code.load(8, R7, R6, 0)
    _take_family(code, R7, offset)
    code.set(R1, R7).call(Helper.SOCKET_COOKIE).store(8, R10, field("socket"), R0)
    take_process(code)
    take_time(code)
    look_up_socket(code, maps)
    code.jump_if(R0, "!=", 0, "is_marked")
    # Accepted, or older than these programs: a user's if a file stands for it, else the kernel's own.
    code.load(8, R8, R7, offset("sock.sk_socket")).jump_if(R8, "==", 0, "done")
    code.load(8, R8, R8, offset("socket.file")).jump_if(R8, "==", 0, "done")
    _copy_activity(code)
    remember_socket(code, maps)
    code.jump("report").label("is_marked")
    _note_activity(code, R0)
    code.label("report").store(1, R10, field("evidence"), Evidence.USED).jump_if(R9, "!=", MAX_CHANGES, "is_used")
    code.store(1, R10, field("evidence"), Evidence.SHARED).label("is_used")
    _take_names(code, R7, offset)
    send(code, maps, _NOTHING)
    return code.build()


def _copy_activity(code: Assembler) -> None:
    """The first ACTIVITY of a socket at KEY + 8; r9 = 0 changes."""
    code.load(8, R0, R10, field("time_ns")).store(8, R10, KEY + 8 + _LAST, R0)
    code.load(4, R0, R10, field("process")).store(4, R10, KEY + 8 + _PROCESS, R0)
    code.set(R9, 0)


def _note_activity(code: Assembler, activity: Register) -> None:
    """Update it; goes to ``done`` where the process is the one that used the socket last. r9 = changes so far."""
    code.load(8, R8, activity, _LAST).load(8, R1, R10, field("time_ns")).store(8, activity, _LAST, R1)
    code.load(4, R1, R10, field("process")).load(4, R2, activity, _PROCESS).jump_if(R1, "==", R2, "done")
    code.store(4, activity, _PROCESS, R1).load(4, R9, activity, _CHANGES)
    code.jump_if(R2, "==", 0, "report")  # the first process: no change
    code.jump_if(R9, ">", MAX_CHANGES - 1, "done")
    code.compute(R9, "+", 1).store(4, activity, _CHANGES, R9)
    code.compute(R8, "+", 1).store(8, R10, field("time_ns"), R8)


def _state(maps: Maps, offset: Callable[[str], int]) -> bytes:
    code = Assembler()
    begin(code)
    code.load(8, R7, R6, 0)
    code.load(8, R9, R6, 16).compute(R9, "<<", 32).compute(R9, ">>", 32)
    code.set(R8, Evidence.CONNECTED).jump_if(R9, "==", _SYN_SENT, "report")
    code.set(R8, Evidence.LISTENING).jump_if(R9, "==", _LISTEN, "report")
    code.set(R8, Evidence.PACKET).jump_if(R9, "==", _ESTABLISHED, "report")
    code.set(R8, Evidence.CLOSED).jump_if(R9, "!=", _CLOSE, "done")
    code.label("report").store(1, R10, field("evidence"), R8)
    _take_family(code, R7, offset)
    code.set(R1, R7).call(Helper.SOCKET_COOKIE).store(8, R10, field("socket"), R0)
    code.jump_if(R9, "==", _SYN_SENT, "called").jump_if(R9, "!=", _LISTEN, "interrupted").label("called")
    take_process(code)
    code.label("interrupted")  # or perhaps so: whoever runs then has nothing to do with it
    take_time(code)
    _take_names(code, R7, offset)
    send(code, maps, _NOTHING)
    return code.build()


def _take_family(code: Assembler, sock: Register, offset: Callable[[str], int]) -> None:
    """Family of a ``struct sock`` into the report; ``done`` unless it is IP."""
    code.load(2, R0, sock, offset(COMMON + "skc_family")).store(1, R10, field("family"), R0)
    code.jump_if(R0, "==", AF_INET, "is_ip").jump_if(R0, "!=", AF_INET6, "done").label("is_ip")


def _take_names(code: Assembler, sock: Register, offset: Callable[[str], int]) -> None:
    """Protocol, namespace, addresses and ports of a ``struct sock`` into the report."""
    _read(code, 2, sock, offset("sock.sk_protocol"), SCRATCH)
    code.load(1, R0, R10, SCRATCH).store(1, R10, field("protocol"), R0)
    code.load(8, R8, sock, offset(COMMON + "skc_net.net"))
    code.load(4, R0, R8, offset("net.ns.inum")).store(4, R10, field("namespace"), R0)
    _read(code, 2, sock, offset(COMMON + "skc_num"), field("local_port"))
    _read(code, 2, sock, offset(COMMON + "skc_dport"), SCRATCH)
    code.load(2, R0, R10, SCRATCH).host_order(16, R0).store(2, R10, field("remote_port"), R0)
    code.load(1, R0, R10, field("family")).jump_if(R0, "==", AF_INET6, "ipv6")
    _read(code, 4, sock, offset(COMMON + "skc_rcv_saddr"), field("local"))
    _read(code, 4, sock, offset(COMMON + "skc_daddr"), field("remote"))
    code.jump("named").label("ipv6")
    _read(code, 16, sock, offset(COMMON + "skc_v6_rcv_saddr"), field("local"))
    _read(code, 16, sock, offset(COMMON + "skc_v6_daddr"), field("remote"))
    code.label("named")
    _read(code, 2, sock, offset("sock.sk_type"), SCRATCH)  # a raw socket's number is its protocol, and it has no ports
    code.load(2, R0, R10, SCRATCH).jump_if(R0, "!=", SOCK_RAW, "has_ports")
    code.store(2, R10, field("local_port"), 0).store(2, R10, field("remote_port"), 0).label("has_ports")


def _read(code: Assembler, count: int, base: Register, offset: int, target: int) -> None:
    """Kernel memory onto the stack: by a helper, as the verifier objects to plain loads from a union's other side."""
    code.address(R1, R10, target).set(R2, count).address(R3, base, offset).call(Helper.READ_KERNEL)


def _exec(maps: Maps, offset: Callable[[str], int]) -> bytes:
    """EXEC is built in the ring itself. ``interp`` is the file that really runs, also where a script was started."""
    at = {name: EXEC.fields[name][1] for name in EXEC.names or ()}  # type: ignore[index]
    code = Assembler()
    begin(code)
    reserve_exec(code, maps)
    code.jump_if(R0, "!=", 0, "reserved")
    count_lost(code, maps)
    code.jump("done").label("reserved").set(R7, R0)
    code.call(Helper.MONOTONIC_NS).store(8, R7, at["time_ns"], R0)
    code.call(Helper.CONTROL_GROUP).store(8, R7, at["control_group"], R0)
    code.call(Helper.PROCESS_AND_THREAD).compute(R0, ">>", 32).store(4, R7, at["process"], R0)
    code.call(Helper.USER_AND_GROUP).store(4, R7, at["user"], R0)
    code.address(R1, R7, at["name"]).set(R2, 16).call(Helper.NAME)
    code.load(8, R8, R6, 16).load(8, R3, R8, offset("linux_binprm.interp"))
    code.address(R1, R7, at["path"]).set(R2, EXEC_PATH_BYTES).call(Helper.READ_KERNEL_STRING)
    code.load(8, R8, R6, 0).load(8, R8, R8, offset("task_struct.mm"))
    code.load(8, R3, R8, offset("mm_struct.arg_start")).load(8, R9, R8, offset("mm_struct.arg_end"))
    code.compute(R9, "-", R3).jump_if(R9, "<=", EXEC_ARGUMENTS_BYTES, "fits").set(R9, EXEC_ARGUMENTS_BYTES)
    code.label("fits").address(R1, R7, at["arguments"]).set(R2, R9).call(Helper.READ_USER)
    code.jump_if(R0, "==", 0, "has_arguments").set(R9, 0).label("has_arguments")
    code.store(8, R7, at["arguments_length"], R9)
    code.set(R1, R7).set(R2, 0).call(Helper.RING_SUBMIT)
    return code.label("done").exit(_NOTHING).build()


def _fork(maps: Maps, offset: Callable[[str], int]) -> bytes:
    code = Assembler()
    begin(code)
    code.load(8, R7, R6, 8)
    code.load(4, R8, R7, offset("task_struct.tgid")).load(4, R9, R7, offset("task_struct.pid"))
    code.jump_if(R8, "!=", R9, "done")  # a thread
    code.store(4, R10, field("child"), R8).store(1, R10, field("evidence"), ProcessReport.FORKED)
    take_process(code)
    take_time(code)
    send(code, maps, _NOTHING)
    return code.build()


def _exit(maps: Maps, offset: Callable[[str], int]) -> bytes:
    code = Assembler()
    begin(code)
    code.load(8, R7, R6, 0).load(8, R7, R7, offset("task_struct.signal"))
    code.load(4, R0, R7, offset("signal_struct.live.counter")).jump_if(R0, "!=", 0, "done")  # other threads go on
    code.store(1, R10, field("evidence"), ProcessReport.EXITED)
    take_process(code)
    take_time(code)
    send(code, maps, _NOTHING)
    return code.build()
