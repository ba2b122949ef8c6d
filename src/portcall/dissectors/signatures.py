"""Protocols that are told by a few odd bytes at a fixed place; the bytes stand in ``_signatures``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._signatures import SIGNATURES
from portcall.speech import TCP, UDP, WAIT, Finding

if TYPE_CHECKING:
    from portcall.dissectors._signatures import Signature
    from portcall.speech import Ends, Speech, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.MAGIC
PORTS: frozenset[int] = frozenset()


def listen(said: Speech, answered: Speech, ends: Ends) -> Finding | Wait | None:
    """The protocol whose bytes these are."""
    del answered
    data = said.data
    may_follow = ends.transport == TCP and not said.is_ended
    is_short = False
    for offset, by_first_byte in _AT[ends.transport]:
        for signature in by_first_byte.get(data[offset : offset + 1], ()):
            if data.startswith(signature.magic, offset):
                return _FINDINGS[signature]
            is_short = is_short or signature.magic.startswith(data[offset:])
    return WAIT if may_follow and (is_short or len(data) <= _LAST_OFFSET) else None


def _by_place(transport: int) -> list[tuple[int, dict[bytes, list[Signature]]]]:
    """Per offset: first byte → the signatures that begin with it."""
    places: dict[int, dict[bytes, list[Signature]]] = {}
    for signature in SIGNATURES:
        if signature.transport == transport:
            places.setdefault(signature.offset, {}).setdefault(signature.magic[:1], []).append(signature)
    return sorted(places.items())


_AT = {transport: _by_place(transport) for transport in TRANSPORTS}
_LAST_OFFSET = max(signature.offset for signature in SIGNATURES if signature.transport == TCP)
_FINDINGS = {signature: Finding(signature.protocol, signature.role) for signature in SIGNATURES}
