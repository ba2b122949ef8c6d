"""SSH (RFC 4253 §4.2): both ends begin with a line that says which program they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._prefixes import together
from portcall.dissectors._text import as_text
from portcall.records.detections import TCP, WAIT, Detection

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({22})
PREFIXES = {TCP: (together(b"SSH-"),)}

_MOST_BANNER_BYTES = 253
_BANNER = Expression(rb"SSH-([12]\.\d{1,2})-([^\r\n]{0,%d})(\r?\n)?" % _MOST_BANNER_BYTES)
_LATER_BANNER = Expression(rb"\n(?=SSH-[12]\.\d)")
_BEGINNING = b"SSH-"
_MOST_LINES_BYTES = 8192
_MOST_BANNER_CHARACTERS = 255  # RFC 4253 §4.2; escapes are longer than what they stand for


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The banner of this end; a server may send other lines before it."""
    del ends
    data = sent.data
    start = 0
    if not data.startswith(_BEGINNING) and answered.data.startswith(_BEGINNING):
        later = _LATER_BANNER.search(data, 0, _MOST_LINES_BYTES)
        start = later.end() if later else 0
    banner = _BANNER.match(data, start)
    if banner is None:
        is_short = _BEGINNING.startswith(data[:4]) and len(data) < 8 and not sent.is_ended  # noqa: PLR2004 - SSH-2.0-
        return WAIT if is_short else None
    details = (("version", as_text(banner[2])[:_MOST_BANNER_CHARACTERS]), ("protocol_version", as_text(banner[1])))
    return Detection("ssh", details=details, is_final=banner[3] is not None or sent.is_ended)
