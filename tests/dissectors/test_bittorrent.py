"""BitTorrent, with the examples of BEP 3, 5, 14, 15 and 29."""

import pytest
from inspecting import TCP, UDP, inspect

from portcall.dissectors import bittorrent
from portcall.records.detections import WAIT

HANDSHAKE = b"\x13BitTorrent protocol" + bytes(8) + b"h" * 20 + b"-TR4060-abcdefghijkl"
PING = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"
PONG = b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re"
ERROR = b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee"
TRACKER = bytes.fromhex("00000417271019800000000012345678")
DISCOVERY = b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n\r\n"
SYN = bytes.fromhex("4100303900000001000000000000ffff00010000")
STATE = bytes.fromhex("2100303900000002000000010000ffff00420001")
SAMPLES = [
    (TCP, HANDSHAKE), (UDP, PING), (UDP, PONG), (UDP, ERROR), (UDP, TRACKER), (UDP, DISCOVERY), (UDP, SYN),
    (UDP, STATE),
]  # fmt: skip


def test_a_peer_names_its_program():
    assert dict(inspect(bittorrent, TCP, HANDSHAKE).details) == {"part": "peer", "client": "TR4060"}


@pytest.mark.parametrize("end", [1, 10, 19])
def test_the_beginning_of_a_handshake_is_waited_for(end):
    assert inspect(bittorrent, TCP, HANDSHAKE[:end]) is WAIT


@pytest.mark.parametrize(
    ("payload", "part"),
    [(PING, "dht"), (PONG, "dht"), (ERROR, "dht"), (TRACKER, "tracker"), (DISCOVERY, "local-discovery")],
)
def test_a_datagram_tells_its_part(payload, part):
    assert dict(inspect(bittorrent, UDP, payload).details) == {"part": part}


def test_utp_is_told_by_a_syn_and_its_answer_only():
    assert inspect(bittorrent, UDP, SYN) is None
    assert dict(inspect(bittorrent, UDP, SYN, STATE).details) == {"part": "utp"}
    assert dict(inspect(bittorrent, UDP, STATE, SYN).details) == {"part": "utp"}


def test_other_dictionaries_are_not_the_dht():
    assert inspect(bittorrent, UDP, b"d8:announce20:http://example.org/e") is None
