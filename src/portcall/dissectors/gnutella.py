r"""Gnutella: handshakes over TCP, messages over UDP (Gnutella Protocol 0.6 §2.1 and §2.2.1, the GDF's extensions).

::

    0 GUID, 16 bytes  16 type:8  17 time to live:8  18 hops:8  19 length:32, little endian  23 payload
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._families import text, wait_for_more
from portcall.dissectors._prefixes import ZERO, together
from portcall.records.detections import TCP, UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({6346, 6347})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (together(b"GNUTELLA"),),
    UDP: (
        {0: b"G", 1: b"NT", 2: b"DA"},
        {16: b"\0\1\2012@ACDE\x80\x81", 17: range(16), 18: range(16), 21: ZERO, 22: ZERO},
    ),
}

_CONNECT, _ANSWER = b"GNUTELLA CONNECT/0.", b"GNUTELLA/0."
_AGENT = Expression(rb"\r\nUser-Agent: ([^\r\n]{1,128})", re.IGNORECASE)
_HEADER_BYTES = 23
_TYPES = frozenset({0x00, 0x01, 0x02, 0x30, 0x31, 0x32, 0x40, 0x41, 0x43, 0x44, 0x45, 0x80, 0x81})
_MOST_HOPS = 15
_RELIABLE = (b"GND", b"GTA")
"""Opens a message that is split over acknowledged datagrams."""


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """Gnutella, with the program that speaks."""
    del answered
    data = sent.data
    if ends.transport == TCP:
        return _handshake(sent, ends)
    if data[:3] in _RELIABLE:
        # 3 flags:8, of which 1, 2 and 16 exist  4 sequence:16  6 part:8, from 1  7 parts:8, 0 in an acknowledgement
        is_part = len(data) >= 8 and not data[3] & 0xEC and data[6] and (not data[7] or data[6] <= data[7])  # noqa: PLR2004
        return Detection("gnutella") if is_part else None
    if len(data) < _HEADER_BYTES or data[16] not in _TYPES:
        return None
    length = int.from_bytes(data[19:23], "little")
    if length != len(data) - _HEADER_BYTES or data[17] + data[18] > _MOST_HOPS or not any(data[:16]):
        return None
    return Detection("gnutella")


def _handshake(sent: Payload, ends: Ends) -> Detection | Wait | None:
    data = sent.data
    if data[:1] not in {b"", b"G"}:
        return None
    for prefix, role in ((_CONNECT, Role.CLIENT), (_ANSWER, Role.SERVER)):
        if data.startswith(prefix):
            agent = _AGENT.search(data, 0, 1024)
            return Detection("gnutella", role, details=(("user_agent", text(agent[1])),) if agent else ())
        if prefix.startswith(data):
            return wait_for_more(sent, ends)
    return None
