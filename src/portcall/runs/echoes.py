"""Echoes: the ICMP messages that ask and answer, told apart by their identifier, as ICMP has no ports.

    type 1 · code 1 · checksum 2 · identifier 2        RFC 792, RFC 4443 §4, RFC 8335 §2

A conversation of echoes is that of one identifier, and the end that asks is known by the type. A flow row has no room
for either, so both stand in the turns of its partition:

    19 is an echo · 18 the high end asks · 16-17 takeovers of the identifier · 0-15 identifier
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.kernels.live import turns
from portcall.records.ownership import ECHO_ASKED, ECHO_REPLIES, ECHO_REQUESTS, ICMP_PROTOCOLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROLES = np.zeros(256, np.uint8)
"""What a message's type makes of its sender: 1 the end that asks, 2 the one that answers, 0 neither."""
ROLES[list(ECHO_REQUESTS)] = 1
ROLES[list(ECHO_REPLIES)] = 2
_IS_ECHO, _HIGH_ASKS = np.uint32(turns.IS_ECHO), np.uint32(turns.HIGH_ASKS)
_IDENTIFIER = np.uint32(0xFFFF)


def write_echo_ports(partitions: NDArray[np.uint32], near: str, out_ends: NDArray[np.void]) -> None:
    """Give FLOW_END[n] of the ``low`` or ``high`` ends of flows what stands in for ports where they are echoes."""
    is_echo = (partitions & _IS_ECHO) != 0
    is_echo &= np.isin(out_ends["protocol"], ICMP_PROTOCOLS)
    asks = ((partitions & _HIGH_ASKS) != 0) == (near == "high")
    identifiers = partitions & _IDENTIFIER
    out_ends["local_port"][is_echo] = np.where(asks, identifiers, 0)[is_echo]
    out_ends["remote_port"][is_echo] = np.where(asks, ECHO_ASKED, identifiers)[is_echo]
