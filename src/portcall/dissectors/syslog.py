"""Syslog (RFC 3164, RFC 5424): ``<34>1 2003-10-11T22:14:15Z …``, in datagrams and streams (RFC 6587)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._prefixes import DIGITS
from portcall.records.detections import TCP, UDP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({514, 601})
_COUNTED = {0: DIGITS, 1: b" " + DIGITS, 2: b" <" + DIGITS, 3: b" <" + DIGITS}
PREFIXES: dict[int, tuple[Prefix, ...]] = dict.fromkeys(TRANSPORTS, ({0: b"<", 1: DIGITS}, _COUNTED))

_PRIORITY = rb"(?:\d{1,5} )?<(?:1?[1-9]?\d|1[0-8]\d|19[01])>"
_DATED = Expression(
    _PRIORITY + rb"(?:1 (?:-|\d{4}-\d\d-\d\dT)|\d{0,10}:? ?[*.]?(?:\d{4} )?"
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d )"
)
_PLAIN = Expression(_PRIORITY + rb"[\t\x20-\x7e]{3}")
_SHORT = Expression(rb"\d{1,5}\Z|(?:\d{1,5} )?(?:<(?:\d{1,3}(?:>[^\x00-\x1f]{0,20})?)?)?\Z")


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The newest datagram, or the first message of a stream; on a foreign port it must bear a date."""
    del answered
    data = sent.data[:64]
    if _DATED.match(data) or (ends.target_port in PORTS and _PLAIN.match(data)):
        return Detection("syslog", Role.CLIENT)
    is_short = ends.transport == TCP and not sent.is_ended and _SHORT.match(data)
    return WAIT if is_short else None
