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

import numpy as np

from portcall.records.ownership import SIGHTING, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DIAG = np.dtype(
    [
        ("family", "u1"),
        ("state", "u1"),
        ("timer", "u1"),
        ("retransmits", "u1"),
        ("source_port", ">u2"),
        ("target_port", ">u2"),
        ("source", "u1", (16,)),
        ("target", "u1", (16,)),
        ("interface", "u4"),
        ("cookie", "u8"),
        ("expires", "u4"),
        ("receive_queue", "u4"),
        ("send_queue", "u4"),
        ("user", "u4"),
        ("inode", "u4"),
    ]
)
"""inet_diag_msg, 72 bytes."""

TCP_INFO = np.dtype(
    {
        "names": ["last_sent_ms", "last_received_ms", "round_trip_us", "round_trip_variation_us", "bytes_acked",
                  "bytes_received", "data_segments_in", "data_segments_out", "bytes_sent", "bytes_repeated"],
        "formats": ["u4", "u4", "u4", "u4", "u8", "u8", "u4", "u4", "u8", "u8"],
        "offsets": [44, 52, 68, 72, 120, 128, 152, 156, 200, 208],
        "itemsize": 216,
    }
)  # fmt: skip
"""What is used of struct tcp_info, which has grown with the kernels: an older one's ends earlier."""

INFO, V6_ONLY = 2, 11
"""Attributes: tcp_info, which must be asked for; and a byte, which listening IPv6 sockets have."""

TCP, UDP, SCTP, UDP_LITE = 6, 17, 132, 136
DATAGRAMS = (UDP, UDP_LITE)

_OPTIONAL = {UDP_LITE: "udplite", SCTP: "sctp"}
_SOCK_DIAG = 4
_LISTEN = 10
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

    def all(self) -> dict[int, NDArray[np.void]]:
        """DIAG[n] of every socket, by protocol."""
        found: dict[int, list[bytes]] = {protocol: [] for protocol in protocols()}
        for family, protocol in [(family, protocol) for protocol in found for family in FAMILIES]:
            self._ask(family, protocol, _REQUEST | _DUMP, bytes(40) + bytes(8))
            found[protocol] += (body[: DIAG.itemsize] for body in self._answers())
        return {protocol: np.frombuffer(b"".join(rows), DIAG) for protocol, rows in found.items()}

    def detailed(
        self, family: int, protocol: int, *, states: int = _ALL_STATES, attribute: int | None = None
    ) -> tuple[NDArray[np.void], list[bytes]]:
        """DIAG[n] of the sockets whose state's bit is set, and the attributes of each, one of them asked for."""
        extensions = 0 if attribute is None else 1 << (attribute - 1)
        self._ask(family, protocol, _REQUEST | _DUMP, bytes(40) + bytes(8), (extensions, states))
        bodies = list(self._answers())
        rows = np.frombuffer(b"".join(body[: DIAG.itemsize] for body in bodies), DIAG)
        return rows, [body[DIAG.itemsize :] for body in bodies]

    def one(self, protocol: int, family: int, local: tuple[bytes, int], remote: tuple[bytes, int]) -> NDArray[np.void]:
        """DIAG[1] of the socket that would get a packet from remote to local, DIAG[0] where there is none.

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
            return np.zeros(0, DIAG)
        bodies = (body[: DIAG.itemsize] for kind, body in _messages(answer) if kind == _BY_FAMILY)
        return np.frombuffer(b"".join(bodies), DIAG)

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
            for kind, body in _messages(self._netlink.recv(_RECEIVE_BYTES)):
                if kind in (_DONE, _ERROR):
                    return
                yield body


def sightings_of(
    rows: NDArray[np.void],
    protocol: int,
    namespace: int,
    holders: dict[int, list[int]],
    time_ns: int,
    *,
    unheld: Evidence = Evidence.PACKET,
) -> NDArray[np.void]:
    """SIGHTING[m]: one per socket and process that holds it.

    Without any it is PACKET, to know the socket nevertheless; or ``unheld``, where it has an inode and does not listen.
    """
    repeated = [(i, pid) for i, inode in enumerate(rows["inode"].tolist()) for pid in holders.get(inode) or (0,)]
    rows = rows[[i for i, _ in repeated]]
    sightings = np.zeros(len(rows), SIGHTING)
    sightings["time_ns"] = time_ns
    sightings["socket"] = rows["cookie"]
    sightings["process"] = [pid for _, pid in repeated]
    sightings["user"] = rows["user"]
    sightings["namespace"] = namespace
    is_whole = (rows["inode"] > 0) & (rows["state"] != _LISTEN)
    without = np.where(is_whole, unheld, Evidence.PACKET)
    sightings["evidence"] = np.where(sightings["process"] > 0, Evidence.HELD, without)
    sightings["protocol"] = protocol
    sightings["ip_version"] = np.where(rows["family"] == socket.AF_INET, 4, 6)
    sightings["local"], sightings["remote"] = (
        plain_addresses(rows[end], rows["family"]) for end in ("source", "target")
    )
    sightings["local_port"], sightings["remote_port"] = rows["source_port"], rows["target_port"]
    return sightings


def plain_addresses(addresses: NDArray[np.uint8], families: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """u8[n, 16] with IPv4 in the first four bytes → in the last four, the others zero, as in PACKET."""
    plain = addresses.copy()
    is_ipv4 = families == socket.AF_INET
    plain[is_ipv4, :12] = 0
    plain[is_ipv4, 12:] = addresses[is_ipv4, :4]
    return plain


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


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of every netlink message; those that are too short for a DIAG are left out."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        body = data[at + _HEADER.size : at + length]
        if kind != _BY_FAMILY or len(body) >= DIAG.itemsize:
            yield kind, body
        at += (length + 3) & ~3
