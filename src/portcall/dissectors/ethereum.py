r"""Ethereum's peers: discovery over UDP (devp2p's discv4), RLPx over TCP (EIP-8's handshake).

::

    discv4   0 hash, 32 bytes  32 signature, 65 bytes, whose last is 0 or 1  97 kind:8, 1 to 6  98 RLP list
    RLPx     0 length:16  2 an uncompressed point of the curve: 4 and 64 bytes …; before EIP-8 307 bytes without length
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._families import wait_for_more
from portcall.records.detections import TCP, UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({30303, 30304})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    UDP: ({96: b"\0\1", 97: range(1, 7), 98: range(0xC0, 0x100)},),
    TCP: ({0: range(4), 2: b"\4"},),
}
PREFIXES_ON_PORTS: dict[int, tuple[tuple[Prefix, frozenset[int]], ...]] = {TCP: (({0: b"\4"}, PORTS),)}

_LIST_AT = 98
_FIRST_ITEMS = {
    1: (b"\x03", b"\x04", b"\x05"),  # ping: the version
    2: tuple(bytes([first]) for first in range(0xC4, 0xF8)),  # pong: an end, a list
    3: (b"\xb8\x40",),  # find: a key of 64 bytes
    4: tuple(bytes([first]) for first in range(0xC0, 0xFA)),  # neighbours: a list
    5: (b"\x84",),  # record wanted: a time
    6: (b"\xa0",),  # record: the hash of what is answered
}
"""What a list begins with, by its kind."""
_HANDSHAKE_BYTES = range(194, 1024)
"""Of an authentication that EIP-8 pads, and of its answer."""
_OLD_HANDSHAKES = frozenset({307, 210})
_LEAST_POINT_BYTES = 67


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """Ethereum, with the way it is spoken."""
    data = sent.data
    if ends.transport == UDP:
        is_discovery = len(data) > _LIST_AT + 1 and data[96] <= 1 and _is_message(data[97], data[_LIST_AT:])
        role = Role.CLIENT if is_discovery and data[97] & 1 else Role.SERVER  # questions are odd
        return Detection("ethereum", role, details=(("part", "discovery"),)) if is_discovery else None
    if len(data) < _LEAST_POINT_BYTES:
        is_open = data[:1] in {b"", b"\0", b"\1", b"\2", b"\3", b"\4"}
        return wait_for_more(sent, ends) if is_open else None
    is_rlpx = _is_handshake(data, ends) and (ends.has_port(*PORTS) or _is_handshake(answered.data, ends))
    return Detection("ethereum", details=(("part", "rlpx"),)) if is_rlpx else None


def _is_handshake(data: bytes, ends: Ends) -> bool:
    """Whether a length and a point begin it; RLPx sends a handshake alone, and waits for the other one."""
    if len(data) < _LEAST_POINT_BYTES:
        return False
    length = data[0] << 8 | data[1]
    if data[2] == 4 and length in _HANDSHAKE_BYTES and length + 2 <= len(data):  # noqa: PLR2004
        return True
    return data[0] == 4 and len(data) in _OLD_HANDSHAKES and ends.has_port(*PORTS)  # noqa: PLR2004


def _is_message(kind: int, data: bytes) -> bool:
    """Whether an RLP list (Ethereum's Yellow Paper, appendix B) with such a kind's first item fills ``data``."""
    first, at = data[0], 1
    length = first - 0xC0
    if first > 0xF7:  # noqa: PLR2004 (the length itself has one or two bytes)
        at += first - 0xF7
        length = int.from_bytes(data[1:at], "big")
    return 0 < length == len(data) - at and at <= 3 and data.startswith(_FIRST_ITEMS.get(kind, ()), at)  # noqa: PLR2004
