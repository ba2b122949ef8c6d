"""RTSP 1.0 and 2.0 (RFC 2326, RFC 7826): which stream of which server is asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._messages import (
    field_pattern,
    find_end,
    may_become_start_line,
    read_fields,
    read_request,
    read_status,
)
from portcall.dissectors._prefixes import REQUEST_LINES, together
from portcall.dissectors._text import as_text
from portcall.records.detections import TCP, UDP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({554, 8554})
PREFIXES: dict[int, tuple[Prefix, ...]] = dict.fromkeys(TRANSPORTS, (together(b"RTSP/"),))
TEXT_PREFIXES = dict.fromkeys(TRANSPORTS, REQUEST_LINES)

_FIELDS = field_pattern("server", "user-agent")
_SHOWN = ((b"server", "server"), (b"user-agent", "user_agent"))
_HOST = Expression(rb"rtsp[su]?://(?:[^/@]{0,256}@)?([^/?#]{1,1024})", re.IGNORECASE)


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The first request or response of this end."""
    del answered
    request = read_request(sent.data)
    start_line = request or read_status(sent.data)
    if start_line is None:
        is_waiting = ends.transport == TCP and not sent.is_ended and may_become_start_line(sent.data)
        return WAIT if is_waiting else None
    if start_line.scheme != b"RTSP":
        return None
    end = find_end(sent.data, start_line.end)
    fields = read_fields(sent.data, start_line.end, end if end >= 0 else len(sent.data), _FIELDS)
    details = [(key, as_text(fields[name])) for name, key in _SHOWN if name in fields]
    if request and (host := _HOST.match(request.target)):
        details.append(("host", as_text(host[1])))
    return Detection(
        "rtsp",
        Role.CLIENT if request else Role.SERVER,
        details=tuple(details),
        is_final=end >= 0 or sent.is_ended or ends.transport == UDP,
    )
