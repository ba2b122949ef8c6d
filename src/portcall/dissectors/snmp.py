"""SNMP v1, v2c and v3 (RFC 1157, RFC 1901, RFC 3412).

    SEQUENCE { version INTEGER, community OCTET STRING, PDU [0xA0 … 0xA8] }
    SEQUENCE { version INTEGER 3, SEQUENCE { id, size, flags, model }, security OCTET STRING, data }

The community is a password, so it is not told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._ber import OCTETS, SEQUENCE, read_element, read_integer
from portcall.records.detections import UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({161, 162})
_SHORT, _LONG = {0: b"\x30", 1: range(0x80), 2: b"\2"}, {0: b"\x30", 1: range(0x81, 0x85)}
PREFIXES: dict[int, tuple[Prefix, ...]] = dict.fromkeys(TRANSPORTS, (_SHORT, _LONG))
"""A sequence of few bytes or many, its number first."""

_VERSIONS = {0: "1", 1: "2c", 2: "2", 3: "3"}
_FIRST_PDU, _LAST_PDU = 0xA0, 0xA8
_ANSWERS = frozenset({0xA2, 0xA8})
"""Response and report (RFC 3416 §3)."""
_VERSION_3 = 3


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The newest message."""
    del answered, ends
    data = sent.data
    if data[:1] != b"\x30":
        return None
    outer = read_element(data, 0)
    version = read_integer(data, outer.start) if outer else None
    if outer is None or version is None or version[0] not in _VERSIONS:
        return None
    if outer.end != len(data) and not (sent.is_ended and outer.end > len(data)):
        return None
    second = read_element(data, version[1])
    if second is None:
        return None
    details = (("version", _VERSIONS[version[0]]),)
    if version[0] == _VERSION_3:
        identifier = read_integer(data, second.start) if second.tag == SEQUENCE else None
        role = Role.CLIENT if identifier and _wants_report(data, identifier[1]) else None
        return Detection("snmp", role, details=details) if identifier else None
    pdu = data[second.end] if second.tag == OCTETS and second.end < len(data) else 0
    role = Role.SERVER if pdu in _ANSWERS else Role.CLIENT
    return Detection("snmp", role, details=details) if _FIRST_PDU <= pdu <= _LAST_PDU else None


def _wants_report(data: bytes, at: int) -> bool:
    """Whether version 3 wants to be told what is wrong, as for all that is answered (RFC 3412 §6.4).

    There stand the greatest size and the flags.
    """
    size = read_integer(data, at)
    flags = read_element(data, size[1]) if size else None
    return flags is not None and flags.tag == OCTETS and bool(data[flags.start : flags.start + 1] >= b"\4")
