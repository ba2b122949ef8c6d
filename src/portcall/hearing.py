"""Hearing: listens to the first payloads of every conversation until a dissector knows what it is.

The flow table tells with each batch which payloads are of ends that were not heard enough of; here they become speech,
the dissectors are asked, and as soon as nothing more is to be learnt the end is marked as heard, so that its further
packets cost nothing. What is found is a number per row of the table; equal findings share one. Nothing is kept of a
conversation that is known, and of all those that are not no more than ``_MOST_HELD_BYTES``: the oldest go first.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.dissectors import Certainty, dns, find_dissectors
from portcall.flows import MAX_BATCH
from portcall.kernels.hellos import DNS_ANSWER, DNS_MESSAGE, HTTP_REQUEST, MOST_ANSWERS, TLS_HELLO, HelloListener
from portcall.openings import dissectors_of, openings
from portcall.speech import SILENCE, TCP, UDP, WAIT, Answer, Ends, Finding, Name, NameKind, Speech
from portcall.voices import Datagrams, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from portcall.dissectors import Dissector
    from portcall.expectations import Expectations
    from portcall.flows import FlowTable
    from portcall.key_log import KeyLog
    from portcall.model import FrameBatch

    Voice = Stream | Datagrams
    HearAnswers = Callable[[bytes, int, tuple[Answer, ...]], None]

_MOST_PACKETS = 24  # of one end, before it is given up
_MOST_HELD_BYTES = 32 << 20
_MOST_FOUND_CHARACTERS = 32 << 20
HELLO = np.dtype(
    [
        ("name_at", "u8"),  # in the batch's buffer
        ("address_at", "u8"),
        ("name_length", "u4"),
        ("address_length", "u4"),
        ("seconds", "u4"),  # time to live
        ("packet", "u4"),  # as in PAYLOAD, and the next two
        ("row", "u4"),
        ("side", "u1"),
        ("kind", "u1"),
        ("reserved", "u1", (2,)),
    ]
)
"""What the kernel heard in one payload."""

_BOTH = 3
_RESOLVER_SHIFT = 3  # above the bits that the table and the kernel read: 1 + the dissector that hears all of a row
_HELLOS = {TLS_HELLO: ("tls", NameKind.TLS_SNI), HTTP_REQUEST: ("http", NameKind.HTTP_HOST)}
_DNS = Finding("dns")
_ANSWER = ("name_at", "name_length", "address_at", "address_length", "seconds")
_STRENGTH = {kind: strength for strength, kind in enumerate(NameKind)}
_SAYS_ALL = frozenset({NameKind.TLS_SNI, NameKind.QUIC_SNI, NameKind.HTTP_HOST})
"""Names that no later word of either end makes better."""


class Findings:
    """Numbers for what was found, 0 for nothing, so that a row needs only a number. Bounded by its text."""

    def __init__(self) -> None:
        self._numbers: dict[Finding, int] = {}
        self._findings: list[Finding | None] = [None]
        self._characters = 0
        self.left_out = 0
        """Conversations whose names found no room."""

    def __getitem__(self, number: int) -> Finding | None:
        """What has this number."""
        return self._findings[number]

    def have_names(self) -> NDArray[np.bool_]:
        """bool[numbers]: whether each finding has a name."""
        return np.array([bool(finding and finding.names) for finding in self._findings], np.bool_)

    def number(self, finding: Finding) -> int:
        """The number of a finding; where there is no room for its names, of one without them."""
        known = self._numbers.get(finding)
        if known is not None:
            return known
        if self._characters > _MOST_FOUND_CHARACTERS and (finding.names or finding.details):
            self.left_out += 1
            return self.number(Finding(finding.protocol))
        self._characters += 200 + sum(len(name.text) for name in finding.names)
        self._characters += sum(len(text) for _, text in finding.details)
        self._numbers[finding] = len(self._findings)
        self._findings.append(finding)
        return len(self._findings) - 1


class Hearing:
    """Listens to the conversations of one flow table, which must be one that listens.

    ``hear_answers`` is told who asked a resolver, when, and what it answered; ``expectations`` keep what is announced
    of other conversations. ``with_details``: keep what is found
    besides protocol and names. ``key_log``: secrets of TLS sessions, which may yet become more.
    """

    def __init__(
        self,
        table: FlowTable,
        findings: Findings,
        hear_answers: HearAnswers,
        expectations: Expectations,
        *,
        key_log: KeyLog | None = None,
        with_details: bool = False,
    ) -> None:
        self._table = table
        self._findings = findings
        self._hear_answers = hear_answers
        self._expectations = expectations
        self._key_log = key_log
        self._with_details = with_details
        self._conversations: dict[int, _Conversation] = {}
        self._held_bytes = 0
        self._listener = HelloListener(table.heard, 1 + _resolvers().index(dns), *openings())
        self._hellos = np.zeros(MAX_BATCH + MOST_ANSWERS, HELLO)
        self.found = np.zeros(1, np.int32)  # not empty, so that -1 is an index
        """int32[rows or more]: number of the finding of each row of the table."""
        self.evidence = np.zeros(1, np.uint64)
        """uint64[rows or more]: number of the packet that told it."""

    def hear(self, batch: FrameBatch, packets: NDArray[np.void], payloads: NDArray[np.void], first_number: int) -> None:
        """Listen to PAYLOAD[n] of a batch whose first packet is number ``first_number`` of the capture."""
        if not len(payloads):
            return
        self._grow(len(self._table))
        if not self._with_details and not self._key_log:  # the kernel would hear no more than a hello
            left = self._listener.listen(packets, batch.frames, batch.buffer, payloads, self._hellos)
            self._note_hellos(self._hellos[: self._listener.hello_count], batch, packets, first_number)
            payloads = payloads[:left]
        for said in _sayings(batch, packets, payloads, first_number):
            self._listen(said)
        while self._held_bytes > _MOST_HELD_BYTES:
            row = next(iter(self._conversations))
            self._table.heard[row] = _BOTH
            self._forget(row)

    def of(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
        """For some rows of the table the numbers of findings and of the packets that told them; 0 for -1, an orphan."""
        self._grow(len(self._table))
        return np.where(rows < 0, np.int32(0), self.found[rows]), np.where(rows < 0, np.uint64(0), self.evidence[rows])

    def finish(self) -> None:
        """Ask about what still waits, as nothing more will come; a row that goes on in another shares what is found."""
        for row, conversation in self._conversations.items():
            for side in (0, 1):
                if len(conversation.voices[side]):
                    self._ask(row, side, conversation.voices[side].speech(is_ended=True))
        self._conversations.clear()
        self._held_bytes = 0
        self._grow(len(self._table))
        for row, protocol, number in self._expectations.find(self._table.rows()):
            if not self.found[row]:
                self.found[row], self.evidence[row] = self._findings.number(Finding(protocol)), number
        for beginning, continuation in zip(*(rows.tolist()[::-1] for rows in self._table.continued()), strict=True):
            if not self.found[beginning]:
                self.found[beginning], self.evidence[beginning] = self.found[continuation], self.evidence[continuation]

    def merge(self, later: Hearing, rows: NDArray[np.int64]) -> None:
        """Take over what the hearing of the following shard found; ``rows`` are its rows' indexes in this one's table.

        Both share their Findings. What a conversation said first counts: the earlier finding stays.
        """
        self._grow(len(self._table))
        known = np.flatnonzero(later.found[: len(rows)])
        known = known[self.found[rows[known]] == 0]
        self.found[rows[known]], self.evidence[rows[known]] = later.found[known], later.evidence[known]

    def _grow(self, rows: int) -> None:
        room = max(rows, 2 * len(self.found), 1 << 12) - len(self.found)
        if rows > len(self.found):
            self.found = np.concatenate([self.found, np.zeros(room, np.int32)])
            self.evidence = np.concatenate([self.evidence, np.zeros(room, np.uint64)])

    def _listen(self, said: _Saying) -> None:
        row, side, heard = said.row, said.side, self._table.heard
        resolver = int(heard[row]) >> _RESOLVER_SHIFT
        if resolver:
            self._hear_resolver(_resolvers()[resolver - 1], said)
            return
        if heard[row] >> side & 1:
            return  # an earlier packet of the same batch said enough
        conversation = self._conversations.get(row)
        if conversation is None:
            conversation = self._conversations[row] = _Conversation(said, self._voices(said), self._key_log)
        voice = conversation.voices[side]
        held = len(voice)
        is_new = voice.add(said.sequence, said.payload, said.number, is_cut=said.is_cut)
        self._held_bytes += len(voice) - held
        conversation.packets[side] += 1
        is_last = conversation.packets[side] >= _MOST_PACKETS
        if is_new:
            finding = self._ask(row, side, voice.speech(is_ended=is_last))
            self._pass_on(said, finding)
        elif is_last:
            heard[row] |= 1 << side
        if heard[row] & _BOTH == _BOTH or heard[row] >> _RESOLVER_SHIFT:
            self._forget(row)

    def _ask(self, row: int, side: int, speech: Speech) -> Finding | None:
        """Ask the dissectors what one side of a conversation says, and note it."""
        conversation = self._conversations[row]
        dissector, finding = conversation.ask(side, speech)
        if not dissector or not finding:
            is_given_up = speech.is_ended or not conversation.candidates[side]
            self._table.heard[row] |= is_given_up << side
            return None
        conversation.finding = known = _joined(conversation.finding, finding)
        kept = Finding(known.protocol, names=known.names, details=known.details if self._with_details else ())
        self.found[row] = self._findings.number(kept)
        self.evidence[row] = self.evidence[row] or conversation.voices[side].number
        if _hears_all(dissector, conversation.ends[side], finding):
            self._table.heard[row] = (1 + _resolvers().index(dissector)) << _RESOLVER_SHIFT
        elif finding.is_final and not self._with_details and any(name.kind in _SAYS_ALL for name in finding.names):
            self._table.heard[row] = _BOTH
        elif finding.is_final or speech.is_ended:
            self._table.heard[row] |= 1 << side
        return finding

    def _hear_resolver(self, dissector: Dissector, said: _Saying) -> None:
        finding = dissector.listen(_alone(said.payload), SILENCE, Ends(said.transport, *said.ports))
        self._pass_on(said, finding if isinstance(finding, Finding) else None)

    def _pass_on(self, said: _Saying, finding: Finding | None) -> None:
        """Tell what concerns other conversations."""
        if finding and finding.answers:
            self._hear_answers(said.target, said.ts_ns, finding.answers)
        if finding and finding.expected:
            self._expectations.note((said.source, said.target), said.ts_ns, said.number, finding.expected)

    def _note_hellos(
        self, hellos: NDArray[np.void], batch: FrameBatch, packets: NDArray[np.void], first_number: int
    ) -> None:
        """Note what the kernel heard: HELLO[n]."""
        buffer = batch.buffer.data
        told = hellos[hellos["kind"] != DNS_ANSWER]
        spans = zip(told["kind"].tolist(), told["name_at"].tolist(), told["name_length"].tolist(), strict=True)
        numbers = [self._number_of(kind, buffer[at : at + length].tobytes()) for kind, at, length in spans]
        is_new = self.found[told["row"]] == 0
        rows = told["row"][is_new]
        self.found[rows] = np.array(numbers, np.int32)[is_new]
        self.evidence[rows] = first_number + told["packet"][is_new].astype(np.uint64)
        self._note_answers(hellos[hellos["kind"] == DNS_ANSWER], buffer, packets)

    def _note_answers(self, answers: NDArray[np.void], buffer: memoryview, packets: NDArray[np.void]) -> None:
        """Note addresses that resolvers gave, HELLO[n] of kind DNS_ANSWER."""
        of_answers = packets[answers["packet"]]
        clients, times = of_answers["target"].tobytes(), of_answers["ts_ns"].tolist()
        columns = zip(*(answers[name].tolist() for name in _ANSWER), strict=True)
        for i, (at, length, address_at, address_length, seconds) in enumerate(columns):
            name = _plain_name(buffer[at : at + length].tobytes())
            answer = Answer(name, buffer[address_at : address_at + address_length].tobytes(), seconds)
            self._hear_answers(clients[16 * i : 16 * i + 16], times[i], (answer,))

    def _number_of(self, kind: int, name: bytes) -> int:
        """The finding's number for what the kernel heard."""
        if kind == DNS_MESSAGE:
            return self._findings.number(_DNS)
        protocol, name_kind = _HELLOS[kind]
        return self._findings.number(Finding(protocol, names=(Name(name_kind, name.decode("ascii")),)))

    def _voices(self, said: _Saying) -> tuple[Voice, Voice]:
        if said.transport != TCP:
            return Datagrams(), Datagrams()
        flow = self._table.rows()[said.row]
        opener = int(flow["syn_ns"].argmin()) if flow["has_syn"] else -1
        beginning = (int(flow["syn_sequence"]) + 1) % (1 << 32)
        return Stream(beginning if opener == 0 else None), Stream(beginning if opener == 1 else None)

    def _forget(self, row: int) -> None:
        self._held_bytes -= sum(map(len, self._conversations.pop(row).voices))


class _Saying(NamedTuple):
    """One payload and where it comes from."""

    row: int
    side: int
    number: int
    transport: int
    sequence: int
    ports: tuple[int, int]
    """Source and target."""
    payload: bytes
    is_cut: bool
    ts_ns: int
    source: bytes
    target: bytes
    openings: tuple[int, int]
    """What it may open, (0, 0) where nobody looked."""


class _Conversation:
    """What both ends of one flow have said, and the dissectors that may still know it. Index 0 is the low end's."""

    __slots__ = ("candidates", "ends", "finding", "packets", "voices")

    def __init__(self, said: _Saying, voices: tuple[Voice, Voice], key_log: KeyLog | None) -> None:
        known = Ends(said.transport, *said.ports, key_log)
        turned = Ends(said.transport, *said.ports[::-1], key_log)
        self.ends = (turned, known) if said.side else (known, turned)
        self.voices = voices
        self.packets = [0, 0]
        self.candidates = [_candidates(known)] * 2
        if said.openings != (0, 0):
            possible = dissectors_of(said.transport, *said.openings)
            self.candidates[said.side] = tuple(filter(possible.__contains__, self.candidates[said.side]))
        self.finding: Finding | None = None

    def ask(self, side: int, said: Speech) -> tuple[Dissector | None, Finding | None]:
        """The first dissector that knows what this side said, and what it knows; who does not is asked no more."""
        answered = self.voices[1 - side].speech() if len(self.voices[1 - side]) else SILENCE
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


def _sayings(
    batch: FrameBatch, packets: NDArray[np.void], payloads: NDArray[np.void], first_number: int
) -> Iterator[_Saying]:
    """What is in the payloads, as far as the capture has it."""
    indexes = payloads["packet"]
    rows, frames = packets[indexes], batch.frames[indexes]
    starts = frames["offset"].astype(np.int64) + rows["payload_offset"]
    present = np.clip(frames["captured"].astype(np.int64) - rows["payload_offset"], 0, rows["payload"])
    sequences = rows["tcp_sequence"].astype(np.int64) + ((rows["tcp_flags"] & 2) != 0)  # a SYN counts as a byte
    buffer, stops = batch.buffer.data, starts + present
    ends = [rows[end].tobytes() for end in ("source", "target")]
    columns = (
        payloads["row"].tolist(),
        payloads["side"].tolist(),
        (indexes.astype(np.int64) + first_number).tolist(),
        rows["protocol"].tolist(),
        sequences.tolist(),
        zip(rows["source_port"].tolist(), rows["target_port"].tolist(), strict=True),
        [buffer[start:stop].tobytes() for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)],
        (present < rows["payload"]).tolist(),
        rows["ts_ns"].tolist(),
        *([addresses[at : at + 16] for at in range(0, len(addresses), 16)] for addresses in ends),
        map(tuple, payloads["openings"].tolist()),
    )
    return map(_Saying, *columns)


@lru_cache(maxsize=1 << 14)
def _plain_name(labels: bytes) -> str:
    """The name in a DNS question without its last byte, the root: each label's length before it (RFC 1035 §3.1)."""
    names, at = [], 0
    while at < len(labels):
        names.append(labels[at + 1 : at + 1 + labels[at]].decode("ascii").lower())
        at += 1 + labels[at]
    return ".".join(names)


@lru_cache(maxsize=1)
def _resolvers() -> tuple[Dissector, ...]:
    """The dissectors that hear all of a conversation."""
    return tuple(dissector for dissector in find_dissectors() if getattr(dissector, "LISTENS_ALWAYS", False))


def _hears_all(dissector: Dissector, ends: Ends, finding: Finding) -> bool:
    """Whether a dissector that made this finding hears all that follows: each datagram, or segment, by itself."""
    is_clear = finding.is_final and not finding.names and UDP not in dissector.TRANSPORTS
    return dissector in _resolvers() and (ends.transport == UDP or is_clear)


def _alone(payload: bytes) -> Speech:
    return Speech(payload, (payload,))


def _joined(earlier: Finding | None, later: Finding) -> Finding:
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
