"""A DNS message (RFC 1035 §4.1), read strictly: None unless every record is where it should be.

    +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
    |                      ID                       |
    |QR|   Opcode  |AA|TC|RD|RA| Z|AD|CD|   RCODE   |
    |                    QDCOUNT                    |
    |                    ANCOUNT                    |
    |                    NSCOUNT                    |
    |                    ARCOUNT                    |
    +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+

Every name lookup of a capture passes through here, so it makes one pass and few objects.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple, TypeAlias

from portcall.dissectors._domain_names import read_name

HEADER = Struct(">6H")
_QUESTION = Struct(">HH")
_RECORD = Struct(">HHIH")
_MOST_RECORDS = 512
_POINTERS = 0xC000
"""Two bytes from here on are an offset in the message (RFC 1035 §4.1.4); fewer are a label, below 0 here."""

ADDRESS, ALIAS, START_OF_AUTHORITY, TEXT, ADDRESS_6, SUBTREE, OPTIONS, SERVICE, HTTPS = 1, 5, 6, 16, 28, 39, 41, 64, 65
"""Types of records: A, CNAME, SOA, TXT, AAAA, DNAME, OPT, SVCB, HTTPS."""
NAME_SERVER, MAIL_SERVER, SERVICE_HOST = 2, 15, 33
"""Types of records: NS, MX, SRV."""


class DnsQuestion(NamedTuple):
    """What is asked for."""

    name: bytes
    type: int
    record_class: int


Record: TypeAlias = tuple[bytes, int, int, int, int, int]
"""Name, type, class, time to live in s, and where in the message its data begin and end."""


class Message(NamedTuple):
    """All of a message but the data of its records."""

    flags: int
    questions: list[DnsQuestion]
    records: list[Record]
    """Answers, authorities and additional ones, one after the other."""
    answer_count: int
    end: int
    is_whole: bool
    """False where the message ends before its counts are served."""

    @property
    def is_response(self) -> bool:
        """Whether it answers (QR)."""
        return bool(self.flags & 0x8000)


def read_message(data: bytes, *, only_answers: bool = False) -> Message | None:
    """The message at the start of the data, or as much of it as is there; None where a question is broken.

    ``only_answers`` leaves out what follows the answers, as if the message ended there.
    """
    if len(data) < HEADER.size:
        return None
    _, flags, question_count, answer_count, authority_count, additional_count = HEADER.unpack_from(data)
    if question_count > 64:  # noqa: PLR2004 - mDNS asks some, nobody asks so much
        return None
    offset = HEADER.size
    questions: list[DnsQuestion] = []
    for _ in range(question_count):
        named = read_name(data, offset)
        if named is None or named[1] + 4 > len(data):
            return None
        questions.append(DnsQuestion(named[0], *_QUESTION.unpack_from(data, named[1])))
        offset = named[1] + 4
    record_count = answer_count if only_answers else answer_count + authority_count + additional_count
    if not record_count:
        return Message(flags, questions, [], 0, offset, True)  # noqa: FBT003 - a record's field
    records, offset = _read_records(data, offset, min(record_count, _MOST_RECORDS), questions)
    return Message(flags, questions, records, answer_count, offset, len(records) == record_count)


def _read_records(data: bytes, offset: int, count: int, questions: list[DnsQuestion]) -> tuple[list[Record], int]:
    """Records as long as they are whole, and where they end."""
    records: list[Record] = []
    size = len(data)
    names = {HEADER.size: questions[0].name} if questions else {}
    for _ in range(count):
        pointer = int.from_bytes(data[offset : offset + 2], "big") - _POINTERS
        if pointer in names:  # most records point to a name that was read before
            name, end = names[pointer], offset + 2
        else:
            named = read_name(data, offset)
            if named is None:
                break
            name, end = named
            if pointer >= 0:
                names[pointer] = name
        start = end + 10
        if start > size:
            break
        kind, record_class, time_to_live_s, length = _RECORD.unpack_from(data, end)
        if start + length > size:
            break
        offset = start + length
        records.append((name, kind, record_class, time_to_live_s, start, offset))
    return records, offset
