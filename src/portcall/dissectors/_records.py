"""TLS as it flows: records, and the handshake messages in them.

Records (RFC 8446 §5.1) carry bytes; handshake messages (§4) are cut over them as the sender likes::

    content type 1 | version 2 | length 2 | …          message kind 1 | length 3 | …
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from portcall.dissectors._hello import CLIENT_HELLO, ClientHello, client_hello_of
from portcall.records.detections import WAIT, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = 20, 21, 22, 23, 24
"""Content types (IANA, TLS ContentType)."""

HEADER_BYTES = 5
"""Of a record."""

_HEADER = Struct(">BBBH")
_MESSAGE_HEADER_BYTES = 4
_MOST_RECORD_BYTES = 2**14 + 2048  # RFC 5246 §6.2.3
_ENOUGH_RECORDS = 2
_MOST_RECORDS, _MOST_MESSAGES = 512, 32  # far more than anybody's hello and certificate take


class Handshake(NamedTuple):
    """The handshake messages that a stream begins with, in clear as far as they are."""

    data: bytes
    is_over: bool
    """Whether something else follows them: encrypted, application data, an alert, or no TLS."""

    def messages(self) -> Iterator[tuple[int, bytes, bool]]:
        """Kind, body and whether it is whole, of each message; only the last one can be cut."""
        at, data = 0, self.data
        for _ in range(_MOST_MESSAGES):
            if at + _MESSAGE_HEADER_BYTES > len(data):
                return
            body_at = at + _MESSAGE_HEADER_BYTES
            end = body_at + int.from_bytes(data[at + 1 : body_at], "big")
            yield data[at], data[body_at:end], end <= len(data)
            at = end


def client_hello(data: bytes) -> ClientHello | Wait | None:
    """The ClientHello that a stream begins with, be it TLS from the start or after STARTTLS or CONNECT.

    Not whole as long as it is not all there; ``WAIT`` where too little is there to tell, None where it is none.
    """
    if not looks_like_records(data):
        return None
    if len(data) <= HEADER_BYTES:
        return WAIT
    if data[0] != HANDSHAKE or data[HEADER_BYTES] != CLIENT_HELLO:
        return None
    handshake = read_handshake(data).data
    end = _MESSAGE_HEADER_BYTES + int.from_bytes(handshake[1:_MESSAGE_HEADER_BYTES], "big")
    is_whole = _MESSAGE_HEADER_BYTES < end <= len(handshake)
    hello = client_hello_of(handshake[_MESSAGE_HEADER_BYTES:end], is_whole=is_whole)
    return hello or (None if is_whole else WAIT)


def hello_after_change(data: bytes) -> ClientHello | None:
    """A whole ClientHello behind a record of ChangeCipherSpec, as one that was asked for again (RFC 8446 §D.4)."""
    if data[:1] != bytes((CHANGE_CIPHER_SPEC,)) or len(data) < HEADER_BYTES or not (at := _record_bytes(data, 0)):
        return None
    message_at = at + HEADER_BYTES
    size = int.from_bytes(data[message_at + 1 : message_at + _MESSAGE_HEADER_BYTES], "big")
    is_alone = int.from_bytes(data[at + 3 : message_at], "big") == _MESSAGE_HEADER_BYTES + size
    hello = client_hello(data[at:]) if is_alone and data[at : at + 1] == bytes((HANDSHAKE,)) else None
    return hello if isinstance(hello, ClientHello) and hello.is_whole else None


def second_hello(data: bytes) -> ClientHello | Wait | None:
    """The ClientHello that follows the whole one which a stream begins with, where a server asked for it.

    ``WAIT`` where it may not all be there; None where something else follows, or nothing.
    """
    hello_bytes = _MESSAGE_HEADER_BYTES + int.from_bytes(read_handshake(data).data[1:_MESSAGE_HEADER_BYTES], "big")
    at = 0
    while hello_bytes > 0 and at + HEADER_BYTES <= len(data):
        size = _record_bytes(data, at)
        hello_bytes -= size - HEADER_BYTES
        at += size
    rest = data[at:]
    if rest[:1] == bytes((CHANGE_CIPHER_SPEC,)):
        behind = rest[_record_bytes(rest, 0) :] if len(rest) >= HEADER_BYTES else b""
        if not behind:
            return WAIT
    else:
        behind = rest
    if behind[:1] != bytes((HANDSHAKE,)):
        return None
    hello = client_hello(behind)
    if isinstance(hello, ClientHello) and hello.is_whole:
        return hello
    return WAIT if count_records(behind)[1] > len(behind) or len(behind) < HEADER_BYTES else None


def read_handshake(data: bytes) -> Handshake:
    """The handshake messages at the beginning of a stream that looks like records."""
    size = _record_bytes(data, 0)
    if size == len(data) and data[0] == HANDSHAKE:  # nearly every ClientHello is all of one segment
        return Handshake(data[HEADER_BYTES:], is_over=False)
    pieces: list[bytes] = []
    at = 0
    while len(data) - at >= HEADER_BYTES:
        size = _record_bytes(data, at)
        if not size or data[at] != HANDSHAKE or len(pieces) == _MOST_RECORDS:
            return Handshake(b"".join(pieces), is_over=True)
        pieces.append(data[at + HEADER_BYTES : at + size])
        at += size
    return Handshake(b"".join(pieces), is_over=False)


def read_records(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Content type, header and content of each record that is wholly there, up to the first that is none."""
    at = 0
    for _ in range(_MOST_RECORDS):
        size = _record_bytes(data, at) if len(data) - at >= HEADER_BYTES else 0
        if not size or at + size > len(data):
            return
        yield data[at], data[at : at + HEADER_BYTES], data[at + HEADER_BYTES : at + size]
        at += size


def looks_like_records(data: bytes) -> bool:
    """Whether a stream begins with what may be (the beginning of) a record's header."""
    if not data or not CHANGE_CIPHER_SPEC <= data[0] <= HEARTBEAT:
        return False
    if len(data) < HEADER_BYTES:
        return data[1:2] in (b"", b"\x03")
    return bool(_record_bytes(data, 0))


def count_records(data: bytes) -> tuple[int, int]:
    """How many headers of records stand one behind the other (counting ends early), and where the last record ends.

    That end may be behind the data; before it, what follows is the beginning of a header, or no record.
    """
    at = count = 0
    while len(data) - at >= HEADER_BYTES and count < _ENOUGH_RECORDS:
        size = _record_bytes(data, at)
        if not size:
            break
        at, count = at + size, count + 1
    return count, at


def _record_bytes(data: bytes, at: int) -> int:
    """The length of a record with its header, which must be there; 0 where it is none."""
    kind, major, minor, size = _HEADER.unpack_from(data, at)
    is_record = CHANGE_CIPHER_SPEC <= kind <= HEARTBEAT and major == 3 and minor <= 4  # noqa: PLR2004 - SSL 3.0 …
    # OpenSSL's countermeasure against BEAST sends records of application data without any.
    is_record = is_record and size <= _MOST_RECORD_BYTES and (size > 0 or kind == APPLICATION_DATA)
    return HEADER_BYTES + size if is_record else 0
