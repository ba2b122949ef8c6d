"""SOCKS 4, 4a and 5 (RFC 1928, RFC 1929): whom the proxy shall connect to, and what is said there.

5, client:  5 | count | methods     [1 | n | name | n | password]     5 | command | 0 | kind | address | port 2
5, server:  5 | method              [1 | status]                      5 | reply   | 0 | kind | address | port 2
4, client:  4 | command | port 2 | address 4 | user, 0 | [name, 0]
4, server:  0 | reply 90 … 93 | port 2 | address 4
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

from portcall.dissectors import Certainty
from portcall.dissectors._inside import after, with_inside
from portcall.dissectors._prefixes import ZERO
from portcall.dissectors._text import as_text
from portcall.records.detections import TCP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({1080, 9050})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: ({0: b"\5", 1: (*range(10), 0x80, 0x86, 0xFF)}, {0: b"\4", 1: b"\1\2"}, {0: ZERO, 1: range(90, 94)})
}

_INSIDE = frozenset({"http", "http2", "tls", "ssh"})
_MOST_METHODS = 8
_NO_METHOD = 0xFF
_COMMANDS = b"\1\2"
_METHODS = frozenset({0, 1, 2, 3, 5, 6, 7, 8, 9, 0x80, 0x86})
"""GSSAPI, name and password … (IANA, SOCKS Methods), and two private ones in use."""
_IPV4, _NAME, _IPV6 = 1, 3, 4
_ADDRESS_BYTES = {_IPV4: 4, _IPV6: 16}
_REPLIES_4 = frozenset({90, 91, 92, 93})
_LEAST_4 = 9
_REPLY_BYTES_4 = 8


class _Request(NamedTuple):
    target: str
    end: int


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The request of a client, or the reply to it."""
    data = sent.data
    if data[:1] == b"\5" and data[1:2]:
        return _inspect_5(sent, answered, ends)
    if data[:1] == b"\4":
        return _inspect_request_4(sent, answered, ends)
    if _is_reply_4(data) and (request := _read_request_4(answered.data)):
        outer = Detection("socks", Role.SERVER)
        return with_inside(outer, after(sent, _REPLY_BYTES_4), after(answered, request.end), ends, _INSIDE)
    return WAIT if data == b"\5" and not sent.is_ended else None


def _inspect_request_4(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """A request: on a foreign port known to be SOCKS once it is answered."""
    request = _read_request_4(sent.data)
    if request is None:
        return WAIT if len(sent.data) < _LEAST_4 and not sent.is_ended else None
    if not _is_reply_4(answered.data) and (answered.data or not ends.has_port(*PORTS)):
        return None if answered.data or sent.is_ended else WAIT
    outer = Detection("socks", Role.CLIENT, details=(("version", "4"), ("connect", request.target)))
    return with_inside(outer, after(sent, request.end), after(answered, _REPLY_BYTES_4), ends, _INSIDE)


def _is_reply_4(data: bytes) -> bool:
    return len(data) >= _REPLY_BYTES_4 and data[0] == 0 and data[1] in _REPLIES_4


def _inspect_5(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    if _is_greeting(sent.data):
        is_all = len(sent.data) == 2 + sent.data[1]
        return _inspect_greeting(sent, answered) if is_all else _inspect_request_5(sent, answered, ends)
    if _is_greeting(answered.data) and (sent.data[1] in answered.data[2:] or sent.data[1] == _NO_METHOD):
        return _inspect_reply_5(sent, answered, ends)
    return WAIT if not sent.is_ended and _may_become_greeting(sent.data) else None


def _inspect_request_5(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    request, reply = _read_request_5(sent.data), _read_reply_5(answered.data)
    if request is None:
        return None if sent.is_ended else WAIT
    outer = Detection("socks", Role.CLIENT, details=(("version", "5"), ("connect", request.target)))
    rest = after(answered, reply.end if reply else len(answered.data))
    return with_inside(outer, after(sent, request.end), rest, ends, _INSIDE)


def _inspect_reply_5(sent: Payload, answered: Payload, ends: Ends) -> Detection:
    request, reply = _read_request_5(answered.data), _read_reply_5(sent.data)
    if reply is None or request is None:
        return Detection("socks", Role.SERVER, is_final=sent.is_ended)
    rest = after(answered, request.end)
    return with_inside(Detection("socks", Role.SERVER), after(sent, reply.end), rest, ends, _INSIDE)


def _inspect_greeting(sent: Payload, answered: Payload) -> Detection | Wait | None:
    """The methods that a client offers: known to be SOCKS once one of them is chosen."""
    answer = answered.data
    if answer[:1] == b"\5" and len(answer) == 2 and answer[1] in {*sent.data[2:], _NO_METHOD}:  # noqa: PLR2004 - as drawn
        return Detection("socks", Role.CLIENT, details=(("version", "5"),), is_final=sent.is_ended)
    return None if sent.is_ended else WAIT


def _is_greeting(data: bytes) -> bool:
    if len(data) < 3 or data[0] != 5 or not 0 < data[1] <= _MOST_METHODS:  # noqa: PLR2004 - as drawn
        return False
    methods = data[2 : 2 + data[1]]
    return len(methods) == data[1] and _METHODS.issuperset(methods) and len(set(methods)) == len(methods)


def _may_become_greeting(data: bytes) -> bool:
    return 0 < data[1] <= _MOST_METHODS and len(data) < 2 + data[1] and _METHODS.issuperset(data[2:])


def _read_request_5(data: bytes) -> _Request | None:
    start = 2 + data[1]
    if data[start : start + 1] == b"\1" and len(data) > start + 1:
        name_end = start + 2 + data[start + 1]
        if name_end >= len(data):
            return None
        start = name_end + 1 + data[name_end]
    return _read_address_5(data, start) if data[start + 1 : start + 2] in {b"\1", b"\2", b"\3"} else None


def _read_reply_5(data: bytes) -> _Request | None:
    start = 4 if data[2:4] == b"\1\0" else 2
    return _read_address_5(data, start)


def _read_address_5(data: bytes, start: int) -> _Request | None:
    if len(data) < start + 5 or data[start] != 5 or data[start + 2]:  # noqa: PLR2004 - as drawn
        return None
    kind, at = data[start + 3], start + 4
    size = _ADDRESS_BYTES.get(kind, data[at] if kind == _NAME else 0)
    at += kind == _NAME
    end = at + size + 2
    if not size or end > len(data):
        return None
    address = data[at : end - 2]
    host = as_text(address) if kind == _NAME else str(ipaddress.ip_address(address))
    return _Request(f"{host}:{int.from_bytes(data[end - 2 : end], 'big')}", end)


def _read_request_4(data: bytes) -> _Request | None:
    if len(data) < _LEAST_4 or data[:1] != b"\4" or data[1] not in _COMMANDS:
        return None
    end = data.find(b"\0", 8, 8 + 256)
    if end < 0 or not data[8:end].isascii():
        return None
    port = int.from_bytes(data[2:4], "big")
    if data[4:7] != b"\0\0\0" or not data[7]:
        return _Request(f"{ipaddress.ip_address(data[4:8])}:{port}", end + 1)
    name_end = data.find(b"\0", end + 1, end + 257)
    return _Request(f"{as_text(data[end + 1 : name_end])}:{port}", name_end + 1) if name_end > end + 1 else None
