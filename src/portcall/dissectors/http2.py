"""Cleartext HTTP/2 (RFC 9113), and gRPC on it: the :authority of the first request, and who asks and answers.

    +-----------------------------------------------+
    |                 Length (24)                   |
    +---------------+---------------+---------------+
    |   Type (8)    |   Flags (8)   |
    +-+-------------+---------------+-------------------------------+
    |R|                 Stream Identifier (31)                      |
    +=+=============================================================+
    |                   Frame Payload (0...)                        |

A client's first bytes are a preface of fixed words; a server's are known by a SETTINGS frame that answers them. Headers
are unpacked (HPACK, RFC 7541) by the package hpack.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._prefixes import ZERO, together
from portcall.dissectors._text import as_text
from portcall.records.detections import TCP, WAIT, Detection, Name, NameKind, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.MAGIC
PORTS: frozenset[int] = frozenset()
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (together(b"PRI * HTTP/2.0"), {0: ZERO, 1: ZERO, 2: range(193), 3: b"\4", **dict.fromkeys(range(4, 9), ZERO)})
}

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME = Struct(">BHBBI")
_HEADERS, _SETTINGS, _CONTINUATION = 1, 4, 9
_END_HEADERS, _PADDED, _PRIORITY = 0x04, 0x08, 0x20
_MOST_FRAMES = 256
_MOST_UNPACKED_BYTES = 128 * 1024


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The first request, or its response."""
    del ends
    data = sent.data
    if data.startswith(_PREFACE):
        return _inspect(sent, len(_PREFACE), Role.CLIENT)
    if not sent.is_ended and _PREFACE.startswith(data):
        return WAIT
    if not _begins_with_settings(data):
        return None
    if answered.data.startswith(_PREFACE):
        return _inspect(sent, 0, Role.SERVER)
    return WAIT if _PREFACE.startswith(answered.data) else None


def _begins_with_settings(data: bytes) -> bool:
    if len(data) < _FRAME.size:
        return False
    high, low, kind, flags, stream = _FRAME.unpack_from(data)
    return kind == _SETTINGS and not (flags or stream or high or low % 6) and low <= 6 * 32


def _inspect(sent: Payload, start: int, role: Role) -> Detection:
    block = _first_header_block(sent.data, start)
    fields = _unpack(block) if block is not None else {}
    authority = fields.get(b":authority") or fields.get(b"host")
    kind = fields.get(b"content-type", b"")
    details = [
        (key, as_text(fields[name]))
        for key, name in (("user_agent", b"user-agent"), ("server", b"server"))
        if name in fields
    ]
    return Detection(
        "grpc" if kind.startswith(b"application/grpc") else "http2",
        role,
        (Name(NameKind.HTTP_HOST, as_text(authority)),) if authority and role is Role.CLIENT else (),
        tuple(details),
        is_final=block is not None or sent.is_ended,
    )


def _first_header_block(data: bytes, start: int) -> bytes | None:
    """The first HEADERS frame's fragment with its CONTINUATIONs: None while incomplete, empty where broken."""
    block: bytes | None = None
    for kind, flags, payload in _frames(data, start):
        if block is None and kind == _HEADERS:
            block = _without_padding(payload, flags)
        elif block is not None:
            if kind != _CONTINUATION:
                return b""
            block += payload
        if block is not None and flags & _END_HEADERS:
            return block
    return None


def _frames(data: bytes, start: int) -> Iterator[tuple[int, int, bytes]]:
    """Type, flags and payload of each complete frame."""
    for _ in range(_MOST_FRAMES):
        if len(data) < start + _FRAME.size:
            return
        high, low, kind, flags, _stream = _FRAME.unpack_from(data, start)
        start += _FRAME.size
        end = start + (high << 16 | low)
        if end > len(data):
            return
        yield kind, flags, data[start:end]
        start = end


def _without_padding(payload: bytes, flags: int) -> bytes:
    """The field block fragment of a HEADERS frame (RFC 9113 §6.2)."""
    start, end = 0, len(payload)
    if flags & _PADDED and payload:
        start, end = 1, end - payload[0]
    if flags & _PRIORITY:
        start += 5
    return payload[start : max(start, end)]


def _unpack(block: bytes) -> dict[bytes, bytes]:
    """Name → value of a header block, the first one of a name; empty where it cannot be unpacked."""
    import hpack

    decoder = hpack.Decoder(max_header_list_size=_MOST_UNPACKED_BYTES)
    decoder.max_allowed_table_size = 1 << 16  # the other end may allow more than the 4 KiB of the RFC
    fields: dict[bytes, bytes] = {}
    try:
        for name, value in decoder.decode(block, raw=True):
            fields.setdefault(bytes(name), bytes(value))
    except hpack.HPACKError:
        return {}
    return fields
