"""What a conversation carries once it has made way for another one: behind a proxy's CONNECT, SOCKS, or STARTTLS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty, find_dissectors
from portcall.dissectors._expressions import Expression
from portcall.records.detections import WAIT, Detection, NameKind, Payload

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Wait

_HELLO = Expression(rb"\x16\x03[\x00-\x04][\x00-\x48].[\x01\x02]\x00", re.DOTALL)
"""A record of TLS with the beginning of a client's or a server's hello in it."""
_TLS = frozenset({"tls"})
_STRENGTH = {kind: rank for rank, kind in enumerate(NameKind)}


def after(payload: Payload, start: int) -> Payload:
    """What was said from byte ``start`` on, as if nothing had been said before."""
    return Payload(payload.data[start:], is_ended=payload.is_ended)


def with_inside(outer: Detection, sent: Payload, answered: Payload, ends: Ends, among: frozenset[str]) -> Detection:
    """The outer detection with what one of these dissectors recognises inside; not final while that may change."""
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


def with_upgrade(outer: Detection, sent: Payload, answered: Payload, ends: Ends, start: int = 1) -> Detection:
    """The finding of a protocol that may turn into TLS, with what that says; not final as long as it has not begun.

    This end spoke ``start`` bytes of the outer protocol at least.
    """
    sent_at, answered_at = _HELLO.search(sent.data, start), _HELLO.search(answered.data)
    if sent_at is None:
        return outer._replace(is_final=sent.is_ended)
    rest = after(answered, answered_at.start()) if answered_at else Payload(b"")
    return with_inside(outer, after(sent, sent_at.start()), rest, ends, _TLS)


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


def listen_to_all(sent: Payload, answered: Payload, ends: Ends, *, but: str) -> Detection | Wait | None:
    """What any dissector but that one recognises, those of the ports first; WAIT where one that is surer wants more."""
    if not sent.data:
        return None if sent.is_ended else WAIT
    waiting: Certainty | None = None
    able = [one for one in find_dissectors() if ends.transport in one.TRANSPORTS and one.__name__ != but]
    for dissector in sorted(able, key=lambda one: (one.CERTAINTY == Certainty.PORT, not ends.has_port(*one.PORTS))):
        if dissector.CERTAINTY == Certainty.PORT and not ends.has_port(*dissector.PORTS):
            break
        inspected = dissector.inspect(sent, answered, ends)
        if isinstance(inspected, Detection) and (waiting is None or waiting >= dissector.CERTAINTY):
            return inspected
        if inspected is not None and not sent.is_ended:
            waiting = dissector.CERTAINTY if waiting is None else waiting
    return None if waiting is None else WAIT
