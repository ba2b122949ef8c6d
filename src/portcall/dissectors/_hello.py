"""What the hellos of TLS, DTLS and QUIC say: the messages themselves, without the records or packets around them.

A ClientHello (RFC 8446 §4.1.2; RFC 9147 §5.3 has the cookie of DTLS)::

    version 2 | random 32 | session id 1+n | [cookie 1+n] | cipher suites 2+n | compressions 1+n | extensions 2+n

A ServerHello is the same with one cipher suite and one compression. Extensions are ``kind 2 | length 2 | body``. A
message may be cut anywhere: what is read is what is wholly there.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from portcall.dissectors._ja4 import GREASE, ja4
from portcall.labels.cover_names import is_cover_name
from portcall.records.detections import OUTER_KINDS, Name

if TYPE_CHECKING:
    from portcall.records.detections import NameKind

CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, SERVER_HELLO_DONE = 1, 2, 11, 14
"""Kinds of handshake messages (IANA, TLS HandshakeType)."""

TLS_1_3, DTLS_1_3 = 0x0304, 0xFEFC
_TLS_1_2, _DTLS_1_2 = 0x0303, 0xFEFD

SERVER_NAME, APPLICATION_PROTOCOLS, SUPPORTED_VERSIONS = 0, 16, 43
ENCRYPTED_CLIENT_HELLO, ENCRYPTED_SERVER_NAME = 0xFE0D, 0xFFCE
"""Extensions (IANA, TLS ExtensionType); the last is of draft-ietf-tls-esni-02, which ECH replaced."""
_MOST_KINDS = 8
"""Of names that a server may be called by, before its host's; only that is defined."""

_VERSIONS = {
    0x0002: "SSL 2.0",
    0x0300: "SSL 3.0",
    0x0301: "TLS 1.0",
    0x0302: "TLS 1.1",
    0x0303: "TLS 1.2",
    TLS_1_3: "TLS 1.3",
    0x0100: "DTLS 1.0",  # OpenSSL before 0.9.8f
    0xFEFF: "DTLS 1.0",
    0xFEFD: "DTLS 1.2",
    DTLS_1_3: "DTLS 1.3",
}
_MOST_NAME_CHARACTERS = 1024
_MOST_EXTENSIONS = 128  # browsers send some 18, and there are not as many in IANA's registry
_MOST_PROTOCOLS = 32
_RANDOM_END = 34
_RETRY = bytes.fromhex("cf21ad74e59a6111")
"""The random of a HelloRetryRequest begins so (RFC 8446 §4.1.3)."""
_MOST_SESSION_ID_BYTES = 32
_DATAGRAMS = 0xFE
"""The first byte of DTLS's versions."""
_EXTENSION = Struct(">HH")
_SHORT = Struct(">H")


class ClientHello(NamedTuple):
    """What a client offers."""

    version: int
    """The field of that name: in TLS 1.3 a constant, see ``newest_version``."""
    cipher_suites: bytes
    """Two bytes each."""
    extensions: dict[int, bytes]
    """Bodies by kind, in the order sent."""
    is_whole: bool
    """False where the message was cut, so that more extensions may have followed."""

    @property
    def newest_version(self) -> int:
        """The highest version offered."""
        offered = self.extensions.get(SUPPORTED_VERSIONS, b"")[1:]
        known = [version for (version,) in _SHORT.iter_unpack(offered[: len(offered) & ~1]) if version not in GREASE]
        if not known:
            return self.version
        newest: int = min(known) if self.version >> 8 == _DATAGRAMS else max(known)  # DTLS counts downward
        return newest

    @property
    def _is_newest_known(self) -> bool:
        """Whether nothing newer may be offered: where a hello of TLS 1.2 is cut, 1.3 may be behind the cut."""
        return self.is_whole or SUPPORTED_VERSIONS in self.extensions or self.version not in (_TLS_1_2, _DTLS_1_2)

    @property
    def protocols(self) -> list[bytes]:
        """The application protocols offered (RFC 7301)."""
        return _protocols(self.extensions)

    def names(self, kind: NameKind) -> tuple[Name, ...]:
        """The server's name, where the client sent one (RFC 6066 §3)."""
        # list length 2 | one or more, one of each kind: kind 1 (0: host name) | length 2 | name
        body, at = self.extensions.get(SERVER_NAME, b""), 2
        for _ in range(_MOST_KINDS):
            if len(body) < at + 4 or not body[at]:
                break
            at += 3 + _SHORT.unpack_from(body, at + 1)[0]
        if len(body) < at + 4 or body[at]:
            return ()
        sent = named(kind, body[at + 3 : at + 3 + _SHORT.unpack_from(body, at + 1)[0]])
        return tuple([beside_ech(name) for name in sent]) if self.has_outer_ech else sent

    @property
    def has_outer_ech(self) -> bool:
        """Whether an encrypted hello is in it, or what looks like one (RFC 9849 §5: a first byte of 0)."""
        return self.extensions.get(ENCRYPTED_CLIENT_HELLO, b"")[:1] == b"\0"

    def details(self, carrier: str) -> tuple[tuple[str, str], ...]:
        """What else is worth saying; the carrier is ``t`` for TCP, ``q`` for QUIC, ``d`` for DTLS."""
        version, protocols = self.newest_version, self.protocols
        sent = [("offers", version_text(version))] if self._is_newest_known else []
        if protocols:
            sent.append(("alpn", ",".join(map(printed, protocols))))
        if ENCRYPTED_CLIENT_HELLO in self.extensions:  # real or GREASE: nobody on the way can tell
            sent.append(("ech", "yes"))
        if ENCRYPTED_SERVER_NAME in self.extensions:
            sent.append(("esni", "yes"))
        if self.is_whole:
            first_protocol = protocols[0] if protocols else b""
            sent.append(("ja4", ja4(carrier, version, self.cipher_suites, self.extensions, first_protocol)))
        return tuple(sent)


class ServerHello(NamedTuple):
    """What a server chose."""

    version: int
    extensions: dict[int, bytes]
    asks_again: bool
    """Whether it is a HelloRetryRequest (RFC 8446 §4.1.4), which wants another hello of the client's."""

    def details(self) -> tuple[tuple[str, str], ...]:
        """Its version, and the application protocol unless that was encrypted."""
        sent = [("version", version_text(self.version))]
        if APPLICATION_PROTOCOLS in self.extensions:
            sent.append(("alpn", ",".join(map(printed, _protocols(self.extensions)))))
        return tuple(sent)


def client_hello_of(body: bytes, *, is_whole: bool = True) -> ClientHello | None:
    """The ClientHello whose message, after its header of 4 bytes, begins like this; None where it cannot be one."""
    if len(body) <= _RANDOM_END:
        return None
    at = _RANDOM_END + 1 + body[_RANDOM_END]
    if body[0] == _DATAGRAMS and at < len(body):
        at += 1 + body[at]  # the cookie
    if body[_RANDOM_END] > _MOST_SESSION_ID_BYTES or len(body) < at + 2:
        return None
    suites_end = at + 2 + _SHORT.unpack_from(body, at)[0]
    if (suites_end - at) % 2 or len(body) <= suites_end:
        return None
    extensions = _extensions(body, suites_end + 1 + body[suites_end])
    return ClientHello(_SHORT.unpack_from(body)[0], body[at + 2 : suites_end], extensions, is_whole)


def server_hello_of(body: bytes) -> ServerHello | None:
    """The ServerHello whose message, after its header of 4 bytes, begins like this; None where it cannot be one."""
    if len(body) <= _RANDOM_END or body[_RANDOM_END] > _MOST_SESSION_ID_BYTES:
        return None
    extensions = _extensions(body, _RANDOM_END + 1 + body[_RANDOM_END] + 3)
    chosen = extensions.get(SUPPORTED_VERSIONS, b"")
    version = _SHORT.unpack(chosen if len(chosen) == _SHORT.size else body[:2])[0]
    return ServerHello(version, extensions, body.startswith(_RETRY, 2))


def named(kind: NameKind, raw: bytes) -> tuple[Name, ...]:
    """The name that these bytes are, if any."""
    return (Name(kind, printed(raw)),) if raw else ()


def beside_ech(name: Name) -> Name:
    """A server's name in a hello that has an encrypted one, or what looks like it: a cover, or perhaps one."""
    outer = OUTER_KINDS.get(name.kind)
    return Name(outer, name.text) if outer and is_cover_name(name.text) else name._replace(may_be_cover=True)


def covers(names: tuple[Name, ...]) -> tuple[Name, ...]:
    """Names of a hello whose encrypted one was opened."""
    return tuple([Name(OUTER_KINDS.get(name.kind, name.kind), name.text) for name in names])


def random_of(body: bytes) -> bytes:
    """The random in the body of a hello."""
    return body[2:_RANDOM_END]


def printed(raw: bytes) -> str:
    """Bytes as text, those that are not ASCII as escapes, bounded."""
    return raw.decode("ascii", "backslashreplace")[:_MOST_NAME_CHARACTERS]


def version_text(version: int) -> str:
    """``TLS 1.2``, or the number of a version that has no name."""
    return _VERSIONS.get(version) or f"{version:#06x}"


def _extensions(body: bytes, at: int) -> dict[int, bytes]:
    extensions: dict[int, bytes] = {}
    if len(body) < at + 2:
        return extensions
    at += 2
    end = min(len(body), at + _SHORT.unpack_from(body, at - 2)[0])
    read = _EXTENSION.unpack_from
    while at + 4 <= end and len(extensions) < _MOST_EXTENSIONS:
        kind, size = read(body, at)
        at += 4 + size
        if at <= end:
            extensions[kind] = body[at - size : at]
    return extensions


def _protocols(extensions: dict[int, bytes]) -> list[bytes]:
    body = extensions.get(APPLICATION_PROTOCOLS, b"")
    protocols: list[bytes] = []
    at = 2  # after the length of the list
    while at < len(body) and len(protocols) < _MOST_PROTOCOLS:
        protocols.append(body[at + 1 : at + 1 + body[at]])
        at += 1 + body[at]
    return protocols
