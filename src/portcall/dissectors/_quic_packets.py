"""QUIC's packets with a long header, and what is inside those that anyone can open.

A long header (RFC 9000 §17.2; RFC 8999 says which fields no version may change)::

    1 | form 1 | fixed 1 | type 2 | protected 4 bits | version 4 | target id 1+n | source id 1+n | …
    Initial:  … token length (varint) | token | length (varint) | packet number 1–4 | payload, tag 16

Initial packets are encrypted, yet not secret: their keys follow from the connection id that the client made up for its
first packet (RFC 9001 §5.2). What they prove is that somebody speaks QUIC. The fixed bit is 1, unless the receiver has
said that it may be anything (RFC 9287).
"""

from __future__ import annotations

import enum
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from portcall.dissectors._secrets import expanded, keyed_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION_1, VERSION_2, VERSION_2_DRAFT = 0x00000001, 0x6B3343CF, 0x709A50C4
NEGOTIATION = 0
"""The version of a packet that lists versions."""


class QuicPacketKind(enum.IntEnum):
    """Types of long header packets, as version 1 numbers them."""

    INITIAL = 0
    ZERO_ROUND_TRIP = 1
    HANDSHAKE = 2
    RETRY = 3


class LongPacket(NamedTuple):
    """One packet of a datagram."""

    version: int
    kind: QuicPacketKind
    target_id: bytes
    source_id: bytes
    data: bytes
    """From its first byte to its end, or to that of the datagram."""
    number_at: int
    """Where in it the packet number begins: what is before it is the header. 0 where it has none, or not in here."""

    @property
    def is_fixed(self) -> bool:
        """Whether the fixed bit is set."""
        return bool(self.data[0] & 0x40)


class Keys(NamedTuple):
    """What one side protects its Initial packets with (RFC 9001 §5.3, §5.4)."""

    key: bytes
    nonce: bytes
    header: bytes


_SALT_1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")  # RFC 9001 §5.2
_SALT_2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")  # RFC 9369 §3.3.1
_SALT_DRAFT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")  # draft-ietf-quic-tls-29 §5.2, and so on
_SALT_DRAFT_23 = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")
_SALT_DRAFT_21 = bytes.fromhex("7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a")
_SALTS_OF_DRAFTS = ((33, _SALT_1), (29, _SALT_DRAFT_29), (23, _SALT_DRAFT_23), (22, _SALT_DRAFT_21))  # and later ones
_SALTS = {
    VERSION_1: _SALT_1,
    VERSION_2: _SALT_2,
    VERSION_2_DRAFT: _SALT_2,
    0x51303530: bytes.fromhex("504574efd066fe2f9d945cfcdbd3a7f0d3b56b45"),  # Q050 and T05x: Google's QUICHE
    0x54303530: bytes.fromhex("7ff579e5acd072915580304c43a2367c60488310"),
    0x54303531: bytes.fromhex("7a4edef4e7ccee5fa4506c19124fc8ccda6e033d"),
    0xFACEB001: _SALT_DRAFT_21,  # Facebook's mvfst
    0xFACEB002: _SALT_DRAFT_23,
    0xFACEB00E: _SALT_DRAFT_23,
}
_HEADER = Struct(">BIB")
_MOST_ID_BYTES = 20  # RFC 9000 §17.2
_MOST_PACKETS = 4  # of a datagram: one of each kind
_SAMPLE_BYTES, _SAMPLE_AFTER = 16, 4  # RFC 9001 §5.4.2
_PADDING, _PING, _ACKNOWLEDGED, _ACKNOWLEDGED_MARKS, _CRYPTO, _GOOGLE_PING, _GOOGLE_CRYPTO = 0, 1, 2, 3, 6, 7, 8
_MOST_RANGES, _MOST_FRAMES = 16, 256  # browsers cut and mix their hello on purpose, into tens of frames


def is_reserved(version: int) -> bool:
    """Whether a version exists only to make the other side list its own (RFC 9000 §15)."""
    return version & 0x0F0F0F0F == 0x0A0A0A0A  # noqa: PLR2004 - the pattern


def salts_of(version: int) -> tuple[bytes, ...]:
    """What the keys of this version begin with; of reserved versions what clients that send them are seen to take."""
    if version >> 8 == 0xFF0000:  # noqa: PLR2004 - IETF drafts
        return tuple(salt for first, salt in _SALTS_OF_DRAFTS if version & 0xFF >= first)[:1]
    if is_reserved(version):
        return _SALT_1, _SALT_DRAFT_29
    return (_SALTS[version],) if version in _SALTS else ()


def long_packets(datagram: bytes) -> Iterator[LongPacket]:
    """The packets with a long header that a datagram begins with (RFC 9000 §12.2)."""
    rest = datagram
    for _ in range(_MOST_PACKETS):
        packet = _long_packet(rest)
        if packet is None:
            return
        yield packet
        rest = rest[len(packet.data) :]


def _long_packet(data: bytes) -> LongPacket | None:
    if len(data) <= _HEADER.size or not data[0] & 0x80:
        return None
    first, version, target_size = _HEADER.unpack_from(data)
    source_at = _HEADER.size + target_size + 1
    if target_size > _MOST_ID_BYTES or len(data) < source_at or data[source_at - 1] > _MOST_ID_BYTES:
        return None
    at = source_at + data[source_at - 1]
    if at > len(data):
        return None
    kind = _kind(version, first)
    number_at, end = 0, len(data)
    if version != NEGOTIATION and kind is not QuicPacketKind.RETRY:
        if kind is QuicPacketKind.INITIAL:
            token_size, at = _variable(data, at)
            at += token_size
        size, at = _variable(data, at)
        if at + size <= len(data):
            number_at, end = at, at + size
    return LongPacket(
        version,
        kind,
        data[_HEADER.size : source_at - 1],
        data[source_at : source_at + data[source_at - 1]],
        data[:end],
        number_at,
    )


def _kind(version: int, first: int) -> QuicPacketKind:
    number = first >> 4 & 3
    return QuicPacketKind((number - 1) % 4 if version in (VERSION_2, VERSION_2_DRAFT) else number)  # RFC 9369 §3.2


def opened(packet: LongPacket, first_id: bytes, *, from_client: bool) -> bytes | None:
    """What an Initial packet carries, if that side of the connection that began with this target id made it."""
    for salt in salts_of(packet.version):
        keys = initial_keys(salt, first_id, packet.version in (VERSION_2, VERSION_2_DRAFT), from_client)
        payload = _decrypted(packet, keys)
        if payload is not None:
            return payload
    return None


@lru_cache(maxsize=512)  # some 200 bytes each
def initial_keys(salt: bytes, first_id: bytes, is_version_2: bool, from_client: bool) -> Keys:  # noqa: FBT001 - cached
    """The keys of a connection's Initial packets (RFC 9001 §5.2, RFC 9369 §3.3)."""
    initial = keyed_hash(salt, first_id)
    secret = expanded(initial, b"client in" if from_client else b"server in", 32)
    family = b"quicv2 " if is_version_2 else b"quic "
    return Keys(
        expanded(secret, family + b"key", 16),
        expanded(secret, family + b"iv", 12),
        expanded(secret, family + b"hp", 16),
    )


def _decrypted(packet: LongPacket, keys: Keys) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import ECB

    data, at = packet.data, packet.number_at
    sample = data[at + _SAMPLE_AFTER : at + _SAMPLE_AFTER + _SAMPLE_BYTES]
    if not at or len(sample) < _SAMPLE_BYTES:
        return None
    mask = Cipher(AES(keys.header), ECB()).encryptor().update(sample)  # noqa: S305 - RFC 9001 §5.4.3 wants it
    first = data[0] ^ mask[0] & 0x0F
    number_size = (first & 3) + 1
    number = bytes(protected ^ bit for protected, bit in zip(data[at : at + number_size], mask[1:], strict=False))
    nonce = int.from_bytes(keys.nonce, "big") ^ int.from_bytes(number, "big")
    header = bytes((first,)) + data[1:at] + number
    try:
        return AESGCM(keys.key).decrypt(nonce.to_bytes(12, "big"), data[at + number_size :], header)
    except InvalidTag:
        return None


def crypto_pieces(payload: bytes) -> dict[int, bytes]:
    """What the CRYPTO frames of an Initial packet carry, by offset (RFC 9000 §19)."""
    pieces: dict[int, bytes] = {}
    at = 0
    for _ in range(_MOST_FRAMES):
        if at >= len(payload):
            break
        kind = payload[at]
        if kind == _PADDING:
            at = len(payload) - len(payload[at:].lstrip(b"\0"))
        elif kind in (_PING, _GOOGLE_PING):
            at += 1
        elif kind in (_ACKNOWLEDGED, _ACKNOWLEDGED_MARKS):
            at = _after_acknowledgement(payload, at)
        elif kind in (_CRYPTO, _GOOGLE_CRYPTO):
            offset, at = _variable(payload, at + 1)
            size, at = _variable(payload, at)
            pieces[offset] = payload[at : at + size]
            at += size
        else:
            break
    return pieces


def _after_acknowledgement(payload: bytes, at: int) -> int:
    # largest | delay | count of further ranges | first range | ranges, two numbers each | [three counts of marks]
    marks = 3 if payload[at] == _ACKNOWLEDGED_MARKS else 0
    _largest, at = _variable(payload, at + 1)
    _delay, at = _variable(payload, at)
    ranges, at = _variable(payload, at)
    if ranges > _MOST_RANGES:  # of the few packets of a beginning
        return len(payload)
    for _ in range(1 + 2 * ranges + marks):
        _number, at = _variable(payload, at)
    return at


def _variable(data: bytes, at: int) -> tuple[int, int]:
    """The integer of variable length there (RFC 9000 §16), and where it ends: behind the data where it is cut."""
    if at >= len(data):
        return 0, len(data) + 1
    size = 1 << (data[at] >> 6)
    if at + size > len(data):
        return 0, len(data) + 1
    return int.from_bytes(data[at : at + size], "big") & (1 << 8 * size - 2) - 1, at + size
