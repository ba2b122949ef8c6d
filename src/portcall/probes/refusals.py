"""Why the kernel says no: the ICMP error behind an ``errno``, and who sent it.

Linux keeps ICMP errors for a socket that asks for them (IP_RECVERR), for TCP since 5.8. Elsewhere only the errno is
known. An entry of the error queue is a control message: struct sock_extended_err (linux/errqueue.h), then the
address of the sender of the ICMP message, struct sockaddr_in or sockaddr_in6.

    0        4        5      6      7     8      12     16       18     20      24       40
    │ errno  │ origin │ type │ code │ pad │ info │ data │ family │ port │ IPv4  │
                                                                        │ flow  │ IPv6   │ scope
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from dataclasses import dataclass

_QUEUED = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}  # IP_RECVERR linux/in.h, IPV6_RECVERR linux/in6.h
_ERROR = struct.Struct("=IBBBxII")
_FAMILY = struct.Struct("=H")
_ORIGIN_ICMP, _ORIGIN_ICMP6 = 2, 3
_CONTROL_BYTES = 512
_ADDRESS_AT = {socket.AF_INET: (_ERROR.size + 4, 4), socket.AF_INET6: (_ERROR.size + 8, 16)}

PORT_UNREACHABLE = {4: (3, 3), 6: (1, 4)}
"""By IP version: what a host says of a UDP port that nobody has (RFC 1122 §3.2.2.1, RFC 4443 §3.1)."""

WITHOUT_WAY = {4: {(3, 0), (3, 1)}, 6: {(1, 0), (1, 3)}}
"""By IP version: no way to the network or to the host. From this machine itself: nobody there has that address."""

_ICMP_WORDS = {
    4: {  # RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1
        (3, 0): "network unreachable",
        (3, 1): "host unreachable",
        (3, 2): "protocol unreachable",
        (3, 3): "port unreachable",
        (3, 4): "too large, and may not be fragmented",
        (3, 5): "source route failed",
        (3, 6): "network unknown",
        (3, 7): "host unknown",
        (3, 8): "source host isolated",
        (3, 9): "network prohibited",
        (3, 10): "host prohibited",
        (3, 11): "network unreachable for this type of service",
        (3, 12): "host unreachable for this type of service",
        (3, 13): "administratively prohibited",
        (3, 14): "host precedence violation",
        (3, 15): "precedence cut off",
        (11, 0): "too many hops",
    },
    6: {  # RFC 4443 §3.1 and §3.3
        (1, 0): "no route",
        (1, 1): "administratively prohibited",
        (1, 2): "beyond the scope of the source address",
        (1, 3): "address unreachable",
        (1, 4): "port unreachable",
        (1, 5): "source address failed its policy",
        (1, 6): "reject route",
        (3, 0): "too many hops",
    },
}

_LOCAL_WORDS = {
    errno.ENETUNREACH: "this machine has no route to it",
    errno.EHOSTUNREACH: "a route of this machine says unreachable",
    errno.EINVAL: "a route of this machine drops it (blackhole)",
    errno.EADDRNOTAVAIL: "this machine has no address to ask from",
    errno.EAFNOSUPPORT: "this machine does not have this IP version",
    errno.EACCES: "a route of this machine says prohibited",
    errno.EPERM: "a firewall of this machine refuses to send it",
    errno.ETIMEDOUT: "no answer",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One ICMP error."""

    icmp: tuple[int, int]
    """Type and code."""
    said_by: str | None


def ask_for_refusals(asking: socket.socket, ip_version: int) -> None:
    """Have the kernel keep ICMP errors for this socket, where it can."""
    if sys.platform == "linux":
        asking.setsockopt(*_QUEUED[ip_version], 1)


def next_refusal(asking: socket.socket) -> Refusal | None:
    """The oldest ICMP error that waits for this socket; None where there is none."""
    if sys.platform != "linux":
        return None
    try:
        _, control, _, _ = asking.recvmsg(0, _CONTROL_BYTES, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except OSError:  # EAGAIN where nothing waits; a kernel before 5.8 does not let TCP ask
        return None
    return next((found for level, kind, data in control if (found := _read_refusal(level, kind, data))), None)


def _read_refusal(level: int, kind: int, data: bytes) -> Refusal | None:
    if (level, kind) not in _QUEUED.values() or len(data) < _ERROR.size:
        return None
    _, origin, icmp_type, icmp_code, _, _ = _ERROR.unpack_from(data)
    if origin not in (_ORIGIN_ICMP, _ORIGIN_ICMP6):
        return None
    return Refusal((icmp_type, icmp_code), _read_address(data))


def _read_address(data: bytes) -> str | None:
    if len(data) < _ERROR.size + _FAMILY.size:
        return None
    (family,) = _FAMILY.unpack_from(data, _ERROR.size)
    if family not in _ADDRESS_AT:
        return None
    start, length = _ADDRESS_AT[socket.AddressFamily(family)]
    packed = data[start : start + length]
    return socket.inet_ntop(family, packed) if len(packed) == length else None


def icmp_words(ip_version: int, icmp: tuple[int, int]) -> str:
    """What an ICMP type and code mean."""
    words = _ICMP_WORDS[ip_version].get(icmp)
    return words or f"ICMP type {icmp[0]} code {icmp[1]}"


def local_words(code: int) -> str:
    """What an errno means that came without any ICMP message."""
    return _LOCAL_WORDS.get(code) or os.strerror(code).lower()
