"""Android's debug bridge, and the TLS that it may turn into (AOSP, packages/modules/adb, protocol.txt).

A stream of messages, each number least byte first; ``magic`` is the command with all its bits turned::

    0 command 4  4 argument 4  8 argument 4  12 length 4  16 checksum 4  20 magic 4  24 data

It begins with CNXN. Once both ends have sent STLS, what follows is TLS and no longer messages.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._families import wait_for_more
from portcall.dissectors._inside import after, with_inside
from portcall.records.detections import TCP, Detection, Payload

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({5555})
PREFIXES = {TCP: ({0: b"C", 1: b"N", 2: b"X", 3: b"N"},)}

_GREETINGS = (b"CNXN\0\0\0\1", b"CNXN\1\0\0\1")  # and the version: A_VERSION_MIN and A_VERSION_SKIP_CHECKSUM
_COMMANDS = frozenset({b"CNXN", b"AUTH", b"SYNC", b"STLS"})
"""What is said before anything is opened."""

_HEADER = Struct("<4sIIIII")
_MOST_MESSAGES = 16
_ALL_BITS = 0xFFFFFFFF


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The bridge, by its greeting; and the TLS after STLS."""
    data = sent.data
    if not data.startswith(_GREETINGS):
        is_short = any(greeting.startswith(data) for greeting in _GREETINGS)
        return wait_for_more(sent, ends) if is_short and data else None
    start = _start_of_tls(sent)
    if start is None:
        return Detection("adb")
    if start < 0:
        return Detection("adb", is_final=sent.is_ended)
    answer_start = _start_of_tls(answered) or -1
    rest = after(answered, answer_start) if answer_start > 0 else Payload(b"")
    return with_inside(Detection("adb"), after(sent, start), rest, ends, frozenset({"tls"}))


def _start_of_tls(payload: Payload) -> int | None:
    """Where TLS begins; -1 where STLS may yet come, None where it does not."""
    at, data = 0, payload.data
    for _ in range(_MOST_MESSAGES):
        if len(data) < at + _HEADER.size:
            return -1
        command, _, _, size, _, magic = _HEADER.unpack_from(data, at)
        if command not in _COMMANDS or int.from_bytes(command, "little") ^ _ALL_BITS != magic:
            return None
        at += _HEADER.size + int(size)
        if command == b"STLS":
            return at
    return None
