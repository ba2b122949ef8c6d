r"""Databases, by their greetings: one recogniser each, chosen by the first byte.

Sources: MySQL's Protocol::HandshakeV10, PostgreSQL 16 §55.7, Redis' RESP 2 and 3, MongoDB's wire protocol, MS-TDS
§2.2.3.1, Oracle Net (TNS) as Wireshark reads it, Cassandra's native_protocol_v5.spec §2, memcached's protocol.txt and
its binary kin, DRDA §3 (DDM architecture).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._families import first_found, text, wait_for_more
from portcall.dissectors._inside import after, with_upgrade
from portcall.dissectors._prefixes import CAPITALS, DIGITS, LETTERS, LINE_END, ZERO
from portcall.records.detections import TCP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._families import Recogniser
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.STRUCTURE
_MONGODB_OPCODES = frozenset({1, 2001, 2002, 2004, 2005, 2006, 2007, 2010, 2011, 2012, 2013})
_MONGODB_LOW = frozenset(opcode & 0xFF for opcode in _MONGODB_OPCODES)
PORTS = frozenset({1433, 1521, 3306, 5432, 6379, 9042, 11211, 27017, 50000})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (
        {1: range(3), 2: ZERO, 3: ZERO, 4: b"\x0a\xff"},  # MySQL
        {0: b"\x20", 1: ZERO, 2: ZERO, 3: b"\1", 13: ZERO, 14: ZERO, 15: ZERO},
        {2: b"\xd0", 8: b"\x10\x14\x20\x22"},  # DRDA
        {0: ZERO, 1: ZERO, 2: range(0x28), 4: b"\0\4", 5: b"\3\xd2", 6: b"\0\x16", 7: b"\0\2./0"},  # PostgreSQL
        {0: b"RE", 1: ZERO, 2: ZERO, 3: range(5)},
        {2: ZERO, 3: ZERO, 4: b"\1", 5: ZERO, 6: ZERO, 7: ZERO},  # Oracle
        {0: b"\x04\x12", 1: b"\1", 7: ZERO, 8: ZERO},  # TDS
        {0: b"\x03\x04\x05\x83\x84\x85", 1: range(32), 4: b"\1\5\6"},  # Cassandra
        {0: b"*+-%", 1: CAPITALS + DIGITS, 2: b"\r" + CAPITALS + DIGITS, 3: LINE_END + CAPITALS + DIGITS},  # Redis
        {0: b"\x80", 1: range(0x26), 5: ZERO, 6: ZERO, 7: ZERO},
    ),
}
LENGTH_PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: ({3: range(3), 12: _MONGODB_LOW, 13: b"\0\7", 14: ZERO, 15: ZERO},)
}
TEXT_PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: ({0: b"CIMPQadfgimprstv", 1: LETTERS, 2: b" " + LETTERS},)  # what people type to Redis and memcached
}


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The database whose protocol opens so."""
    data = sent.data
    # A length in its first bytes, as several have, leaves the fourth zero.
    behind = _BY_LENGTH if data[3:4] in {b"", b"\0"} else (_drda,) if data[2] == _DDM_MAGIC else (_mysql_client,)
    recognisers = (*_BY_FIRST_BYTE.get(data[:1], ()), *behind)
    return first_found(recognisers, sent, answered, ends) if recognisers else None


_MYSQL_VERSION = Expression(rb"(?:[0-9]{1,2}\.[0-9]{1,2}|[0-9]{2}-)[ -~]{0,80}\0")
_GREATEST_MYSQL_GREETING = 512


def _mysql(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 length:24, little endian  3 sequence 0  4 version 10  5 the server's version, ends with a zero."""
    del answered
    data = sent.data
    if len(data) < 7:  # noqa: PLR2004
        return wait_for_more(sent, ends)
    length = int.from_bytes(data[:3], "little")
    if data[3] or length > _GREATEST_MYSQL_GREETING:
        return None
    if data[4] == 0xFF and 3 < length <= len(data) - 4 and ends.source_port == 3306:  # noqa: PLR2004
        return Detection("mysql", Role.SERVER)  # an error, such as a host that may not come in
    version = _MYSQL_VERSION.match(data, 5) if data[4] == 10 else None  # noqa: PLR2004
    return Detection("mysql", Role.SERVER, details=(("version", text(version[0][:-1])),)) if version else None


_MYSQL_TLS = 0x0800
_MYSQL_REQUEST_BYTES = 32
_MYSQL_REQUEST = Expression(rb"\x20\x00\x00\x01.{9}\x00{19}", re.DOTALL)


def _mysql_client(sent: Payload, answered: Payload, ends: Ends) -> Detection | None:
    """0 length:24  3 sequence 1  4 capabilities:32  8 most bytes:32  12 characters:8  13 zeros: if alone, for TLS."""
    data = sent.data
    is_answer = _mysql(answered, sent, ends._replace(source_port=ends.target_port)) is not None
    if data[3:4] != b"\1" or not (is_answer or (ends.target_port == 3306 and _MYSQL_REQUEST.match(data))):  # noqa: PLR2004
        return None
    detection = Detection("mysql", Role.CLIENT)
    asks = data[:1] == b"\x20" and len(data) > 5 and (data[4] | data[5] << 8) & _MYSQL_TLS  # noqa: PLR2004
    return with_upgrade(detection, sent, answered, ends, 4 + _MYSQL_REQUEST_BYTES) if asks else detection


_POSTGRESQL_REQUESTS = (b"\x04\xd2\x16\x2e", b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30")
"""Cancel, TLS and GSSAPI: 1234 and 5678 to 5680."""
_POSTGRESQL_VERSIONS = (b"\0\3\0\0", b"\0\3\0\2")
_MOST_STARTUP_BYTES = 10000
"""PostgreSQL refuses longer ones."""
_PARAMETERS = (b"user", b"database", b"application_name")


def _postgresql(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 length:32  4 protocol:32  8 names and values, each ends with a zero."""
    data = sent.data
    if len(data) < 8:  # noqa: PLR2004
        return wait_for_more(sent, ends)
    length = int.from_bytes(data[:4], "big")
    if data[4:8] in _POSTGRESQL_REQUESTS and length in {8, 16}:
        return _postgresql_upgrade(sent, answered, ends)
    if data[4:8] not in _POSTGRESQL_VERSIONS or not 8 < length <= _MOST_STARTUP_BYTES:  # noqa: PLR2004
        return None
    if len(data) < length:
        return wait_for_more(sent, ends)
    fields = data[8:length].split(b"\0", 32)
    named = [
        (text(key), text(value)) for key, value in zip(fields[::2], fields[1::2], strict=False) if key in _PARAMETERS
    ]
    return Detection("postgresql", Role.CLIENT, details=tuple(named)) if named else None


def _postgresql_upgrade(sent: Payload, answered: Payload, ends: Ends) -> Detection:
    """What follows a request for encryption: TLS, or where that is refused (N), another request or the startup."""
    data, outer = sent.data, Detection("postgresql", Role.CLIENT)
    if data[4:8] == _POSTGRESQL_REQUESTS[0]:
        return outer
    if data[8:12] and data[8] == 0:  # TLS begins otherwise
        plain = _postgresql(after(sent, 8), answered, ends)
        return plain if isinstance(plain, Detection) else outer._replace(is_final=sent.is_ended)
    return with_upgrade(outer, sent, answered, ends)


_POSTGRESQL_AUTHENTICATION = Expression(
    rb"R\0\0\0[\x08-\x60]\0\0\0[\x00-\x0c]|E\0\0[\0-\x04].S(?:FATAL|ERROR|PANIC)\0", re.DOTALL
)


def _postgresql_server(sent: Payload, answered: Payload, ends: Ends) -> Detection | None:
    """An authentication request, or an error with its severity; behind S, yes to TLS, what is said there."""
    if sent.data[:1] in {b"S", b"N", b"G"} and answered.data[4:8] in _POSTGRESQL_REQUESTS[1:]:
        return with_upgrade(Detection("postgresql", Role.SERVER), sent, answered, ends)
    return Detection("postgresql", Role.SERVER) if _POSTGRESQL_AUTHENTICATION.match(sent.data) else None


_RESP_COMMAND = Expression(rb"\*[1-9]\d{0,3}\r\n\$\d{1,5}\r\n([A-Za-z][A-Za-z.|_-]{0,31})\r\n")
_RESP_ANSWER = Expression(
    rb"\+(?:PONG|OK|QUEUED|FULLRESYNC [0-9a-f]{40} \d+|CONTINUE\b)\r\n"
    rb"|-(?:ERR|NOAUTH|WRONGPASS|WRONGTYPE|DENIED|MOVED|LOADING|NOPERM|READONLY|MASTERDOWN) [ -~]{0,256}\r\n"
    rb"|%\d{1,4}\r\n\$6\r\nserver\r\n"
)
_RESP_INLINE = Expression(rb"(?:PING|INFO|MONITOR|QUIT|COMMAND)\r\n")
_SHORTEST_COMMAND = len(b"*1\r\n$4\r\nPING\r\n")


def _redis(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """An array of bulk strings, whose first is a word; or an answer that others do not give."""
    if _RESP_COMMAND.match(sent.data):
        return Detection("redis", Role.CLIENT)
    if len(sent.data) < _SHORTEST_COMMAND and sent.data[:1] == b"*":
        return wait_for_more(sent, ends)
    is_answer = _RESP_ANSWER.match(sent.data) and (ends.source_port == 6379 or _RESP_COMMAND.match(answered.data))  # noqa: PLR2004
    return Detection("redis", Role.SERVER) if is_answer else None


def _redis_inline(sent: Payload, answered: Payload, ends: Ends) -> Detection | None:
    """A command as people type it: at home only."""
    del answered
    is_redis = ends.target_port == 6379 and _RESP_INLINE.match(sent.data)  # noqa: PLR2004
    return Detection("redis", Role.CLIENT) if is_redis else None


_MOST_MONGODB_BYTES = 48_000_000


def _mongodb(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 length:32  4 request:32  8 answer to:32  12 opcode:32, all little endian."""
    del answered
    data = sent.data
    if len(data) < 21:  # noqa: PLR2004 (the header, and what every message has)
        return wait_for_more(sent, ends) if data[3:4] in {b"", b"\0"} else None
    length, _, answer_to, opcode = (int.from_bytes(data[at : at + 4], "little") for at in (0, 4, 8, 12))
    if opcode not in _MONGODB_OPCODES or not 21 <= length <= _MOST_MONGODB_BYTES:  # noqa: PLR2004
        return None
    if opcode == 2013 and (data[20] > 1 or data[18] & 0xFE):  # noqa: PLR2004 (flags and the first section's kind)
        return None
    if opcode == 2004 and b".$cmd\0" not in data[20:148]:  # noqa: PLR2004
        return None
    if opcode not in {2004, 2013} and not ends.has_port(27017, 27018, 27019):
        return None
    return Detection("mongodb", Role.SERVER if answer_to else Role.CLIENT)


def _tds(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 kind 18 pre-login or 4 answer  1 status:8  2 length:16  4 process:16  6 packet:8  7 zero  8 options … 0xff.

    TLS, if any, comes in packets like it.
    """
    data = sent.data
    if len(data) < 14:  # noqa: PLR2004
        return wait_for_more(sent, ends)
    length = data[2] << 8 | data[3]
    is_prelogin = data[1] == 1 and data[7] == 0 and data[8] == 0 and length <= len(data) and length > 14  # noqa: PLR2004
    option = data[9] << 8 | data[10]
    if not is_prelogin or option + 8 + 6 > length or option % 5 != 1 or data[8 + option - 1] != 0xFF:  # noqa: PLR2004
        return None
    detection = Detection("mssql", Role.CLIENT if data[0] == 18 else Role.SERVER)  # noqa: PLR2004
    is_plain = data[length : length + 1] not in {b"", b"\x12"} or data[length + 8 : length + 9] not in {b"", b"\x16"}
    return detection if is_plain else with_upgrade(detection, sent, answered, ends, length)


_TNS_CONNECT = Expression(rb"\((?:DESCRIPTION|CONNECT_DATA|ADDRESS|SOURCE_ROUTE)\b", re.IGNORECASE)
_TNS_SERVICE = Expression(rb"\((?:SERVICE_NAME|SID)=([^()]{1,128})\)", re.IGNORECASE)


def _oracle(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 length:16  2 sum 0  4 kind 1 (connect)  5 zero  6 header sum 0  8 version:16 … 24 length:16 26 offset:16."""
    del answered
    data = sent.data
    if len(data) < 28:  # noqa: PLR2004
        return wait_for_more(sent, ends) if not any(data[2:4]) else None
    length = data[0] << 8 | data[1]
    if data[2:4] != b"\0\0" or data[4] != 1 or data[5] or data[6:8] != b"\0\0" or length > len(data):
        return None
    if not 300 <= data[8] << 8 | data[9] <= 400:  # noqa: PLR2004 (TNS versions 300 to 3xx)
        return None
    offset = data[26] << 8 | data[27]
    if not _TNS_CONNECT.match(data, offset):
        return None
    service = _TNS_SERVICE.search(data, offset, offset + 2048)
    return Detection("oracle", Role.CLIENT, details=(("service", text(service[1])),) if service else ())


_CASSANDRA_REQUESTS, _CASSANDRA_ANSWERS = frozenset({0x01, 0x05}), frozenset({0x00, 0x02, 0x03, 0x06})


def _cassandra(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 version:8, its first bit set in answers  1 flags:8  2 stream:16  4 opcode:8  5 length:32."""
    data = sent.data
    if len(data) < 9:  # noqa: PLR2004
        return wait_for_more(sent, ends) if ends.has_port(9042) else None
    length = int.from_bytes(data[5:9], "big")
    is_answer = data[0] >= 0x80  # noqa: PLR2004
    if data[4] not in (_CASSANDRA_ANSWERS if is_answer else _CASSANDRA_REQUESTS) or data[1] & 0xE0:
        return None
    is_startup = data[4] == 1 and b"CQL_VERSION" in data[9:64]
    is_options = data[4] == 5 and length == 0 and (ends.has_port(9042) or answered.data[4:5] == b"\x06")  # noqa: PLR2004
    is_supported = data[4] == 6 and b"CQL_VERSION" in data[9:512]  # noqa: PLR2004
    if is_startup or is_options or is_supported:
        return Detection("cassandra", Role.SERVER if is_answer else Role.CLIENT)
    return None


_MEMCACHED = Expression(
    rb"(?:gets?|delete|incr|decr|touch|mg|md) [!-~]{1,250}(?: [!-~]+)*\r\n|(?:stats|version|flush_all)(?: [a-z]+)?\r\n"
    rb"|(?:set|add|replace|append|prepend|cas) [!-~]{1,250} \d+ -?\d+ \d+"
)


def _memcached(sent: Payload, answered: Payload, ends: Ends) -> Detection | None:
    """Text commands, which are too plain to count elsewhere; binary requests with zero status."""
    data = sent.data
    is_text = _MEMCACHED.match(data) and (ends.target_port == 11211 or answered.data.startswith((b"STAT ", b"VALUE ")))  # noqa: PLR2004
    if is_text:
        return Detection("memcached", Role.CLIENT)
    if data[0] == 0x80 and len(data) >= 24 and data[1] < 0x26 and data[5:8] == b"\0\0\0" and ends.target_port == 11211:  # noqa: PLR2004
        return Detection("memcached", Role.CLIENT)
    return None


_DDM_MAGIC = 0xD0
_DDM_CODE_POINTS = frozenset({0x1041, 0x1443, 0x106D, 0x106E, 0x2001, 0x2201})


def _drda(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 length:16  2 0xd0  3 format:8  4 correlation:16  6 length:16, six less  8 code point:16."""
    del answered
    data = sent.data
    if len(data) < 10:  # noqa: PLR2004
        return wait_for_more(sent, ends) if data[2:3] in {b"", b"\xd0"} else None
    if data[2] != _DDM_MAGIC or data[3] & 0x8F > 3:  # noqa: PLR2004
        return None
    is_drda = (data[0] << 8 | data[1]) == (data[6] << 8 | data[7]) + 6
    is_drda = is_drda and (data[8] << 8 | data[9]) in _DDM_CODE_POINTS
    return Detection("drda", Role.SERVER if data[8] == 0x14 or data[8] == 0x22 else Role.CLIENT) if is_drda else None  # noqa: PLR2004


_BY_LENGTH: tuple[Recogniser, ...] = (_mysql, _mongodb, _drda)
_LISTS: dict[bytes, tuple[Recogniser, ...]] = {
    b"\x00": (_postgresql, _oracle),
    b"\x01\x02": (_oracle,),
    b"\x03\x05\x83\x84\x85": (_cassandra,),
    b"\x04": (_tds, _cassandra),
    b"\x12": (_tds,),
    b"*+-%": (_redis,),
    b"CIMPQ": (_redis_inline,),
    b"RESNG": (_postgresql_server,),
    b"adfgimprstv\x80": (_memcached,),
}
_BY_FIRST_BYTE = {bytes([first]): recognisers for firsts, recognisers in _LISTS.items() for first in firsts}
