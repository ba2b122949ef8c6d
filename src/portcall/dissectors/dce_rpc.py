"""DCE/RPC (C706 chapter 12, [MS-RPCE] §2.2): Windows' remote calls, by the interface that is bound.

5 | minor 1 | kind 1 | flags 1 | drep 4: 10 00 00 00 | fragment length 2 | authentication length 2 | call 4 |
bind: most sent 2, received 2, group 4, count 4, context 2, count 2, interface 16 …
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from portcall.dissectors import Certainty
from portcall.dissectors._prefixes import ZERO
from portcall.records.detections import TCP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({135})
PREFIXES = {TCP: ({0: b"\5", 1: b"\0\1", 2: range(20), 4: b"\x10\0", 5: ZERO, 6: ZERO, 7: ZERO},)}

_CLIENT_KINDS = frozenset({0, 11, 14, 16, 18, 19})
_SERVER_KINDS = frozenset({2, 3, 12, 13, 15, 17})
_BINDS = frozenset({11, 14})
_REPRESENTATIONS = (b"\x10\0\0\0", b"\0\0\0\0")
_HEADER_BYTES = 16
_INTERFACE = slice(32, 48)


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The first message of this end."""
    del answered, ends
    data = sent.data
    if len(data) < _HEADER_BYTES:
        is_begun = data[:1] in {b"", b"\5"} and data[1:2] in {b"", b"\0", b"\1"}
        return WAIT if is_begun and not sent.is_ended else None
    kind = data[2]
    if data[0] != 5 or data[1] > 1 or kind not in _CLIENT_KINDS | _SERVER_KINDS:  # noqa: PLR2004 - the version
        return None
    order: Literal["little", "big"] = "little" if data[4] else "big"
    length = int.from_bytes(data[8:10], order)
    sealed = int.from_bytes(data[10:12], order)
    if not data.startswith(_REPRESENTATIONS, 4) or length < _HEADER_BYTES or sealed > length:
        return None
    interface = data[_INTERFACE]
    is_bind = kind in _BINDS and len(interface) == 16 and order == "little"  # noqa: PLR2004 - a UUID
    details = (("interface", _uuid_text(interface)),) if is_bind else ()
    return Detection("dcerpc", Role.CLIENT if kind in _CLIENT_KINDS else Role.SERVER, details=details)


def _uuid_text(raw: bytes) -> str:
    import uuid

    return str(uuid.UUID(bytes_le=raw))
