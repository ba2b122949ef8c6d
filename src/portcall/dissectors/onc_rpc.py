"""ONC RPC (RFC 5531 §9): NFS and its kin, by the program that is called.

xid 4 | 0: call  | version 4: 2 | program 4 | its version 4 | procedure 4 | credential: kind 4, length 4 …
xid 4 | 1: reply | 0: accepted, 1: denied | …                       TCP: after last fragment 1, length 31

Over TCP a call with the credential AUTH_TLS asks for TLS behind its reply (RFC 9289 §4.1).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._inside import with_upgrade
from portcall.dissectors._prefixes import ZERO
from portcall.records.detections import TCP, UDP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({111, 2049})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    UDP: (
        {4: ZERO, 5: ZERO, 6: ZERO, 7: ZERO, 8: ZERO, 9: ZERO, 10: ZERO, 11: b"\2", 12: ZERO, 13: range(1, 7)},
        {4: ZERO, 5: ZERO, 6: ZERO, 7: b"\1", 8: ZERO, 9: ZERO, 10: ZERO, 11: b"\0\1"},
    ),
    TCP: (),
}
"""A call of version 2, and a reply."""
LENGTH_PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (
        {
            0: b"\0\x80",
            1: range(0x41),
            8: ZERO,
            9: ZERO,
            10: ZERO,
            11: b"\0\1",
            12: ZERO,
            13: ZERO,
            14: ZERO,
            15: range(3),
        },
    )
}

_CALL = Struct(">8I")
_REPLY = Struct(">4I")
_PROGRAMS = {100000: "portmap", 100003: "nfs", 100004: "nis", 100005: "mount", 100021: "nlm", 100227: "nfs"}
"""IANA, RPC program numbers."""
_BY_PORT = {111: 100000, 2049: 100003}
_RPC_VERSION = 2
_ASSIGNED = range(100_000, 400_000)
"""Nearly all that IANA has assigned lie here; other numbers may be anything."""
_MOST_VERSION, _MOST_PROCEDURE, _MOST_CREDENTIAL_BYTES = 20, 256, 400
_CREDENTIALS = frozenset({0, 1, 2, 3, 4, 5, 6, 7})
_MOST_RECORD_BYTES = 4 << 20
_CREDENTIAL_AT, _AUTH_TLS = 24, b"\0\0\0\7"


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The first message of this end, or its newest datagram."""
    start = 4 if ends.transport == TCP else 0
    data = sent.data
    if start and not _is_record(data):
        return None
    if len(data) < start + _REPLY.size:
        return WAIT if start and not sent.is_ended else None
    program = _called_program(data, start)
    if program is not None:
        call = _detection(program, Role.CLIENT)
        return with_upgrade(call, sent, answered, ends) if start and _asks_for_tls(data, start) else call
    xid, kind, state, _ = _REPLY.unpack_from(data, start)
    if kind == 0 and len(data) < start + _CALL.size:
        return WAIT if start and not sent.is_ended else None
    is_reply = kind == 1 and state <= 1
    is_answer = is_reply and answered.data[start : start + 4] == xid.to_bytes(4, "big")
    program = _called_program(answered.data, start) if is_answer else None
    if program is None and is_reply:
        program = _BY_PORT.get(ends.source_port)
    if program is None:
        return None
    reply = _detection(program, Role.SERVER)
    return with_upgrade(reply, sent, answered, ends) if start and _asks_for_tls(answered.data, start) else reply


def _is_record(data: bytes) -> bool:
    """Whether the first bytes of a stream are the mark of a fragment."""
    if len(data) < 4:  # noqa: PLR2004 - the mark
        return data[:1] in {b"", b"\x80", b"\0"}
    return 0 < int.from_bytes(data[:4], "big") & 0x7FFF_FFFF <= _MOST_RECORD_BYTES


def _called_program(data: bytes, start: int) -> int | None:
    """The number of the program that a call is for; None where it is no call."""
    if len(data) < start + _CALL.size:
        return None
    _, kind, rpc_version, program, version, procedure, credential, length = _CALL.unpack_from(data, start)
    is_call = (
        kind == 0
        and rpc_version == _RPC_VERSION
        and program in _ASSIGNED
        and version <= _MOST_VERSION
        and procedure <= _MOST_PROCEDURE
        and credential in _CREDENTIALS
        and length <= _MOST_CREDENTIAL_BYTES
    )
    return program if is_call else None


def _asks_for_tls(data: bytes, start: int) -> bool:
    return data[start + _CREDENTIAL_AT : start + _CREDENTIAL_AT + 4] == _AUTH_TLS


def _detection(program: int, role: Role) -> Detection:
    return Detection(_PROGRAMS.get(program, "onc-rpc"), role, details=(("program", str(program)),))
