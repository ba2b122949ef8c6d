"""Telnet (RFC 854, RFC 855): the options that both ends negotiate first.

IAC FF | WILL FB, WONT FC, DO FD, DONT FE | option 1          IAC FF | SB FA | option | … | IAC FF | SE F0

Behind the option START_TLS (draft-altman-telnet-starttls) TLS follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._inside import with_upgrade
from portcall.records.detections import TCP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({23})
PREFIXES = {TCP: ({0: b"\xff", 1: range(0xFA, 0xFF)},)}

_OPTION = rb"[\x00-\x31\x8a-\x8c\xff]"
_COMMAND = rb"\xff(?:[\xfb-\xfe]" + _OPTION + rb"|\xfa" + _OPTION + rb"[^\xff]{0,256}\xff\xf0)"
_NEGOTIATION = Expression(rb"(?:" + _COMMAND + rb")+")
_START_TLS = (b"\xff\xfb\x2e", b"\xff\xfd\x2e", b"\xff\xfa\x2e")
"""That option, offered or agreed on."""
_TERMINALS = rb"[\x18\x1f\x20\x23\x27]"
_SERVER = Expression(rb"\xff(?:\xfd" + _TERMINALS + rb"|\xfb\x01)")
"""Who asks for the type, size, speed, display or variables of a terminal, or offers to echo (RFC 1091, 1073, 857 …)."""
_CLIENT = Expression(rb"\xff(?:[\xfb\xfc]" + _TERMINALS + rb"|[\xfd\xfe]\x01)")
_ENOUGH_BYTES = 6
"""Two commands: one alone may be chance on a foreign port."""


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The first options of this end."""
    data = sent.data[:1024]
    negotiation = _NEGOTIATION.match(data)
    if negotiation and (negotiation.end() >= _ENOUGH_BYTES or ends.has_port(*PORTS)):
        is_servers, is_clients = (mark.search(data, 0, negotiation.end()) for mark in (_SERVER, _CLIENT))
        role = Role.SERVER if is_servers else Role.CLIENT if is_clients else None
        detection = Detection("telnet", role)
        is_offered = any(word in sent.data[:1024] + answered.data[:1024] for word in _START_TLS)
        return with_upgrade(detection, sent, answered, ends) if is_offered else detection
    is_short = data[:1] in {b"", b"\xff"} and len(data) < _ENOUGH_BYTES and not sent.is_ended
    return WAIT if is_short else None
