"""LDAP (RFC 4511) over TCP and UDP: a message's number, its operation, and the fields that the operation begins with.

    SEQUENCE { messageID INTEGER, operation [APPLICATION n] … }

After the extended operation StartTLS the ClientHello is read as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._ber import ENUMERATED, INTEGER, OCTETS, SEQUENCE, Element, read_element, read_integer
from portcall.dissectors._inside import with_upgrade
from portcall.records.detections import TCP, UDP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({389, 3268})
_SHORT, _LONG = {0: b"\x30", 1: range(0x80), 2: b"\2"}, {0: b"\x30", 1: range(0x81, 0x85)}
PREFIXES: dict[int, tuple[Prefix, ...]] = dict.fromkeys(TRANSPORTS, (_SHORT, _LONG))
"""A sequence of few bytes or many, its number first."""

_FIRST_FIELD = {
    0x60: INTEGER,  # bind: version
    0x61: ENUMERATED,  # its result
    0x63: OCTETS,  # search: base
    0x64: OCTETS,  # what was found: name
    0x65: ENUMERATED,
    0x66: OCTETS,
    0x67: ENUMERATED,
    0x68: OCTETS,
    0x69: ENUMERATED,
    0x6B: ENUMERATED,
    0x6C: OCTETS,
    0x6D: ENUMERATED,
    0x6E: OCTETS,
    0x6F: ENUMERATED,
    0x77: 0x80,  # extended: its name
    0x78: ENUMERATED,
    0x73: OCTETS,
}
_RESPONSES = frozenset({0x61, 0x64, 0x65, 0x67, 0x69, 0x6B, 0x6D, 0x6F, 0x73, 0x78})
_BIND = 0x60
_AUTHENTICATED = frozenset({_BIND, 0x61})
"""Who begins so asks for no TLS."""
_START_TLS = b"1.3.6.1.4.1.1466.20037"
_LONGEST_HEADER = 24
_MOST_ASKED_BYTES = 4096


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The first message of this end, or its newest datagram."""
    data = sent.data
    if not data or data[0] != SEQUENCE:
        return None if data or sent.is_ended else WAIT
    message = read_element(data, 0)
    operation = _operation(data, message) if message else None
    if message is None or operation is None:
        is_short = len(data) < _LONGEST_HEADER and ends.transport == TCP and not sent.is_ended
        return WAIT if is_short else None
    if ends.transport == UDP and message.end != len(data) and not sent.is_ended:
        return None
    role = Role.SERVER if operation.tag in _RESPONSES else Role.CLIENT
    asked = (sent if role is Role.CLIENT else answered).data[:_MOST_ASKED_BYTES]
    if ends.transport == TCP and _START_TLS in asked:
        return with_upgrade(Detection("ldap", role, details=(("starttls", "yes"),)), sent, answered, ends)
    may_ask = ends.transport == TCP and operation.tag not in _AUTHENTICATED and len(asked) < _MOST_ASKED_BYTES
    return Detection("ldap", role, is_final=sent.is_ended or not may_ask)


def _operation(data: bytes, message: Element) -> Element | None:
    """The operation of the message, if its first field is what it has to be and all fit into one another."""
    number = read_integer(data, message.start)
    if number is None or number[0] < 0:
        return None
    operation = read_element(data, number[1])
    if operation is None or operation.tag not in _FIRST_FIELD or operation.end > message.end:
        return None
    field = read_element(data, operation.start)
    if field is None or field.tag != _FIRST_FIELD[operation.tag] or field.end > operation.end:
        return None
    if operation.tag == _BIND and data[field.start : field.end] not in {b"\1", b"\2", b"\3"}:
        return None
    return operation
