"""What a conversation carries once it has made way for another one: behind a proxy's CONNECT, SOCKS, or STARTTLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import find_dissectors
from portcall.dissectors._expressions import Expression
from portcall.records.detections import WAIT, Finding, NameKind, Speech

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Wait

_HELLO = Expression(rb"\n(?=\x16\x03[\x00-\x04])")
_STRENGTH = {kind: rank for rank, kind in enumerate(NameKind)}


def after(speech: Speech, start: int) -> Speech:
    """What was said from byte ``start`` on, as if nothing had been said before."""
    return Speech(speech.data[start:], is_ended=speech.is_ended)


def with_inside(outer: Finding, said: Speech, answered: Speech, ends: Ends, among: frozenset[str]) -> Finding:
    """The outer finding together with what one of these dissectors hears inside; not final while that may change."""
    inner = listen_among(among, said, answered, ends)
    if inner is None:
        return outer
    if not isinstance(inner, Finding):
        return outer._replace(is_final=False)
    return outer._replace(
        names=tuple(sorted(dict.fromkeys(inner.names + outer.names), key=lambda name: _STRENGTH[name.kind])),
        details=(*outer.details, ("inside", inner.protocol), *inner.details),
        is_final=inner.is_final,
    )


def with_hello(outer: Finding, said: Speech, answered: Speech, ends: Ends) -> Finding:
    """The finding of a protocol of text lines, together with the TLS that begins behind a line of it, if any does."""
    said_at, answered_at = _HELLO.search(said.data), _HELLO.search(answered.data)
    if said_at is None:
        return outer
    rest = after(answered, answered_at.end()) if answered_at else Speech(b"")
    return with_inside(outer, after(said, said_at.end()), rest, ends, frozenset({"tls"}))


def listen_among(among: frozenset[str], said: Speech, answered: Speech, ends: Ends) -> Finding | Wait | None:
    """The first finding of the dissectors named, by their modules; WAIT where one of them wants more."""
    if not said.data:
        return None if said.is_ended else WAIT
    is_waiting = False
    for dissector in find_dissectors():
        if ends.transport in dissector.TRANSPORTS and dissector.__name__.rpartition(".")[2] in among:
            heard = dissector.listen(said, answered, ends)
            if isinstance(heard, Finding):
                return heard
            is_waiting |= heard is WAIT
    return WAIT if is_waiting else None
