"""DTLS: TLS over datagrams, as WebRTC, VPNs and CoAP speak it.

Several records stand in one datagram, and handshake messages are cut over records and datagrams (RFC 6347 §4.1, §4.2.2;
RFC 9147 §4, §5.2)::

    content type 1 | version 2 | epoch 2 | sequence number 6 | length 2 | …
    message kind 1 | length 3 | message sequence 2 | fragment offset 3 | fragment length 3 | …

Servers ask for the ClientHello a second time, with a cookie; the first one has said all already. From epoch 1 on all is
encrypted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from struct import Struct
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._certificate import certificate_names
from portcall.dissectors._hello import (
    CERTIFICATE,
    CLIENT_HELLO,
    DTLS_1_3,
    SERVER_HELLO,
    SERVER_HELLO_DONE,
    client_hello_of,
    server_hello_of,
)
from portcall.dissectors._pieces import joined
from portcall.speech import UDP, Finding, NameKind, Role, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portcall.speech import Ends, Name, Speech

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({443, 853, 2221, 3391, 4433, 5061, 5349, 5684, 10161, 10162})

_RECORD = Struct(">BHHHIH")
_CHANGE_CIPHER_SPEC, _HANDSHAKE, _CONNECTION_ID, _ACKNOWLEDGEMENT = 20, 22, 25, 26
_VERSIONS = frozenset({0xFEFF, 0xFEFD, DTLS_1_3, 0x0100})
_MOST_RECORD_BYTES = 2**14 + 2048
_MOST_DATAGRAMS = 12
_MOST_RECORDS, _MOST_FRAGMENTS = 32, 256  # of a datagram, of all
_HELLO_VERIFY_REQUEST = 3
_FRAGMENT_HEADER_BYTES = 12
_FRAGMENT_FIELDS = ((1, 4), (4, 6), (6, 9), (9, 12))


@dataclass(frozen=True, slots=True)
class Message:
    """One handshake message, as far as its fragments are there."""

    kind: int
    body: bytes
    is_whole: bool


def listen(said: Speech, answered: Speech, ends: Ends) -> Finding | Wait | None:  # noqa: ARG001 - the contract
    """What the first datagrams of one end show."""
    datagrams = said.datagrams[:_MOST_DATAGRAMS]
    first = _records(datagrams[0]) if datagrams else None
    if first is None:
        return None
    is_last = said.is_ended or len(datagrams) == _MOST_DATAGRAMS
    records = [record for datagram in datagrams for record in _records(datagram) or ()]
    messages = _messages(fragments for kind, epoch, fragments in records if kind == _HANDSHAKE and not epoch)
    is_over = any(epoch or kind in (_CHANGE_CIPHER_SPEC, _CONNECTION_ID) for kind, epoch, _ in records)
    if any(message.kind in (SERVER_HELLO, _HELLO_VERIFY_REQUEST) for message in messages):
        return _from_server(messages, is_last=is_last or is_over)
    hello = next((message for message in messages if message.kind == CLIENT_HELLO), None)
    return _from_client(hello, is_last=is_last) if hello else Finding("dtls", is_final=is_last or is_over)


def _from_client(message: Message, *, is_last: bool) -> Finding:
    hello = client_hello_of(message.body, is_whole=message.is_whole)
    return Finding(
        "dtls",
        Role.CLIENT,
        hello.names(NameKind.TLS_SNI) if hello else (),
        hello.details("d") if hello else (),
        is_final=message.is_whole or is_last,
    )


def _from_server(messages: Iterable[Message], *, is_last: bool) -> Finding:
    details: tuple[tuple[str, str], ...] = ()
    names: tuple[Name, ...] = ()
    is_final = is_last
    for message in messages:
        if message.kind == SERVER_HELLO and message.is_whole:
            hello = server_hello_of(message.body)
            details = hello.details() if hello else ()
            is_final = is_final or hello is None or hello.version == DTLS_1_3  # what follows is encrypted
        elif message.kind == CERTIFICATE:
            certified = certificate_names(message.body)
            names, is_final = certified or (), is_final or certified is not None
        elif message.kind == SERVER_HELLO_DONE:
            is_final = True
    return Finding("dtls", Role.SERVER, names, details, is_final=is_final)


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


def _messages(contents: Iterable[bytes]) -> list[Message]:
    """The handshake messages that records carry, in order of their sequence numbers."""
    pieces: dict[tuple[int, int, int], dict[int, bytes]] = {}
    for sequence, kind, size, offset, fragment in islice(_fragments(contents), _MOST_FRAGMENTS):
        pieces.setdefault((sequence, kind, size), {}).setdefault(offset, fragment)
    messages = []
    for (_sequence, kind, size), of_message in sorted(pieces.items(), key=lambda item: item[0]):
        body = joined(of_message)
        messages.append(Message(kind, body, is_whole=len(body) == size))
    return messages


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
