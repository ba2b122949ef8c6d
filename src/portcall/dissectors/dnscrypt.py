"""DNSCrypt (protocol version 2, https://dnscrypt.info/protocol): DNS in sealed boxes.

    client:   <client magic, 8><client's public key, 32><half a nonce, 12><sealed box: 16 + a multiple of 64>
    resolver: <resolver magic, 8: r6fnvWj8><nonce, 24, begins with the client's half><sealed box: 16 + a multiple of 64>

The client magic is the resolver's choice, so a query is known by its length on the usual ports, or by its answer. The
certificate is asked for in plain DNS: a TXT record of ``2.dnscrypt-cert.`` and the provider's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._prefixes import ZERO, together
from portcall.records.detections import TCP, UDP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({443, 5443, 8443})
PREFIXES = {
    UDP: (together(b"q6fnvWj8", b"r6fnvWj8"), {4: ZERO, 5: b"\1", **together(b"\x012\x0ddns", at=12)}),
    TCP: (together(b"q6fnvWj8", b"r6fnvWj8", at=2), {6: ZERO, 7: b"\1", **together(b"\x012\x0ddns", at=14)}),
}

_RESOLVER_MAGIC = b"r6fnvWj8"
_FIRST_CLIENT_MAGIC = b"q6fnvWj8"
"""What the first version of the protocol had clients say."""
_CERTIFICATE_NAME = b"\x012\x0ddnscrypt-cert"
_ONE_QUESTION = b"\0\1"
_QUESTION_COUNT_START, _QUESTION_START = 4, 12
_HALF_NONCE_BYTES = 12
_CLIENT_NONCE = slice(40, 52)
_RESOLVER_NONCE = slice(8, 20)
_LEAST_BYTES = 8 + 24 + 16


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """A question for a certificate, its answer, or a sealed one of either."""
    start = 2 if ends.transport == TCP else 0
    data = sent.data[start:]
    if data.startswith(_ONE_QUESTION, _QUESTION_COUNT_START) and data.startswith(_CERTIFICATE_NAME, _QUESTION_START):
        return Detection(
            "dnscrypt", Role.SERVER if data[2] & 0x80 else Role.CLIENT, details=(("query", "certificate"),)
        )
    if data.startswith(_RESOLVER_MAGIC):
        return Detection("dnscrypt", Role.SERVER) if len(data) >= _LEAST_BYTES else None
    if data.startswith(_FIRST_CLIENT_MAGIC):
        return Detection("dnscrypt", Role.CLIENT)
    answer = answered.data[start:]
    if answer.startswith(_RESOLVER_MAGIC) and _is_answered_by(data, answer):
        return Detection("dnscrypt", Role.CLIENT)
    return WAIT if start and not sent.is_ended and _may_become_more(data) else None


def _may_become_more(data: bytes) -> bool:
    """Whether what a stream begins with may be a part of one of these."""
    if _RESOLVER_MAGIC.startswith(data) or _FIRST_CLIENT_MAGIC.startswith(data):
        return True
    count = data[_QUESTION_COUNT_START:][: len(_ONE_QUESTION)]
    return _ONE_QUESTION.startswith(count) and _CERTIFICATE_NAME.startswith(data[_QUESTION_START:])


def _is_answered_by(query: bytes, answer: bytes) -> bool:
    nonce = query[_CLIENT_NONCE]
    return len(nonce) == _HALF_NONCE_BYTES and nonce == answer[_RESOLVER_NONCE]
