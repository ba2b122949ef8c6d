"""Protocols that are told by the odd bytes that they begin with; the bytes stand in ``_signatures``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._families import wait_for_more
from portcall.dissectors._inside import with_upgrade
from portcall.dissectors._prefixes import by_first_byte
from portcall.dissectors._signatures import SIGNATURES
from portcall.records.detections import TCP, UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.dissectors._signatures import Signature
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.MAGIC
PORTS: frozenset[int] = frozenset()
_TLS_BEGINS = b"\x16"
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    transport: by_first_byte(*[signature.magic for signature in SIGNATURES if signature.transport == transport])
    for transport in TRANSPORTS
}


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The protocol whose bytes these are, and the TLS that may follow them."""
    data = sent.data
    is_short = False
    for signature in _BY_FIRST_BYTE[ends.transport].get(data[:1], ()):
        if data.startswith(signature.magic):
            is_answer = bool(answered.data)  # nor is it known, once asked again, who spoke first
            detection = (_LATER if is_answer else _FIRST)[signature]
            return with_upgrade(detection, sent, answered, ends) if signature.may_upgrade else detection
        is_short = is_short or signature.magic.startswith(data)
    if data[:1] == _TLS_BEGINS and (greeted := _upgradable(answered.data)):
        return with_upgrade(Detection(greeted.protocol, Role.CLIENT), sent, answered, ends, 0)
    return wait_for_more(sent, ends) if is_short or not data else None


def _upgradable(greeting: bytes) -> Signature | None:
    """The protocol of a server that greets in clear, and to which TLS may be the answer."""
    known = _BY_FIRST_BYTE[TCP].get(greeting[:1], ())
    return next((one for one in known if one.may_upgrade and greeting.startswith(one.magic)), None)


def _by_first_byte(transport: int) -> dict[bytes, list[Signature]]:
    found: dict[bytes, list[Signature]] = {}
    for signature in SIGNATURES:
        if signature.transport == transport:
            found.setdefault(signature.magic[:1], []).append(signature)
    return found


_BY_FIRST_BYTE = {transport: _by_first_byte(transport) for transport in TRANSPORTS}
_LATER = {signature: Detection(signature.protocol, signature.role) for signature in SIGNATURES}
_FIRST = {signature: Detection(signature.protocol, signature.role or signature.begins) for signature in SIGNATURES}
"""Of what is said before the other end has said anything."""
