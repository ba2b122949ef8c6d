"""Asking another host's port: is somebody there?

    TCP   a connection, closed again as soon as it stands; nothing is said on it
    UDP   a question that the usual service of the port answers (``questions``), else an empty datagram; asked twice

What comes back becomes a verdict, and a reason in plain words:

    open               it answered
    closed             the host itself says that nobody is there: RST, or port unreachable for UDP
    filtered           something on the way refuses (an ICMP error, and who sent it), or nothing came at all
    open-or-filtered   UDP only: nothing came, which is also what many services do with a question that is not theirs
    no-route           this machine knows no way to that address
    unresolved         the name has no address

This package sends nothing that was not asked for, and knows no tables of services and no terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from portcall.records.schema import Verdict

Protocol = Literal["tcp", "udp"]


@dataclass(frozen=True, slots=True)
class Target:
    """One port of one address."""

    protocol: Protocol
    ip_version: int
    address: tuple[Any, ...]  # Any: what getaddrinfo gives for the family, (text, port) or (text, port, flow, scope)

    @property
    def port(self) -> int:
        """The port asked for."""
        return int(self.address[1])


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What was learnt of one target."""

    target: Target
    verdict: Verdict
    reason: str
    answer_ns: int | None = None
    """From the question to what answered it, whatever that said; None where nothing did."""
    icmp: tuple[int, int] | None = None
    """Type and code of the ICMP error (ICMPv6 for version 6) that decided."""
    said_by: str | None = None
    """The address that sent the ICMP error."""
    banner: bytes = b""
    """The first bytes that came, where they were asked for."""
