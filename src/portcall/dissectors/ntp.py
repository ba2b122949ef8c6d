"""NTP (RFC 5905 §7.3) and its control messages (RFC 9327): on its own port, since few of its bits say that it is NTP.

|LI 2|VN 3 |mode 3|   stratum 8   |    poll 8     |  precision 8  | root delay, dispersion, reference … 48 bytes in all
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.records.detections import UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.PORT
PORTS = frozenset({123})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    UDP: (
        {0: [byte for byte in range(256) if 1 <= byte >> 3 & 7 <= 4 and 1 <= byte & 7 <= 5], 1: range(17)},  # noqa: PLR2004
        {0: [byte for byte in range(256) if 1 <= byte >> 3 & 7 <= 4 and byte & 7 == 6], 10: b"\0\1"},  # noqa: PLR2004
        {0: [byte for byte in range(256) if 1 <= byte >> 3 & 7 <= 4 and byte & 7 == 7], 2: b"\0\2\3"},  # noqa: PLR2004
    )
}
"""Versions 1 to 4: packets with their stratum, control messages, private ones."""

_ROLES = {1: Role.CLIENT, 2: Role.SERVER, 3: Role.CLIENT, 4: Role.SERVER, 5: None}
"""By mode; a peer that waits is asked by one that does not, and a broadcast by nobody."""
_CONTROL, _PRIVATE = 6, 7
_PACKET_BYTES, _CONTROL_BYTES, _PRIVATE_BYTES = 48, 12, 8
_MOST_STRATUM = 16
_MOST_CONTROL_DATA_BYTES = 468  # RFC 9327 §2
_IMPLEMENTATIONS = b"\0\2\3"  # ntpd's ntp_request.h


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The newest datagram."""
    del answered
    data = sent.data
    if not ends.has_port(*PORTS) or len(data) < _PRIVATE_BYTES:
        return None
    version, mode = data[0] >> 3 & 7, data[0] & 7
    if not 1 <= version <= 4:  # noqa: PLR2004 - all that there are
        return None
    details = (("version", str(version)),)
    if mode in _ROLES:
        is_whole = len(data) >= _PACKET_BYTES or sent.is_ended
        return Detection("ntp", _ROLES[mode], details=details) if is_whole and data[1] <= _MOST_STRATUM else None
    is_private = mode == _PRIVATE and data[2] in _IMPLEMENTATIONS
    is_control = (
        mode == _CONTROL and len(data) >= _CONTROL_BYTES and data[10] << 8 | data[11] <= _MOST_CONTROL_DATA_BYTES
    )
    if is_private or is_control:
        is_response = data[0] & 0x80 if mode == _PRIVATE else data[1] & 0x80
        return Detection("ntp", Role.SERVER if is_response else Role.CLIENT, details=details)
    return None
