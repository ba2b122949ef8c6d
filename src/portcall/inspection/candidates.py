"""Asking: which dissectors may know a conversation, in which order they are asked, and what they know together."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty, find_dissectors
from portcall.inspection.prefilter import candidates_by_prefix, dissectors_of
from portcall.records.detections import NO_PAYLOAD, TCP, UDP, WAIT, Detection, Ends, NameKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portcall.dissectors import Dissector
    from portcall.inspection.reassembly import Datagrams, Stream
    from portcall.records.detections import Name, Payload, Wait

    Reassembled = Stream | Datagrams
    _Answer = tuple[Dissector, Detection | Wait]

_STRENGTH = {kind: strength for strength, kind in enumerate(NameKind)}


class Conversation:
    """What both ends of one flow have said, and the dissectors that may still know it. Index 0 is the low end's."""

    __slots__ = ("_of_sides", "candidates", "detection", "ends", "is_new", "packets", "streams")

    def __init__(
        self, sender: Ends, side: int, streams: tuple[Reassembled, Reassembled], known: Detection | None = None
    ) -> None:
        """``side`` has sent one payload that is to be inspected; ``known`` is what the other one showed."""
        listener = Ends(sender.transport, sender.target_port, sender.source_port, sender.key_log)
        self.ends = (listener, sender) if side else (sender, listener)
        self.streams = streams
        self.packets = [1 - side, side]
        self.candidates = [recognisers(known) if known else _ordered(sender.transport, _hints(sender))] * 2
        self.is_new = [True, True]
        self.detection = known
        self._of_sides: dict[int | None, Detection] = {None: known} if known else {}

    def ask(self, side: int, sent: Payload) -> tuple[Dissector | None, Detection | None]:
        """The first dissector that knows what this side said, and what it knows; who does not is asked no more."""
        if self.is_new[side] and not self.detection:
            possible = candidates_by_prefix(self.ends[side], sent.data, is_whole=_is_whole(sent))
            self.candidates[side] = tuple(filter(possible.__contains__, self.candidates[side]))
        other = self.streams[1 - side]
        answered = other.payload() if len(other) else NO_PAYLOAD
        return self.inspect(side, answers(self.candidates[side], sent, answered, self.ends[side]))

    def inspect(self, side: int, told: Iterable[_Answer]) -> tuple[Dissector | None, Detection | None]:
        """The same of what dissectors have told of a side."""
        self.is_new[side] = False
        waiting: list[Dissector] = []
        for dissector, answer in told:
            # A surer one that needs more bytes may yet be it.
            if not isinstance(answer, Detection) or (waiting and waiting[0].CERTAINTY < dissector.CERTAINTY):
                waiting.append(dissector)
                continue
            self.candidates = [(dissector,), (dissector,)]
            return dissector, answer
        self.candidates[side] = tuple(waiting)
        return None, None

    def learn(self, side: int, detection: Detection) -> Detection:
        """What is known with this of both sides. A stream is inspected from its beginning, so this has all of it."""
        earlier = self._of_sides.get(side)
        self._of_sides[side] = detection if self.ends[side].transport == TCP else joined(earlier, detection)
        known: Detection | None = None
        for one in self._of_sides.values():
            known = joined(known, one)
        self.detection = joined(known, Detection(detection.protocol))
        return self.detection


def answers(dissectors: Iterable[Dissector], sent: Payload, answered: Payload, ends: Ends) -> Iterator[_Answer]:
    """What those have to say who do not rule it out, one after the other."""
    for dissector in dissectors:
        answer = dissector.inspect(sent, answered, ends)
        if answer is not None and not (answer is WAIT and sent.is_ended):
            yield dissector, answer


def first_asked(ends: Ends, prefixes: int, sent: Payload) -> tuple[Dissector, ...]:
    """Whom to ask about the first payload of a conversation, where nobody compared its prefixes (0) by what it is."""
    opened = (
        dissectors_of(ends.transport, prefixes)
        if prefixes
        else candidates_by_prefix(ends, sent.data, is_whole=_is_whole(sent))
    )
    return _among(opened, ends.transport, _hints(ends))


@lru_cache(maxsize=1 << 4)
def recognisers(known: Detection) -> tuple[Dissector, ...]:
    """Who recognises what the kernel has recognised by one side alone: TLS, RTP, RTCP."""
    module = {"rtcp": "rtp"}.get(known.protocol, known.protocol)
    return tuple(dissector for dissector in find_dissectors() if dissector.__name__.endswith(f".{module}"))


@lru_cache(maxsize=1)
def resolvers() -> tuple[Dissector, ...]:
    """The dissectors that inspect all of a flow."""
    return tuple(dissector for dissector in find_dissectors() if getattr(dissector, "INSPECTS_ALWAYS", False))


def inspects_all(dissector: Dissector, ends: Ends, detection: Detection) -> bool:
    """Whether a dissector that made this finding hears all that follows: each datagram, or segment, by itself."""
    is_clear = detection.is_final and not detection.names and UDP not in dissector.TRANSPORTS
    return dissector in resolvers() and (ends.transport == UDP or is_clear)


def joined(earlier: Detection | None, later: Detection) -> Detection:
    """Both in one, what was found first before what was found later, and surer names before others."""
    if not earlier:
        return later
    names: dict[Name, None] = dict.fromkeys((*earlier.names, *later.names))
    return Detection(
        later.protocol,
        names=tuple(sorted(names, key=lambda name: _STRENGTH[name.kind])),
        details=tuple(dict.fromkeys((*earlier.details, *later.details))),
    )


def _is_whole(sent: Payload) -> bool:
    """Whether it is a datagram that the capture has not cut."""
    return bool(sent.datagrams) and not sent.is_ended


def _hints(ends: Ends) -> frozenset[int]:
    """Those of the ports that some dissector calls its own."""
    return frozenset((ends.source_port, ends.target_port)) & _hinted_ports()


@lru_cache(maxsize=1 << 12)
def _among(opened: frozenset[Dissector], transport: int, ports: frozenset[int]) -> tuple[Dissector, ...]:
    return tuple(filter(opened.__contains__, _ordered(transport, ports)))


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
