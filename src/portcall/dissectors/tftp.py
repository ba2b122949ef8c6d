"""TFTP (RFC 1350, RFC 2347): which file is asked for or brought; what follows comes from another port.

opcode 2: 1 or 2 | file name | 0 | mode | 0 | [option | 0 | value | 0] …
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._prefixes import ZERO
from portcall.dissectors._text import as_text
from portcall.records.detections import UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({69})
PREFIXES = {UDP: ({0: ZERO, 1: range(1, 7)},)}

_REQUEST = Expression(
    rb"\x00[\x01\x02]([^\x00]{1,512})\x00(?:netascii|octet|mail)\x00(?:[!-~]{1,32}\x00[!-~]{1,32}\x00){0,16}\Z",
    re.IGNORECASE,
)
_LATER = Expression(rb"\x00(?:\x03..|\x04..\Z|\x05\x00[\x00-\x08]|\x06[!-~])", re.DOTALL)


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """A request; what answers it only on the own port, or behind a request."""
    del answered
    if request := _REQUEST.match(sent.data):
        return Detection("tftp", Role.CLIENT, details=(("file", as_text(request[1])),))
    is_expected = ends.has_port(*PORTS) and len(sent.data) <= 516  # noqa: PLR2004 - a block and its header
    return Detection("tftp") if is_expected and _LATER.match(sent.data) else None
