"""DCE/RPC (C706 chapter 12, [MS-RPCE] §2.2): Windows' remote calls, by the interface that is bound or called.

Over TCP, version 5:

5 | minor 1 | kind 1 | flags 1 | drep 4: 10 00 00 00 | fragment length 2 | authentication length 2 | call 4 |
bind: most sent 2, received 2, group 4, count 4, context 2, count 2, interface 16 …

Over UDP, version 4, which has no connections; so speaks PROFINET too, whose interfaces are its own (IEC 61158-6-10):

4 | kind 1 | flags 2 | drep 3 | serial 1 | object 16 | interface 16 | activity 16 | server's boot 4 | version 4 |
sequence 4 | operation 2 | hints 4 | body length 2 | fragment 2 | authentication 1 | serial 1
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from portcall.dissectors import Certainty
from portcall.dissectors._prefixes import ZERO
from portcall.records.detections import TCP, UDP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({135})
_RESERVED_FLAGS = 0x81
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: ({0: b"\5", 1: b"\0\1", 2: range(20), 4: b"\x10\0", 5: ZERO, 6: ZERO, 7: ZERO},),
    UDP: (
        {
            0: b"\4", 1: range(11), 2: [flags for flags in range(256) if not flags & _RESERVED_FLAGS], 3: b"\0\2",
            4: b"\0\1\x10\x11", 5: range(4), 6: ZERO, 79: range(256),
        },
    ),
}  # fmt: skip

_CLIENT_KINDS = frozenset({0, 11, 14, 16, 18, 19})
_SERVER_KINDS = frozenset({2, 3, 12, 13, 15, 17})
_BINDS = frozenset({11, 14})
_REPRESENTATIONS = (b"\x10\0\0\0", b"\0\0\0\0")
_HEADER_BYTES = 16
_INTERFACE = slice(32, 48)

_DATAGRAM_BYTES = 80
_DATAGRAM_ROLES = {
    **dict.fromkeys((0, 1, 7, 8), Role.CLIENT),  # request, ping, acknowledgement, cancel
    **dict.fromkeys((2, 3, 4, 5, 6, 10), Role.SERVER),  # response, fault, working, no call, reject, cancelled
    9: None,  # that a fragment came
}
_CALLED, _ACTIVITY = slice(24, 40), slice(40, 56)
_PROFINET = bytes.fromhex("6c97 11d1 8271 00a02442df7d".replace(" ", ""))
"""How all its interfaces end, big endian."""


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The first message of this end, or its newest datagram."""
    del answered
    data = sent.data
    if ends.transport == UDP:
        return _inspect_datagram(data, is_cut=sent.is_ended)
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


def _inspect_datagram(data: bytes, *, is_cut: bool) -> Detection | None:
    if len(data) < _DATAGRAM_BYTES or data[0] != 4 or data[1] not in _DATAGRAM_ROLES:  # noqa: PLR2004 - the version
        return None
    is_plain = not data[2] & _RESERVED_FLAGS and not data[3] & ~2 and not data[4] & ~0x11 and not data[5] & ~3
    order: Literal["little", "big"] = "little" if data[4] & 0x10 else "big"
    end = _DATAGRAM_BYTES + int.from_bytes(data[74:76], order)
    is_whole = end == len(data) or (end < len(data) and data[78] > 0) or (is_cut and end > len(data))
    if not is_plain or data[6] or not is_whole or not any(data[_CALLED]) or not any(data[_ACTIVITY]):
        return None
    interface = _uuid_text(data[_CALLED], order)
    protocol = "profinet-io" if interface.replace("-", "").endswith(_PROFINET.hex()) else "dcerpc"
    return Detection(protocol, _DATAGRAM_ROLES[data[1]], details=(("interface", interface),))


def _uuid_text(raw: bytes, order: Literal["little", "big"] = "little") -> str:
    import uuid

    return str(uuid.UUID(bytes_le=raw) if order == "little" else uuid.UUID(bytes=raw))
