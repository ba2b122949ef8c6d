"""NETLINK_SOCK_DIAG: the kernel's own list of sockets, with cookies.

    nlmsghdr           u32 length · u16 type · u16 flags · u32 sequence · u32 port
    inet_diag_req_v2   u8 family · u8 protocol · u8 extensions · u8 0 · u32 states · inet_diag_sockid
    inet_diag_sockid   be16 source port · be16 target port · 16 source · 16 target · u32 interface · u64 cookie
    inet_diag_msg      u8 family · u8 state · u8 timer · u8 retransmits · inet_diag_sockid · u32 expires ·
                       u32 receive queue · u32 send queue · u32 user · u32 inode, then attributes
    nlattr             u16 length · u16 type · content, to the next multiple of 4

Sources: include/uapi/linux/{netlink,sock_diag,inet_diag,tcp}.h.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DIAG_BYTES = 72
"""Of an inet_diag_msg."""

INFO, V6_ONLY = 2, 11
"""Attributes: tcp_info, which must be asked for; and a byte, which listening IPv6 sockets have."""

TCP, UDP, SCTP, UDP_LITE = 6, 17, 132, 136
DATAGRAMS = (UDP, UDP_LITE)

_OPTIONAL = {UDP_LITE: "udplite", SCTP: "sctp"}
_SOCK_DIAG = 4
_BY_FAMILY, _ERROR, _DONE = 20, 2, 3
_REQUEST, _DUMP = 0x1, 0x300
_ALL_STATES = 0xFFFFFFFF
_NO_COOKIE = b"\xff" * 8
_ATTRIBUTE = struct.Struct("=HH")
_HEADER, _QUESTION = struct.Struct("=IHHII"), struct.Struct("=BBBBI")
_RECEIVE_BYTES = 1 << 18


FAMILIES = (socket.AF_INET, socket.AF_INET6)


def protocols() -> list[int]:
    """Those with ports whose sockets the kernel may list. It is not asked for others: it would load their modules."""
    return [TCP, UDP, *(number for number, name in _OPTIONAL.items() if Path("/proc/net", name).exists())]


class SocketList:
    """One netlink socket, in the network namespace of the thread that makes it."""

    def __init__(self, timeout_s: float = 2.0) -> None:
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)
        self._netlink.settimeout(timeout_s)

    def all(self) -> dict[int, bytes]:
        """The inet_diag_msg of every socket, one after the other, by protocol."""
        found: dict[int, list[bytes]] = {protocol: [] for protocol in protocols()}
        for family, protocol in [(family, protocol) for protocol in found for family in FAMILIES]:
            self._ask(family, protocol, _REQUEST | _DUMP, bytes(40) + bytes(8))
            found[protocol] += (body[:DIAG_BYTES] for body in self._answers())
        return {protocol: b"".join(messages) for protocol, messages in found.items()}

    def detailed(
        self, family: int, protocol: int, *, states: int = _ALL_STATES, attribute: int | None = None
    ) -> list[bytes]:
        """The inet_diag_msg of each socket whose state's bit is set, with its attributes, one of them asked for."""
        extensions = 0 if attribute is None else 1 << (attribute - 1)
        self._ask(family, protocol, _REQUEST | _DUMP, bytes(40) + bytes(8), (extensions, states))
        return list(self._answers())

    def one(self, protocol: int, family: int, local: tuple[bytes, int], remote: tuple[bytes, int]) -> bytes:
        """The inet_diag_msg of the socket that would get a packet from remote to local, empty where there is none.

        Addresses are of 4 or 16 bytes by family.
        """
        # The kernel looks a UDP socket up as for a packet, with source and target the other way round.
        (source, source_port), (target, target_port) = (remote, local) if protocol in DATAGRAMS else (local, remote)
        ports = struct.pack("!HH", source_port, target_port)
        sock_id = ports + source.ljust(16, b"\0") + target.ljust(16, b"\0") + bytes(4) + _NO_COOKIE
        self._ask(family, protocol, _REQUEST, sock_id)
        try:
            answer = self._netlink.recv(_RECEIVE_BYTES)
        except TimeoutError:
            return b""
        return b"".join(
            body[:DIAG_BYTES] for kind, body in messages_of(answer) if kind == _BY_FAMILY and len(body) >= DIAG_BYTES
        )

    def close(self) -> None:
        """Close the netlink socket."""
        self._netlink.close()

    def _ask(
        self, family: int, protocol: int, flags: int, sock_id: bytes, wanted: tuple[int, int] = (0, _ALL_STATES)
    ) -> None:
        extensions, states = wanted
        question = _QUESTION.pack(family, protocol, extensions, 0, states) + sock_id
        self._netlink.send(_HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, flags, 1, 0) + question)

    def _answers(self) -> Iterator[bytes]:
        while True:
            for kind, body in messages_of(self._netlink.recv(_RECEIVE_BYTES)):
                if kind in (_DONE, _ERROR):
                    return
                if len(body) >= DIAG_BYTES:
                    yield body


def attribute_of(attributes: bytes, wanted: int) -> bytes | None:
    """The content of the first attribute of that type; None without one."""
    at = 0
    while at + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, at)
        if length < _ATTRIBUTE.size:
            return None
        if kind == wanted:
            return attributes[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return None


def messages_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of every netlink message."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        yield kind, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3
