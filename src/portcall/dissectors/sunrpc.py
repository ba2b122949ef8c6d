r"""ONC RPC, named by its program: NFS, the port mapper, mount … (RFC 5531 §9, RFC 1833, RFC 1813, IANA's RPC numbers).

::

    TCP only: 0 last:1 length:31
    call    0 transaction:32  4 call 0:32   8 RPC version 2:32  12 program:32  16 version:32  20 procedure:32  24 …
    reply   0 transaction:32  4 reply 1:32  8 accepted 0 or denied 1:32  …
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._families import wait_for_more
from portcall.speech import TCP, UDP, Finding, Role

if TYPE_CHECKING:
    from portcall.speech import Ends, Speech, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({111, 2049})

_PROGRAMS = {
    100000: "rpcbind", 100003: "nfs", 100005: "nfs-mount", 100021: "nfs-lock", 100024: "nfs-status", 100227: "nfs-acl",
    100004: "nis", 100007: "nis-bind", 100011: "rquota", 100002: "rusers", 100001: "rstat", 100008: "rwall",
}  # fmt: skip
_CALL_BYTES, _REPLY_BYTES = 40, 12
_GREATEST_VERSION = 4
_RECORD_MARK_BYTES = 4


def listen(said: Speech, answered: Speech, ends: Ends) -> Finding | Wait | None:
    """The program that is called, on the reply's side by the other end's call."""
    data, other = said.data, answered.data
    if ends.transport == TCP:
        if len(data) < _RECORD_MARK_BYTES + _REPLY_BYTES:
            return wait_for_more(said, ends) if data[:1] in {b"", b"\x80", b"\0"} else None
        length = int.from_bytes(data[:4], "big") & 0x7FFFFFFF
        if data[0] not in {0x80, 0x00} or not _REPLY_BYTES <= length <= 1 << 24:
            return None
        data, other = data[_RECORD_MARK_BYTES:], other[_RECORD_MARK_BYTES:]
    called = _called(data)
    if called:
        return Finding(called, Role.CLIENT)
    is_reply = len(data) >= _REPLY_BYTES and data[4:8] == b"\0\0\0\1" and data[:4] == other[:4]
    called = _called(other) if is_reply else None
    return Finding(called, Role.SERVER) if called else None


def _called(data: bytes) -> str | None:
    """The name of the program in a call; None where it is none, or not one that we know."""
    if len(data) < _CALL_BYTES or data[4:12] != b"\0\0\0\0\0\0\0\2":
        return None
    program, version = int.from_bytes(data[12:16], "big"), int.from_bytes(data[16:20], "big")
    return _PROGRAMS.get(program) if 0 < version <= _GREATEST_VERSION else None
