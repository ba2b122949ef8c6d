"""What usually lives on a port of one transport, in words for people."""

from __future__ import annotations

from dataclasses import dataclass

from portcall.labels.curated_services import curated, range_of
from portcall.labels.port_services import PROTOCOL_NUMBERS, iana_name_of, known_name_of, service_evidence

_ENCRYPTION = {
    True: ("yes", "Encrypted: nobody on the way can read it."),
    False: ("no", "Not encrypted by itself: everybody on the way can read it."),
    "starttls": ("starttls", "Begins readable for everybody on the way, and may then switch to TLS."),
}


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What usually lives on a port of one transport."""

    transport: str
    name: str | None
    title: str | None
    description: str
    encrypted: str | None
    """``yes``, ``no`` or ``starttls``; None where it is not known."""
    encryption: str | None
    """The same in a sentence."""
    avoid: str | None
    """Why not to use it, and what instead."""
    source: str | None


def service_facts(port: int, transport: str) -> ServiceFacts:
    """What usually lives on a port of one transport: our own words, else IANA's name, else that nobody registered.

    Where our list names the port only by a range, it says so.
    """
    number = PROTOCOL_NUMBERS[transport]
    name, source = known_name_of(number, port), service_evidence(number, port)
    if name is None:
        return ServiceFacts(transport, None, None, "IANA lists no service for it.", None, None, None, None)
    ours, around = curated(port, transport), range_of(port, transport)
    words = ours.description if ours else f"IANA lists it for {name}; we know no more of it."
    if ours is None and around and around.name == name:
        ours, words = around, f"{around.description} {port} lies in its range {around.port}–{around.last_port}."
        hint = iana_name_of(number, port)
        words += f" IANA lists it for {hint}." if hint and hint != name else ""
    if ours:
        encrypted, encryption = _ENCRYPTION[ours.encrypted]
        return ServiceFacts(transport, ours.name, ours.title, words, encrypted, encryption, ours.avoid, source)
    return ServiceFacts(transport, name, None, words, None, None, None, source)
