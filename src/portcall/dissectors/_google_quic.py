"""Google's QUIC from before the IETF's: Q024 to Q043 with headers of their own, Q046 with a long header.

Their first packets are in clear (Google's "QUIC Wire Layout Specification" and "QUIC Crypto", 2016)::

    flags 1 | connection id 8 | version 4 | packet number 1–6 | hash 12 | frames …      up to Q043, from the client
    flags 1 | version 4 | lengths of ids 1: 0x50 | connection id 8 | packet number …    Q046
    "CHLO" | number of tags 2 | 0 2 | (tag 4 | where its value ends 4) … | values …     little endian, in a frame

Q050 carries the same message in encrypted packets as the IETF's.
"""

from __future__ import annotations

from struct import Struct

from portcall.dissectors._expressions import Expression
from portcall.dissectors._hello import named, printed
from portcall.records.detections import Detection, NameKind, Role

CLIENT_HELLO = b"CHLO"

_VERSION = Expression(rb"[QT]0[0-9][0-9]")
_HAS_VERSION, _HAS_ID, _IS_OTHER = 0x01, 0x08, 0xC0
_ID_END, _VERSION_END = 9, 13
_ONLY_TARGET_ID = 0x50
_COUNT = Struct("<HH")
_ENTRY = Struct("<4sI")
_MOST_TAGS = 128


def is_google(version: int) -> bool:
    """Whether a version, of a long header perhaps, is one of Google's."""
    return bool(_VERSION.fullmatch(version.to_bytes(4, "big")))


def connection_id(datagram: bytes) -> bytes | None:
    """That of a datagram with a header from before the IETF's; None where it has none."""
    if len(datagram) < _ID_END:
        return None
    if datagram[0] & _IS_OTHER == _IS_OTHER:
        return datagram[6:14] if datagram[5] == _ONLY_TARGET_ID else None
    return datagram[1:_ID_END] if not datagram[0] & _IS_OTHER and datagram[0] & _HAS_ID else None


def plain_version(datagram: bytes) -> str | None:
    """The version in such a header, None where there is none."""
    if connection_id(datagram) is None:
        return None
    if datagram[0] & _IS_OTHER:
        version = datagram[1:5]
    else:
        version = datagram[_ID_END:_VERSION_END] if datagram[0] & _HAS_VERSION else b""
    return version.decode() if _VERSION.fullmatch(version) else None


def lists_versions(datagram: bytes) -> bool:
    """Whether a datagram with a version is a server's list of them."""
    versions = [datagram[at : at + 4] for at in range(_ID_END, min(len(datagram), 128), 4)]
    return len(versions) > 1 and all(_VERSION.fullmatch(version) for version in versions)


def detection_of(message: bytes, version: str) -> Detection:
    """What a CHLO says, of which the values may be cut."""
    values = _values(message)
    details = [("version", version)]
    if user_agent := values.get(b"UAID"):
        details.append(("user_agent", printed(user_agent)))
    return Detection("quic", Role.CLIENT, named(NameKind.QUIC_SNI, values.get(b"SNI\0", b"")), tuple(details))


def _values(message: bytes) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    entries_at = len(CLIENT_HELLO) + _COUNT.size
    if len(message) < entries_at:
        return values
    count, _padding = _COUNT.unpack_from(message, len(CLIENT_HELLO))
    values_at = entries_at + min(count, _MOST_TAGS) * _ENTRY.size
    begin = values_at
    for tag, end in _ENTRY.iter_unpack(message[entries_at:values_at][: (len(message) - entries_at) // 8 * 8]):
        values[tag] = message[begin : values_at + end]
        begin = values_at + end
    return values
