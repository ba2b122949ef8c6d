r"""IKE (ISAKMP), alone and in NAT traversal, with ESP in UDP (RFC 2408 §3.1, RFC 7296 §3.1, RFC 3948 §2).

::

    0 initiator:64  8 responder:64  16 next:8  17 version:8  18 exchange:8  19 flags:8  20 message:32  24 length:32
    in NAT traversal:  0 zero:32 then IKE, or  0 SPI:32  4 sequence:32 … is ESP, or one byte 0xff keeps the way open
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._prefixes import ZERO, together
from portcall.records.detections import UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({500, 4500})
PREFIXES = {UDP: ({17: b"\x10\x20", 24: ZERO, 25: ZERO}, {**together(b"\0\0\0\0"), 21: b"\x10\x20"})}

PREFIXES_ON_PORTS: dict[int, tuple[tuple[Prefix, frozenset[int]], ...]] = {UDP: (({}, frozenset({4500})),)}
"""ESP is encrypted but for its two numbers."""

_HEADER_BYTES = 28
_VERSIONS = {0x10: "1", 0x20: "2"}
_EXCHANGES = frozenset({0, 1, 2, 3, 4, 5, 6, 32, 33, 34, 35, 36, 37, 38, 43, 44, 45})
_FLAGS = {0x10: 0x07, 0x20: 0x38}
"""The flags that each version has."""
_VERSION_2, _FROM_INITIATOR = 0x20, 0x08
_FIRST_EXCHANGES = frozenset({2, 4})
_LEAST_ESP_BYTES = 8 + 4 + 12
_NAT_TRAVERSAL = 4500


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | None:
    """``ike`` with its version, or ``ipsec-nat-t`` for ESP and its keep-alive."""
    data = sent.data
    if data[:4] == b"\0\0\0\0":
        data = data[4:]
    if len(data) >= _HEADER_BYTES and data[17] in _VERSIONS and int.from_bytes(data[24:28], "big") == len(data):
        return _ike(data)
    if not ends.has_port(_NAT_TRAVERSAL):
        return None
    return _esp(sent.data, sent.datagrams, answered)


def _ike(data: bytes) -> Detection | None:
    version, exchange, flags = data[17], data[18], data[19]
    if exchange not in _EXCHANGES or flags & ~_FLAGS[version] or not any(data[:8]):
        return None
    return Detection("ike", _role(data), details=(("version", _VERSIONS[version]),))


def _role(data: bytes) -> Role | None:
    """Version 2 says in each message whether its sender was the first to speak; version 1 in the first one only."""
    if data[17] == _VERSION_2:
        return Role.CLIENT if data[19] & _FROM_INITIATOR else Role.SERVER
    return Role.CLIENT if data[18] in _FIRST_EXCHANGES and not any(data[8:16]) else None


def _esp(data: bytes, datagrams: tuple[bytes, ...], answered: Payload) -> Detection | None:
    if data == b"\xff":
        return Detection("ipsec-nat-t", is_final=False)
    if len(data) < _LEAST_ESP_BYTES or len(data) % 2 or not any(data[:4]):
        return None
    sequences = [int.from_bytes(datagram[4:8], "big") for datagram in datagrams if datagram[:4] == data[:4]]
    is_counting = sequences[-1:] < [1 << 16] or (len(sequences) > 1 and sequences[-1] - sequences[-2] == 1)
    return Detection("ipsec-nat-t") if is_counting or answered.data[:4] == b"\0\0\0\0" else None
