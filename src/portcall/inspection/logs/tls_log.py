"""ssl.log: the handshake of one TLS connection, and what the ends chose (RFC 5246, RFC 8446)."""

from __future__ import annotations

import hashlib
from struct import Struct
from typing import TYPE_CHECKING

from portcall.dissectors._hello import (
    APPLICATION_PROTOCOLS,
    CERTIFICATE,
    CLIENT_HELLO,
    SERVER_HELLO,
    SUPPORTED_VERSIONS,
    TLS_1_3,
    client_hello_of,
    server_hello_of,
)
from portcall.dissectors._records import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEADER_BYTES,
    looks_like_records,
)
from portcall.labels.tls_words import alert_word, cipher_word, curve_word, version_word
from portcall.records.detections import NameKind
from portcall.records.payloads.log_entries import LogEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.records.payloads.log_entries import LogValue

    Fields = dict[str, LogValue]

_MOST_HISTORY = 100
_MOST_MESSAGE_BYTES = 64 << 10
_MOST_CERTIFICATES = 32
_SERVER_KEY_EXCHANGE, _HELLO_REQUEST = 12, 0
_KEY_SHARE, _PRE_SHARED_KEY, _NAMED_CURVE = 51, 41, 3
_RANDOM_END = 34
_RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random of a ServerHello that is a HelloRetryRequest (RFC 8446 §4.1.3)."""
_LETTERS = {
    _HELLO_REQUEST: "h",
    CLIENT_HELLO: "c",
    SERVER_HELLO: "s",
    3: "v",
    4: "t",
    5: "e",
    8: "o",
    CERTIFICATE: "x",
    _SERVER_KEY_EXCHANGE: "k",
    13: "r",
    14: "n",
    15: "y",
    16: "g",
    20: "f",
    21: "w",
    22: "u",
    23: "a",
    24: "p",
    254: "m",
}
"""Kind of handshake message → its letter in ``ssl_history``, which is capital for the client's."""
_RECORD = Struct(">BHH")
_SHORT = Struct(">H")


class Handshakes:
    """What handshake messages say, whatever carried them: TLS records or the packets of QUIC."""

    def __init__(self) -> None:
        self.fields: Fields = {"resumed": False, "established": False}
        self.history = ""
        self.version = 0
        self.client: int | None = None
        self._session = b""
        self._chains: dict[str, list[bytes]] = {}

    def note(self, letter: str, side: int) -> None:
        """One more step of a side in the history."""
        if len(self.history) < _MOST_HISTORY:
            self.history += letter.upper() if side == self.client else letter

    def message(self, side: int, kind: int, body: bytes) -> None:
        """One handshake message."""
        if kind == CLIENT_HELLO and self.client is None:
            self.client = side
        is_retry = kind == SERVER_HELLO and body[2:_RANDOM_END] == _RETRY_RANDOM
        self.note("j" if is_retry else _LETTERS.get(kind, "z"), side)
        if kind == CLIENT_HELLO:
            self._client_hello(body)
        elif kind == SERVER_HELLO and not is_retry:
            self._server_hello(body)
        elif kind == _SERVER_KEY_EXCHANGE and body[:1] == bytes([_NAMED_CURVE]) and len(body) > _NAMED_CURVE:
            if "ECDH" in str(self.fields.get("cipher")):
                self.fields["curve"] = curve_word(_SHORT.unpack_from(body, 1)[0])
        elif kind == CERTIFICATE and self.version != TLS_1_3:
            chain = [hashlib.sha256(certificate).hexdigest().encode() for certificate in _certificates(body)]
            self._chains.setdefault("client_cert_chain_fps" if side == self.client else "cert_chain_fps", chain)

    def entry(self, ts_ns: int) -> LogEntry:
        """All of it as a line of the log."""
        chains: Fields = {}
        if "cert_chain_fps" in self._chains:
            chains = {"client_cert_chain_fps": [], **self._chains}
            self.fields["resumed"] = False
        return LogEntry("ssl", ts_ns, {**self.fields, "ssl_history": self.history, **chains})

    def _client_hello(self, body: bytes) -> None:
        hello = client_hello_of(body)
        if hello:
            names = hello.names(NameKind.TLS_SNI)
            if names:
                self.fields["server_name"] = _server_name(hello.extensions)
            self._session = body[_RANDOM_END + 1 : _RANDOM_END + 1 + body[_RANDOM_END]]

    def _server_hello(self, body: bytes) -> None:
        hello = server_hello_of(body)
        if hello is None:
            return
        self.version = hello.version
        at = _RANDOM_END + 1 + body[_RANDOM_END]
        self.fields["version"] = version_word(hello.version)
        if len(body) >= at + 2:
            self.fields["cipher"] = cipher_word(_SHORT.unpack_from(body, at)[0])
        share = hello.extensions.get(_KEY_SHARE, b"")
        if len(share) >= _SHORT.size:
            self.fields["curve"] = curve_word(_SHORT.unpack_from(share)[0])
        chosen = hello.extensions.get(APPLICATION_PROTOCOLS, b"")
        if len(chosen) > 3:  # noqa: PLR2004 - length of the list, of its one entry, and a character
            self.fields["next_protocol"] = chosen[3 : 3 + chosen[2]]
        if SUPPORTED_VERSIONS in hello.extensions:
            self.fields["resumed"] = _PRE_SHARED_KEY in hello.extensions
        else:  # until a certificate says otherwise
            self.fields["resumed"] = bool(self._session) and body[_RANDOM_END + 1 : at] == self._session


class TlsLog:
    """The records of one connection, from the ClientHello on."""

    def __init__(self) -> None:
        self._said = Handshakes()
        self._buffers = (bytearray(), bytearray())
        self._messages = (bytearray(), bytearray())
        self._is_encrypted = [False, False]
        self._has_sent_encrypted = [False, False]
        self._began_ns: int | None = None
        self.is_over = False
        """Whether nothing more is to be learnt."""

    @property
    def held_bytes(self) -> int:
        """What waits for more."""
        return sum(map(len, (*self._buffers, *self._messages)))

    def feed(self, side: int, data: bytes, ts_ns: int) -> list[LogEntry]:
        """Take in more of one side's stream; what it completes comes at the end."""
        buffer = self._buffers[side]
        buffer += data
        while not self.is_over and len(buffer) >= HEADER_BYTES:
            kind, _, size = _RECORD.unpack_from(buffer)
            if not looks_like_records(bytes(buffer[:HEADER_BYTES])):
                self.is_over = True
            if len(buffer) < HEADER_BYTES + size:
                break
            content = bytes(buffer[HEADER_BYTES : HEADER_BYTES + size])
            del buffer[: HEADER_BYTES + size]
            if self._began_ns is None:
                self._began_ns = ts_ns
            self._record(side, kind, content)
        return []

    def finish(self) -> list[LogEntry]:
        """The line of the log, where there was a hello."""
        return [self._said.entry(self._began_ns)] if self._began_ns is not None and self._said.history else []

    def _record(self, side: int, kind: int, content: bytes) -> None:
        said = self._said
        if kind == APPLICATION_DATA or (self._is_encrypted[side] and kind in (HANDSHAKE, ALERT)):
            self._has_sent_encrypted[side] = True
            if all(self._has_sent_encrypted):
                said.fields["established"] = True
                self.is_over = True
        elif kind == CHANGE_CIPHER_SPEC:
            said.note("i", side)
            self._is_encrypted[side] = True
        elif kind == ALERT:
            said.note("l", side)
            if len(content) == 2:  # noqa: PLR2004 - level and description
                said.fields["last_alert"] = alert_word(content[1])
        elif kind == HANDSHAKE:
            for message_kind, body in self._whole_messages(side, content):
                said.message(side, message_kind, body)

    def _whole_messages(self, side: int, content: bytes) -> Iterator[tuple[int, bytes]]:
        buffer = self._messages[side]
        buffer += content
        while len(buffer) >= 4 and len(buffer) >= 4 + (size := int.from_bytes(buffer[1:4], "big")):  # noqa: PLR2004 - header
            yield buffer[0], bytes(buffer[4 : 4 + size])
            del buffer[: 4 + size]
        if len(buffer) > _MOST_MESSAGE_BYTES:
            self.is_over = True


def _server_name(extensions: dict[int, bytes]) -> bytes:
    body = extensions[0]
    return body[5 : 5 + _SHORT.unpack_from(body, 3)[0]]


def _certificates(body: bytes) -> list[bytes]:
    """Those of a Certificate message up to TLS 1.2: list length 3 | length 3 | certificate | …"""
    found: list[bytes] = []
    at = 3
    while at + 3 <= len(body) and len(found) < _MOST_CERTIFICATES:
        size = int.from_bytes(body[at : at + 3], "big")
        found.append(body[at + 3 : at + 3 + size])
        at += 3 + size
    return found
