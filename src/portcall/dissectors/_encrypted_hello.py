"""Encrypted client hellos (ECH, RFC 9849), opened with the secrets that a key log has of them (RFC 9850).

The extension of the outer hello; the payload is the inner hello, sealed by HPKE (RFC 9180) with all of the outer one
beside it, whose payload counts as zeros::

    0: outer | KDF 2 | AEAD 2 | configuration's id 1 | encapsulated key 2+n | payload 2+n

Without secrets nobody can tell it from GREASE (§6.2): a client without a configuration sends the same fields at random.
Only a second hello shows one, where its key is empty: the server has opened the first (§6.1.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from portcall.dissectors._hello import ENCRYPTED_CLIENT_HELLO, ClientHello, client_hello_of, random_of
from portcall.dissectors._secrets import unsealed
from portcall.records.payloads.tls_secrets import ECH_CONFIG, ECH_SECRET

if TYPE_CHECKING:
    from portcall.records.payloads.tls_secrets import KeyLog

_HASHES = {1: "sha256", 2: "sha384", 3: "sha512"}  # by KDF
_KEY_BYTES = {1: 16, 2: 32, 3: 32}  # by AEAD: AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305
_CHACHA = 3
_NONCE_BYTES = 12
_KEM_AT = 5  # in a configuration: version 2, length 2, id 1
_KEY_AT = 8  # in the extension, behind its length


class InnerHello(NamedTuple):
    """What was encrypted."""

    hello: ClientHello
    random: bytes
    """Of the session, where the server accepts it."""


class _Sealed(NamedTuple):
    kdf: int
    aead: int
    key: bytes
    payload: bytes


def is_accepted(second: ClientHello) -> bool:
    """Whether a second hello shows that the server could open the first one."""
    sealed = _sealed(second)
    return sealed is not None and not sealed.key


def inner_hello(body: bytes, outer: ClientHello, key_log: KeyLog) -> InnerHello | None:
    """The hello inside a first one, whose message without its header is ``body``; None where no secret opens one."""
    random = random_of(body)
    secret, config = key_log.get((ECH_SECRET, random)), key_log.get((ECH_CONFIG, random))
    sealed = _sealed(outer) if secret and config else None
    if not (secret and config and sealed and sealed.key) or body.count(sealed.payload) != 1:
        return None
    if sealed.kdf not in _HASHES or sealed.aead not in _KEY_BYTES:
        return None
    beside = body.replace(sealed.payload, bytes(len(sealed.payload)))
    key, nonce = _keys(sealed, secret, config)
    plain = unsealed(key, nonce, sealed.payload, beside, is_chacha=sealed.aead == _CHACHA) or b""
    hello = client_hello_of(plain)
    return InnerHello(hello, random_of(plain)) if hello else None


def _sealed(hello: ClientHello) -> _Sealed | None:
    data = hello.extensions.get(ENCRYPTED_CLIENT_HELLO, b"")
    if len(data) < _KEY_AT or data[0]:
        return None
    end = _KEY_AT + int.from_bytes(data[_KEY_AT - 2 : _KEY_AT], "big")
    payload = data[end + 2 : end + 2 + int.from_bytes(data[end : end + 2], "big")]
    return _Sealed(int.from_bytes(data[1:3], "big"), int.from_bytes(data[3:5], "big"), data[_KEY_AT:end], payload)


def _keys(sealed: _Sealed, secret: bytes, config: bytes) -> tuple[bytes, bytes]:
    """The key and the first nonce of HPKE's base mode (RFC 9180 §5.1)."""
    import hmac  # it loads OpenSSL

    hash_name = _HASHES[sealed.kdf]
    suite = b"HPKE" + config[_KEM_AT : _KEM_AT + 2] + sealed.kdf.to_bytes(2, "big") + sealed.aead.to_bytes(2, "big")

    def extracted(salt: bytes, label: bytes, key: bytes) -> bytes:
        return hmac.digest(salt, b"HPKE-v1" + suite + label + key, hash_name)

    context = b"\0" + extracted(b"", b"psk_id_hash", b"") + extracted(b"", b"info_hash", b"tls ech\0" + config)
    extract = extracted(secret, b"secret", b"")

    def expanded(label: bytes, size: int) -> bytes:  # no more than one hash
        info = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + context
        return hmac.digest(extract, info + b"\1", hash_name)[:size]

    return expanded(b"key", _KEY_BYTES[sealed.aead]), expanded(b"base_nonce", _NONCE_BYTES)
