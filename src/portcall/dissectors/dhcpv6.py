"""DHCPv6 (RFC 8415 §8, §9): a kind of message and options that fill the datagram to the last byte.

kind 1 | transaction 3 | options: code 2 | length 2 | value …
kind 12 or 13 | hops 1 | link address 16 | peer address 16 | options
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._domain_names import read_name
from portcall.dissectors._text import as_text
from portcall.records.detections import UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.PORT
PORTS = frozenset({546, 547})
PREFIXES = {UDP: ({0: range(1, 37)},)}

_OPTION = Struct(">HH")
_RELAYED = frozenset({12, 13})
_FROM_SERVERS = frozenset({2, 7, 10, 13})
_MOST_KIND = 36
_FULL_NAME, _VENDOR_CLASS = 39, 16


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The newest datagram."""
    del answered
    data = sent.data
    if not ends.has_port(*PORTS) or len(data) < 4 or not 0 < data[0] <= _MOST_KIND:  # noqa: PLR2004 - as drawn
        return None
    details: list[tuple[str, str]] = []
    offset = 34 if data[0] in _RELAYED else 4
    while offset + _OPTION.size <= len(data):
        code, length = _OPTION.unpack_from(data, offset)
        start = offset + _OPTION.size
        offset = start + length
        if code == _FULL_NAME and (named := read_name(data[start + 1 : offset] + b"\0", 0)):
            details.append(("hostname", as_text(named[0])))
        elif code == _VENDOR_CLASS:
            details.append(("vendor_class", as_text(data[start + 6 : offset])))
    if offset != len(data) and not sent.is_ended:
        return None
    return Detection("dhcpv6", Role.SERVER if data[0] in _FROM_SERVERS else Role.CLIENT, details=tuple(details))
