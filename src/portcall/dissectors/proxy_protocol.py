r"""PROXY protocol 1 and 2: the header by which a proxy says for whom it connects; then the conversation itself begins.

HAProxy's proxy-protocol.txt §2; IPv4, IPv6 or the names of Unix sockets stand in the second version::

    PROXY TCP4 192.0.2.1 192.0.2.2 1111 80\r\n          PROXY UNKNOWN …\r\n
    signature 12 | version 4 bits: 2 | command 4 bits: 0 local, 1 proxy | family 4 bits | transport 4 bits | length 2
        | source address | target address | source port 2 | target port 2 | [kind 1 | length 2 | value] …
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._inside import listen_to_all
from portcall.dissectors._text import as_text
from portcall.records.detections import TCP, UDP, WAIT, Detection, Payload, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.MAGIC
PORTS: frozenset[int] = frozenset()
_WORD, _SIGNATURE = b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: tuple({at: bytes((byte,)) for at, byte in enumerate(magic)} for magic in (_WORD, _SIGNATURE)),
    UDP: ({at: bytes((byte,)) for at, byte in enumerate(_SIGNATURE)},),
}

_LINE = Expression(
    rb"PROXY (?:UNKNOWN[^\r\n]{0,92}|TCP[46] ([0-9A-Fa-f:.]{2,45}) ([0-9A-Fa-f:.]{2,45}) (\d{1,5}) (\d{1,5}))\r\n"
)
_MOST_LINE_BYTES = 107
_HEADER_BYTES = 16
_VERSIONS = range(0x20, 0x22)
_PROXY = 0x21
_ADDRESS_BYTES = {1: 4, 2: 16}
"""By family."""
_AUTHORITY = 2
_MOST_VALUES = 32


class _Header(NamedTuple):
    sent: tuple[tuple[str, str], ...]
    end: int


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """What is said behind the header, together with the addresses in it."""
    header = _read(sent.data)
    if header is None:
        asked = _read(answered.data)
        if asked is not None:
            return listen_to_all(sent, _behind(answered), ends, but=__name__)
        return _from_part(sent, ends) if _may_become(sent.data) else None
    outer = Detection("proxy-protocol", Role.CLIENT, details=header.sent)
    inner = listen_to_all(_behind(sent), answered, ends, but=__name__)
    if not isinstance(inner, Detection):
        return outer._replace(is_final=inner is None)
    return inner._replace(details=(*header.sent, *inner.details))


def _behind(payload: Payload) -> Payload:
    """What follows the header, which every datagram has."""
    datagrams = tuple(datagram[header.end if (header := _read(datagram)) else 0 :] for datagram in payload.datagrams)
    header = _read(payload.data)
    return payload._replace(data=payload.data[header.end if header else 0 :], datagrams=datagrams)


def _from_part(sent: Payload, ends: Ends) -> Detection | Wait | None:
    """A header that is not all there: the first version's word or the second one's signature is enough."""
    if ends.transport == TCP and not sent.is_ended:
        return WAIT
    is_enough = sent.is_ended and sent.data.startswith((_WORD, _SIGNATURE))
    return Detection("proxy-protocol", Role.CLIENT) if is_enough else None


def _may_become(data: bytes) -> bool:
    """Whether it may be the beginning of a header; some of it has to be there."""
    if data.startswith(_SIGNATURE):
        return data[12:13] == b"" or data[12] in _VERSIONS
    is_line = data.startswith(_WORD) and len(data) < _MOST_LINE_BYTES and b"\n" not in data
    return bool(data) and (is_line or _WORD.startswith(data) or _SIGNATURE.startswith(data))


def _read(data: bytes) -> _Header | None:
    """The header at the start, if all of it is there."""
    if data.startswith(_WORD):
        line = _LINE.match(data)
        return _Header(_of_line(*line.groups()), line.end()) if line else None
    if not data.startswith(_SIGNATURE) or len(data) < _HEADER_BYTES or data[12] not in _VERSIONS:
        return None
    end = _HEADER_BYTES + (data[14] << 8 | data[15])
    return _Header(_of_body(data[12], data[13] >> 4, data[_HEADER_BYTES:end]), end) if end <= len(data) else None


def _of_line(source: bytes | None, target: bytes | None, *ports: bytes | None) -> tuple[tuple[str, str], ...]:
    version = ("proxy", "v1")
    if source is None or target is None:
        return (version,)
    places = [
        ("proxy_source" if at == 0 else "proxy_target", _place(as_text(address), int(port or 0)))
        for at, (address, port) in enumerate(zip((source, target), ports, strict=True))
    ]
    return (version, *places)


def _of_body(command: int, family: int, body: bytes) -> tuple[tuple[str, str], ...]:
    if command != _PROXY:
        return (("proxy", "v2 local"),)  # a check of the proxy's own: the addresses do not count
    sent = [("proxy", "v2")]
    size = _ADDRESS_BYTES.get(family)
    if size is None or len(body) < 2 * size + 4:
        return tuple(sent)
    for at, key in enumerate(("proxy_source", "proxy_target")):
        address = ipaddress.ip_address(body[at * size : (at + 1) * size])
        port_at = 2 * size + 2 * at
        sent.append((key, _place(str(address), int.from_bytes(body[port_at : port_at + 2], "big"))))
    values = dict(_values(body[2 * size + 4 :]))
    if values.get(_AUTHORITY):
        sent.append(("proxy_authority", as_text(values[_AUTHORITY], 253)))
    return tuple(sent)


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and value of each further field."""
    at = 0
    for _ in range(_MOST_VALUES):
        if at + 3 > len(data):
            return
        end = at + 3 + (data[at + 1] << 8 | data[at + 2])
        yield data[at], data[at + 3 : end]
        at = end


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
