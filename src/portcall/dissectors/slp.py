r"""Service Location Protocol, versions 1 and 2 (RFC 2165 §4.1, RFC 2608 §8).

::

    v2:  0 version 2  1 function:8  2 length:24  5 flags:16  7 extension:24  10 transaction:16  12 n:16  14 language
    v1:  0 version 1  1 function:8  2 length:16  4 flags:8   5 dialect:8     6 language, 2 bytes  8 encoding:16 …
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._families import wait_for_more
from portcall.dissectors._prefixes import LETTERS, ZERO
from portcall.records.detections import TCP, UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({427})
_FIRST = {0: b"\1", 1: range(1, 12), 6: LETTERS, 7: LETTERS}
_SECOND = {0: b"\2", 1: range(1, 12), 5: range(0, 256, 32), 6: ZERO}
PREFIXES: dict[int, tuple[Prefix, ...]] = dict.fromkeys(TRANSPORTS, (_FIRST, _SECOND))
"""Version 1 and version 2."""

_FUNCTIONS = range(1, 12)
_ROLES = {**dict.fromkeys((1, 3, 4, 6, 9), Role.CLIENT), **dict.fromkeys((2, 5, 7, 10), Role.SERVER)}
"""Requests and replies; advertisements are neither (RFC 2608 §4)."""
_HEADER_BYTES = {1: 12, 2: 14}
_LANGUAGE = Expression(rb"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*\Z")
_MOST_LANGUAGE_BYTES = 40


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """SLP with its version: the length has to be the message's, and the language one."""
    del answered
    data = sent.data
    if not data or data[0] not in _HEADER_BYTES:
        return None
    version = data[0]
    if len(data) < _HEADER_BYTES[version]:
        return wait_for_more(sent, ends)
    if data[1] not in _FUNCTIONS:
        return None
    length = int.from_bytes(data[2 : 5 if version > 1 else 4], "big")
    if length < _HEADER_BYTES[version] or (length != len(data) if ends.transport == UDP else length > len(data)):
        return None
    # The older version writes so little that it counts at home only.
    is_slp = _speaks(data) if version > 1 else ends.has_port(*PORTS) and data[6:8].isalpha()
    return Detection("slp", _ROLES.get(data[1]), details=(("version", str(version)),)) if is_slp else None


def _speaks(data: bytes) -> bool:
    """Whether the flags that must be zero are, and the language is one (RFC 5646)."""
    language_bytes = data[12] << 8 | data[13]
    if data[5] & 0x1F or data[6] or not 0 < language_bytes <= _MOST_LANGUAGE_BYTES:
        return False
    return _LANGUAGE.match(data[14 : 14 + language_bytes]) is not None
