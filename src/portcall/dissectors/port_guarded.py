"""Protocols whose shape is so loose that it counts on their own ports only; the shapes stand in ``_port_guarded``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._families import wait_for_more
from portcall.dissectors._port_guarded import RULES
from portcall.dissectors._prefixes import DIGITS, ZERO, together
from portcall.records.detections import TCP, UDP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.dissectors._prefixes import Prefix
    from portcall.dissectors._rules import Rule
    from portcall.records.detections import Detection, Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.PORT
PORTS = frozenset(port for rule in RULES if isinstance(rule.where, frozenset) for port in rule.where)

_BUSY: dict[str, tuple[Prefix, ...]] = {
    "rsh": ({0: DIGITS, 1: ZERO + DIGITS},),
    "whatsapp": (together(b"ED\0\1"), *[{at: b"W", at + 1: b"A", at + 2: range(1, 7)} for at in (0, 2, 3)]),
    "telegram-voip": (dict.fromkeys(range(16, 28), b"\xff"),),
}
"""On the ports of these much else talks; on those of all others one look at each conversation costs nothing."""


def _prefixes(transport: int) -> Iterator[tuple[Prefix, frozenset[int]]]:
    rules = [(rule, rule.where) for rule in RULES if rule.transport == transport and isinstance(rule.where, frozenset)]
    yield {}, frozenset().union(*[ports for rule, ports in rules if rule.protocol not in _BUSY])
    for rule, ports in rules:
        for prefix in _BUSY.get(rule.protocol, ()):
            yield prefix, ports


PREFIXES: dict[int, tuple[Prefix, ...]] = {TCP: (), UDP: ()}
PREFIXES_ON_PORTS = {transport: tuple(_prefixes(transport)) for transport in TRANSPORTS}

_MOST_HELD_BYTES = 16


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The protocol of either end's port, if it speaks like it."""
    del answered
    rules = _BY_PORT.get((ends.transport, ends.target_port), ()) or _BY_PORT.get((ends.transport, ends.source_port), ())
    for rule in rules:
        found = rule.find(sent.data)
        if found is not None:
            return found
    return wait_for_more(sent, ends) if rules and len(sent.data) < _MOST_HELD_BYTES else None


def _by_port() -> dict[tuple[int, int], list[Rule]]:
    found: dict[tuple[int, int], list[Rule]] = {}
    for rule in RULES:
        for port in rule.where if isinstance(rule.where, frozenset) else ():
            found.setdefault((rule.transport, port), []).append(rule)
    return found


_BY_PORT = _by_port()
