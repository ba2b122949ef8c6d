r"""Messages between programs and people: MQTT, Kafka, XMPP, SMPP, Diameter, git, NNTP.

Sources: MQTT 3.1.1 and 5.0 §3.1, Kafka's protocol guide, RFC 6120 §4.2, SMPP 3.4 §3.2, RFC 6733 §3,
gitprotocol-common(5), RFC 3977 §5, RFC 4642 (STARTTLS).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._families import first_found, text, wait_for_more
from portcall.dissectors._inside import with_upgrade
from portcall.dissectors._prefixes import ZERO, together, words
from portcall.records.detections import TCP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._families import Recogniser
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({119, 433, 1883, 3868, 5222, 5269, 9092, 9418})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (
        {0: b"\x10", 1: range(128), 2: ZERO, 3: b"\4\6", 4: b"M"},  # MQTT, by the bytes of its length
        {0: b"\x10", 1: range(128, 256), 2: range(128), 3: ZERO, 4: b"\4\6", 5: b"M"},
        {0: b"\x10", 1: range(128, 256), 2: range(128, 256), 5: b"\0\4\6"},
        {0: b"\x20", 1: range(2, 128), 2: b"\0\1"},
        {0: b"\1", 3: range(0, 256, 4), 4: range(0, 256, 16)},  # Diameter
        {0: b"<", 1: b"?so"},  # XMPP
        {0: b"0", 4: b"g", 5: b"i", 6: b"t"},
        together(b"200 ", b"201 "),  # NNTP
        words(b"MODE", b"AUTH", b"GROU", b"LIST", b"CAPA", b"STAR"),
    )
}
LENGTH_PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (
        {0: ZERO, 1: range(17), 4: ZERO, 5: range(93), 6: ZERO, 7: range(19)},  # what Kafka is asked
        {0: ZERO, 1: ZERO, 2: range(3), 4: b"\0\x80", 5: ZERO, 6: ZERO, 7: b"\1\2\x09"},  # SMPP
    )
}
PREFIXES_ON_PORTS: dict[int, tuple[tuple[Prefix, frozenset[int]], ...]] = {
    TCP: (({0: ZERO, 1: range(17)}, frozenset({9092})),)  # what it answers
}


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The protocol that begins so."""
    return first_found(_BY_FIRST_BYTE.get(sent.data[:1], ()), sent, answered, ends)


_MQTT_CONNECT = Expression(
    rb"\x10[\x80-\xff]{0,3}[\x00-\x7f]\x00(?:\x04MQTT[\x03-\x05]|\x06MQIsdp\x03)(.)..", re.DOTALL
)
_MQTT_ACKNOWLEDGEMENT = Expression(rb"\x20(?:\x02|[\x03-\x7f])[\x00\x01][\x00-\x05\x80-\x9f]", re.DOTALL)
_MQTT_LONGEST_PREFIX = 16


def _mqtt(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 kind 1 (CONNECT)  1 length, 1 to 4 bytes  then n:16 and "MQTT"  version:8  flags:8  alive:16  client, n:16."""
    connect = _MQTT_CONNECT.match(sent.data)
    if connect:
        at = connect.end()
        client = sent.data[at + 2 : at + 2 + int.from_bytes(sent.data[at : at + 2], "big")]
        return Detection("mqtt", Role.CLIENT, details=(("client", text(client)),) if client else ())
    is_answer = _MQTT_ACKNOWLEDGEMENT.match(sent.data) and (
        ends.source_port == 1883 or _MQTT_CONNECT.match(answered.data)  # noqa: PLR2004
    )
    if is_answer:
        return Detection("mqtt", Role.SERVER)
    return wait_for_more(sent, ends) if len(sent.data) < _MQTT_LONGEST_PREFIX else None


_KAFKA_KEYS, _KAFKA_VERSIONS = range(93), range(19)
_MOST_KAFKA_BYTES = 1 << 20
_PRINTABLE = Expression(rb"[!-~][ -~]{0,255}\Z")


def _kafka(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 length:32  4 key:16  6 version:16  8 correlation:32  12 client, n:16; an answer has the correlation alone."""
    data = sent.data
    if len(data) < 15:  # noqa: PLR2004
        return wait_for_more(sent, ends)
    length = int.from_bytes(data[:4], "big")
    if not 10 < length <= _MOST_KAFKA_BYTES:  # noqa: PLR2004
        return None
    key, version, client_bytes = data[5], data[7], data[12] << 8 | data[13]
    is_request = not data[4] and not data[6] and key in _KAFKA_KEYS and version in _KAFKA_VERSIONS
    is_request = is_request and client_bytes + 10 <= length and len(data) == length + 4
    if is_request and _PRINTABLE.match(data[14 : 14 + client_bytes]):
        return Detection("kafka", Role.CLIENT, details=(("client", text(data[14 : 14 + client_bytes])),))
    is_answer = data[4:8] == answered.data[8:12] and answered.data[:1] == b"\0" and ends.source_port == 9092  # noqa: PLR2004
    return Detection("kafka", Role.SERVER) if is_answer and len(data) >= 8 else None  # noqa: PLR2004


_XMPP = Expression(
    rb"\s*(?:<\?xml [^>]{0,100}\?>\s*)?<(?:stream:stream|open xmlns=.urn:ietf:params:xml:ns:xmpp-framing)\b"
)
_XMPP_TAG = Expression(rb"<(?:stream:stream|open)\b[^>]{0,1024}")
_XMPP_TO = Expression(rb"""\bto=["']([^"']{1,253})["']""")
_XMPP_ID = Expression(rb"""\bid=["']""")
"""Only who is asked names the stream (RFC 6120 §4.7.3)."""
_XMPP_UPGRADE, _XMPP_SETTLED = Expression(rb"<starttls\b"), Expression(rb"<(?:auth|iq|message|presence)\b")
_LONGEST_XMPP_PREFIX, _MOST_XMPP_BYTES = 128, 4096


def _xmpp(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """A stream's opening tag, with the domain it is for, and the TLS that may follow."""
    data = sent.data
    is_answer = data.startswith(b"<stream:features") and _XMPP.match(answered.data, 0, 256)
    if not is_answer and not _XMPP.match(data, 0, 256):
        return wait_for_more(sent, ends) if len(data) < _LONGEST_XMPP_PREFIX else None
    tag = _XMPP_TAG.search(data, 0, 2048)
    role = Role.SERVER if tag is None or _XMPP_ID.search(tag[0]) else Role.CLIENT
    domain = _XMPP_TO.search(tag[0]) if tag else None
    detection = Detection("xmpp", role, details=(("to", text(domain[1], 253)),) if domain else ())
    asked = (sent if role is Role.CLIENT else answered).data
    if _XMPP_UPGRADE.search(asked, 0, _MOST_XMPP_BYTES):
        return with_upgrade(detection._replace(details=(*detection.details, ("starttls", "yes"))), sent, answered, ends)
    is_settled = _XMPP_SETTLED.search(asked, 0, _MOST_XMPP_BYTES) or len(asked) > _MOST_XMPP_BYTES
    return detection._replace(is_final=sent.is_ended or bool(is_settled))


_SMPP_BINDS = frozenset({1, 2, 9})
_MOST_SMPP_BYTES = 512


def _smpp(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 length:32  4 command:32  8 status:32  12 sequence:32; a session begins with a bind of ended strings."""
    del answered
    data = sent.data
    if len(data) < 17:  # noqa: PLR2004
        return wait_for_more(sent, ends)
    length = int.from_bytes(data[:4], "big")
    is_bind = data[4] in {0, 0x80} and data[5:7] == b"\0\0" and data[7] in _SMPP_BINDS
    if not is_bind or not 17 <= length <= min(len(data), _MOST_SMPP_BYTES):  # noqa: PLR2004
        return None
    if data[4] == 0:  # a bind: no status, and three strings: system, password, kind
        is_whole = not any(data[8:12]) and data[16:length].count(b"\0") >= 3  # noqa: PLR2004
        return Detection("smpp", Role.CLIENT) if is_whole else None
    return Detection("smpp", Role.SERVER) if data[length - 1] == 0 else None


_DIAMETER_COMMANDS = frozenset({257, 258, 265, 268, 271, 272, 274, 275, 280, 282})
_MOST_DIAMETER_BYTES = 1 << 16


def _diameter(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 version 1  1 length:24  4 flags:8  5 command:24  8 application:32  12 hop:32  16 end:32  20 attributes."""
    del answered
    data = sent.data
    if len(data) < 24:  # noqa: PLR2004
        return wait_for_more(sent, ends) if data[1:2] in {b"", b"\0"} else None
    length = int.from_bytes(data[1:4], "big")
    command = int.from_bytes(data[5:8], "big")
    is_known = command in _DIAMETER_COMMANDS or (ends.has_port(3868) and command)
    if length % 4 or not 28 <= length <= _MOST_DIAMETER_BYTES or data[4] & 0x0F or not is_known:  # noqa: PLR2004
        return None
    return Detection("diameter", Role.CLIENT if data[4] & 0x80 else Role.SERVER)


_GIT = Expression(
    rb"[0-9a-f]{4}git-(?:upload-pack|receive-pack|upload-archive) ([ -~]{1,256})\0(?:host=([!-~]{1,253})\0)?"
)


def _git(sent: Payload, answered: Payload, ends: Ends) -> Detection | None:
    """A packet line: its length in four hexadecimal digits, the service, the path, the host."""
    del answered, ends
    request = _GIT.match(sent.data)
    if request is None:
        return None
    details = [("path", text(request[1])), *([("host", text(request[2], 253))] if request[2] else [])]
    return Detection("git", Role.CLIENT, details=tuple(details))


_NNTP_GREETING = Expression(rb"20[01] [ -~]{0,256}(?:NNTP|InterNetNews|\bINN\b)", re.IGNORECASE)
_NNTP_COMMAND = Expression(
    rb"(?:MODE READER|AUTHINFO USER [!-~]+|GROUP [!-~]+|LIST (?:ACTIVE|NEWSGROUPS|OVERVIEW.FMT)|CAPABILITIES|STARTTLS)"
    rb"\r?\n",
    re.IGNORECASE,
)
_NNTP_UPGRADE = Expression(rb"(?:^|\n)STARTTLS\r?\n", re.IGNORECASE)
_NNTP_SETTLED = Expression(rb"(?:^|\n)(?:AUTHINFO|GROUP|LIST|QUIT|ARTICLE)\b", re.IGNORECASE)
_NNTP_PORTS = frozenset({119, 433})
_NNTP_READY = frozenset({b"200 ", b"201 "})
_MOST_NNTP_BYTES = 1024


def _nntp(sent: Payload, answered: Payload, ends: Ends) -> Detection | None:
    """A greeting that says so, or a reader's first command, and the TLS that it may ask for."""
    if _NNTP_GREETING.match(sent.data) or (ends.source_port in _NNTP_PORTS and sent.data[:4] in _NNTP_READY):
        role, asked = Role.SERVER, answered.data
    elif _NNTP_COMMAND.match(sent.data) and (ends.target_port in _NNTP_PORTS or answered.data[:4] in _NNTP_READY):
        role, asked = Role.CLIENT, sent.data
    else:
        return None
    if _NNTP_UPGRADE.search(asked, 0, _MOST_NNTP_BYTES):
        return with_upgrade(Detection("nntp", role, details=(("starttls", "yes"),)), sent, answered, ends)
    is_settled = _NNTP_SETTLED.search(asked, 0, _MOST_NNTP_BYTES) or len(asked) > _MOST_NNTP_BYTES
    return Detection("nntp", role, is_final=sent.is_ended or bool(is_settled))


_LISTS: dict[bytes, tuple[Recogniser, ...]] = {
    b"\x00": (_kafka, _smpp),
    b"\x01": (_diameter,),
    b"\x10 ": (_mqtt,),
    b"<": (_xmpp,),
    b"0": (_git,),
    b"2ACGLMSacglms": (_nntp,),
}
_BY_FIRST_BYTE = {bytes([first]): recognisers for firsts, recognisers in _LISTS.items() for first in firsts}
