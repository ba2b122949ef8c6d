"""TLS and its ancestors, from SSL 2.0's hello to TLS 1.3, from the first byte or in mid-conversation.

A client's finding has the server's name (SNI), what it offers, and its JA4; a server's has what it chose and, up to
TLS 1.2, whom its certificate is for.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._certificate import certificate_names, names_of
from portcall.dissectors._hello import (
    CERTIFICATE,
    CLIENT_HELLO,
    SERVER_HELLO,
    SERVER_HELLO_DONE,
    TLS_1_3,
    ClientHello,
    server_hello_of,
    version_text,
)
from portcall.dissectors._records import HANDSHAKE, client_hello, count_records, looks_like_records, read_handshake
from portcall.speech import TCP, WAIT, Finding, NameKind, Role, Wait

if TYPE_CHECKING:
    from portcall.speech import Ends, Name, Speech

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 5061, 8443})

_OLD_CLIENT_HELLO = Struct(">HBHHHH")
_OLD_SERVER_HELLO = Struct(">HBBBHHHH")
_OLD_SERVER_KIND = 4
_ENOUGH_RECORDS = 2
_SSL_2 = 0x0002
_KIND_AT = 5  # of the first message, behind the record's header


def listen(said: Speech, answered: Speech, ends: Ends) -> Finding | Wait | None:  # noqa: ARG001 - the contract
    """What the beginning of a stream shows."""
    data = said.data
    hello = client_hello(data)
    if isinstance(hello, ClientHello):
        is_final = hello.is_whole or said.is_ended
        return Finding("tls", Role.CLIENT, hello.names(NameKind.TLS_SNI), hello.details("t"), is_final=is_final)
    if hello is WAIT:
        return None if said.is_ended else WAIT
    if looks_like_records(data):
        is_server = data[0] == HANDSHAKE and data[_KIND_AT] == SERVER_HELLO
        return _from_server(said) if is_server else _from_the_middle(said, ends)
    return _from_old_hello(data, is_ended=said.is_ended) if data and data[0] & 0x80 else None


def _from_server(said: Speech) -> Finding | Wait | None:
    hello = None
    names: tuple[Name, ...] = ()
    handshake = read_handshake(said.data)
    is_final = said.is_ended or handshake.is_over
    for kind, body, is_whole in handshake.messages():
        if kind == SERVER_HELLO and is_whole:
            hello = server_hello_of(body)
            is_final = is_final or hello is None or hello.version >= TLS_1_3  # what follows is encrypted
        elif kind == CERTIFICATE:
            certified = certificate_names(body)
            names, is_final = certified or (), is_final or certified is not None
        elif kind == SERVER_HELLO_DONE:
            is_final = True
    if hello is None and not is_final:
        return WAIT
    return Finding("tls", Role.SERVER, names, hello.details() if hello else (), is_final=is_final)


def _from_the_middle(said: Speech, ends: Ends) -> Finding | Wait | None:
    """Records that no conversation begins with: sure where two follow one another, or one is all that was said."""
    whole_records, nothing_else = count_records(said.data)
    if not nothing_else and whole_records < _ENOUGH_RECORDS:
        return None
    if whole_records:
        return Finding("tls")
    if said.is_ended:
        return Finding("tls") if ends.has_port(*PORTS) and len(said.data) > _KIND_AT else None
    return WAIT


def _from_old_hello(data: bytes, *, is_ended: bool) -> Finding | Wait | None:
    """A hello of SSL 2.0, which clients of SSL 3.0 and TLS 1.0 sent too (RFC 5246 appendix E.2).

    ::

        client: length 2, highest bit set | kind 1 | version 2 | lengths of ciphers, session id, challenge 2 each
        server: length 2, highest bit set | kind 1 | hit 1 | certificate type 1 | version 2
                | lengths of certificate, ciphers, connection id 2 each | certificate …
    """
    if len(data) < _OLD_SERVER_HELLO.size:
        may_be_hello = len(data) < 3 or data[2] in (CLIENT_HELLO, _OLD_SERVER_KIND)  # noqa: PLR2004 - the kind's place
        return WAIT if may_be_hello and not is_ended else None
    size, kind, version, ciphers, session, challenge = _OLD_CLIENT_HELLO.unpack_from(data)
    size &= 0x7FFF
    is_known = version == _SSL_2 or 0x0300 <= version <= TLS_1_3  # noqa: PLR2004 - SSL 3.0
    is_sound = not ciphers % 3 and session in (0, 16) and 16 <= challenge <= 32  # noqa: PLR2004 - its rules
    if kind == CLIENT_HELLO and is_known and is_sound and size == 9 + ciphers + session + challenge:
        return Finding("tls", Role.CLIENT, details=(("offers", version_text(version)),))
    size, kind, _hit, _type, version, certificate, ciphers, connection = _OLD_SERVER_HELLO.unpack_from(data)
    rest = certificate + ciphers + connection
    if kind == _OLD_SERVER_KIND and version == _SSL_2 and size & 0x7FFF == _OLD_SERVER_HELLO.size - 2 + rest:
        raw = data[_OLD_SERVER_HELLO.size : _OLD_SERVER_HELLO.size + certificate]
        return Finding("tls", Role.SERVER, names_of(raw), (("version", version_text(version)),))
    return None
