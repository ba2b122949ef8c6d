"""Which way a frame goes, where the system does not say: told by the interface's own addresses in it.

A frame of Ethernet was sent by this machine if its source is the interface's own address; a tunnel's packet, which has
no such header, if its source is one of the interface's IP addresses. What neither end of is our own, as when all frames
of a wire are wanted, has no direction.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

from portcall.records.packets import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable

_ETHERNET = 1
_IP_AT = {0: 4, 108: 4, 12: 0, 14: 0, 101: 0, 228: 0, 229: 0}
"""Link type → where its IP header begins: NULL and LOOP, and raw IP (tcpdump.org/linktypes.html)."""
_ENDS = {4: (12, 16, 20), 6: (8, 24, 40)}
"""IP version → where the source begins, and the target, and where that ends (RFC 791 §3.1, RFC 8200 §3)."""
_GROUP = 1  # of an Ethernet address: broadcast and multicast


class OwnAddresses(NamedTuple):
    """An interface's, as they stand in frames."""

    hardware: bytes
    """Six bytes; none where it has no such address."""
    internet: frozenset[bytes]
    is_loopback: bool

    @classmethod
    def of(cls, hardware: str, internet: Iterable[str], *, is_loopback: bool) -> OwnAddresses:
        """From text: ``02:00:00:00:00:01``, and IP addresses, with or without their zone."""
        digits = hardware.replace(":", "").replace("-", "")
        packed = {ipaddress.ip_address(one.partition("%")[0]).packed for one in internet}
        return cls(bytes.fromhex(digits) if int(digits or "0", 16) else b"", frozenset(packed), is_loopback)


def direction_of(frame: bytes, link: int, own: OwnAddresses) -> Direction:
    """The direction of one frame of that link type; UNKNOWN where nothing tells it."""
    if own.is_loopback:
        return Direction.INTERNAL
    if link == _ETHERNET:
        return _told(frame[6:12], frame[:6], {own.hardware} - {b""}, is_group=bool(frame[:1] and frame[0] & _GROUP))
    at = _IP_AT.get(link)
    if at is None or len(frame) <= at or (ends := _ENDS.get(frame[at] >> 4)) is None or len(frame) < at + ends[2]:
        return Direction.UNKNOWN
    source, target, end = (at + place for place in ends)
    return _told(frame[source:target], frame[target:end], own.internet, is_group=False)


def _told(source: bytes, target: bytes, own: Iterable[bytes], *, is_group: bool) -> Direction:
    if source in own:
        return Direction.INTERNAL if target in own else Direction.OUTBOUND
    return Direction.INBOUND if target in own or (own and is_group) else Direction.UNKNOWN
