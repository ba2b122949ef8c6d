r"""OpenVPN, over UDP and TCP (the packet format of openvpn's ssl_pkt.h; draft-openvpn §4).

::

    TCP only: 0 length:16
    0 opcode:5 key:3  1 session:64  9 either 0 acknowledgements:8 … message:32, or what tls-auth or tls-crypt puts between
    a plain hard reset is 14 bytes: no acknowledgement, message number 0

Only control messages tell: data look like anything. Without the standard port a session that both ends name is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._families import wait_for_more
from portcall.speech import TCP, UDP, WAIT, Finding, Role

if TYPE_CHECKING:
    from portcall.speech import Ends, Speech, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({1194})

_CLIENT_RESETS, _SERVER_RESET, _CONTROL, _ACK = (7, 10), 8, 4, 5
_ROLES = {7: Role.CLIENT, 10: Role.CLIENT, 8: Role.SERVER}
_SESSION = slice(1, 9)
_LEAST_BYTES, _LONGEST_RESET_BYTES = 14, 1200
_PLAIN_RESET_BYTES, _PLAIN_ANSWER_BYTES = 14, 26
_TAG_BYTES = (16, 20, 32, 48, 64)
"""Of the digests that tls-auth is used with; tls-crypt has 32."""


def listen(said: Speech, answered: Speech, ends: Ends) -> Finding | Wait | None:
    """OpenVPN, with its role."""
    data = said.data
    if ends.transport == TCP:
        if len(data) < 3 + 8:
            return wait_for_more(said, ends)
        length = data[0] << 8 | data[1]
        if not _LEAST_BYTES <= length <= _LONGEST_RESET_BYTES or len(data) < 2 + length:
            return None
        data = data[2 : 2 + length]
    opening, reply = data, _first(answered, ends)
    if not _LEAST_BYTES <= len(opening) <= _LONGEST_RESET_BYTES or opening[0] & 7:
        return None
    opcode = opening[0] >> 3
    if opcode not in _ROLES:
        return None
    if _is_plain(opening, opcode) or _names_session(opening, reply) or _names_session(reply, opening):
        return Finding("openvpn", _ROLES[opcode])
    if _has_digest(opening) and (ends.has_port(*PORTS) or (_is_other_reset(opcode, reply) and _has_digest(reply))):
        return Finding("openvpn", _ROLES[opcode])
    return WAIT if opcode in _CLIENT_RESETS and _has_digest(opening) and not answered.is_ended else None


def _first(speech: Speech, ends: Ends) -> bytes:
    """The first control message of the other end."""
    return speech.data[2:] if ends.transport == TCP else speech.datagrams[0] if speech.datagrams else speech.data


def _is_plain(data: bytes, opcode: int) -> bool:
    """A hard reset without any protection: message 0 by a client, or by a server that acknowledges it."""
    if opcode == _SERVER_RESET:
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


def _is_other_reset(opcode: int, reply: bytes) -> bool:
    """Whether the other end answers a reset of a client with a server's, or was answered so."""
    other = reply[0] >> 3 if len(reply) >= _LEAST_BYTES else None
    return other == _SERVER_RESET if opcode in _CLIENT_RESETS else other in _CLIENT_RESETS


def _has_digest(data: bytes) -> bool:
    """Whether a tag, a packet number and a time stand where tls-auth puts them: the number 1, and no acknowledgement."""
    return any(data[9 + tag : 9 + tag + 4] == b"\0\0\0\1" for tag in _TAG_BYTES) or data[9:13] == b"\0\0\0\1"
