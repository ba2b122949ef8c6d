"""Whose a packet is that leaves or arrives: byte code that reads its headers, for the hooks that see packets.

    __sk_buff      protocol 16 (network order); bytes from the IP header on through a helper

TCP is left out: its sockets say themselves what they do.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from portcall.owners.ebpf.assembler import R0, R1, R2, R3, R4, R6, R7, R8, R10, Assembler, Register
from portcall.owners.ebpf.programs.events import (
    AF_INET,
    AF_INET6,
    SCRATCH,
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
    from portcall.owners.ebpf.programs.events import Maps

_TCP = 6
_IPV4, _IPV6 = (int.from_bytes(kind, sys.byteorder) for kind in (b"\x08\x00", b"\x86\xdd"))
_PASS = 1  # a cgroup program's "let it happen"
_FRAGMENT_OFFSET = 0x1FFF


def passing_packet(maps: Maps, direction: str, *, knows_process: bool) -> bytes:
    """IPv4: version and length 0, fragment 6, protocol 9, source 12, target 16; IPv6: next 6, source 8, target 24."""
    is_egress = direction == "egress"
    source, target = ("local", "remote") if is_egress else ("remote", "local")
    asks, answers = (ECHO_REQUESTS, ECHO_REPLIES) if is_egress else (ECHO_REPLIES, ECHO_REQUESTS)
    code = Assembler()
    begin(code)
    code.load(4, R7, R6, 16).jump_if(R7, "==", _IPV4, "ipv4").jump_if(R7, "==", _IPV6, "ipv6").exit(_PASS)
    code.label("ipv4")
    _take_packet_bytes(code, 0, 10, SCRATCH)
    code.load(2, R0, R10, SCRATCH + 6).host_order(16, R0).compute(R0, "&", _FRAGMENT_OFFSET).jump_if(
        R0, "!=", 0, "done"
    )
    code.load(1, R7, R10, SCRATCH + 9).jump_if(R7, "==", _TCP, "done")
    code.load(1, R8, R10, SCRATCH).compute(R8, "&", 15).compute(R8, "<<", 2)
    _take_packet_bytes(code, 12, 4, field(source))
    _take_packet_bytes(code, 16, 4, field(target))
    code.store(1, R10, field("family"), AF_INET).jump("ports")
    code.label("ipv6")
    _take_packet_bytes(code, 6, 1, SCRATCH)
    code.load(1, R7, R10, SCRATCH).jump_if(R7, "==", _TCP, "done")
    _take_packet_bytes(code, 8, 16, field(source))
    _take_packet_bytes(code, 24, 16, field(target))
    code.store(1, R10, field("family"), AF_INET6).set(R8, 40)
    code.label("ports").store(1, R10, field("protocol"), R7)
    _take_echo(code, asks, answers=answers)
    for protocol in sorted(PROTOCOLS_WITH_PORTS):
        code.jump_if(R7, "==", protocol, "has_ports")
    code.jump("ports_known").label("has_ports")
    _take_packet_bytes(code, R8, 4, SCRATCH)
    for offset, end in ((0, source), (2, target)):
        code.load(2, R0, R10, SCRATCH + offset).host_order(16, R0).store(2, R10, field(f"{end}_port"), R0)
    code.label("ports_known")
    take_cookie(code)
    code.jump_if(R0, "==", 0, "done")
    _take_sender(code, maps, knows_process=knows_process)
    skip_known_tuple(code, maps, R7)
    take_time(code)
    send(code, maps, _PASS)
    return code.build()


def _take_echo(code: Assembler, asks: tuple[int, ...], *, answers: tuple[int, ...]) -> None:
    """What stands in for the ports of an echo: type 0, identifier 4 of the message at r8.

    By the first types, the socket is of the end that asks; by the others, of the one that answers.
    """
    for protocol in ICMP_PROTOCOLS:
        code.jump_if(R7, "==", protocol, "icmp")
    code.jump("no_icmp").label("icmp")
    _take_packet_bytes(code, R8, 6, SCRATCH)
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
        code.load(4, R7, R10, field("process"))


def _take_packet_bytes(code: Assembler, offset: int | Register, count: int, target: int) -> None:
    """Bytes of the packet onto the stack; a packet that is too short ends the program."""
    code.set(R1, R6).set(R2, offset).address(R3, R10, target).set(R4, count).call(Helper.LOAD_PACKET_BYTES)
    code.jump_if(R0, "!=", 0, "done")
