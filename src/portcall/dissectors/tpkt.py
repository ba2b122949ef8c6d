r"""What runs on TPKT: Remote Desktop, Siemens S7, MMS, H.225 calls (RFC 1006, X.224 §13, MS-RDPBCGR §2.2.1, H.225.0).

::

    0 version 3  1 zero:8  2 length:16  4 X.224: length:8  5 kind:8  6 target:16  8 source:16  10 class:8  11 the rest
    kinds: 0xe0 connection request, 0xd0 connection confirm, 0xf0 data (length 2), then 0x80 and the protocol

Where Remote Desktop negotiates it, TLS follows the two messages of the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._families import text, wait_for_more
from portcall.dissectors._inside import with_upgrade
from portcall.records.detections import TCP, Detection, Role

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({102, 1720, 3389})
PREFIXES = {TCP: ({0: b"\3", 1: b"\0"},)}

_LEAST_BYTES = 7
_REQUEST, _CONFIRM, _DATA = 0xE0, 0xD0, 0xF0
_ROLES = {_REQUEST: Role.CLIENT, _CONFIRM: Role.SERVER}
_COOKIE = Expression(rb"Cookie: mstshash=([^\r\n]{0,256})\r\n")
_NEGOTIATIONS = (b"\1", b"\2", b"\3")
"""RDP's negotiation request, response and failure: a kind, flags, and the length 8."""
_Q931_SETUP_KINDS = frozenset({0x01, 0x02, 0x03, 0x05, 0x07, 0x0D, 0x5A, 0x62, 0x6E, 0x7B, 0x7D})
_SETUP, _ANSWERS = 0x05, frozenset({0x01, 0x02, 0x03, 0x07})
"""Who calls; and the other end is alerting, proceeding, in progress or connected."""
_S7_ROLES = {0x32: {1: Role.CLIENT, 2: Role.SERVER, 3: Role.SERVER}, 0x72: {0x31: Role.CLIENT, 0x32: Role.SERVER}}
_S7_KIND_AT = {0x32: 1, 0x72: 4}
"""Of jobs and their answers, behind the first byte of either kind."""
_S7, _S7_PLUS, _MMS_PRESENTATION = 0x32, 0x72, b"\x0d"


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """``rdp`` with the name in its cookie, ``s7comm``, ``s7comm-plus``, ``iso-tsap`` or ``h323``."""
    data = sent.data
    if data[:1] != b"\3":
        return None
    if len(data) < _LEAST_BYTES:
        return wait_for_more(sent, ends) if data[1:2] in {b"", b"\0"} else None
    length = data[2] << 8 | data[3]
    if data[1] or length < _LEAST_BYTES:
        return None
    if data[5] in _ROLES and data[4] == length - 5 and length <= len(data):
        return _connection(sent, answered, ends)
    if data[4:7] == b"\2\xf0\x80":
        return _data(data, 4)
    # Q.931: discriminator 8, two bytes of call reference, the kind of message
    is_call = data[4] == 8 and data[5] == 2 and len(data) > 8 and data[8] in _Q931_SETUP_KINDS  # noqa: PLR2004
    role = Role.CLIENT if is_call and data[8] == _SETUP else Role.SERVER if is_call and data[8] in _ANSWERS else None
    return Detection("h323", role) if is_call else None


def _connection(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """What is asked for at the connection, or else is said after it."""
    data = sent.data
    role = _ROLES[data[5]]
    variable = data[11 : 5 + data[4]]
    cookie = _COOKIE.match(variable)
    negotiation = variable[-8:]
    is_negotiated = negotiation[:1] in _NEGOTIATIONS and negotiation[2:4] == b"\x08\0"
    if cookie or is_negotiated or ends.has_port(3389):
        detection = Detection("rdp", role, details=(("user", text(cookie[1])),) if cookie else ())
        is_plain = data[5 + data[4] : 6 + data[4]] == b"\3"  # another TPKT
        return detection if is_plain or not is_negotiated else with_upgrade(detection, sent, answered, ends)
    later = data[5 + data[4] :] or answered.data
    found = _data(data, 5 + data[4] + 4) if len(later) >= 8 else None  # noqa: PLR2004
    if found is not None:
        return Detection(found.protocol, role)
    # TSAPs of ISO: source 0xc1, target 0xc2, size 0xc0
    is_iso = variable[:1] in {b"\xc0", b"\xc1", b"\xc2"}
    return Detection("iso-tsap", role, is_final=sent.is_ended) if is_iso else None


def _data(data: bytes, at: int) -> Detection | None:
    """What a data unit holds whose X.224 header stands there."""
    if data[at : at + 3] != b"\2\xf0\x80" or len(data) < at + 4:
        return None
    kind = data[at + 3]
    if kind in {_S7, _S7_PLUS}:
        said = data[at + 3 + _S7_KIND_AT[kind] :][:1]
        return Detection("s7comm" if kind == _S7 else "s7comm-plus", _S7_ROLES[kind].get(said[0] if said else 0))
    return Detection("mms-iso") if data[at + 3 : at + 4] == _MMS_PRESENTATION else None
