r"""BitTorrent: peers (BEP 3), the DHT (BEP 5), uTP (BEP 29), UDP trackers (BEP 15), local discovery (BEP 14)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._families import text, wait_for_more
from portcall.dissectors._prefixes import together
from portcall.records.detections import TCP, UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({6771, *range(6881, 6890), 51413})
PREFIXES = {
    TCP: (together(b"\x13BitTorrent"),),
    UDP: (
        together(b"\x13BitTorrent"),
        together(b"\0\0\x04\x17\x27\x10\x19\x80"),
        together(b"BT-SEARCH"),
        together(b"d1:a", b"d1:r", b"d1:e", b"d2:i", b"d1:v", b"d1:t"),
        {0: b"\x01\x11\x21\x31\x41", 1: range(3), 19: range(256)},
    ),
}

_HANDSHAKE = b"\x13BitTorrent protocol"
_DISCOVERY = b"BT-SEARCH * HTTP/1.1\r\n"
_DHT = Expression(rb"d(?:1:ad2:id20:|1:rd2:id20:|1:eli20\d|2:ip(?:6|18):.{6,18}?1:[re]|1:v4:|1:t\d:)", re.DOTALL)
_DHT_END = Expression(rb"1:y1:[qre](?:e|1:v)|1:v\d:.{2,4}1:y1:[qre]e", re.DOTALL)
_TRACKER_CONNECT = b"\x00\x00\x04\x17\x27\x10\x19\x80\x00\x00\x00\x00"
_FIRST_BYTES = frozenset(b"\x13Bd\x00\x01\x11\x21\x31\x41")
"""Of the handshake, local discovery, the DHT, trackers, and uTP's five kinds of version 1."""
_CLIENT = Expression(rb"-([A-Za-z]{2}[0-9A-Za-z]{4})-")
_UTP_HEADER_BYTES = 20


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """BitTorrent, with the way it is spoken, and the peer's program where it says so."""
    data = sent.data
    if not data or data[0] not in _FIRST_BYTES:
        return None
    if ends.transport == TCP:
        return _peer(data) or (wait_for_more(sent, ends) if _HANDSHAKE.startswith(data) else None)
    if data[:1] == b"d":
        end = _DHT_END.search(data[-64:]) if _DHT.match(data) else None
        return _krpc(end[0]) if end else None
    if data.startswith(_TRACKER_CONNECT) and len(data) == 16:  # noqa: PLR2004 (BEP 15)
        return Detection("bittorrent", Role.CLIENT, details=(("part", "tracker"),))
    if data.startswith(_DISCOVERY):
        return Detection("bittorrent", details=(("part", "local-discovery"),))
    return _utp(data, answered.data) or _peer(data)


def _krpc(end: bytes) -> Detection:
    """A message of the DHT, by its end: a query, a response or an error (BEP 5)."""
    role = Role.CLIENT if b"1:y1:q" in end else Role.SERVER
    return Detection("bittorrent", role, details=(("part", "dht"),))


def _peer(data: bytes) -> Detection | None:
    if not data.startswith(_HANDSHAKE):
        return None
    # 20 protocol, 28 reserved, 48 hash, 68 peer; Azureus' way to name a program (BEP 20): -UT3550-
    client = _CLIENT.match(data, 48)
    details = (("part", "peer"), *([("client", text(client[1]))] if client else []))
    return Detection("bittorrent", details=details)


def _utp(data: bytes, answered: bytes) -> Detection | None:
    """A SYN that the other end's STATE answers, or a peer's handshake in a DATA packet.

    ::

        0 type:4 version:4  1 extension:8  2 connection:16  4 time 8 delay 12 window:32  16 sequence:16  18 seen:16
    """
    if len(data) < _UTP_HEADER_BYTES or data[0] & 0x0F != 1 or data[1] > 2:  # noqa: PLR2004 (BEP 29's extensions)
        return None
    if data.startswith(_HANDSHAKE, _UTP_HEADER_BYTES):
        return Detection("bittorrent", details=(("part", "utp"),))
    for role, syn, state in ((Role.CLIENT, data, answered), (Role.SERVER, answered, data)):
        is_syn = len(syn) >= _UTP_HEADER_BYTES and syn[0] == 0x41 and syn[16:18] == b"\0\1"  # noqa: PLR2004
        is_state = len(state) >= _UTP_HEADER_BYTES and state[0] == 0x21  # noqa: PLR2004
        if is_syn and is_state and state[2:4] == syn[2:4] and state[18:20] == b"\0\1":
            return Detection("bittorrent", role, details=(("part", "utp"),))
    return None
