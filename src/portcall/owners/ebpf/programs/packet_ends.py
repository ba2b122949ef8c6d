"""Whose a packet is that leaves or arrives: byte code that reads its headers, for the hooks that see packets.

__sk_buff      protocol 16 (network order); bytes from the IP header on through a helper

sk_buff        the kernel's own, with a pointer to its head and the offset of its network header
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from portcall.owners.ebpf.assembler import R0, R1, R2, R3, R4, R6, R7, R8, R9, R10, Assembler, Register
from portcall.owners.ebpf.programs.events import (
    AF_INET,
    AF_INET6,
    AF_PACKET,
    COMMON,
    SCRATCH,
    SOCK_RAW,
    Helper,
    begin,
    disown_kernel_sockets,
    field,
    send,
    skip_known_tuple,
    take_cookie,
    take_process,
    take_time,
)
from portcall.records.ownership import (
    ECHO_ASKED,
    ECHO_REPLIES,
    ECHO_REQUESTS,
    ICMP_PROTOCOLS,
    PROTOCOLS_WITH_PORTS,
    Evidence,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from portcall.owners.ebpf.programs.events import Maps

    Read = Callable[[Assembler, int | Register, int, int], None]

_TCP = 6
_IPV4, _IPV6 = (int.from_bytes(kind, sys.byteorder) for kind in (b"\x08\x00", b"\x86\xdd"))
_TAGS = tuple(int.from_bytes(kind, sys.byteorder) for kind in (b"\x81\x00", b"\x88\xa8"))
_EXTENSIONS, _MOST_EXTENSIONS = (0, 43, 60), 2  # hop-by-hop, routing and destination options, RFC 8200 §4
_PASS = 1  # a cgroup program's "let it happen"
_FRAGMENT_OFFSET = 0x1FFF


def passing_packet(maps: Maps, direction: str, *, knows_process: bool) -> bytes:
    """For cgroup hooks. Of TCP, only what a raw socket sends: TCP's own sockets say themselves what they do."""
    is_egress = direction == "egress"
    code = Assembler()
    begin(code)
    code.load(4, R7, R6, 16).jump_if(R7, "==", _IPV4, "ipv4").jump_if(R7, "==", _IPV6, "ipv6").exit(_PASS)
    on_tcp = _end_unless_raw if is_egress and knows_process else _end
    _take_ends(code, _read_passing, on_tcp, is_egress=is_egress)
    take_cookie(code)
    code.jump_if(R0, "==", 0, "done")
    _take_sender(code, maps, knows_process=knows_process)
    skip_known_tuple(code, maps, R7)
    take_time(code)
    send(code, maps, _PASS)
    return code.build()


def injected_packet(maps: Maps, offset: Callable[[str], int]) -> bytes:
    """For the tracepoint net_dev_queue(sk_buff *): a packet that a packet socket sends past IP, whatever is in it.

    Whoever runs then is in send(2). No helper tells a cookie here, so the socket's place in memory stands in for it.
    Frames that lie in a ring (PACKET_TX_RING) have no header to read here.
    """
    code = Assembler()
    begin(code)
    code.load(8, R7, R6, 0).load(8, R8, R7, offset("sk_buff.sk")).jump_if(R8, "==", 0, "done")
    code.load(2, R0, R8, offset(COMMON + "skc_family")).jump_if(R0, "!=", AF_PACKET, "done")
    code.address(R1, R10, field("socket")).set(R2, 8).address(R3, R7, offset("sk_buff.sk")).call(Helper.READ_KERNEL)
    code.load(8, R8, R8, offset(COMMON + "skc_net.net"))
    code.load(4, R0, R8, offset("net.ns.inum")).store(4, R10, field("namespace"), R0)
    code.load(8, R9, R7, offset("sk_buff.head")).load(2, R0, R7, offset("sk_buff.network_header"))
    code.compute(R9, "+", R0)
    code.load(2, R7, R7, offset("sk_buff.protocol"))
    for kind in (_IPV4, _IPV6, *_TAGS):
        code.jump_if(R7, "==", kind, "is_ip")
    code.jump("done").label("is_ip")
    _read_kernel(code, 0, 1, SCRATCH)
    code.load(1, R7, R10, SCRATCH).compute(R7, ">>", 4).jump_if(R7, "==", 4, "ipv4").jump_if(R7, "!=", 6, "done")
    code.jump("ipv6")
    _take_ends(code, _read_kernel, lambda *_: None, is_egress=True)
    take_process(code)
    code.store(1, R10, field("evidence"), Evidence.USED).load(4, R7, R10, field("process"))
    skip_known_tuple(code, maps, R7)
    take_time(code)
    send(code, maps, 0)
    return code.build()


def _take_ends(code: Assembler, read: Read, on_tcp: Callable[[Assembler, str], None], *, is_egress: bool) -> None:
    """Protocol, addresses and ports of a packet into the report, from the labels ``ipv4`` and ``ipv6``.

    IPv4: version and length 0, fragment 6, protocol 9, source 12, target 16; IPv6: next 6, source 8, target 24; its
    extensions: next 0, length 1. r7 = protocol, r8 = where the transport begins.
    """
    source, target = ("local", "remote") if is_egress else ("remote", "local")
    asks, answers = (ECHO_REQUESTS, ECHO_REPLIES) if is_egress else (ECHO_REPLIES, ECHO_REQUESTS)
    code.label("ipv4")
    read(code, 0, 10, SCRATCH)
    code.load(2, R0, R10, SCRATCH + 6).host_order(16, R0).compute(R0, "&", _FRAGMENT_OFFSET)
    code.jump_if(R0, "!=", 0, "done").load(1, R7, R10, SCRATCH + 9)
    on_tcp(code, "ipv4")
    code.load(1, R8, R10, SCRATCH).compute(R8, "&", 15).compute(R8, "<<", 2)
    read(code, 12, 4, field(source))
    read(code, 16, 4, field(target))
    code.store(1, R10, field("family"), AF_INET).jump("ports")
    code.label("ipv6")
    read(code, 6, 1, SCRATCH)
    code.load(1, R7, R10, SCRATCH)
    on_tcp(code, "ipv6")
    read(code, 8, 16, field(source))
    read(code, 24, 16, field(target))
    code.store(1, R10, field("family"), AF_INET6).set(R8, 40)
    for i in range(_MOST_EXTENSIONS):
        for number in _EXTENSIONS:
            code.jump_if(R7, "==", number, f"extension_{i}")
        code.jump("ports").label(f"extension_{i}")
        read(code, R8, 2, SCRATCH)
        code.load(1, R7, R10, SCRATCH).load(1, R0, R10, SCRATCH + 1).compute(R0, "+", 1).compute(R0, "<<", 3)
        code.compute(R8, "+", R0)
    code.label("ports").store(1, R10, field("protocol"), R7)
    _take_echo(code, read, asks, answers=answers)
    for protocol in sorted(PROTOCOLS_WITH_PORTS):
        code.jump_if(R7, "==", protocol, "has_ports")
    code.jump("ports_known").label("has_ports")
    read(code, R8, 4, SCRATCH)
    for at, end in ((0, source), (2, target)):
        code.load(2, R0, R10, SCRATCH + at).host_order(16, R0).store(2, R10, field(f"{end}_port"), R0)
    code.label("ports_known")


def _end(code: Assembler, _version: str) -> None:
    code.jump_if(R7, "==", _TCP, "done")


def _end_unless_raw(code: Assembler, version: str) -> None:
    """__sk_buff: sk 168; bpf_sock: type 8."""
    code.jump_if(R7, "!=", _TCP, f"may_be_sent_{version}")
    code.load(8, R1, R6, 168).jump_if(R1, "==", 0, "done").call(Helper.FULL_SOCKET).jump_if(R0, "==", 0, "done")
    code.load(4, R0, R0, 8).jump_if(R0, "!=", SOCK_RAW, "done").label(f"may_be_sent_{version}")


def _take_echo(code: Assembler, read: Read, asks: tuple[int, ...], *, answers: tuple[int, ...]) -> None:
    """What stands in for the ports of an echo: type 0, identifier 4 of the message at r8.

    By the first types, the socket is of the end that asks; by the others, of the one that answers.
    """
    for protocol in ICMP_PROTOCOLS:
        code.jump_if(R7, "==", protocol, "icmp")
    code.jump("no_icmp").label("icmp")
    read(code, R8, 6, SCRATCH)
    code.load(1, R0, R10, SCRATCH).load(2, R1, R10, SCRATCH + 4).host_order(16, R1)
    for types, role in ((asks, "asks"), (answers, "answers")):
        for number in types:
            code.jump_if(R0, "==", number, role)
    code.jump("ports_known")
    code.label("asks").store(2, R10, field("local_port"), R1).store(2, R10, field("remote_port"), ECHO_ASKED)
    code.jump("ports_known")
    code.label("answers").store(2, R10, field("remote_port"), R1).jump("ports_known").label("no_icmp")


def _take_sender(code: Assembler, maps: Maps, *, knows_process: bool) -> None:
    """Evidence and process of a packet; r7 = what tells it apart: the process, or 0.

    A packet may leave while the kernel answers another one and interrupts anybody, but only on a socket of its own.
    """
    code.store(1, R10, field("evidence"), Evidence.PACKET).set(R7, 0)
    if knows_process:
        take_process(code)
        code.store(1, R10, field("evidence"), Evidence.USED)
        disown_kernel_sockets(code, maps)
        code.load(4, R7, R10, field("process")).jump_if(R7, "!=", 0, "is_claimed")
        # The kernel resets connections by a raw socket of its own, which must not claim those of others.
        code.load(1, R0, R10, field("protocol")).jump_if(R0, "==", _TCP, "done").label("is_claimed")


def _read_passing(code: Assembler, offset: int | Register, count: int, target: int) -> None:
    """Bytes of the context's packet onto the stack; a packet that is too short ends the program."""
    code.set(R1, R6).set(R2, offset).address(R3, R10, target).set(R4, count).call(Helper.LOAD_PACKET_BYTES)
    code.jump_if(R0, "!=", 0, "done")


def _read_kernel(code: Assembler, offset: int | Register, count: int, target: int) -> None:
    """Bytes of the packet that begins at r9 onto the stack."""
    code.address(R1, R10, target).set(R2, count).set(R3, R9).compute(R3, "+", offset).call(Helper.READ_KERNEL)
    code.jump_if(R0, "!=", 0, "done")
