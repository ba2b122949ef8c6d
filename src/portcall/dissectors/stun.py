r"""STUN and TURN, over UDP and TCP (RFC 8489 §5, RFC 8656; the older STUN without a cookie by RFC 3489 §11.1).

::

    0 00 method and class:14  2 length:16  4 magic cookie 0x2112A442  8 transaction:96  20 attributes
    an attribute:  0 type:16  2 length:16  4 value, padded to 4 bytes

Calls look for a way between two peers with binding requests, and then speak DTLS there (RFC 5764, RFC 7983 §7 says how
the two are told apart): such a conversation is DTLS.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._families import text, wait_for_more
from portcall.dissectors._inside import listen_among
from portcall.dissectors._prefixes import together
from portcall.records.detections import NO_PAYLOAD, TCP, UDP, Detection, Name, NameKind, Payload, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({3478, 3479, 5349, 19302})
_WITH_COOKIE = {0: range(0x40), **together(b"\x21\x12\xa4\x42", at=4)}
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (_WITH_COOKIE,),
    UDP: (_WITH_COOKIE, {0: b"\0\1", 1: b"\1\2\x11\x12", 3: range(0, 256, 4)}),
}

_INSIDE = frozenset({"dtls"})
_DOMAIN = r"(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z][A-Za-z0-9-]{1,62}\.?"
"""A realm may be any text; servers that mean their domain write it so."""
_COOKIE = b"\x21\x12\xa4\x42"
_HEADER_BYTES = 20
_MOST_ATTRIBUTES = 40
_SOFTWARE, _REALM = 0x8022, 0x0014
_DETAILS = {_SOFTWARE: "software", _REALM: "realm"}
_BINDING = 1
_METHODS = {
    _BINDING: "binding",
    3: "allocate",
    4: "refresh",
    6: "send",
    7: "data",
    8: "create-permission",
    9: "channel-bind",
}
_CLASSIC_TYPES = frozenset({0x0001, 0x0101, 0x0111, 0x0002, 0x0102, 0x0112})
_CLASSIC_ATTRIBUTES = frozenset(range(0x0001, 0x000C)) | {0x0101, 0x8020, 0x8022}
_RESPONSE = 0x0100
_CLASS, _INDICATION = 0x0110, 0x0010
_SEND, _DATA = 6, 7


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """STUN, with its method, and the software and realm it names; DTLS once that has begun."""
    if ends.transport == UDP and any(map(_has_cookie, (*sent.datagrams, *answered.datagrams))):
        inner = _dtls(sent, answered, ends)
        # The other end speaks it, this one is still looking for ways.
        inner = inner or (_dtls(answered, sent, ends) and Detection("dtls", is_final=sent.is_ended))
        if inner:
            return inner
    return _inspect(sent, answered, ends)


def _dtls(sent: Payload, answered: Payload, ends: Ends) -> Detection | None:
    """What an end says of DTLS, between its messages of STUN."""
    inspected = listen_among(_INSIDE, _without_stun(sent), _without_stun(answered), ends)
    return inspected if isinstance(inspected, Detection) else None


def _without_stun(payload: Payload) -> Payload:
    inside = tuple(filter(_is_dtls, payload.datagrams))
    return Payload(inside[-1], inside, is_ended=payload.is_ended) if inside else NO_PAYLOAD


def _has_cookie(datagram: bytes) -> bool:
    return datagram[4:8] == _COOKIE


def _is_dtls(datagram: bytes) -> bool:
    """Whether the first byte is one of DTLS's (RFC 7983 §7)."""
    return 20 <= datagram[0] < 64 if datagram else False  # noqa: PLR2004 (between STUN and TURN's channels)


def _inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    data = sent.data
    if not data or data[0] >= 0x40:  # noqa: PLR2004 (its first two bits are zero)
        return None
    if len(data) < _HEADER_BYTES:
        return wait_for_more(sent, ends)
    length = data[2] << 8 | data[3]
    if ends.transport == UDP and length + _HEADER_BYTES != len(data):
        return None
    kind = data[0] << 8 | data[1]
    if data[4:8] == _COOKIE:
        return _detection(kind, data, is_final=ends.transport == TCP or sent.is_ended)
    return _classic(kind, data, answered, ends) if ends.transport == UDP and not length % 4 else None


def _detection(kind: int, data: bytes, *, is_final: bool = True) -> Detection:
    method = kind & 0x000F | (kind & 0x00E0) >> 1 | (kind & 0x3E00) >> 2
    named = [("method", _METHODS.get(method, str(method)))]
    named += [(_DETAILS[type_], text(value)) for type_, value in _attributes(data) or () if type_ in _DETAILS]
    details = dict(named)
    realm = details.get("realm", "")
    names = (Name(NameKind.REALM, realm),) if re.fullmatch(_DOMAIN, realm) else ()
    return Detection(
        "stun", _role(kind, method), names, tuple(details.items()), is_final=is_final or method != _BINDING
    )


def _role(kind: int, method: int) -> Role | None:
    """Who asks is the client, also of two peers; what is sent without being asked for tells only at a relay."""
    if kind & _CLASS == _INDICATION:
        return {_SEND: Role.CLIENT, _DATA: Role.SERVER}.get(method)
    return Role.SERVER if kind & _RESPONSE else Role.CLIENT


def _classic(kind: int, data: bytes, answered: Payload, ends: Ends) -> Detection | None:
    """Without a cookie every attribute has to be a known one, or the other end to talk of the same transaction."""
    if kind not in _CLASSIC_TYPES:
        return None
    attributes = _attributes(data)
    if attributes is None or any(type_ not in _CLASSIC_ATTRIBUTES for type_, _ in attributes):
        return None
    is_echoed = answered.data[4:_HEADER_BYTES] == data[4:_HEADER_BYTES] and answered.data[:2] != data[:2]
    return _detection(kind, data) if attributes or is_echoed or ends.has_port(*PORTS) else None


def _attributes(data: bytes) -> list[tuple[int, bytes]] | None:
    """(type, value) of each; None where they do not fill the message."""
    found: list[tuple[int, bytes]] = []
    at = _HEADER_BYTES
    while at + 4 <= len(data) and len(found) < _MOST_ATTRIBUTES:
        length = data[at + 2] << 8 | data[at + 3]
        found.append((data[at] << 8 | data[at + 1], data[at + 4 : at + 4 + length]))
        at += 4 + length + -length % 4
    return found if at >= len(data) and at - len(data) < 4 else None  # noqa: PLR2004 (the last may lack its padding)
