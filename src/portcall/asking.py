"""Asking: which dissectors may know a conversation, in which order they are asked, and what they know together."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty, find_dissectors
from portcall.openings import dissectors_of, opened_by
from portcall.speech import SILENCE, WAIT, Ends, Finding, NameKind

if TYPE_CHECKING:
    from portcall.dissectors import Dissector
    from portcall.speech import Name, Speech
    from portcall.voices import Datagrams, Stream

    Voice = Stream | Datagrams

_STRENGTH = {kind: strength for strength, kind in enumerate(NameKind)}


class Conversation:
    """What both ends of one flow have said, and the dissectors that may still know it. Index 0 is the low end's."""

    __slots__ = ("candidates", "ends", "finding", "is_new", "packets", "voices")

    def __init__(self, low: Ends, voices: tuple[Voice, Voice]) -> None:
        self.ends = (low, Ends(low.transport, low.target_port, low.source_port))
        self.voices = voices
        self.packets = [0, 0]
        self.candidates = [_candidates(low)] * 2
        self.is_new = [True, True]
        self.finding: Finding | None = None

    def ask(self, side: int, said: Speech, openings: int) -> tuple[Dissector | None, Finding | None]:
        """The first dissector that knows what this side said, and what it knows; who does not is asked no more.

        ``openings`` are the bits of those that its first bytes fit, 0 where nobody looked.
        """
        answered = self.voices[1 - side].speech() if len(self.voices[1 - side]) else SILENCE
        if self.is_new[side] and not self.finding:
            possible = (
                dissectors_of(self.ends[side].transport, openings)
                if openings
                else opened_by(self.ends[side], said.data)
            )
            self.candidates[side] = tuple(filter(possible.__contains__, self.candidates[side]))
        self.is_new[side] = False
        waiting: list[Dissector] = []
        for dissector in self.candidates[side]:
            answer = dissector.listen(said, answered, self.ends[side])
            if answer is None or (answer is WAIT and said.is_ended):
                continue
            # A surer one that needs more bytes may yet be it.
            if not isinstance(answer, Finding) or (waiting and waiting[0].CERTAINTY < dissector.CERTAINTY):
                waiting.append(dissector)
                continue
            self.candidates = [(dissector,), (dissector,)]
            return dissector, answer
        self.candidates[side] = tuple(waiting)
        return None, None


@lru_cache(maxsize=1)
def resolvers() -> tuple[Dissector, ...]:
    """The dissectors that hear all of a conversation."""
    return tuple(dissector for dissector in find_dissectors() if getattr(dissector, "LISTENS_ALWAYS", False))


def joined(earlier: Finding | None, later: Finding) -> Finding:
    """Both in one, what was found first before what was found later, and surer names before others."""
    if not earlier:
        return later
    names: dict[Name, None] = dict.fromkeys((*earlier.names, *later.names))
    return Finding(
        later.protocol,
        names=tuple(sorted(names, key=lambda name: _STRENGTH[name.kind])),
        details=tuple(dict.fromkeys((*earlier.details, *later.details))),
    )


def _candidates(ends: Ends) -> tuple[Dissector, ...]:
    hinted = _hinted_ports()
    return _ordered(ends.transport, frozenset({ends.source_port, ends.target_port} & hinted))


@lru_cache(maxsize=1 << 12)
def _ordered(transport: int, ports: frozenset[int]) -> tuple[Dissector, ...]:
    """The dissectors to ask where a conversation has these ports of theirs: those of the ports before the others."""
    able = [dissector for dissector in find_dissectors() if transport in dissector.TRANSPORTS]
    able = [dissector for dissector in able if dissector.CERTAINTY < Certainty.PORT or ports & dissector.PORTS]
    return tuple(
        sorted(
            able,
            key=lambda dissector: (
                dissector.CERTAINTY == Certainty.PORT,
                not ports & dissector.PORTS,
                dissector.CERTAINTY,
            ),
        )
    )


@lru_cache(maxsize=1)
def _hinted_ports() -> frozenset[int]:
    return frozenset().union(*(dissector.PORTS for dissector in find_dissectors()))
