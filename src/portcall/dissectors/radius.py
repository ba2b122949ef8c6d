"""RADIUS (RFC 2865 §3): a code, a length, and attributes that fill it.

+--------+--------+----------------+----------------------------------+---------------------------
| code 1 |  id 1  |    length 2    |         authenticator 16         | type 1 | length 1 | value …
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.records.detections import UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({1645, 1646, 1812, 1813, 3799})
PREFIXES = {UDP: ({0: bytes({1, 4, 12, 40, 43, 2, 3, 5, 11, 13, 41, 42, 44, 45}), 2: range(17), 19: range(256)},)}

_REQUESTS = frozenset({1, 4, 12, 40, 43})
_REPLIES = frozenset({2, 3, 5, 11, 13, 41, 42, 44, 45})
_HEADER_BYTES = 20
_MOST_BYTES = 4096


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The newest datagram; on a foreign port its attributes must fill it, and be two at least."""
    del answered
    data = sent.data
    if len(data) < _HEADER_BYTES or data[0] not in _REQUESTS | _REPLIES:
        return None
    length = data[2] << 8 | data[3]
    if not _HEADER_BYTES <= length <= _MOST_BYTES or (length > len(data) and not sent.is_ended):
        return None
    if length == len(data) and ends.has_port(*PORTS):
        return _detection(data)
    count = _count_attributes(data, length)
    if count is None or not (ends.has_port(*PORTS) or (count > 1 and length == len(data))):
        return None
    return _detection(data)


def _detection(data: bytes) -> Detection:
    return Detection("radius", Role.CLIENT if data[0] in _REQUESTS else Role.SERVER)


def _count_attributes(data: bytes, length: int) -> int | None:
    """How many attributes there are; None where they do not end with the packet."""
    offset, count = _HEADER_BYTES, 0
    while offset + 1 < min(length, len(data)):
        size = data[offset + 1]
        if size < 2 or not data[offset]:  # noqa: PLR2004 - type and length
            return None
        offset += size
        count += 1
    return count if offset == length or length > len(data) else None
