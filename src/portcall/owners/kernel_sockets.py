"""What Linux lists for one network namespace: rows of ``sock_diag`` → SystemSockets in the words of ``ss``."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portcall.owners.processes import user_name
from portcall.owners.sock_diag import (
    DIAG_BYTES,
    FAMILIES,
    INFO,
    TCP,
    UDP,
    UDP_LITE,
    V6_ONLY,
    SocketList,
    attribute_of,
    protocols,
)
from portcall.records.sockets import BOUND, Holding, SystemSocket, TcpFigures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from portcall.records.ownership import Owner
    from portcall.system.network_namespaces import Namespace

    HoldersOf = Callable[[int], tuple[Holding, tuple[Owner, ...]]]
    Figures = tuple[TcpFigures | None, int | None]

STATE_WORDS = {
    1: "ESTAB", 2: "SYN-SENT", 3: "SYN-RECV", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2", 6: "TIME-WAIT", 7: "UNCONN",
    8: "CLOSE-WAIT", 9: "LAST-ACK", 10: "LISTEN", 11: "CLOSING",
}  # fmt: skip
"""include/net/tcp_states.h; 7, TCP_CLOSE, is what a UDP socket without a peer is in."""

_NAMES = {TCP: "tcp", UDP: "udp", UDP_LITE: "udplite"}  # the states of SCTP's associations are numbers of their own

WAITING = 1 << 7 | 1 << 10 | 1 << 13
EVERY = WAITING | sum(1 << number for number in STATE_WORDS)
"""Bits of the states to ask for. 13 asks for TCP sockets that are only bound (Linux 6.8), which come as state 7."""

_CLOSE = 7
_SYNCHRONISED = frozenset({"ESTAB", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING"})
_MAPPED = b"\0" * 10 + b"\xff\xff"  # IPv4 in IPv6, RFC 4291 §2.5.5.2
_MESSAGE = struct.Struct("=xBxx2s2s16s16sIQ4xIIII")
"""What is used of inet_diag_msg: state, ports, addresses, interface, cookie, queues, user, inode; see ``sock_diag``."""
_COOKIE = 6
_TCP_INFO = struct.Struct("=44xI4xI12xII44xQQ16xII40xQQ")
"""What is used of struct tcp_info, which has grown with the kernels: an older one's ends earlier."""


@dataclass(frozen=True, slots=True)
class DumpReply:
    """The kernel's list of one protocol's sockets of one IP version, in one network namespace."""

    family: int
    protocol: int
    messages: list[bytes]
    """An inet_diag_msg with its attributes for each socket."""
    namespace: Namespace
    interfaces: dict[int, str]
    """Names by number."""


def ask(namespace: Namespace, states: int) -> list[DumpReply]:
    """What the kernel answers in the namespace that this thread is in, ``namespace``."""
    interfaces = dict(socket.if_nameindex())
    asked = SocketList()
    try:
        return [
            DumpReply(
                family,
                protocol,
                asked.detailed(family, protocol, states=states, attribute=INFO if protocol == TCP else None),
                namespace,
                interfaces,
            )
            for protocol in protocols()
            if protocol in _NAMES
            for family in FAMILIES
        ]
    finally:
        asked.close()


def sockets_of(answer: DumpReply, holders_of: HoldersOf, time_ns: int) -> Iterator[SystemSocket]:
    """The sockets of an answer that came at that time; ``holders_of`` is asked by inode."""
    protocol, version = _NAMES[answer.protocol], 4 if answer.family == socket.AF_INET else 6
    for message in answer.messages:
        number, near_port, far_port, near, far, interface, cookie, received, sent, user, inode = _MESSAGE.unpack_from(
            message
        )
        has_peer = not 1 << number & WAITING
        local, attributes = _address(near, answer.family), message[DIAG_BYTES:]
        counted, since_ns = _figures(attributes, number, time_ns) if answer.protocol == TCP else (None, None)
        holding, holders = holders_of(inode)
        if holding is Holding.UNFOUND and answer.protocol != TCP:
            holding = Holding.KERNEL
        yield SystemSocket(
            protocol=protocol,
            ip_version=version,
            local_ip=local,
            local_port=int.from_bytes(near_port, "big"),
            remote_ip=_address(far, answer.family) if has_peer else None,
            remote_port=int.from_bytes(far_port, "big") if has_peer else None,
            state=BOUND if number == _CLOSE and answer.protocol == TCP else STATE_WORDS[number],
            holding=holding,
            holders=holders,
            user=user_name(user) if inode else None,
            interface=answer.interfaces.get(interface, str(interface)) if interface else None,
            takes_ipv4_too=local == "::" and not has_peer and attribute_of(attributes, V6_ONLY) == b"\0",
            receive_queue_bytes=received,
            send_queue_bytes=sent,
            since_ns=since_ns,
            figures=counted if has_peer else None,
            inode=inode,
            cookie=cookie,
            namespace=answer.namespace.number,
            namespace_name=answer.namespace.name,
        )


def cookies_of(answer: DumpReply) -> Iterator[int]:
    """What tells each socket of an answer from every other one since boot."""
    return (_MESSAGE.unpack_from(message)[_COOKIE] for message in answer.messages)


def _address(packed: bytes, family: int) -> str:
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, packed[:4])
    if packed.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(socket.AF_INET6, packed)


def _figures(attributes: bytes, state: int, time_ns: int) -> Figures:
    """What the kernel counts for a TCP socket, and since when it is connected, if it has been.

    The kernel keeps no time of birth. But it counts from there how long ago data were last sent and received, so while
    one of the ends has sent nothing yet, it is known.
    """
    info = attribute_of(attributes, INFO)
    if not info:
        return None, None
    last_sent_ms, last_received_ms, round_trip_us, variation_us, acked, received, came, went, sent, repeated = (
        _TCP_INFO.unpack_from(info.ljust(_TCP_INFO.size, b"\0"))
    )
    if len(info) < _TCP_INFO.size:  # before Linux 4.19
        sent, repeated = acked, 0
    counted = TcpFigures(sent - repeated, received, round_trip_us * 1000, variation_us * 1000, repeated)
    if STATE_WORDS[state] not in _SYNCHRONISED or (came and went):
        return counted, None
    return counted, time_ns - 1_000_000 * (last_received_ms if went else last_sent_ms)
