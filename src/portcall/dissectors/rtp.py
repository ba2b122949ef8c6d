r"""RTP and RTCP (RFC 3550 §5.1, §6.4, and the validity checks of its §A.1 and §A.2; the demultiplexing of RFC 7983).

::

    RTP    0 version 2:2 padding:1 extension:1 contributors:4  1 marker:1 type:7  2 sequence:16  4 time:32  8 source:32
    RTCP   0 version 2:2 padding:1 count:5  1 type:8, 192 to 223  2 length:16, in words less one  4 source:32

One packet of RTP looks like chance: two and more of one source have to follow each other. A compound packet of RTCP
begins with a report, and its lengths have to fill the datagram; where it is ciphered (SRTCP) the first has to fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.records.detections import UDP, WAIT, Detection

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({5004, 5005})
_REPORT = {0: range(0x80, 0xC0), 1: b"\xc8\xc9"}
_KINDS = bytes([mark | kind for mark in (0, 128) for kind in (*range(35), *range(96, 128))])
_PLAIN = {0: (*range(0x80, 0x84), *range(0xA0, 0xA4)), 1: _KINDS}
_EXTENDED = {0: (0x90, 0xB0), 1: _KINDS, 14: b"\0"}
_EXTENDED_MIX = {0: (*range(0x91, 0x94), *range(0xB1, 0xB4)), 1: _KINDS}
PREFIXES: dict[int, tuple[Prefix, ...]] = {UDP: (_REPORT, _PLAIN, _EXTENDED, _EXTENDED_MIX)}
"""An extension of a kilobyte and more has nobody sent, and hardly a mixer names four contributors at once."""

_HEADER_BYTES = 12
_REPORTS = frozenset({200, 201})
_RTCP_TYPES = range(192, 224)
_MOST_PACKETS_OF_RTCP = 20
_NEEDED = 3
"""Packets of one source in order that make a stream; two where the other end streams likewise."""
_GREATEST_GAP = 3
_MOST_CONTRIBUTORS = 3
_STATIC_TYPES = frozenset(range(35))
"""Payload types that RFC 3551 §6 gives out; others are dynamic, from 96 on."""


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """``rtp`` with its payload type, or ``rtcp``."""
    del ends
    data = sent.data
    if len(data) < 8 or data[0] & 0xC0 != 0x80:  # noqa: PLR2004 (version 2)
        return None
    if data[1] in _REPORTS:
        return Detection("rtcp") if _is_rtcp(data, sent.datagrams) else WAIT
    if data[1] in _RTCP_TYPES or not _begins_rtp(data):
        return None
    streak = _streak(sent.datagrams)
    if streak >= _NEEDED or (streak == _NEEDED - 1 and _streak(answered.datagrams) >= _NEEDED - 1):
        return stream(data[1] & 0x7F)
    return WAIT


def stream(payload_type: int) -> Detection:
    """Packets that follow each other, the last of which carries this type (RFC 3551 §6)."""
    return Detection("rtp", details=(("payload_type", str(payload_type)),))


def _begins_rtp(data: bytes) -> bool:
    """Whether the header's lengths fit, and its type is one that is given out (RFC 3551 §3) or dynamic, from 96 on."""
    kind, contributors = data[1] & 0x7F, data[0] & 0x0F
    end = _HEADER_BYTES + 4 * contributors
    if len(data) < end or contributors > _MOST_CONTRIBUTORS or not (kind in _STATIC_TYPES or kind >= 96):  # noqa: PLR2004
        return False
    # 0 profile:16  2 length:16, in words behind these four bytes
    is_whole = len(data) >= end + 4 and data[end + 2] == 0 and len(data) >= end + 4 + 4 * data[end + 3]
    return not data[0] & 0x10 or is_whole


def _streak(datagrams: tuple[bytes, ...]) -> int:
    """How many of the newest datagrams are one source's, one after the other."""
    count = 0
    later: bytes | None = None
    for datagram in reversed(datagrams):
        if len(datagram) < _HEADER_BYTES or datagram[0] & 0xC0 != 0x80:  # noqa: PLR2004
            break
        if later is not None:
            step = (later[2] << 8 | later[3]) - (datagram[2] << 8 | datagram[3])
            if datagram[8:12] != later[8:12] or not 0 < step % 65536 <= _GREATEST_GAP:
                break
        count += 1
        later = datagram
    return count


def _is_rtcp(data: bytes, datagrams: tuple[bytes, ...]) -> bool:
    """Whether packets fill the datagram; or, ciphered, whether the first fits and the last report had its source."""
    at = 0
    for _ in range(_MOST_PACKETS_OF_RTCP):
        if at + 4 > len(data) or data[at] & 0xC0 != 0x80 or data[at + 1] not in _RTCP_TYPES:  # noqa: PLR2004
            break
        at += 4 * ((data[at + 2] << 8 | data[at + 3]) + 1)
    if at == len(data):
        return True
    first_bytes = 4 * ((data[2] << 8 | data[3]) + 1)
    reports = [datagram for datagram in datagrams[:-1] if datagram[1:2] in {b"\xc8", b"\xc9"}]
    return 8 <= first_bytes <= len(data) and bool(reports) and reports[-1][4:8] == data[4:8]  # noqa: PLR2004
