"""What Linux lists for one network namespace: rows of ``sock_diag`` → SystemSockets in the words of ``ss``."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from portcall.owners.processes import user_name
from portcall.owners.sock_diag import (
    FAMILIES,
    INFO,
    TCP,
    TCP_INFO,
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

    from numpy.typing import NDArray

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
_COLUMNS = (
    "state", "source_port", "target_port", "interface", "cookie", "receive_queue", "send_queue", "user", "inode"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DumpReply:
    """The kernel's list of one protocol's sockets of one IP version, in one network namespace."""

    family: int
    protocol: int
    rows: NDArray[np.void]
    """DIAG[n]."""
    attributes: list[bytes]
    """Of each row."""
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
                *asked.detailed(family, protocol, states=states, attribute=INFO if protocol == TCP else None),
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
    rows = answer.rows
    columns = zip(*(rows[name].tolist() for name in _COLUMNS), strict=True)
    ends = zip(_addresses(answer, "source"), _addresses(answer, "target"), strict=True)
    figures = _figures(answer, time_ns)
    protocol, version = _NAMES[answer.protocol], 4 if answer.family == socket.AF_INET else 6
    for row, (local, remote), attributes, (counted, since_ns) in zip(
        columns, ends, answer.attributes, figures, strict=True
    ):
        number, local_port, remote_port, interface, cookie, received, sent, user, inode = row
        has_peer = not 1 << number & WAITING
        holding, holders = holders_of(inode)
        if holding is Holding.UNFOUND and answer.protocol != TCP:
            holding = Holding.KERNEL
        yield SystemSocket(
            protocol=protocol,
            ip_version=version,
            local_ip=local,
            local_port=local_port,
            remote_ip=remote if has_peer else None,
            remote_port=remote_port if has_peer else None,
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


def _addresses(answer: DumpReply, end: str) -> Iterator[str]:
    packed = answer.rows[end].tobytes()
    for start in range(0, len(packed), 16):
        if answer.family == socket.AF_INET:
            yield socket.inet_ntop(socket.AF_INET, packed[start : start + 4])
        elif packed.startswith(_MAPPED, start):
            yield socket.inet_ntop(socket.AF_INET, packed[start + 12 : start + 16])
        else:
            yield socket.inet_ntop(socket.AF_INET6, packed[start : start + 16])


def _figures(answer: DumpReply, time_ns: int) -> list[Figures]:
    """What the kernel counts for each socket, and since when it is connected."""
    if answer.protocol != TCP:
        return [(None, None)] * len(answer.rows)
    contents = [attribute_of(attributes, INFO) or b"" for attributes in answer.attributes]
    padded = b"".join(content[: TCP_INFO.itemsize].ljust(TCP_INFO.itemsize, b"\0") for content in contents)
    columns = (np.frombuffer(padded, TCP_INFO)[name].tolist() for name in TCP_INFO.names or ())
    return [
        _figures_of(info, len(content), time_ns if STATE_WORDS[state] in _SYNCHRONISED else None)
        for info, content, state in zip(
            zip(*columns, strict=True), contents, answer.rows["state"].tolist(), strict=True
        )
    ]


def _figures_of(info: tuple[int, ...], length: int, time_ns: int | None) -> Figures:
    """``time_ns`` only of those that have been established.

    The kernel keeps no time of birth. But it counts from there how long ago data were last sent and received, so while
    one of the ends has sent nothing yet, it is known.
    """
    if not length:
        return None, None
    last_sent_ms, last_received_ms, round_trip_us, variation_us, acked, received, came, went, sent, repeated = info
    if length < TCP_INFO.itemsize:  # before Linux 4.19
        sent, repeated = acked, 0
    counted = TcpFigures(sent - repeated, received, round_trip_us * 1000, variation_us * 1000, repeated)
    if time_ns is None or (came and went):
        return counted, None
    return counted, time_ns - 1_000_000 * (last_received_ms if went else last_sent_ms)
