r"""Programs at cgroup hooks: what sockets are called and when they end. Their contexts are the same in every kernel.

    program        runs                                    reports
    sock_create    socket(2)                               nothing; marks the socket as a user's
    post_bind4/6   bind(2) has chosen the port             BOUND
    sockops        TCP connects, its port is chosen        CONNECTED
                   listen(2)                               LISTENING
    skb_egress     a packet leaves that is not TCP's       USED, once per socket, peer and process
    skb_ingress    a packet that is not TCP arrives        PACKET, once per socket and peer
    sock_release   the last close(2)                       CLOSED
    getpeer4/6     accept(2) or getpeername(2)             ACCEPTED     \ only where the tracing programs
    sendmsg4/6     UDP without a connection is sent        USED          > cannot run, which know more
    recvmsg4/6     UDP without a connection is received    USED         /

Contexts, in bytes from their start (include/uapi/linux/bpf.h):

    bpf_sock       family 4, protocol 12, src_ip4 24, src_ip6 28, src_port 44 (host order)
    bpf_sock_ops   op 0, family 20, remote_ip4 24, local_ip4 28, remote_ip6 32, local_ip6 48,
                   remote_port 64 (network order, 32 bits), local_port 68 (host order)
    bpf_sock_addr  user_ip4 4, user_ip6 8, user_port 24 (network order), protocol 36, sk 64 (a bpf_sock)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.owners.ebpf.assembler import R0, R1, R2, R6, R7, R8, R10, Assembler, Register
from portcall.owners.ebpf.programs.events import (
    AF_INET,
    AF_INET6,
    KEY,
    Helper,
    KernelProgram,
    begin,
    disown_kernel_sockets,
    field,
    look_up_socket,
    remember_socket,
    send,
    skip_known_tuple,
    take_cookie,
    take_namespace_cookie,
    take_process,
    take_time,
)
from portcall.owners.ebpf.programs.packet_ends import passing_packet
from portcall.owners.ebpf.syscalls import AttachPoint, ProgramKind
from portcall.records.ownership import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from portcall.owners.ebpf.programs.events import Maps

_CONNECT, _LISTEN = 3, 11  # BPF_SOCK_OPS_TCP_CONNECT_CB, BPF_SOCK_OPS_TCP_LISTEN_CB
_TCP = 6
_PASS = 1  # a cgroup program's "let it happen"


def lean(maps: Maps) -> list[KernelProgram]:
    """The seven that suffice beside the tracing programs."""
    sock, point = ProgramKind.CGROUP_SOCK, AttachPoint
    return [
        KernelProgram("sock_create", sock, point.CGROUP_INET_SOCK_CREATE, (_sock_create(maps),)),
        KernelProgram("post_bind4", sock, point.CGROUP_INET4_POST_BIND, (_post_bind(maps, AF_INET),)),
        KernelProgram("post_bind6", sock, point.CGROUP_INET6_POST_BIND, (_post_bind(maps, AF_INET6),)),
        KernelProgram(
            "sockops",
            ProgramKind.SOCK_OPS,
            point.CGROUP_SOCK_OPS,
            (_sockops(maps, knows_process=True), _sockops(maps, knows_process=False)),
        ),
        KernelProgram(
            "skb_egress",
            ProgramKind.CGROUP_SKB,
            point.CGROUP_INET_EGRESS,
            (passing_packet(maps, "egress", knows_process=True), passing_packet(maps, "egress", knows_process=False)),
        ),
        KernelProgram(
            "skb_ingress",
            ProgramKind.CGROUP_SKB,
            point.CGROUP_INET_INGRESS,
            (passing_packet(maps, "ingress", knows_process=False),),
        ),
        KernelProgram("sock_release", sock, point.CGROUP_INET_SOCK_RELEASE, (_sock_release(maps),)),
    ]


def without_tracing(maps: Maps) -> list[KernelProgram]:
    """The six more that say who accepts, sends and receives where no tracing program can."""
    kinds = (
        ("getpeer", "GETPEERNAME", Evidence.ACCEPTED),
        ("sendmsg", "SENDMSG", Evidence.USED),
        ("recvmsg", "RECVMSG", Evidence.USED),
    )
    return [
        KernelProgram(
            f"{name}{version}",
            ProgramKind.CGROUP_SOCK_ADDR,
            AttachPoint[f"CGROUP_{'INET' if name == 'getpeer' else 'UDP'}{version}_{point}"],
            (_sock_addr(maps, evidence, family),),
        )
        for name, point, evidence in kinds
        for version, family in ((4, AF_INET), (6, AF_INET6))
    ]


def _sock_create(maps: Maps) -> bytes:
    code = Assembler()
    begin(code)
    take_cookie(code)
    remember_socket(code, maps)
    return code.exit(_PASS).build()


def _post_bind(maps: Maps, family: int) -> bytes:
    code = Assembler()
    begin(code)
    take_cookie(code)
    code.load(4, R0, R6, 12).store(1, R10, field("protocol"), R0)
    _take_local(code, R6, family)
    _take_circumstances(code, Evidence.BOUND)
    disown_kernel_sockets(code, maps)
    send(code, maps, _PASS)
    return code.build()


def _sock_release(maps: Maps) -> bytes:
    code = Assembler()
    begin(code)
    take_cookie(code)
    code.store(8, R10, KEY, R0)
    code.map(R1, maps.sockets).address(R2, R10, KEY).call(Helper.MAP_DELETE)
    code.load(4, R0, R6, 4).store(1, R10, field("family"), R0)
    code.load(4, R0, R6, 12).store(1, R10, field("protocol"), R0)
    _take_circumstances(code, Evidence.CLOSED)
    send(code, maps, _PASS)
    return code.build()


def _sockops(maps: Maps, *, knows_process: bool) -> bytes:
    code = Assembler()
    begin(code)
    code.load(4, R7, R6, 0)
    code.set(R8, Evidence.CONNECTED if knows_process else Evidence.PACKET).jump_if(R7, "==", _CONNECT, "report")
    code.set(R8, Evidence.LISTENING).jump_if(R7, "==", _LISTEN, "report").exit(_PASS)
    code.label("report")
    take_cookie(code)
    code.store(1, R10, field("protocol"), _TCP).store(1, R10, field("evidence"), R8)
    code.load(4, R0, R6, 68).store(2, R10, field("local_port"), R0)
    code.load(4, R0, R6, 64).host_order(32, R0).store(2, R10, field("remote_port"), R0)
    code.load(4, R0, R6, 20).store(1, R10, field("family"), R0).jump_if(R0, "==", AF_INET6, "ipv6")
    _copy(code, R6, ((24, field("remote")), (28, field("local"))))
    code.jump("addresses_known").label("ipv6")
    _copy(code, R6, ((32 + 4 * i, field("remote") + 4 * i) for i in range(4)))
    _copy(code, R6, ((48 + 4 * i, field("local") + 4 * i) for i in range(4)))
    code.label("addresses_known")
    if knows_process:
        take_process(code)
        take_namespace_cookie(code)
    take_time(code)
    disown_kernel_sockets(code, maps)
    send(code, maps, _PASS)
    return code.build()


def _sock_addr(maps: Maps, evidence: Evidence, family: int) -> bytes:
    code = Assembler()
    begin(code)
    code.load(4, R0, R6, 36).store(1, R10, field("protocol"), R0)
    if family == AF_INET:
        _copy(code, R6, ((4, field("remote")),))
    else:
        _copy(code, R6, ((8 + 4 * i, field("remote") + 4 * i) for i in range(4)))
    code.load(4, R0, R6, 24).host_order(16, R0).store(2, R10, field("remote_port"), R0)
    code.store(1, R10, field("family"), family)
    code.load(8, R7, R6, 64).jump_if(R7, "==", 0, "no_socket")
    _take_local(code, R7, family)
    code.label("no_socket")
    take_cookie(code)
    look_up_socket(code, maps)
    code.jump_if(R0, "!=", 0, "is_marked")
    remember_socket(code, maps)  # only user space calls these hooks
    code.label("is_marked")
    _take_circumstances(code, evidence)
    code.load(4, R7, R10, field("process"))
    skip_known_tuple(code, maps, R7)
    send(code, maps, _PASS)
    return code.build()


def _take_circumstances(code: Assembler, evidence: Evidence) -> None:
    code.store(1, R10, field("evidence"), evidence)
    take_process(code)
    take_namespace_cookie(code)
    take_time(code)


def _take_local(code: Assembler, sock: Register, family: int) -> None:
    """Local address and port of a bpf_sock."""
    code.store(1, R10, field("family"), family)
    code.load(4, R0, sock, 44).store(2, R10, field("local_port"), R0)
    if family == AF_INET:
        _copy(code, sock, ((24, field("local")),))
    else:
        _copy(code, sock, ((28 + 4 * i, field("local") + 4 * i) for i in range(4)))


def _copy(code: Assembler, source: Register, pairs: Iterable[tuple[int, int]]) -> None:
    """Four bytes each, from the context to the stack."""
    for at, target in pairs:
        code.load(4, R0, source, at).store(4, R10, target, R0)
