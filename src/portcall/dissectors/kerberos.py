"""Kerberos 5 (RFC 4120 §5): requests for tickets and what the key distribution centre says to them.

[APPLICATION 10 … 30] SEQUENCE { [1] or [0] pvno INTEGER 5, … }, over TCP after four bytes of length
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._ber import SEQUENCE, read_element
from portcall.dissectors._prefixes import ZERO
from portcall.records.detections import TCP, UDP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({88, 464})
_KINDS = b"\x6a\x6b\x6c\x6d\x6e\x6f\x7e"
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    UDP: ({0: _KINDS, 1: range(0x80), 2: b"\x30"}, {0: _KINDS, 1: range(0x81, 0x85)}),
    TCP: ({0: ZERO, 4: _KINDS},),
}

_REQUESTS = frozenset({0x6A, 0x6C, 0x6E})
_REPLIES = frozenset({0x6B, 0x6D, 0x6F, 0x7E})
_VERSIONS = (b"\xa1\x03\x02\x01\x05", b"\xa0\x03\x02\x01\x05")
_LONGEST_HEADER = 24


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The first message of this end, or its newest datagram."""
    del answered
    start = 4 if ends.transport == TCP else 0
    data = sent.data
    if len(data) <= start:
        is_plausible = data[:1] in {b"", b"\0"}  # no message has 16 MiB
        return WAIT if start and is_plausible and not sent.is_ended else None
    if data[start] not in _REQUESTS and data[start] not in _REPLIES:
        return None
    message = read_element(data, start)
    fields = read_element(data, message.start) if message else None
    if message is None or fields is None or len(data) < fields.start + len(_VERSIONS[0]):
        return WAIT if start and len(data) < _LONGEST_HEADER and not sent.is_ended else None
    if fields.tag != SEQUENCE or fields.end != message.end or not data.startswith(_VERSIONS, fields.start):
        return None
    if start and int.from_bytes(data[:start], "big") != message.end - start:
        return None
    return Detection("kerberos", Role.CLIENT if data[start] in _REQUESTS else Role.SERVER)
