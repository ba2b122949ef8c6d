"""Protocols whose shape is so loose that it counts on their own ports only; the shapes stand in ``_own_ports``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._families import wait_for_more
from portcall.dissectors._own_ports import RULES
from portcall.speech import TCP, UDP

if TYPE_CHECKING:
    from portcall.dissectors._rules import Rule
    from portcall.speech import Ends, Finding, Speech, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.PORT
PORTS = frozenset(port for rule in RULES if isinstance(rule.where, frozenset) for port in rule.where)

_MOST_HELD_BYTES = 16


def listen(said: Speech, answered: Speech, ends: Ends) -> Finding | Wait | None:
    """The protocol of either end's port, if it speaks like it."""
    del answered
    rules = _BY_PORT.get((ends.transport, ends.target_port), ()) or _BY_PORT.get((ends.transport, ends.source_port), ())
    for rule in rules:
        found = rule.find(said.data)
        if found is not None:
            return found
    return wait_for_more(said, ends) if rules and len(said.data) < _MOST_HELD_BYTES else None


def _by_port() -> dict[tuple[int, int], list[Rule]]:
    found: dict[tuple[int, int], list[Rule]] = {}
    for rule in RULES:
        for port in rule.where if isinstance(rule.where, frozenset) else ():
            found.setdefault((rule.transport, port), []).append(rule)
    return found


_BY_PORT = _by_port()
