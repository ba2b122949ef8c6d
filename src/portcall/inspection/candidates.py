"""Asking: which dissectors may know a conversation, in which order they are asked, and what they know together."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty, find_dissectors
from portcall.inspection.prefilter import candidates_by_prefix, dissectors_of, hinted_ports
from portcall.inspection.reassembly import Datagrams, Stream
from portcall.records.detections import NO_PAYLOAD, TCP, UDP, WAIT, Detection, Ends, NameKind, Payload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portcall.dissectors import Dissector
    from portcall.records.detections import Name, Wait

    Reassembled = Stream | Datagrams
    _Answer = tuple[Dissector, Detection | Wait]

_STRENGTH = {kind: strength for strength, kind in enumerate(NameKind)}


class Conversation:
    """What both ends of one flow have said, and the dissectors that may still know it. Index 0 is the low end's."""

    __slots__ = ("_of_sides", "_rival", "candidates", "detection", "ends", "is_guess", "is_new", "packets", "streams")

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
        self.is_guess = False
        """Whether one datagram alone told what it is, by no more than its structure."""
        self._rival: tuple[Dissector | None, int] = (None, 0)  # who knows a later datagram, and its packet's number

    def ask(self, side: int, sent: Payload) -> tuple[Dissector | None, Detection | None]:
        """The first dissector that knows what this side said, and what it knows; who does not is asked no more."""
        if self.is_guess:
            return self._ask_again(side, sent)
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
            is_first = self.ends[side].transport == UDP and not self.detection and sum(self.packets) == 1
            self.is_guess = is_first and not answer.names and not _is_sure(dissector, self.ends[side])
            self.candidates = [(dissector,), (dissector,)]
            return dissector, answer
        self.candidates[side] = tuple(waiting)
        return None, None

    def _ask_again(self, side: int, sent: Payload) -> tuple[Dissector | None, Detection | None]:
        """What the next datagram says to a guess: something surer, the same, or what another one says with it."""
        ends, stream, guesser = self.ends[side], self.streams[side], self.candidates[side][0]
        other = self.streams[1 - side]
        answered = other.payload() if len(other) else NO_PAYLOAD
        alone = Payload(sent.data, (sent.data,), is_ended=sent.is_ended)
        others = [dissector for dissector in first_asked(ends, 0, alone) if dissector is not guesser]
        told = chain(
            answers((one for one in others if _is_sure(one, ends)), alone, NO_PAYLOAD, ends),
            answers((guesser,), sent, answered, ends),
            answers((one for one in others if not _is_sure(one, ends)), alone, NO_PAYLOAD, ends),
        )
        for dissector, answer in told:
            if not isinstance(answer, Detection) or (dissector is guesser and answer.protocol != self._guessed):
                continue
            known, before = self._rival
            if (
                dissector is not guesser
                and not _is_sure(dissector, ends)
                and not (dissector is known and before < stream.number)
            ):
                self._rival = dissector, stream.number
                break
            if dissector is not guesser:
                self._begin_anew(side, dissector)
            self.is_guess = False
            return dissector, answer
        return None, None

    @property
    def _guessed(self) -> str | None:
        return self.detection.protocol if self.detection else None

    def _begin_anew(self, side: int, dissector: Dissector) -> None:
        """With the newest datagram of a side, as if nothing had been said before."""
        self.detection, self._of_sides, self.candidates = None, {}, [(dissector,), (dissector,)]
        stream = self.streams[side]
        if isinstance(stream, Datagrams):
            stream.forget_earlier()

    def expect_again(self, side: int) -> None:
        """Hear what a side says from now on, also where it was the kernel that heard its beginning."""
        if side in self._of_sides or len(self.streams[side]) or not self.detection:
            return
        self.streams = (Stream(None), self.streams[1]) if side == 0 else (self.streams[0], Stream(None))
        known, other = self._of_sides.get(None), self._of_sides[1 - side]
        before: dict[int | None, Detection] = {None: known} if known else {}
        self._of_sides = {**before, side: Detection(self.detection.protocol), 1 - side: other}

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


def _is_sure(dissector: Dissector, ends: Ends) -> bool:
    """Whether it need not see more than one datagram: it knows odd bytes, its port, or a whole message's structure."""
    is_at_home = dissector.CERTAINTY == Certainty.STRUCTURE and ends.has_port(*dissector.PORTS)
    return dissector.CERTAINTY == Certainty.MAGIC or is_at_home or dissector in resolvers()


def _is_whole(sent: Payload) -> bool:
    """Whether it is a datagram that the capture has not cut."""
    return bool(sent.datagrams) and not sent.is_ended


def _hints(ends: Ends) -> frozenset[int]:
    """Those of the ports that some dissector calls its own."""
    return frozenset((ends.source_port, ends.target_port)) & hinted_ports()


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
