"""NetBIOS datagrams (RFC 1002 §4.4.1), by which Windows computers announced themselves: who calls whom.

type 1: 10 … 16 | flags 1 | id 2 | source address 4 | source port 2 | length 2 | offset 2 | source name | target name
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._domain_names import netbios_name
from portcall.records.detections import UDP, Detection

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({138})
PREFIXES = {UDP: ({0: range(0x10, 0x17), 14: b"\x20"},)}

_KINDS = range(0x10, 0x17)
_NAME_AT = 14


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The newest datagram."""
    del answered
    data = sent.data
    if len(data) <= _NAME_AT or data[0] not in _KINDS or not ends.has_port(*PORTS):
        return None
    name = netbios_name(data[_NAME_AT + 1 : _NAME_AT + 33]) if data[_NAME_AT] == 0x20 else None  # noqa: PLR2004 - 32 bytes
    return Detection("netbios-dgm", details=(("source", name),)) if name else None
