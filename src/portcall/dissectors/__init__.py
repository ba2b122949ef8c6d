"""The dissectors: what the first bytes of a conversation say, one protocol or small family of protocols per file.

A dissector is a module of this folder, found by being there, with

    TRANSPORTS   the IP protocol numbers it inspects, a frozenset
    CERTAINTY    how sure a match is, which decides who is asked first
    PORTS        ports where it is asked before all others of its certainty, a frozenset; may be empty
    inspect(sent, answered, ends) -> Detection | Wait | None

``sent`` is what one end has sent so far, ``answered`` what the other one has (perhaps ``NO_PAYLOAD``). It is asked for
either end, again whenever that end has said something new, until it gives a final detection or None: "not this, and
more bytes will not change that". It keeps no state, raises on no bytes, and does bounded work: a payload is at most
32 KiB of a stream, or few datagrams. To be asked seldom, a module states how what it knows begins:

    PREFIXES            by transport the alternatives, each a dict: offset (below 256) → the bytes that may stand there
                        {TCP: ({0: {22}, 1: {3}}, {0: range(128, 256), 2: {1}})}
    TEXT_PREFIXES       the same, where besides no control character but tab and carriage return stands in the line,
                        as far as 64 bytes go, and its first word ends within 32
    LENGTH_PREFIXES     the same as PREFIXES, where besides not all of the first eight bytes are zeros: a length, or a
                        kind, stands there
    PREFIXES_ON_PORTS   the same as PREFIXES, each with the only ports that it counts on:
                        {UDP: (({0: range(64, 128)}, PORTS),)}
    WORDS_ON_PORTS      words that have to stand somewhere in the first payload, with the only ports where they count:
                        {TCP: ((b" HTTP/1.", PORTS),)}

Where none fits the first payload of a side, it is not asked, so it must be sure to find nothing, however that goes on;
what lies beyond the payload's end fits all, but behind a whole datagram nothing lies, so none that looks there fits.
Those of PORT count on the module's ports only. A module with ``INSPECTS_ALWAYS = True`` is asked about every datagram
of a flow that it recognised, not just the first ones; one for TCP alone about every segment, by itself, once it has
given a final detection without a name.
"""

from __future__ import annotations

import enum
import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from portcall.records.detections import Detection, Ends, Payload, Wait


class Certainty(enum.IntEnum):
    """How a dissector recognises its protocol; the surer is asked first."""

    MAGIC = 0
    """By bytes that no other protocol sends at that place."""
    STRUCTURE = 1
    """By several fields that have to agree."""
    PORT = 2
    """By a structure so loose that it counts on the protocol's own ports only."""


class Dissector(Protocol):
    """What each module of this folder offers."""

    __name__: str
    TRANSPORTS: frozenset[int]
    CERTAINTY: Certainty
    PORTS: frozenset[int]

    @staticmethod
    def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
        """See above."""


@cache
def find_dissectors() -> tuple[Dissector, ...]:
    """Every module of this folder, the surest first."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    found = [cast("Dissector", importlib.import_module(f"{__name__}.{name}")) for name in names]
    return tuple(sorted(found, key=lambda dissector: dissector.CERTAINTY))
