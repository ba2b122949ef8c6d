r"""What measuring devices send to collectors: NetFlow, IPFIX, sFlow, collectd (over UDP, on any port).

Sources: Cisco's NetFlow v5 layout, RFC 3954 §5.1, RFC 7011 §3.1, sFlow 5 §5, collectd's binary protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._families import text
from portcall.dissectors._prefixes import PRINTABLE, ZERO
from portcall.records.detections import UDP, Detection, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({2055, 4739, 6343, 9995, 9996, 25826})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    UDP: (
        {0: ZERO, 1: b"\5\7", 2: ZERO, 3: range(1, 31), 15: range(256)},  # NetFlow 5 and 7
        {0: ZERO, 1: b"\x09\x0a", 15: range(256)},
        {0: ZERO, 1: ZERO, 2: ZERO, 3: b"\2\4\5", 4: ZERO, 5: ZERO, 6: ZERO, 7: b"\1\2"},  # sFlow
        {0: ZERO, 1: ZERO, 2: b"\0\1", 4: PRINTABLE},  # collectd
    )
}

_LEAST_BYTES = 16
_HOST = Expression(rb"[!-~]{1,255}\0\Z")
_MOST_PARTS = 200


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | None:
    """``netflow``, ``ipfix``, ``sflow`` or ``collectd``; who sends is the client of the collector."""
    del answered, ends
    data = sent.data
    if len(data) < _LEAST_BYTES or data[0]:
        return None
    recognise = _BY_SECOND_BYTE.get(data[1])
    return recognise(data) if recognise else None


def _netflow(record_bytes: int) -> Callable[[bytes], Detection | None]:
    """0 version:16  2 count:16  4 up:32  8 time:64  16 sequence:32  20 engine:16  22 sampling:16  24 records"""

    def recognise(data: bytes) -> Detection | None:
        count = data[2] << 8 | data[3]
        is_whole = 0 < count <= 30 and len(data) == 24 + count * record_bytes  # noqa: PLR2004 (version 5's most)
        return _found("netflow", data[1]) if is_whole else None

    return recognise


def _netflow_9(data: bytes) -> Detection | None:
    """0 version 9  2 count:16  4 up:32  8 time:32  12 sequence:32  16 source:32  20 sets: number:16, length:16."""
    count = data[2] << 8 | data[3]
    return _found("netflow", 9) if count and _is_filled(data, 20) else None


def _ipfix(data: bytes) -> Detection | None:
    """0 version 10  2 length:16  4 time:32  8 sequence:32  12 domain:32  16 sets, as in NetFlow 9."""
    length = data[2] << 8 | data[3]
    return _found("ipfix", 10) if length == len(data) and _is_filled(data, 16) else None


def _is_filled(data: bytes, at: int) -> bool:
    """Whether sets of known numbers fill the datagram: 0 to 3 are templates, from 256 on data."""
    for _ in range(_MOST_PARTS):
        if at + 4 > len(data):
            break
        number, length = data[at] << 8 | data[at + 1], data[at + 2] << 8 | data[at + 3]
        if length < 4 or 3 < number < 256:  # noqa: PLR2004
            return False
        at += length
    return at == len(data)


def _sflow_or_collectd(data: bytes) -> Detection | None:
    return _sflow(data) or _collectd(data)


def _sflow(data: bytes) -> Detection | None:
    """0 version:32  4 kind of address:32, 1 or 2  8 agent  then part:32  sequence:32  up:32  samples:32."""
    version, address_kind = data[3], int.from_bytes(data[4:8], "big")
    if data[2] or version not in {2, 4, 5} or address_kind not in {1, 2}:
        return None
    at = 8 + (4 if address_kind == 1 else 16) + (8 if version == 5 else 4)  # noqa: PLR2004
    samples = int.from_bytes(data[at + 4 : at + 8], "big")
    return _found("sflow", version) if len(data) >= at + 8 and samples * 8 <= len(data) - at - 8 else None


def _collectd(data: bytes) -> Detection | None:
    """Parts: kind:16, length:16 with both, value; the first is the host's name, ended by a zero."""
    host_bytes = data[2] << 8 | data[3]
    if host_bytes > len(data) or not _HOST.match(data[4:host_bytes]):
        return None
    at = 0
    for _ in range(_MOST_PARTS):
        if at + 4 > len(data):
            break
        length = data[at + 2] << 8 | data[at + 3]
        if data[at] not in {0, 1, 2} or length < 5:  # noqa: PLR2004 (0x0000 to 0x0010, 0x0100, 0x0101, 0x0200, 0x0210)
            return None
        at += length
    is_whole = at == len(data) or (at <= len(data) and len(data) - at < 4)  # noqa: PLR2004
    return Detection("collectd", Role.CLIENT, details=(("host", text(data[4 : host_bytes - 1])),)) if is_whole else None


def _found(protocol: str, version: int) -> Detection:
    return Detection(protocol, Role.CLIENT, details=(("version", str(version)),))


_BY_SECOND_BYTE: dict[int, Callable[[bytes], Detection | None]] = {
    0: _sflow_or_collectd,
    5: _netflow(48),
    7: _netflow(52),
    9: _netflow_9,
    10: _ipfix,
}
