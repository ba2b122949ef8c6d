"""Start lines and header fields of HTTP/1 and its kin (RTSP, SSDP).

RFC 9112 as lenient readers take it: a bare line feed ends a line, blanks may stand before the colon, a value may be
folded over lines. Everything is read from the first bytes of a message, whose header may not be complete yet.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from portcall.dissectors._expressions import Expression

_TOKEN = rb"[A-Za-z][!#$%&'*+.^_`|~0-9A-Za-z-]{0,31}"
"""A method (RFC 9110 §5.6.2); all that IANA lists begin with a letter."""
_METHOD = Expression(_TOKEN)
_TEXT = Expression(rb"[\t\r\x20-\xff]+")
_TEXT_BYTES = 64
"""A start line is text so far at least; prefixes count on it. Who attacks may put anything behind."""
_VERSION = Expression(rb"([A-Z]{2,6})/(\d\.\d)")
_MOST_LINE_BYTES = 8192 + 64
"""RFC 9112 §3 wants 8000 bytes at least; servers take no more than that."""
_STATUS = Expression(rb"[\r\n]{0,8}([A-Z]{2,6})/(\d\.\d)[ \t]+(\d\d\d)(?: [^\r\n]{0,1024})?\r?\n")
_BEGINNING = Expression(rb"[\r\n]{0,8}(?:" + _TOKEN + rb"(?: [\x20-\xff]*\r?)?)?\Z")
_STATUS_BEGINNING = Expression(rb"[\r\n]{0,8}[A-Z]{1,6}(?:/(?:\d(?:\.(?:\d(?: [\x20-\xff]*\r?)?)?)?)?)?\Z")
_TOLD_BY_BYTES = 256
"""What makes no start line within so much makes none later."""
_FOLD = re.compile(rb"\r?\n[ \t]+")


class Request(NamedTuple):
    """The start line of a request."""

    method: bytes
    target: bytes
    scheme: bytes
    """``HTTP``, ``RTSP`` …"""
    version: bytes
    """``1.1``."""
    end: int
    """Where its line ends in the data."""


class Status(NamedTuple):
    """The start line of a response."""

    scheme: bytes
    version: bytes
    code: bytes
    end: int


def read_request(data: bytes, start: int = 0) -> Request | None:
    """The request line at ``start``, if all of it is there; blanks in its target are taken as sent."""
    if data.startswith((b"\r", b"\n"), start):  # a server skips empty lines before a request (RFC 9112 §2.2)
        start += 8 - len(data[start : start + 8].lstrip(b"\r\n"))
    end = data.find(b"\n", start, start + _MOST_LINE_BYTES)
    if end < 0:
        return None
    method, _, rest = data[start:end].partition(b" ")
    target, _, version = rest.rstrip().rpartition(b" ")
    sample = _VERSION.fullmatch(version)
    target = target.strip()
    if sample is None or not target or not _METHOD.fullmatch(method):
        return None
    if not _TEXT.fullmatch(data, start, min(end, start + _TEXT_BYTES)):
        return None
    return Request(method, target, sample[1], sample[2], end + 1)


def read_status(data: bytes, start: int = 0) -> Status | None:
    """The status line at ``start``, if all of it is there."""
    match = _STATUS.match(data, start)
    return Status(match[1], match[2], match[3], match.end()) if match else None


def may_become_start_line(data: bytes) -> bool:
    """Whether more bytes can make a start line of it."""
    if len(data) > _MOST_LINE_BYTES:
        return False
    beginning = data[:_TOLD_BY_BYTES]
    return bool(_BEGINNING.match(beginning) or _STATUS_BEGINNING.match(beginning))


def find_end(data: bytes, start: int) -> int:
    """Where the header ends, its empty line included; -1 where it does not. ``start`` follows the start line."""
    if data.startswith((b"\r\n", b"\n"), start):
        return start + (2 if data[start] == 0x0D else 1)  # noqa: PLR2004 - a carriage return
    end = data.find(b"\r\n\r\n", start - 2)
    bare = data.find(b"\n\n", start - 1, end if end >= 0 else len(data))
    return bare + 2 if bare >= 0 else end + 4 if end >= 0 else -1


def field_pattern(*names: str) -> Expression:
    """What ``read_fields`` looks for: these fields, in any case."""
    alternatives = "|".join(re.escape(name) for name in names).encode()
    return Expression(
        rb"\n(" + alternatives + rb")[ \t]*:[ \t]*([^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*)(?=\r?\n)", re.IGNORECASE
    )


def read_fields(data: bytes, start: int, end: int, pattern: Expression) -> dict[bytes, bytes]:
    """Lower-case name → value, unfolded, of the wanted fields between start line and ``end``: the first of a name."""
    fields: dict[bytes, bytes] = {}
    for name, value in pattern.findall(data, start - 1, end):
        fields.setdefault(name.lower(), _FOLD.sub(b" ", value).strip() if b"\n" in value else value.rstrip())
    return fields
