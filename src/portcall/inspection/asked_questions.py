"""Which packets ask or answer which DNS question, for ``--by query``.

Every message of a conversation that is known to be DNS, mDNS or LLMNR is read as far as its questions. A packet counts
for the first question of the first message in it; what carries no question (handshakes of TCP, segments in the middle
of a message) counts for none. Bounded: messages and names beyond the bounds count for none either, and are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.dissectors import dns
from portcall.dissectors._dns_message import HEADER, read_message
from portcall.dissectors._text import as_text
from portcall.inspection.candidates import resolvers
from portcall.inspection.inspector import RESOLVER_SHIFT
from portcall.inspection.payload_frames import captured_payloads
from portcall.records.detections import TCP
from portcall.records.dns_questions import ASKED, NO_CODE, Question, placed
from portcall.records.plain_data import joined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.inspection.detection_table import DetectionTable
    from portcall.inspection.inspector import Inspector
    from portcall.records.packets import FrameBatch

_MOST_MESSAGES = 1 << 22  # 128 MB
_MOST_CHARACTERS = 32 << 20
_CHARACTERS_OF_A_QUESTION = 150  # about what one takes besides its name
_IS_RESPONSE = 0x8000
_DNS, _NETBIOS = 53, 137


class QuestionNumbers:
    """Numbers for questions, from 0 on. Bounded by their text."""

    def __init__(self) -> None:
        self._numbers: dict[Question, int] = {}
        self._questions: list[Question] = []
        self._characters = 0
        self.left_out = 0
        """Messages for which there was no room."""

    def __getitem__(self, number: int) -> Question:
        """The question with this number."""
        return self._questions[number]

    def number(self, question: Question) -> int | None:
        """The number of a question; None where there is no room for it."""
        known = self._numbers.get(question)
        if known is not None:
            return known
        self._characters += _CHARACTERS_OF_A_QUESTION + len(question.name)
        if self._characters > _MOST_CHARACTERS:
            return None
        self._numbers[question] = len(self._questions)
        self._questions.append(question)
        return len(self._questions) - 1


class AskedMessages:
    """The questions in the payloads of one flow table, whose inspector knows what is DNS."""

    def __init__(self, numbers: QuestionNumbers, detections: DetectionTable, inspector: Inspector) -> None:
        self._numbers, self._detections, self._inspector = numbers, detections, inspector
        self._pieces: list[NDArray[np.void]] = []
        self._count = 0

    def take(self, batch: FrameBatch, packets: NDArray[np.void], payloads: NDArray[np.void]) -> None:
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
        for row, side, (ts_ns, wire, payload, protocol), ends, content in zip(
            rows, sides, facts, ports, contents, strict=True
        ):
            if _NETBIOS in ends:
                continue
            counts = 1
            for question, code, answers in _questions(content, is_stream=protocol == TCP):
                number = self._numbers.number(question)
                if number is None or self._count + len(found) >= _MOST_MESSAGES:
                    self._numbers.left_out += 1
                    break
                found.append((ts_ns, row, number, wire * counts, payload * counts, answers, code, side, counts))
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

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.void]:
        """ASKED[m] of these rows, their ``row`` the place among them."""
        self._pieces = [joined(self._pieces, ASKED)]
        return placed(self._pieces[0], rows)


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
        is_response = bool(read.flags & _IS_RESPONSE)
        answers = int.from_bytes(message[6:8], "big") if is_response else 0
        for question in read.questions:
            name = as_text(question.name.lower()) or "."
            yield Question(name, question.type), read.flags & 15 if is_response else NO_CODE, answers
        start = end
