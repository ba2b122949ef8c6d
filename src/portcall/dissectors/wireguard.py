"""WireGuard, over UDP (the WireGuard protocol, §5.4).

::

    handshake initiation  148 bytes  0 type 1  1 zero:24  4 sender:32 …
    handshake response     92        0 type 2  1 zero:24  4 sender:32  8 receiver:32 …
    cookie reply           64        0 type 3  1 zero:24  4 receiver:32 …
    transport data   32 + 16 n       0 type 4  1 zero:24  4 receiver:32  8 counter:64 …
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.records.detections import UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Payload

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({51820})
PREFIXES = {UDP: ({0: range(1, 5), **dict.fromkeys(range(1, 4), b"\0")},)}

_INITIATION, _RESPONSE, _COOKIE, _DATA = 1, 2, 3, 4
_BYTES = {_INITIATION: 148, _RESPONSE: 92, _COOKIE: 64}
_LEAST_DATA_BYTES = 32


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | None:
    """WireGuard; whoever sends the first initiation is its client."""
    data = sent.data
    if len(data) < _LEAST_DATA_BYTES or data[1:4] != b"\0\0\0" or not _INITIATION <= data[0] <= _DATA:
        return None
    kind = data[0]
    if kind == _DATA:
        return Detection("wireguard") if _is_data(sent, answered, ends) else None
    if len(data) == _BYTES[kind] or _is_answered(data, answered.data):
        return Detection("wireguard", {_INITIATION: Role.CLIENT, _RESPONSE: Role.SERVER}.get(kind))
    return None


def _is_data(sent: Payload, answered: Payload, ends: Ends) -> bool:
    """Data alone are loose: the port, the answer, or counters that run, have to agree."""
    if len(sent.data) % 16:
        return False
    if ends.has_port(51820):
        return True
    if _is_answered(answered.data, sent.data):
        return True
    counters = [int.from_bytes(datagram[8:16], "little") for datagram in sent.datagrams[-3:]]
    starts = {datagram[:8] for datagram in sent.datagrams[-3:]}
    return len(counters) == 3 and len(starts) == 1 and counters == list(range(counters[0], counters[0] + 3))  # noqa: PLR2004


def _is_answered(initiation: bytes, response: bytes) -> bool:
    """Whether a response talks of the initiation's sender."""
    return (
        len(response) >= _LEAST_DATA_BYTES
        and initiation[:4] == b"\1\0\0\0"
        and response[:4] == b"\2\0\0\0"
        and response[8:12] == initiation[4:8]
    )
