"""SSDP (UPnP Device Architecture 2.0 §1): HTTP's words in datagrams, by which devices in a house find one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._messages import field_pattern, read_fields, read_request, read_status
from portcall.dissectors._prefixes import LINE_END, together
from portcall.dissectors._text import as_text
from portcall.records.detections import UDP, Detection, Name, NameKind, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({1900})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    UDP: (together(b"M-SEA", b"NOTIF", b"HTTP/"), {0: LINE_END, 1: LINE_END + b"MNH", 2: LINE_END + b"MNH-OT"})
}

_METHODS = frozenset({b"M-SEARCH", b"NOTIFY"})
_FIELDS = field_pattern("host", "st", "nt", "server", "user-agent", "location")
_SHOWN = (
    (b"st", "service"),
    (b"nt", "service"),
    (b"server", "server"),
    (b"user-agent", "user_agent"),
    (b"location", "location"),
)


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """A search, an announcement or the answer to a search."""
    del answered, ends
    request = read_request(sent.data)
    start_line = request or read_status(sent.data)
    if start_line is None or start_line.scheme != b"HTTP":
        return None
    if request and (request.target != b"*" or request.method not in _METHODS):
        return None
    fields = read_fields(sent.data, start_line.end, len(sent.data), _FIELDS)
    host = fields.get(b"host")
    is_searching = request is not None and request.method == b"M-SEARCH"
    return Detection(
        "ssdp",
        Role.CLIENT if is_searching else Role.SERVER,
        (Name(NameKind.HTTP_HOST, as_text(host)),) if host else (),
        tuple([(key, as_text(fields[name])) for name, key in _SHOWN if name in fields]),
    )
