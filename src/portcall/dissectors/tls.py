"""TLS and its ancestors, from SSL 2.0's hello to TLS 1.3, from the first byte or in mid-conversation.

A client's finding has the server's name (SNI), what it offers, its JA4, and the HTTP inside where the capture itself
brings the session's secrets; a server's has what it chose and, up to
TLS 1.2, whom its certificate is for.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._certificate import names_of
from portcall.dissectors._encrypted_hello import inner_hello, is_accepted
from portcall.dissectors._hello import (
    CLIENT_HELLO,
    SERVER_HELLO,
    TLS_1_3,
    ClientHello,
    client_hello_of,
    covers,
    random_of,
    server_hello_of,
    version_text,
)
from portcall.dissectors._inside import with_inside
from portcall.dissectors._records import (
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEADER_BYTES,
    client_hello,
    count_records,
    hello_after_change,
    looks_like_records,
    read_handshake,
    second_hello,
)
from portcall.dissectors._secrets import first_message, has_secrets, opened
from portcall.dissectors._server_messages import server_detection
from portcall.records.detections import NO_PAYLOAD, TCP, WAIT, Detection, NameKind, Role, Wait

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 5061, 8443})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (
        {0: range(20, 25), 1: b"\3", 2: range(5)},
        {0: range(128, 256), 2: b"\1", 3: b"\0\3", 4: range(5)},  # SSL 2.0
        {0: range(128, 256), 2: b"\4", 5: b"\0", 6: b"\2"},
    )
}

_INSIDE = frozenset({"http", "http2"})
_NO_RANDOM, _NO_CIPHER = bytes(33), bytes(3)
"""In the place of what the kernel leaves out: random and session id, cipher suite and compression."""
_OLD_CLIENT_HELLO = Struct(">HBHHHH")
_OLD_SERVER_HELLO = Struct(">HBBBHHHH")
_OLD_SERVER_KIND = 4
_SSL_2 = 0x0002
_KIND_AT, _VERSION_AT = HEADER_BYTES, HEADER_BYTES + 4  # of the first message


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """What the beginning of a stream shows."""
    data = sent.data
    hello = client_hello(data)
    if hello is None and data[:1] == bytes((CHANGE_CIPHER_SPEC,)) and _asks_again(answered):
        hello = hello_after_change(data)
        if hello is None and not sent.is_ended:
            return WAIT
    if isinstance(hello, ClientHello):
        return _from_client(hello, sent, answered, ends)
    if hello is WAIT:
        return _from_cut_hello(data) if sent.is_ended else WAIT
    if looks_like_records(data):
        if data[0] == HANDSHAKE and data[_KIND_AT] == SERVER_HELLO:
            handshake = read_handshake(data)
            return server_detection("tls", handshake.messages(), is_over=sent.is_ended or handshake.is_over)
        return _from_the_middle(sent, ends)
    return _from_old_hello(data, is_ended=sent.is_ended) if data and data[0] & 0x80 else None


def _from_client(hello: ClientHello, sent: Payload, answered: Payload, ends: Ends) -> Detection:
    """What a hello shows, the one that the server asked for after it, and what keys open."""
    second = second_hello(sent.data) if hello.is_whole else None
    names, details = hello.names(NameKind.TLS_SNI), hello.details("t")
    if isinstance(second, ClientHello):
        details = tuple(dict.fromkeys((*details, *second.details("t"))))
    if is_accepted(second if isinstance(second, ClientHello) else hello):
        details = (*details, ("ech", "accepted"))
    is_final = (hello.is_whole and second is not WAIT) or sent.is_ended
    detection = Detection("tls", Role.CLIENT, names, details, is_final=is_final)
    if not ends.key_log:
        return detection
    body = first_message(sent.data, CLIENT_HELLO)
    random = random_of(body)
    inner = inner_hello(body, hello, ends.key_log) if hello.is_whole else None
    if inner:
        detection = detection._replace(names=(*inner.hello.names(NameKind.TLS_SNI), *covers(names)))
        random = inner.random if has_secrets(inner.random, ends.key_log) else random
    if has_secrets(random, ends.key_log):
        return with_inside(detection, opened(sent, answered, ends.key_log, random), NO_PAYLOAD, ends, _INSIDE)
    return detection


def _asks_again(answered: Payload) -> bool:
    """Whether the server wants another hello."""
    hello = server_hello_of(first_message(answered.data, SERVER_HELLO))
    return hello is not None and hello.asks_again


def offered(hello: bytes) -> Detection:
    """What a ClientHello offers of which the kernel ``plain_details`` has kept what means something.

    ``is whole 1 | version 2 | cipher suites 2+n | compressions 1+n | extensions 2+n``
    """
    read = client_hello_of(hello[1:3] + _NO_RANDOM + hello[3:], is_whole=bool(hello[0]))
    return Detection("tls", details=read.details("t") if read else ())


def chosen(hello: bytes) -> Detection:
    """What a ServerHello chose, likewise: ``version 2 | extensions 2+n``."""
    read = server_hello_of(hello[:2] + _NO_RANDOM + _NO_CIPHER + hello[2:])
    return Detection("tls", details=read.details() if read else ())


def _from_cut_hello(data: bytes) -> Detection | None:
    """A ClientHello of which the capture kept hardly more than the headers."""
    is_hello = data.startswith(bytes((CLIENT_HELLO, 0)), _KIND_AT) and data.startswith(b"\x03", _VERSION_AT)
    return Detection("tls", Role.CLIENT) if is_hello else None


def _from_the_middle(sent: Payload, ends: Ends) -> Detection | Wait | None:
    """Records that no conversation begins with: sure where two follow one another, or one is all that was said."""
    count, end = count_records(sent.data)
    size = len(sent.data)
    if count > 1 or end == size:
        return Detection("tls")
    if end + HEADER_BYTES <= size:
        return None  # whatever it is that follows
    if sent.is_ended:
        return Detection("tls") if ends.has_port(*PORTS) else None
    return WAIT


def _from_old_hello(data: bytes, *, is_ended: bool) -> Detection | Wait | None:
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
        return Detection("tls", Role.CLIENT, details=(("offers", version_text(version)),))
    size, kind, _hit, _type, version, certificate, ciphers, connection = _OLD_SERVER_HELLO.unpack_from(data)
    rest = certificate + ciphers + connection
    if kind == _OLD_SERVER_KIND and version == _SSL_2 and size & 0x7FFF == _OLD_SERVER_HELLO.size - 2 + rest:
        raw = data[_OLD_SERVER_HELLO.size : _OLD_SERVER_HELLO.size + certificate]
        return Detection("tls", Role.SERVER, names_of(raw), (("version", version_text(version)),))
    return None
