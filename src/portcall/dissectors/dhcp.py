"""DHCP (RFC 2131) and BOOTP (RFC 951): which device asks for an address, as it calls itself.

op 1 | htype 1 | hlen 1 | hops 1 | xid 4 | secs 2 | flags 2 | ciaddr yiaddr siaddr giaddr 4 each | chaddr 16 |
sname 64 | file 128 | magic cookie 4: 63 82 53 63 | options: code 1 | length 1 | value …
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._prefixes import together
from portcall.dissectors._text import as_text
from portcall.records.detections import UDP, Detection, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({67, 68})
_COOKIE, _COOKIE_AT, _OPTIONS_AT = b"\x63\x82\x53\x63", 236, 240
PREFIXES = {UDP: ({0: b"\1\2", 2: range(17), **together(_COOKIE, at=_COOKIE_AT)},)}
PREFIXES_ON_PORTS = {UDP: (({0: b"\1\2", 2: range(17)}, frozenset({67})),)}
"""BOOTP has no cookie, nor has what the capture has cut."""

_ROLES = {1: Role.CLIENT, 2: Role.SERVER}
_ON_ETHERNET = (b"\1\1\6", b"\2\1\6")
_MOST_ADDRESS_BYTES = 16
_SHOWN = {12: "hostname", 60: "vendor_class", 15: "domain"}
_PAD, _END = 0, 255


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The newest datagram; one that the capture has cut before the cookie counts on the own ports."""
    del answered
    data = sent.data
    if sent.is_ended and len(data) < _OPTIONS_AT and ends.has_port(67) and data.startswith(_ON_ETHERNET):
        return Detection("dhcp", _ROLES[data[0]])
    if len(data) < _COOKIE_AT or data[0] not in _ROLES or not data[1] or data[2] > _MOST_ADDRESS_BYTES:
        return None
    if data.startswith(_COOKIE, _COOKIE_AT):
        details = tuple([(_SHOWN[code], as_text(value)) for code, value in _options(data) if code in _SHOWN])
        return Detection("dhcp", _ROLES[data[0]], details=details)
    return Detection("bootp", _ROLES[data[0]]) if ends.has_port(67) else None


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Codes and values (RFC 2132 §2), as far as they are whole."""
    offset = _OPTIONS_AT
    while offset < len(data) and data[offset] != _END:
        if data[offset] == _PAD:
            offset += 1
            continue
        if offset + 2 > len(data):
            return
        end = offset + 2 + data[offset + 1]
        if end > len(data):
            return
        yield data[offset], data[offset + 2 : end]
        offset = end
