"""SIP, by its first line (RFC 3261 §7.1, §7.2; the methods of IANA's registry)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._families import text, wait_for_more
from portcall.dissectors._prefixes import words
from portcall.records.detections import TCP, UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({5060, 5061})
_WORDS = words(
    *(b"ACK ", b"BYE ", b"CANC", b"INFO", b"INVI", b"MESS", b"NOTI", b"OPTI", b"PRAC", b"PUBL", b"REFE", b"REGI"),
    *(b"SUBS", b"UPDA", b"SIP/"),
)
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (_WORDS,),
    UDP: (_WORDS,),
}
PREFIXES_ON_PORTS: dict[int, tuple[tuple[Prefix, frozenset[int]], ...]] = {
    UDP: (({0: b"\r\0", 1: b"\n\0", 2: b"\r\0", 3: b"\n\0"}, PORTS),)
}

_METHODS = (
    b"ACK|BYE|CANCEL|INFO|INVITE|MESSAGE|NOTIFY|OPTIONS|PRACK|PUBLISH|REFER|REGISTER|SUBSCRIBE|UPDATE"
)  # fmt: skip
_INITIALS = frozenset(b"ABCIMNOPRSU\r\n\0")
_REQUEST = Expression(rb"(?:" + _METHODS + rb") (?:sips?|tel):[^\r\n]{0,2048}", re.IGNORECASE)
_STATUS = Expression(rb"SIP/2\.0 [1-6]\d\d ")
_AGENT = Expression(rb"\r\n(?:User-Agent|Server) ?: ?([^\r\n]{1,128})", re.IGNORECASE)
_LONGEST_METHOD_BYTES = len("SUBSCRIBE sips:")
_MOST_HEADER_BYTES = 4096
_KEEP_ALIVES = (b"\r\n\r\n", b"\r\n", b"\0\0\0\0")


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """SIP, with the program that speaks."""
    del answered
    data = sent.data
    if not data or data[0] not in _INITIALS:
        return None
    if data in _KEEP_ALIVES:
        # Phones keep the way through a NAT open with these (RFC 5626 §3.5.1) before they say a word.
        return Detection("sip", is_final=False) if ends.has_port(*PORTS) and ends.transport == UDP else None
    if _REQUEST.match(data):
        return _detection(data, Role.CLIENT)
    if _STATUS.match(data):
        return _detection(data, Role.SERVER)
    return wait_for_more(sent, ends) if len(data) < _LONGEST_METHOD_BYTES else None


def _detection(data: bytes, role: Role) -> Detection:
    """In a dialogue either end may ask: the first to speak is taken for the client."""
    agent = _AGENT.search(data, 0, _MOST_HEADER_BYTES)
    return Detection("sip", role, details=(("user_agent", text(agent[1])),) if agent else ())
