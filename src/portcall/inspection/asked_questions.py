"""Which packets ask or answer which DNS question, for ``--by query``.

Every message of a conversation that is known to be DNS, mDNS or LLMNR is read as far as its questions. A packet counts
for the first question of the first message in it; what carries no question (handshakes of TCP, segments in the middle
of a message) counts for none. Bounded: messages and names beyond the bounds count for none either, and are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.dissectors import dns
from portcall.dissectors._dns_message import HEADER, read_message
from portcall.dissectors._text import as_text
from portcall.inspection.candidates import resolvers
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.inspection.inspector import RESOLVER_SHIFT
from portcall.inspection.payload_frames import captured_payloads
from portcall.records.detections import TCP
from portcall.records.payloads.dns_questions import ASKED, NO_CODE, Question, placed
from portcall.records.plain_data import items, joined, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.inspection.detection_table import DetectionTable
    from portcall.inspection.inspector import Inspector
    from portcall.records.packets import FrameBatch

_CHARACTERS_OF_A_QUESTION = 150  # about what one takes besides its name
_DNS, _NETBIOS = 53, 137


class QuestionNumbers:
    """Numbers for questions, from 0 on. Bounded by their text."""

    def __init__(self, bounds: InspectionBounds | None = None) -> None:
        """``bounds`` are those of the run; None: the usual ones."""
        bounds = bounds or InspectionBounds()
        self._most_characters, self.most_messages = bounds.most_question_characters, bounds.most_messages
        self._numbers: dict[Question, int] = {}
        self._questions: list[Question] = []
        self._characters = 0
        self.left_out = 0
        """Messages for which there was no room."""

    def __getitem__(self, number: int) -> Question:
        """The question with this number."""
        return self._questions[number]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._questions)

    def __bool__(self) -> bool:
        """Always, also as long as there are none."""
        return True

    def number(self, question: Question) -> int | None:
        """The number of a question; None where there is no room for it."""
        known = self._numbers.get(question)
        if known is not None:
            return known
        self._characters += _CHARACTERS_OF_A_QUESTION + len(question.name)
        if self._characters > self._most_characters:
            return None
        self._numbers[question] = len(self._questions)
        self._questions.append(question)
        return len(self._questions) - 1

    def merge(self, later: QuestionNumbers) -> NDArray[np.int64]:
        """Take in what another one has; gives the number here of each of its numbers, -1 where there is no room."""
        self.left_out += later.left_out
        numbers = [self.number(question) for question in later._questions]
        return np.array([-1 if number is None else number for number in numbers], np.int64)

    def plain(self) -> list[Any]:
        """All questions in the order of their numbers, as lists and texts."""
        return [self.left_out, [list(question) for question in self._questions]]

    @classmethod
    def of_plain(cls, plain: object) -> QuestionNumbers:
        """The numbers that gave these. ValueError for what none can give."""
        numbers = cls()
        left_out, questions = items(plain, 2)
        for number, (name, kind) in enumerate(items(one, 2) for one in items(questions)):
            if numbers.number(Question(text(name), whole(kind, most=0xFFFF))) != number:
                raise ValueError("a question is there twice, or there are too many")
        numbers.left_out = whole(left_out)
        return numbers


class AskedMessages:
    """The questions in the payloads of one flow table, whose inspector knows what is DNS."""

    def __init__(self, numbers: QuestionNumbers, detections: DetectionTable, inspector: Inspector) -> None:
        self._numbers, self._detections, self._inspector = numbers, detections, inspector
        self._pieces: list[NDArray[np.void]] = []
        self._count = 0

    def take(self, batch: FrameBatch, packets: NDArray[np.void], payloads: NDArray[np.void], first_number: int) -> None:
        """Read those of PAYLOAD[n] that are DNS; the inspector has had them."""
        self._inspector.take()  # so that all is known to be DNS that is
        wanted = payloads[self._are_dns(packets, payloads)]
        if not len(wanted):
            return
        rows, sides = wanted["row"].tolist(), wanted["side"].tolist()
        found: list[tuple[int, ...]] = []
        of_packets = packets[wanted["packet"]]
        facts = zip(*(of_packets[name].tolist() for name in ("ts_ns", "wire", "payload", "protocol")), strict=True)
        ports = zip(of_packets["source_port"].tolist(), of_packets["target_port"].tolist(), strict=True)
        contents = captured_payloads(batch, of_packets, wanted["packet"])
        numbers = (wanted["packet"].astype(np.int64) + first_number).tolist()
        for frame, row, side, (ts_ns, wire, payload, protocol), ends, content in zip(
            numbers, rows, sides, facts, ports, contents, strict=True
        ):
            if _NETBIOS in ends:
                continue
            counts = 1
            for question, code, answers in _questions(content, is_stream=protocol == TCP):
                number = self._numbers.number(question)
                if number is None or self._count + len(found) >= self._numbers.most_messages:
                    self._numbers.left_out += 1
                    break
                found.append((ts_ns, frame, row, number, wire * counts, payload * counts, answers, code, side, counts))
                counts = 0
        if found:
            asked = np.zeros(len(found), ASKED)
            for name, column in zip(ASKED.names or (), zip(*found, strict=True), strict=False):
                asked[name] = column
            self._pieces.append(asked)
            self._count += len(asked)

    def _are_dns(self, packets: NDArray[np.void], payloads: NDArray[np.void]) -> NDArray[np.bool_]:
        """bool[n]: datagrams of which the inspector hears all, and streams on the port of DNS that are DNS."""
        rows = payloads["row"]
        are_dns = self._inspector.marks[rows] >> RESOLVER_SHIFT == 1 + resolvers().index(dns)
        of_packets = packets[payloads["packet"]]
        is_port = (of_packets["source_port"] == _DNS) | (of_packets["target_port"] == _DNS)
        for at in np.flatnonzero((of_packets["protocol"] == TCP) & is_port).tolist():
            detection = self._detections[self._inspector.found[rows[at]]]
            are_dns[at] |= detection is not None and detection.protocol == "dns"
        return np.asarray(are_dns)

    def all(self) -> NDArray[np.void]:
        """ASKED[n] of all rows of the table."""
        self._pieces = [joined(self._pieces, ASKED)]
        return self._pieces[0]

    def absorb(self, asked: NDArray[np.void]) -> None:
        """Take in what shards have read of these packets, beside what was read of others."""
        read_again = self.all()
        self._pieces = [asked, read_again[~np.isin(read_again["number"], asked["number"])]]
        self._count = sum(map(len, self._pieces))

    def renumber(self, numbers: NDArray[np.uint32]) -> None:
        """Rows have new indexes: uint32[rows], 1 + that of each, 0 for those that left, which ask nothing any more."""
        asked = self.all()
        new = numbers[asked["row"]]
        left: NDArray[np.void] = asked[new > 0].copy()
        left["row"] = new[new > 0] - 1
        self._pieces, self._count = [left], len(left)

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.void]:
        """ASKED[m] of these rows, their ``row`` the place among them."""
        return placed(self.all(), rows)


def _questions(content: bytes, *, is_stream: bool) -> Iterator[tuple[Question, int, int]]:
    """Each question in the messages of one payload, with the response code and the number of answers."""
    start = 0
    while start < len(content):
        message, end = content[start:], len(content)
        if is_stream:  # two bytes of length before each message (RFC 1035 §4.2.2)
            start += 2
            end = start + int.from_bytes(content[start - 2 : start], "big")
            message = content[start:end]
            if len(message) < HEADER.size or end > len(content):
                return
        read = read_message(message, only_answers=True)
        if read is None:
            return
        is_response = read.is_response
        answers = int.from_bytes(message[6:8], "big") if is_response else 0
        for question in read.questions:
            name = as_text(question.name.lower()) or "."
            yield Question(name, question.type), read.flags & 15 if is_response else NO_CODE, answers
        start = end
