"""Echoes: the ICMP messages that ask and answer, told apart by their identifier, as ICMP has no ports.

    type 1 · code 1 · checksum 2 · identifier 2        RFC 792, RFC 4443 §4, RFC 8335 §2

A conversation of echoes is that of one identifier, and the end that asks is known by the type. A flow row has no room
for either, so both stand in the turns of its partition:

    19 is an echo · 18 the high end asks · 16-17 takeovers of the identifier · 0-15 identifier
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.records.ownership import ECHO_ASKED, ECHO_REPLIES, ECHO_REQUESTS, ICMP_PROTOCOLS
from portcall.records.packets import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.packets import FrameBatch

IS_ECHO = np.uint32(1 << 19)

_HIGH_ASKS = np.uint32(1 << 18)
_IDENTIFIER = np.uint32(0xFFFF)
_TAKEOVERS = np.uint32(3)
_HEADER_BYTES = 8
_READ_BYTES = 6
_ASKS, _ANSWERS = 1, 2
_ROLES = np.zeros(256, np.uint8)
_ROLES[list(ECHO_REQUESTS)] = _ASKS
_ROLES[list(ECHO_REPLIES)] = _ANSWERS


class Echoes(NamedTuple):
    """Those among some packets."""

    packets: NDArray[np.intp]
    """Which of the packets they are."""
    identifiers: NDArray[np.uint32]
    high_asks: NDArray[np.bool_]
    """Whether the end with the greater address asks; of two equal ones, the low end does."""

    def turns(self, takeovers: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Their turns, after so many takeovers of their identifiers."""
        turns = IS_ECHO | self.identifiers | (takeovers & _TAKEOVERS) << np.uint32(16)
        return np.where(self.high_asks, turns | _HIGH_ASKS, turns)


def echoes_of(batch: FrameBatch, packets: NDArray[np.void]) -> Echoes:
    """The echoes among PACKET[n] of a batch, as far as their headers were captured."""
    frames = batch.frames
    at = packets["payload_offset"].astype(np.int64) - _HEADER_BYTES
    is_icmp = (packets["verdict"] == Verdict.NO_PORTS) & np.isin(packets["protocol"], ICMP_PROTOCOLS)
    rows = np.flatnonzero(is_icmp & (at >= 0) & (at + _READ_BYTES <= frames["captured"]))
    start = frames["offset"][rows].astype(np.int64) + at[rows]
    roles = _ROLES[batch.buffer[start]]
    is_echo = roles > 0
    rows, start, roles = rows[is_echo], start[is_echo], roles[is_echo]
    identifiers = batch.buffer[start + 4].astype(np.uint32) << np.uint32(8) | batch.buffer[start + 5]
    sources, targets = packets["source"][rows], packets["target"][rows]
    return Echoes(rows, identifiers, _is_greater(sources, targets) & (roles == _ASKS)
                  | _is_greater(targets, sources) & (roles == _ANSWERS))  # fmt: skip


def write_echo_ports(partitions: NDArray[np.uint32], near: str, out_ends: NDArray[np.void]) -> None:
    """Give FLOW_END[n] of the ``low`` or ``high`` ends of flows what stands in for ports where they are echoes."""
    is_echo = (partitions & IS_ECHO) != 0
    is_echo &= np.isin(out_ends["protocol"], ICMP_PROTOCOLS)
    asks = ((partitions & _HIGH_ASKS) != 0) == (near == "high")
    identifiers = partitions & _IDENTIFIER
    out_ends["local_port"][is_echo] = np.where(asks, identifiers, 0)[is_echo]
    out_ends["remote_port"][is_echo] = np.where(asks, ECHO_ASKED, identifiers)[is_echo]


def _is_greater(some: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """bool[n]: whether one address of u8[n, 16] is greater than the other."""
    words, other_words = (addresses.copy().view(">u8") for addresses in (some, others))
    first, second = words[:, 0] > other_words[:, 0], words[:, 1] > other_words[:, 1]
    return np.asarray(first | ((words[:, 0] == other_words[:, 0]) & second))
