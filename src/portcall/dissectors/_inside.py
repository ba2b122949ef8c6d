"""What a conversation carries once it has made way for another one: behind a proxy's CONNECT, SOCKS, or STARTTLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import find_dissectors
from portcall.dissectors._expressions import Expression
from portcall.records.detections import WAIT, Detection, NameKind, Payload

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Wait

_HELLO = Expression(rb"\n(?=\x16\x03[\x00-\x04])")
_STRENGTH = {kind: rank for rank, kind in enumerate(NameKind)}


def after(payload: Payload, start: int) -> Payload:
    """What was said from byte ``start`` on, as if nothing had been said before."""
    return Payload(payload.data[start:], is_ended=payload.is_ended)


def with_inside(outer: Detection, sent: Payload, answered: Payload, ends: Ends, among: frozenset[str]) -> Detection:
    """The outer finding together with what one of these dissectors hears inside; not final while that may change."""
    inner = listen_among(among, sent, answered, ends)
    if inner is None:
        return outer
    if not isinstance(inner, Detection):
        return outer._replace(is_final=False)
    return outer._replace(
        names=tuple(sorted(dict.fromkeys(inner.names + outer.names), key=lambda name: _STRENGTH[name.kind])),
        details=(*outer.details, ("inside", inner.protocol), *inner.details),
        is_final=inner.is_final,
    )


def with_hello(outer: Detection, sent: Payload, answered: Payload, ends: Ends) -> Detection:
    """The finding of a protocol of text lines, together with the TLS that begins behind a line of it, if any does."""
    sent_at, answered_at = _HELLO.search(sent.data), _HELLO.search(answered.data)
    if sent_at is None:
        return outer
    rest = after(answered, answered_at.end()) if answered_at else Payload(b"")
    return with_inside(outer, after(sent, sent_at.end()), rest, ends, frozenset({"tls"}))


def listen_among(among: frozenset[str], sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The first finding of the dissectors named, by their modules; WAIT where one of them wants more."""
    if not sent.data:
        return None if sent.is_ended else WAIT
    is_waiting = False
    for dissector in find_dissectors():
        if ends.transport in dissector.TRANSPORTS and dissector.__name__.rpartition(".")[2] in among:
            inspected = dissector.inspect(sent, answered, ends)
            if isinstance(inspected, Detection):
                return inspected
            is_waiting |= inspected is WAIT
    return WAIT if is_waiting else None
