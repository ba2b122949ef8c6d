"""SMB 1 to 3 ([MS-SMB], [MS-SMB2] §2.2.1) and the NetBIOS sessions that may carry it (RFC 1002 §4.3.1).

type 1 | length 3 | FF 'SMB' command 1 | status 4 | flags 1 …            (0: a message; 81 … 85: of the session)
type 1 | length 3 | FE 'SMB' 40 00 | credits 2 | status 4 | command 2 | credits 2 | flags 4 …
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._domain_names import netbios_name
from portcall.dissectors._prefixes import ZERO
from portcall.records.detections import TCP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({139, 445})
PREFIXES = {TCP: ({0: ZERO, 4: b"\xfc\xfd\xfe\xff", 5: b"S"}, {0: range(0x81, 0x86), 1: b"\0\1"})}

_OLD, _NEW, _SEALED, _PACKED = b"\xffSMB", b"\xfeSMB", b"\xfdSMB", b"\xfcSMB"
_MARKS = (_OLD, _NEW, _SEALED, _PACKED)
_REQUEST, _LAST_KIND = 0x81, 0x85
_REQUEST_BYTES = 68
_ROLE_ENDS = 21


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The first messages of this end."""
    data = sent.data
    start = 0
    details: tuple[tuple[str, str], ...] = ()
    is_session = data[:1] and _REQUEST <= data[0] <= _LAST_KIND and data[1:2] in {b"", b"\0", b"\1"}
    if is_session and ends.has_port(*PORTS):
        if data[0] == _REQUEST and (called := _called(data)):
            details = (("called", called),)
        start = _session_end(data)
        if len(data) <= start:
            role = Role.CLIENT if data[0] == _REQUEST else Role.SERVER
            session = Detection("netbios-ssn", role, details=details, is_final=sent.is_ended)
            is_answered_by_smb = answered.data.startswith(_MARKS, _session_end(answered.data) + 4)
            return session._replace(protocol="smb") if is_answered_by_smb else session
    if data.startswith(_MARKS, start + 4) and data[start] == 0:
        return _inspect(sent, start + 4, details)
    is_short = len(data) < start + 8 and data[start : start + 2] in {b"", b"\0", b"\0\0"}
    return WAIT if is_short and not sent.is_ended else None


def _session_end(data: bytes) -> int:
    """Where what begins with a message of the session goes on."""
    return 4 + (data[2] << 8 | data[3] if len(data) >= 4 else 0)  # noqa: PLR2004 - as drawn


def _called(data: bytes) -> str | None:
    """Whom a session request calls: a NetBIOS name with a byte of length before it."""
    return netbios_name(data[5:37]) if len(data) >= _REQUEST_BYTES else None


def _inspect(sent: Payload, start: int, details: tuple[tuple[str, str], ...]) -> Detection:
    data = sent.data
    mark = data[start : start + 4]
    is_final = len(data) >= start + _ROLE_ENDS or sent.is_ended
    if not is_final or mark in {_SEALED, _PACKED} or len(data) < start + _ROLE_ENDS:
        return Detection("smb", details=details, is_final=is_final)
    is_reply = data[start + 9] & 0x80 if mark == _OLD else data[start + 16] & 1
    details = (*details, ("version", "1" if mark == _OLD else "2"))
    return Detection("smb", Role.SERVER if is_reply else Role.CLIENT, details=details)
