"""dns.log: each question with the answers that a resolver gave (RFC 1035)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from portcall.dissectors._dns_message import read_message
from portcall.dissectors._domain_names import netbios_name, read_name
from portcall.labels.dns_words import code_word, type_word
from portcall.records.payloads.log_entries import LogEntry

if TYPE_CHECKING:
    from portcall.dissectors._dns_message import DnsQuestion, Message, Record
    from portcall.records.payloads.log_entries import LogValue

    Fields = dict[str, LogValue]

_MOST_WAITING = 256  # questions of one conversation
_NETBIOS, _MDNS = 137, 5353
_A, _AAAA, _NAPTR, _ANY = 1, 28, 35, 255
_TEXTS = {16: b"TXT", 99: b"SPF"}
_WORDS = {50: b"NSEC3", 51: b"NSEC3PARAM", 65534: b"BIND9 signing signal"}
_UNTOLD = frozenset({13, 41, 64, 65, 249, 250, 257})
"""Types whose records Zeek's scripts take no note of: HINFO, OPT, SVCB, HTTPS, TKEY, TSIG, CAA."""
_LOC, _DS, _SSHFP, _RRSIG, _NSEC, _DNSKEY = 29, 43, 44, 46, 47, 48
_IN_BRIEF = frozenset({_LOC, _DS, _SSHFP, _RRSIG, _NSEC, _DNSKEY})
_SIGNER_AT = 18  # RFC 4034 §3.1: behind type, algorithm, labels, three times and the key's tag
_NAME_AT = {2: 0, 5: 0, 6: 0, 12: 0, 39: 0, 15: 2, 33: 6}
"""Type of record → where in its data a name begins: NS, CNAME, SOA, PTR, DNAME, MX, SRV."""
_ADDRESSES = {_A: (4, IPv4Address), _AAAA: (16, IPv6Address)}
_CLASSES = {1: "C_INTERNET", 2: "C_CSNET", 3: "C_CHAOS", 4: "C_HESOD", 254: "C_NONE", 255: "C_ANY"}
_OPCODES = ("query", "iquery", "server-status", "", "notify", "dynamic-update", "dso")


class DnsLog:
    """The messages of one conversation; ``transport`` is ``udp`` or ``tcp``."""

    def __init__(self, transport: str, ports: tuple[int, int]) -> None:
        self._transport = transport
        self._is_netbios, self._is_mdns = _NETBIOS in ports, _MDNS in ports
        self._waiting: dict[int, list[tuple[int, Fields]]] = {}
        self._count = 0
        self._buffers = (bytearray(), bytearray())

    def feed(self, side: int, data: bytes, ts_ns: int) -> list[LogEntry]:
        """What a datagram, or more of a stream, completes."""
        if self._transport == "udp":
            return self._message(data, ts_ns)
        buffer, found = self._buffers[side], []
        buffer += data
        while len(buffer) > 1 and len(buffer) >= 2 + int.from_bytes(buffer[:2], "big"):
            end = 2 + int.from_bytes(buffer[:2], "big")
            found += self._message(bytes(buffer[2:end]), ts_ns)
            del buffer[:end]
        return found

    @property
    def held_bytes(self) -> int:
        """What waits for more."""
        return len(self._buffers[0]) + len(self._buffers[1]) + 500 * self._count

    def finish(self) -> list[LogEntry]:
        """Questions that nobody answered."""
        found = [LogEntry("dns", ts_ns, fields) for some in self._waiting.values() for ts_ns, fields in some]
        self._waiting.clear()
        self._count = 0
        return found

    def _message(self, data: bytes, ts_ns: int) -> list[LogEntry]:
        message = read_message(data)
        if message is None:
            return []
        number = int.from_bytes(data[:2], "big")
        if message.is_response:
            return [self._response(data, message, number, ts_ns)]
        asked = [self._fields(message, number, question) for question in message.questions]
        if self._is_mdns:  # whose answers go to everybody, and belong to no question
            return [LogEntry("dns", ts_ns, fields) for fields in asked]
        if asked:
            self._waiting.setdefault(number, []).extend((ts_ns, fields) for fields in asked)
            self._count += len(asked)
        left_waiting = []
        while self._count > _MOST_WAITING:
            left_waiting.append(LogEntry("dns", *self._taken(next(iter(self._waiting)), None)))
        return left_waiting

    def _response(self, data: bytes, message: Message, number: int, ts_ns: int) -> LogEntry:
        question = message.questions[0] if message.questions else None
        fields = self._fields(message, number, question) | _answered(data, message)
        is_told = any(record[1] not in _UNTOLD for record in message.records[: message.answer_count])
        if is_told:  # as Zeek's scripts, which take these from an answer that they write
            fields |= {"AA": bool(message.flags & 0x0400), "RA": bool(message.flags & 0x0080)}
        if question is None and message.records:
            fields["query"] = self._name(message.records[0][0])
        if number not in self._waiting:
            return LogEntry("dns", ts_ns, fields)
        asked_ns, asked = self._taken(number, fields.get("query"))
        if is_told and ts_ns > asked_ns:
            fields["rtt"] = (ts_ns - asked_ns) / 1e9
        return LogEntry("dns", asked_ns, {**asked, **fields})

    def _taken(self, number: int, query: LogValue) -> tuple[int, Fields]:
        """The question of this number that waited longest, rather one for that name."""
        waiting = self._waiting[number]
        at = next((at for at, (_, asked) in enumerate(waiting) if asked.get("query") == query), 0)
        self._count -= 1
        taken = waiting.pop(at)
        if not waiting:
            del self._waiting[number]
        return taken

    def _fields(self, message: Message, number: int, question: DnsQuestion | None) -> Fields:
        flags = message.flags
        opcode = flags >> 11 & 15
        fields: Fields = {
            "proto": self._transport,
            "trans_id": number,
            "AA": False,
            "TC": bool(flags & 0x0200),
            "RD": bool(flags & 0x0100),
            "RA": False,
            "Z": flags >> 4 & 7,
            "rejected": False,
            "opcode": opcode,
            "opcode_name": (_OPCODES[opcode] if opcode < len(_OPCODES) else "") or f"opcode-{opcode}",
        }
        if question:
            name, kind, record_class = question
            record_class &= 0x7FFF if self._is_mdns else 0xFFFF  # the other bit asks for an answer to the asker alone
            fields |= {
                "query": self._name(name),
                "qclass": record_class,
                "qclass_name": _CLASSES.get(record_class, f"qclass-{record_class}"),
                "qtype": kind,
                "qtype_name": _type_name(kind),
            }
        return fields

    def _name(self, name: bytes) -> bytes:
        plain = netbios_name(name) if self._is_netbios else None
        return plain[:-4].encode("latin-1", "backslashreplace") if plain else name.lower()


def _answered(data: bytes, message: Message) -> Fields:
    code = message.flags & 15
    answers = [record for record in message.records[: message.answer_count] if record[1] not in _UNTOLD]
    fields: Fields = {
        "rcode": code,
        "rcode_name": code_word(code),
        "rejected": not any(int.from_bytes(data[at : at + 2], "big") for at in (6, 8, 10)),
    }
    if answers:
        fields["answers"] = [_data_text(data, record) for record in answers]
        fields["TTLs"] = [float(record[3]) for record in answers]
    return fields


def _data_text(data: bytes, record: Record) -> bytes:
    """What a record says, as Zeek writes it."""
    _, kind, _, _, start, end = record
    size, as_address = _ADDRESSES.get(kind, (0, None))
    if as_address and end - start == size:
        return str(as_address(data[start:end])).encode()
    if kind in _NAME_AT:
        return _name_at(data, start + _NAME_AT[kind])
    if kind in _IN_BRIEF:
        return _in_brief(data, record)
    if kind in _TEXTS:
        return b" ".join(b"%s %d %s" % (_TEXTS[kind], len(text), text) for text in _strings(data[start:end]))
    return _naptr(data, start, end) if kind == _NAPTR else _WORDS.get(kind) or f"<unknown type={kind}>".encode()


def _naptr(data: bytes, start: int, end: int) -> bytes:
    """Order, preference, flags, service, and what to put in place of a name (RFC 3403 §4.1)."""
    texts, at = [], start + 4
    for _ in range(3):
        size = data[at] if at < end else 0
        texts.append(data[at + 1 : min(at + 1 + size, end)])
        at += 1 + size
    flags, service, expression = texts
    instead = b" ".join(filter(None, (expression, _name_at(data, at) if at < end else b"")))
    order, preference = (int.from_bytes(data[at : min(at + 2, end)], "big") for at in (start, start + 2))
    return b"NAPTR %d %d %s %s %s" % (order, preference, flags, service, instead)


def _in_brief(data: bytes, record: Record) -> bytes:
    """What Zeek's scripts say of records of DNSSEC (RFC 4034), SSHFP (RFC 4255) and LOC (RFC 1876)."""
    name, kind, _, _, start, end = record
    content = data[start:end]
    if kind == _RRSIG:
        signer = _name_at(data, start + _SIGNER_AT) if len(content) > _SIGNER_AT else b""
        return b"RRSIG %d %s" % (int.from_bytes(content[:2], "big"), signer or b"<Root>")
    if kind == _NSEC:
        return b"NSEC %s %s" % (name.lower(), _name_at(data, start))
    if kind == _SSHFP:
        return b"SSHFP: " + content[2:].hex().encode()
    if kind == _LOC:  # size and precisions
        return b" ".join([b"LOC: ", *(b"%d" % number for number in content[1:4])])
    if kind == _DNSKEY:
        return b"DNSKEY %d" % int.from_bytes(content[3:4], "big")
    return b"DS %d %d" % (int.from_bytes(content[2:3], "big"), int.from_bytes(content[3:4], "big"))


def _name_at(data: bytes, start: int) -> bytes:
    named = read_name(data, start)
    return named[0].lower() if named else b""


def _strings(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        found.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return found


def _type_name(kind: int) -> str:
    return "*" if kind == _ANY else type_word(kind) if not type_word(kind).startswith("TYPE") else f"query-{kind}"
