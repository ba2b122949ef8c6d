"""DNS (RFC 1035) over UDP and TCP, and its kin: mDNS (RFC 6762), LLMNR (RFC 4795), NetBIOS names (RFC 1002).

Their own ports take what is cut short or odd; on any other port a message must be whole, plausible in each field, and
end where the datagram ends. Queries give the name asked for, responses also the addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._dns_aliases import asked_names
from portcall.dissectors._dns_message import (
    ADDRESS,
    ADDRESS_6,
    HTTPS,
    OPTIONS,
    SERVICE,
    START_OF_AUTHORITY,
    read_message,
)
from portcall.dissectors._dns_targets import LEADS_ON, led_to
from portcall.dissectors._domain_names import netbios_name
from portcall.dissectors._prefixes import ZERO
from portcall.dissectors._service_bindings import read_binding, service_name
from portcall.dissectors._text import as_text
from portcall.records.detections import TCP, UDP, WAIT, Detection, DnsAnswer, EchOffer, Role

if TYPE_CHECKING:
    from portcall.dissectors._dns_message import Message, Record
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
_BY_PORT = {53: "dns", 137: "netbios-ns", 5353: "mdns", 5355: "llmnr"}
PORTS = frozenset(_BY_PORT)
PREFIXES: dict[int, tuple[Prefix, ...]] = {UDP: (), TCP: ()}
LENGTH_PREFIXES: dict[int, tuple[Prefix, ...]] = {UDP: ({4: ZERO, 5: range(65)},), TCP: ({6: ZERO, 7: range(65)},)}
"""How many questions there are, behind number and flags; over TCP behind a length."""
PREFIXES_ON_PORTS: dict[int, tuple[tuple[Prefix, frozenset[int]], ...]] = {UDP: (({4: ZERO, 5: ZERO}, PORTS),)}
INSPECTS_ALWAYS = True

_QUERY, _INVERSE, _STATUS, _NOTIFY, _UPDATE, _STATEFUL = 0, 1, 2, 4, 5, 6
_OPCODES = {
    _QUERY: "query",
    _INVERSE: "iquery",  # RFC 1035 §6.4: the answer is there, the question is asked for
    _STATUS: "status",
    _NOTIFY: "notify",  # RFC 1996
    _UPDATE: "update",  # RFC 2136: the zone stands in the question's place
    _STATEFUL: "dso",  # RFC 8490: no records, but types, lengths and values
}
_OF_ZONES = frozenset({_NOTIFY, _UPDATE})
_NETBIOS_OPCODES = frozenset({0, 5, 6, 7, 8, 9, 15})
_CLASSES = frozenset({1, 3, 4, 254, 255})
_WITHOUT_ADDITIONS = frozenset({"dns", "llmnr"})
"""On their own ports: what follows the answers is not looked at, but where these lead on to others."""
_UNICAST_BIT = 0x8000
"""mDNS: in questions please answer me alone, in records forget what you knew (RFC 6762 §18.12)."""
_MOST_MESSAGES = 64
_MOST_QUERIES = 8
_ADDRESS_BYTES = {ADDRESS: 4, ADDRESS_6: 16}
"""By type of record."""
_NETBIOS_NAME = 32
_COUNTS_START = 4


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The newest datagram, or all whole messages of a stream."""
    del answered
    protocol = _protocol(ends)
    if ends.transport == TCP:
        return _inspect_stream(sent, protocol)
    message = read_message(sent.data, only_answers=protocol in _WITHOUT_ADDITIONS)
    if (
        message
        and protocol in _WITHOUT_ADDITIONS
        and not LEADS_ON.isdisjoint([record[1] for record in message.records])
    ):
        message = read_message(sent.data)
    if message is None:
        return Detection(protocol) if protocol and sent.is_ended and _begins_plausibly(sent.data) else None
    if not _is_plausible(message, protocol, sent.data):
        return None
    if protocol is None:
        if not _is_beyond_doubt(message, len(sent.data)):
            return None
        protocol = "dns"
    return _detection(sent.data, message, protocol)


def _protocol(ends: Ends) -> str | None:
    """What a message between these ports is called; None where they say nothing."""
    return _BY_PORT.get(ends.target_port) or _BY_PORT.get(ends.source_port)


def _is_plausible(message: Message, protocol: str | None, data: bytes) -> bool:
    """Whether the first fields are what this protocol may send."""
    flags = message.flags
    opcode = _opcode(flags)
    if protocol == "netbios-ns":
        return opcode in _NETBIOS_OPCODES and _has_netbios_name(message)
    if opcode not in _OPCODES and not (protocol == "dns" and message.questions and message.is_whole):
        return False
    if not message.questions:
        # Only mDNS answers what it does not repeat; elsewhere an error may say nothing more.
        is_answer = message.is_response and bool(message.records or flags & 15)
        return is_answer or (protocol == "dns" and _asks_without_question(message, opcode, data))
    mask = 0xFFFF if protocol == "dns" else ~_UNICAST_BIT
    return _CLASSES.issuperset([record_class & mask for _, _, record_class in message.questions])


def _opcode(flags: int) -> int:
    return flags >> 11 & 15


def _asks_without_question(message: Message, opcode: int, data: bytes) -> bool:
    """Whether it is of a kind that has no question: the answer alone, nothing at all, or a session's values."""
    if opcode == _INVERSE:
        return bool(message.records) and message.is_whole
    if message.records or opcode not in (_STATUS, _STATEFUL):
        return False
    at = message.end
    while opcode == _STATEFUL and at + 4 <= len(data):  # type:16 length:16
        at += 4 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at == len(data)


def _begins_plausibly(data: bytes) -> bool:
    """Whether a message that the capture has cut within its question may be one."""
    return len(data) >= _COUNTS_START and data[2] >> 3 & 15 in _OPCODES and data[_COUNTS_START:].startswith(b"\0\1")


def _has_netbios_name(message: Message) -> bool:
    names = message.questions or message.records
    return bool(names) and netbios_name(names[0][0]) is not None


def _is_beyond_doubt(message: Message, size: int) -> bool:
    """Whether a message on a foreign port can be nothing else."""
    flags = message.flags
    if not message.is_whole or message.end != size or flags & 0x0040 or len(message.questions) != 1:
        return False
    if _opcode(flags) in _OF_ZONES:
        is_sound = not flags & 0x008F and message.questions[0].type == START_OF_AUTHORITY
    else:
        is_sound = not (flags & 0x048F or message.answer_count)
    if not message.is_response and not is_sound:
        return False
    return all(
        kind == OPTIONS or record_class in _CLASSES for _, kind, record_class, *_ in message.records
    ) and _is_host_like(message.questions[0].name)


def _is_host_like(name: bytes) -> bool:
    return name.replace(b"-", b"").replace(b".", b"").replace(b"_", b"").isalnum()


def _inspect_stream(sent: Payload, protocol: str | None) -> Detection | Wait | None:
    """Messages with two bytes of length before each (RFC 1035 §4.2.2)."""
    data, start = sent.data, 0
    found: Detection | None = None
    for _ in range(_MOST_MESSAGES):
        if start + 2 > len(data):
            break
        end = start + 2 + int.from_bytes(data[start : start + 2], "big")
        if end - start < 14 or end > len(data):  # noqa: PLR2004 - two bytes and a header
            break
        body = data[start + 2 : end]
        message = read_message(body)
        if message is None or not _is_plausible(message, protocol, body):
            break
        if protocol is None and not _is_beyond_doubt(message, len(body)):
            break
        found = _joined(found, _detection(body, message, protocol or "dns"), is_final=sent.is_ended)
        start = end
    if found or sent.is_ended:
        return found
    return WAIT if _may_become_message(data) else None


def _may_become_message(data: bytes) -> bool:
    if len(data) < 14:  # noqa: PLR2004 - length and header
        return not data or data[0] < 0x10  # noqa: PLR2004 - hardly a first message is longer than 4 KiB
    size = data[0] << 8 | data[1]
    flags, questions = data[4] << 8 | data[5], data[6] << 8 | data[7]
    return len(data) - 2 < size and flags >> 11 & 15 in _OPCODES and not flags & 0x0040 and questions <= 1


def _joined(earlier: Detection | None, later: Detection, *, is_final: bool) -> Detection:
    if earlier is None:
        return later._replace(is_final=is_final)
    details = (earlier.details + later.details)[:_MOST_QUERIES]
    answers, offers = earlier.answers + later.answers, earlier.offers + later.offers
    return Detection(earlier.protocol, earlier.role, (), details, answers, is_final, offers=offers)


def _detection(data: bytes, message: Message, protocol: str) -> Detection:
    is_response = message.is_response
    if protocol == "netbios-ns":
        queries = [netbios_name(question[0]) or as_text(question[0]) for question in message.questions]
    else:
        queries = [as_text(question[0]) or "." for question in message.questions]
    details = tuple([("query", query) for query in queries[:_MOST_QUERIES]])
    opcode = _opcode(message.flags)
    is_query = opcode == _QUERY or protocol == "netbios-ns"
    if not is_query:
        details = (("opcode", _OPCODES.get(opcode, str(opcode))), *details)
    has_answers = is_response and is_query and message.records
    answers, offers = _answers(data, message, protocol) if has_answers else ((), ())
    role = Role.SERVER if is_response else Role.CLIENT
    return Detection(protocol, role, (), details, answers, offers=offers)


def _answers(data: bytes, message: Message, protocol: str) -> tuple[tuple[DnsAnswer, ...], tuple[EchOffer, ...]]:
    """The addresses, each for the first name of its chain of aliases, with the least time to live on the way.

    And the names that are reached by ECH.
    """
    if protocol == "netbios-ns":
        return _netbios_answers(data, message.records[: message.answer_count]), ()
    # What mDNS adds is its sender's own, so it counts; in DNS it is glue, of which what answers lead to counts.
    records = message.records if protocol == "mdns" else message.records[: message.answer_count]
    asked_for = asked_names(data, [question.name for question in message.questions], records)
    answers: list[DnsAnswer] = []
    offers: list[EchOffer] = []
    for name, kind, _, time_to_live_s, start, end in records:
        if end - start == _ADDRESS_BYTES.get(kind):
            owner = name.lower()
            asked, least_s = asked_for.get(owner, (owner, time_to_live_s))
            answers.append(DnsAnswer(as_text(asked), data[start:end], min(least_s, time_to_live_s)))
        elif kind in (HTTPS, SERVICE) and (binding := read_binding(data, start, end)):
            owner = name.lower()
            asked, least_s = asked_for.get(owner, (owner, time_to_live_s))
            served, seconds = as_text(service_name(asked, binding.target)), min(least_s, time_to_live_s)
            answers += [DnsAnswer(served, address, seconds) for address in binding.addresses]
            offers += [EchOffer(served, cover) for cover in binding.covers]
    for called, (_, kind, _, time_to_live_s, start, end) in led_to(
        data, records[: message.answer_count], message.records[len(records) :], asked_for
    ):
        if end - start == _ADDRESS_BYTES[kind]:
            answers.append(DnsAnswer(as_text(called), data[start:end], time_to_live_s))
    return tuple(answers), tuple(offers)


def _netbios_answers(data: bytes, records: list[Record]) -> tuple[DnsAnswer, ...]:
    """Addresses of NB records: two bytes of flags before each (RFC 1002 §4.2.13)."""
    answers: list[DnsAnswer] = []
    for encoded, kind, _, time_to_live_s, start, end in records:
        name = netbios_name(encoded)
        if kind == _NETBIOS_NAME and name:
            answers += [
                DnsAnswer(name[:-4].lower(), data[at + 2 : at + 6], time_to_live_s)
                for at in range(start, min(end, start + 96) - 5, 6)
            ]
    return tuple(answers)
