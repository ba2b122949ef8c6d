"""What a TLS client says once it is encrypted, opened with secrets that the capture itself brings.

TLS 1.3 (RFC 8446 §5.2, §7.3) and the suites of TLS 1.2 that authenticate as they encrypt (RFC 5288, RFC 7905). Each
record carries a tag, so a wrong key is noticed and nothing is guessed.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from portcall.dissectors._hello import SERVER_HELLO, TLS_1_3, server_hello_of
from portcall.dissectors._records import (
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HEADER_BYTES,
    read_handshake,
    read_records,
)
from portcall.records.detections import Payload
from portcall.records.payloads.tls_secrets import CLIENT_SECRETS, MASTER

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    from portcall.records.payloads.tls_secrets import KeyLog

_TLS_1_2 = 0x0303
_RANDOM_AT, _RANDOM_END = 2, 34  # in both hellos' bodies
_NONCE_BYTES, _SALT_BYTES, _EXPLICIT_BYTES, _TAG_BYTES = 12, 4, 8, 16
_PLAIN_HEADER = Struct(">QBHH")


class _Suite(NamedTuple):
    """How records are protected."""

    hash: str
    key_bytes: int
    is_chacha: bool = False


_AES_128, _AES_256, _CHACHA = _Suite("sha256", 16), _Suite("sha384", 32), _Suite("sha256", 32, is_chacha=True)
_SUITES = {
    # IANA, TLS Cipher Suites; the first three are of TLS 1.3
    **dict.fromkeys((0x1301, 0x009C, 0x009E, 0xC02B, 0xC02D, 0xC02F, 0xC031), _AES_128),
    **dict.fromkeys((0x1302, 0x009D, 0x009F, 0xC02C, 0xC02E, 0xC030, 0xC032), _AES_256),
    **dict.fromkeys((0x1303, 0xCCA8, 0xCCA9, 0xCCAA), _CHACHA),
}


class _Keys(NamedTuple):
    """What one end protects its records with."""

    cipher: AESGCM | ChaCha20Poly1305
    nonce: bytes
    """TLS 1.2's AES has the first four bytes of it, and each record the others."""


def has_secrets(random: bytes, key_log: KeyLog) -> bool:
    """Whether the key log has a secret of the session that a ClientHello with this random begins."""
    return any((label, random) in key_log for label in (MASTER, *CLIENT_SECRETS))


def opened(sent: Payload, answered: Payload, key_log: KeyLog, random: bytes) -> Payload:
    """The application data of a client whose stream begins with its hello; nothing as long as no key is known.

    ``random``: of that hello, or of the one that is encrypted in it.
    """
    nothing = Payload(b"", is_ended=sent.is_ended)
    body = first_message(answered.data, SERVER_HELLO)
    hello = server_hello_of(body)
    if hello is None or len(body) < _RANDOM_END + 3 + body[_RANDOM_END]:
        return nothing
    suite = _SUITES.get(int.from_bytes(body[_RANDOM_END + 1 + body[_RANDOM_END] :][:2], "big"))
    if suite is None:
        return nothing
    if hello.version == TLS_1_3:
        secrets = [key_log[label, random] for label in CLIENT_SECRETS if (label, random) in key_log]
        data = _opened_1_3(sent.data, [_keys_1_3(secret, suite) for secret in secrets])
    elif hello.version == _TLS_1_2 and (MASTER, random) in key_log:
        data = _opened_1_2(sent.data, _keys_1_2(key_log[MASTER, random], random, body[_RANDOM_AT:_RANDOM_END], suite))
    else:
        return nothing
    return Payload(data, is_ended=sent.is_ended)


def unsealed(key: bytes, nonce: bytes, content: bytes, authenticated: bytes, *, is_chacha: bool) -> bytes | None:
    """What was sealed by AES-GCM or ChaCha20-Poly1305; None where this is not its key."""
    return _decrypted(_chosen(key, is_chacha=is_chacha), nonce, content, authenticated)


def expanded(secret: bytes, label: bytes, size: int, hash_name: str = "sha256") -> bytes:
    """HKDF-Expand-Label (RFC 8446 §7.1) with an empty context, for no more than one hash."""
    label = b"tls13 " + label
    return keyed_hash(secret, bytes((0, size, len(label))) + label + b"\0\1", hash_name)[:size]


def keyed_hash(key: bytes, data: bytes, hash_name: str = "sha256") -> bytes:
    """HMAC (RFC 2104)."""
    import hmac  # it loads OpenSSL

    return hmac.digest(key, data, hash_name)


def first_message(data: bytes, kind: int) -> bytes:
    """The first handshake message of a stream, as far as it is there, without its header; empty if of another kind."""
    message = read_handshake(data).data if len(data) > HEADER_BYTES else b""
    return message[4 : 4 + int.from_bytes(message[1:4], "big")] if message[:1] == bytes((kind,)) else b""


def _keys_1_3(secret: bytes, suite: _Suite) -> _Keys:
    key = expanded(secret, b"key", suite.key_bytes, suite.hash)
    return _Keys(_chosen(key, is_chacha=suite.is_chacha), expanded(secret, b"iv", _NONCE_BYTES, suite.hash))


def _keys_1_2(master: bytes, client_random: bytes, server_random: bytes, suite: _Suite) -> _Keys:
    """The client's part of the key block: both keys come first, then both nonces (RFC 5246 §6.3, §5)."""
    nonce_bytes = _NONCE_BYTES if suite.is_chacha else _SALT_BYTES
    seed = b"key expansion" + server_random + client_random
    block, chained = b"", seed
    while len(block) < 2 * (suite.key_bytes + nonce_bytes):
        chained = keyed_hash(master, chained, suite.hash)
        block += keyed_hash(master, chained + seed, suite.hash)
    nonce = block[2 * suite.key_bytes :][:nonce_bytes]
    return _Keys(_chosen(block[: suite.key_bytes], is_chacha=suite.is_chacha), nonce)


def _chosen(key: bytes, *, is_chacha: bool) -> AESGCM | ChaCha20Poly1305:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    return ChaCha20Poly1305(key) if is_chacha else AESGCM(key)


def _opened_1_3(data: bytes, keys: list[_Keys]) -> bytes:
    """The application data of a stream whose records' keys are these, one after the other; each counts from 0."""
    sent: list[bytes] = []
    number = 0
    for kind, header, content in read_records(data):
        if kind != APPLICATION_DATA:
            continue
        plain = None
        while keys and (plain := _decrypted(keys[0].cipher, _numbered(keys[0].nonce, number), content, header)) is None:
            if number == 0 and len(keys) == 1:
                break  # of a secret that is not known, before those that are
            keys, number = keys[1:], 0
        if plain is None:
            continue
        number += 1
        plain = plain.rstrip(b"\0")  # the padding; the last byte before it is the content's type
        if plain.endswith(bytes((APPLICATION_DATA,))):
            sent.append(plain[:-1])
    return b"".join(sent)


def _opened_1_2(data: bytes, keys: _Keys) -> bytes:
    """The application data of a stream whose records are protected with these keys from ChangeCipherSpec on."""
    sent: list[bytes] = []
    number = -1
    for kind, header, content in read_records(data):
        if number < 0:
            number = 0 if kind == CHANGE_CIPHER_SPEC else -1
            continue
        explicit = _EXPLICIT_BYTES if len(keys.nonce) == _SALT_BYTES else 0
        nonce = keys.nonce + content[:explicit] if explicit else _numbered(keys.nonce, number)
        size = max(len(content) - explicit - _TAG_BYTES, 0)
        authenticated = _PLAIN_HEADER.pack(number, kind, int.from_bytes(header[1:3], "big"), size)
        plain = _decrypted(keys.cipher, nonce, content[explicit:], authenticated)
        if plain is None:
            break
        number += 1
        if kind == APPLICATION_DATA:
            sent.append(plain)
    return b"".join(sent)


def _numbered(nonce: bytes, number: int) -> bytes:
    """The nonce of a record by its number (RFC 8446 §5.3)."""
    return (int.from_bytes(nonce, "big") ^ number).to_bytes(_NONCE_BYTES, "big")


def _decrypted(cipher: AESGCM | ChaCha20Poly1305, nonce: bytes, content: bytes, authenticated: bytes) -> bytes | None:
    """A record's content; None where these are not its keys."""
    from cryptography.exceptions import InvalidTag

    if len(nonce) != _NONCE_BYTES or len(content) < _TAG_BYTES:
        return None
    try:
        return cipher.decrypt(nonce, content, authenticated)
    except InvalidTag:
        return None
