"""DTLS: TLS over datagrams, as WebRTC, VPNs and CoAP speak it.

Several records stand in one datagram, and handshake messages are cut over records and datagrams (RFC 6347 §4.1, §4.2.2;
RFC 9147 §4, §5.2)::

    content type 1 | version 2 | epoch 2 | sequence number 6 | length 2 | …
    message kind 1 | length 3 | message sequence 2 | fragment offset 3 | fragment length 3 | …

Servers ask for the ClientHello a second time, with a cookie; the first one has said all already. From epoch 1 on all is
encrypted.
"""

from __future__ import annotations

from itertools import islice
from struct import Struct
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._hello import CLIENT_HELLO, SERVER_HELLO, ClientHello, client_hello_of
from portcall.dissectors._pieces import joined
from portcall.dissectors._server_messages import server_detection
from portcall.records.detections import UDP, Detection, NameKind, Role, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portcall.records.detections import Ends, Payload

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({443, 853, 2221, 3391, 4433, 5061, 5349, 5684, 10161, 10162})
PREFIXES = {UDP: ({0: range(20, 27), 1: b"\xfe\1", 2: b"\xff\xfd\xfc\0"},)}

_RECORD = Struct(">BHHHIH")
_CHANGE_CIPHER_SPEC, _HANDSHAKE, _CONNECTION_ID, _ACKNOWLEDGEMENT = 20, 22, 25, 26
_VERSIONS = frozenset({0xFEFF, 0xFEFD, 0xFEFC, 0x0100})  # 1.0, 1.2, 1.3, and OpenSSL's before 0.9.8f
_MOST_RECORD_BYTES = 2**14 + 2048
_MOST_DATAGRAMS = 12
_MOST_RECORDS, _MOST_FRAGMENTS = 32, 256  # of a datagram, of all
_HELLO_VERIFY_REQUEST = 3
_FRAGMENT_HEADER_BYTES = 12
_FRAGMENT_FIELDS = ((1, 4), (4, 6), (6, 9), (9, 12))


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:  # noqa: ARG001 - the contract
    """What the first datagrams of one end show."""
    datagrams = sent.datagrams[:_MOST_DATAGRAMS]
    first = _records(datagrams[0]) if datagrams else None
    if first is None:
        return None
    is_last = sent.is_ended or len(datagrams) == _MOST_DATAGRAMS
    records = [record for datagram in datagrams for record in _records(datagram) or ()]
    messages = _messages(fragments for kind, epoch, fragments in records if kind == _HANDSHAKE and not epoch)
    is_over = any(epoch or kind in (_CHANGE_CIPHER_SPEC, _CONNECTION_ID) for kind, epoch, _ in records)
    if any(kind in (SERVER_HELLO, _HELLO_VERIFY_REQUEST) for kind, _body, _is_whole in messages):
        return server_detection("dtls", messages, is_over=is_last or is_over)
    for kind, body, is_whole in messages:
        if kind == CLIENT_HELLO:
            return _from_client(client_hello_of(body, is_whole=is_whole), is_final=is_whole or is_last)
    return Detection("dtls", is_final=is_last or is_over)


def _from_client(hello: ClientHello | None, *, is_final: bool) -> Detection:
    names = hello.names(NameKind.TLS_SNI) if hello else ()
    return Detection("dtls", Role.CLIENT, names, hello.details("d") if hello and is_final else (), is_final=is_final)


def _records(datagram: bytes) -> list[tuple[int, int, bytes]] | None:
    """Content type, epoch and content of each record; None where it begins with none."""
    records: list[tuple[int, int, bytes]] = []
    at = 0
    while at + _RECORD.size <= len(datagram) and len(records) < _MOST_RECORDS:
        kind, version, epoch, _high, _low, size = _RECORD.unpack_from(datagram, at)
        is_record = _CHANGE_CIPHER_SPEC <= kind <= _ACKNOWLEDGEMENT and version in _VERSIONS
        if kind == _CONNECTION_ID and is_record:  # it stands before the length, and only the two know how long it is
            records.append((kind, epoch, b""))
            break
        if not is_record or not 0 < size <= _MOST_RECORD_BYTES:
            break
        at += _RECORD.size + size
        records.append((kind, epoch, datagram[at - size : at]))
    return records or None


def _messages(contents: Iterable[bytes]) -> list[tuple[int, bytes, bool]]:
    """Kind, body as far as it is there, and whether it is whole, of each handshake message, in their own order."""
    pieces: dict[tuple[int, int, int], dict[int, bytes]] = {}
    for sequence, kind, size, offset, fragment in islice(_fragments(contents), _MOST_FRAGMENTS):
        pieces.setdefault((sequence, kind, size), {}).setdefault(offset, fragment)
    bodies = [(kind, size, joined(pieces[sequence, kind, size])) for sequence, kind, size in sorted(pieces)]
    return [(kind, body, len(body) == size) for kind, size, body in bodies]


def _fragments(contents: Iterable[bytes]) -> Iterator[tuple[int, int, int, int, bytes]]:
    for content in contents:
        at = 0
        while at + _FRAGMENT_HEADER_BYTES <= len(content):
            header = content[at : at + _FRAGMENT_HEADER_BYTES]
            size, sequence, offset, length = (int.from_bytes(header[a:b], "big") for a, b in _FRAGMENT_FIELDS)
            at += _FRAGMENT_HEADER_BYTES + length
            if offset + length > size:
                break
            yield sequence, header[0], size, offset, content[at - length : at]
