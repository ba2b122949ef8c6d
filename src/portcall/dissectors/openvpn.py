r"""OpenVPN, over UDP and TCP (the packet format of openvpn's ssl_pkt.h; draft-openvpn §4).

::

    TCP only: 0 length:16
    0 opcode:5 key:3  1 session:64  9 acknowledgements:8 … message:32, behind what tls-auth or tls-crypt puts between
    a plain hard reset is 14 bytes: no acknowledgement, message number 0

Only control messages tell: data look like anything. Without the standard port a session that both ends name is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._families import wait_for_more
from portcall.dissectors._prefixes import ZERO
from portcall.records.detections import TCP, UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({1194})
_RESETS = b"\x38\x40\x50"
_TAG_BYTES = (16, 20, 32, 48, 64)
"""Of the digests that tls-auth is used with; tls-crypt has 32."""
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    UDP: (
        {0: _RESETS, 9: b"\0\1", 10: ZERO, 11: ZERO, 12: b"\0\1"},  # plain, or with tls-crypt
        *({0: _RESETS, 9 + tag + 2: ZERO, 9 + tag + 3: b"\1"} for tag in _TAG_BYTES),
    ),
    TCP: ({0: range(5), 2: _RESETS},),
}

_CLIENT_RESETS, _SERVER_RESET = (7, 10), 8
_ROLES = {7: Role.CLIENT, 10: Role.CLIENT, 8: Role.SERVER}
_SESSION = slice(1, 9)
_LEAST_BYTES, _LONGEST_RESET_BYTES = 14, 1200
_PLAIN_RESET_BYTES, _PLAIN_ANSWER_BYTES = 14, 26


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """OpenVPN, with its role."""
    if ends.transport == TCP:
        if len(sent.data) > 2 and (sent.data[2] >> 3 not in _ROLES or _length(sent.data) > _LONGEST_RESET_BYTES):  # noqa: PLR2004
            return None
        if _is_cut(sent.data):
            return wait_for_more(sent, ends)
    prefix, reply = _first_message(sent, ends), _first_message(answered, ends)
    role = _ROLES.get(prefix[0] >> 3) if _LEAST_BYTES <= len(prefix) <= _LONGEST_RESET_BYTES else None
    if role is None or prefix[0] & 7:
        return None
    is_known = _is_plain(prefix) or _names_session(prefix, reply) or _names_session(reply, prefix)
    if not is_known and _has_digest(prefix):
        is_known = ends.has_port(*PORTS) or (_is_other_reset(prefix, reply) and _has_digest(reply))
    return Detection("openvpn", role) if is_known else None


def _is_cut(data: bytes) -> bool:
    """Whether a stream may begin with a reset whose end is not there yet."""
    if len(data) < 3:  # noqa: PLR2004
        return True
    return len(data) < 2 + _length(data) <= 2 + _LONGEST_RESET_BYTES


def _length(data: bytes) -> int:
    return data[0] << 8 | data[1]


def _first_message(payload: Payload, ends: Ends) -> bytes:
    if ends.transport == TCP:
        return payload.data[2 : 2 + _length(payload.data)] if len(payload.data) > 2 else b""  # noqa: PLR2004
    return payload.datagrams[0] if payload.datagrams else payload.data


def _is_plain(data: bytes) -> bool:
    """A hard reset without any protection: message 0 by a client, or by a server that acknowledges it."""
    if data[0] >> 3 == _SERVER_RESET:
        return len(data) == _PLAIN_ANSWER_BYTES and data[9:14] == b"\1\0\0\0\0" and not any(data[22:])
    return len(data) == _PLAIN_RESET_BYTES and not any(data[9:]) and any(data[_SESSION])


def _names_session(data: bytes, reply: bytes) -> bool:
    """Whether a server's reset names the session of the client's."""
    if (
        min(len(data), len(reply)) < _LEAST_BYTES
        or data[0] >> 3 not in _CLIENT_RESETS
        or reply[0] >> 3 != _SERVER_RESET
    ):
        return False
    return data[_SESSION] in reply[9:]


def _is_other_reset(prefix: bytes, reply: bytes) -> bool:
    """Whether the other end answers a reset of a client with a server's, or was answered so."""
    other = reply[0] >> 3 if len(reply) >= _LEAST_BYTES else None
    return other == _SERVER_RESET if prefix[0] >> 3 in _CLIENT_RESETS else other in _CLIENT_RESETS


def _has_digest(data: bytes) -> bool:
    """Whether the packet number 1 stands where tls-auth (behind a digest) or tls-crypt (behind the session) has it."""
    return any(data[9 + tag : 9 + tag + 4] == b"\0\0\0\1" for tag in _TAG_BYTES) or data[9:13] == b"\0\0\0\1"
