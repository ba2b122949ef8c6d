"""The rules that count on any port: for each protocol a message laid out by its source."""

import pytest
from inspecting import TCP, UDP, inspect

from portcall.dissectors import patterns
from portcall.records.detections import WAIT

MAGIC_OF_RAKNET = bytes.fromhex("00ffff00fefefefefdfdfdfd12345678")
MESSAGES = {
    ("bgp", TCP): b"\xff" * 16 + b"\0\x13\4",
    ("fastcgi", TCP): bytes.fromhex("01010001000800000001010000000000"),
    ("ajp", TCP): b"\x12\x34\0\x40\2\2\0\x08HTTP/1.1" + bytes(50),
    ("dicom", TCP): b"\1\0\0\0\0\x44\0\1\0\0" + b"ARCHIVE         SCANNER         " + bytes(32),
    ("iscsi", TCP): b"\x43\x87\0\0" + bytes(44) + b"InitiatorName=iqn.2010-01.com.example:kim\0",
    ("thrift", TCP): b"\x80\1\0\1\0\0\0\4ping\0\0\0\0\0",
    ("thrift", UDP): b"\x82\x81\1\x09emitBatch\x1c",
    ("edonkey", TCP): b"\xe3\x41\0\0\0\1\x10" + bytes(63),
    ("raft", TCP): b"\1" + bytes(7) + b"\1" + bytes(7) + b"\x10" + bytes(7) + b"127.0.0.1:9001\0\0",
    ("mining", TCP): b'{"id": 1, "method": "mining.subscribe", "params": []}\n',
    ("nano", TCP): bytes.fromhex("52431414120a0500") + bytes(32),
    ("tank-gauge", TCP): b"\1I20100\r\n",
    ("tinc", TCP): b"0 kimshost 17.7\n",
    ("teamviewer", TCP): bytes.fromhex("17240a20000000000000"),
    ("teamviewer", UDP): bytes(10) + bytes.fromhex("03172447500005") + bytes(40),
    ("x11", TCP): b"l\0\x0b\0\0\0\0\0\0\0\0\0",
    ("rtmp", TCP): b"\3" + b"\1\2\3\4" + bytes(4) + b"r" * 1528,
    ("radmin", TCP): bytes.fromhex("01000000010000000808"),
    ("nbd", TCP): b"NBDMAGICIHAVEOPT\0\3",
    ("pptp", TCP): b"\0\x9c\0\1\x1a\x2b\x3c\x4d\0\1" + bytes(146),
    ("openwire", TCP): b"\0\0\1\x2d\1ActiveMQ\0\0\0\x0c",
    ("zmtp", TCP): b"\xff" + bytes(7) + b"\1\x7f\3\1NULL",
    ("mgcp", UDP): b"RSIP 1200 aaln/1@gateway.example.net MGCP 1.0\r\n",
    ("json-rpc", TCP): b'{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
    ("hislip", TCP): b"HS\0\0\1\0xx" + bytes(8),
    ("cip-io", UDP): bytes.fromhex("020002800800") + bytes(8) + bytes.fromhex("b100020000ff"),
    ("wake-on-lan", UDP): b"\xff" * 6 + b"\2\0\0\0\0\x2a" * 16,
    ("softether", UDP): b"IP=192.0.2.7,PORT=51381",
    ("tuya", UDP): b"\0\0\x55\xaa" + bytes(7) + b"\x13" + b"\0\0\0\x10" + bytes(12) + b"\0\0\xaa\x55",
    ("discord", UDP): b"\0\1\0\x46\0\3\xcf\xa8" + bytes(66),
    ("source-engine", UDP): b"\xff\xff\xff\xffI\x11A server\0de_dust\0",
    ("srt", UDP): b"\x80" + bytes(7) + b"time" + bytes(7) + b"\4" + bytes(44),
    ("mpeg-ts", UDP): (b"\x47" + bytes(187)) * 7,
    ("flute", UDP): b"\x10\x10\x08\0" + bytes(20) + b'<?xml version="1.0"?>\n<FDT-Instance Expires="1">',
    ("raknet", UDP): b"\1" + bytes(8) + MAGIC_OF_RAKNET + bytes(8),
    ("steam-relay", UDP): b"\1\x81sdping" + bytes(90),
    ("sd-rtn", UDP): bytes(12) + b"\4SNI\0\x1c\0" + b"edge.example",
    (
        "ws-discovery",
        UDP,
    ): b'<?xml version="1.0"?><s:Envelope xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">',
}
SAMPLES = [(transport, sent) for (_, transport), sent in MESSAGES.items()]


@pytest.mark.parametrize(("told", "sent"), MESSAGES.items(), ids=str)
def test_a_message_tells_its_protocol(told, sent):
    protocol, transport = told

    assert inspect(patterns, transport, sent).protocol == protocol


def test_every_protocol_of_the_table_has_a_message_here():
    assert {(rule.protocol, rule.transport) for rule in patterns._RULES} == set(MESSAGES)


def test_raknets_magic_stands_at_three_places():
    for kind, behind in ((1, 8), (5, 0), (0x1C, 16)):
        assert inspect(patterns, UDP, bytes([kind]) + bytes(behind) + MAGIC_OF_RAKNET).protocol == "raknet"


def test_a_length_that_is_not_the_datagrams_is_refused():
    assert inspect(patterns, UDP, MESSAGES["tuya", UDP].replace(b"\0\0\0\x10", b"\0\0\0\x11")) is None


def test_half_a_pattern_is_waited_for():
    assert inspect(patterns, TCP, b"\xff" * 9) is WAIT
    assert inspect(patterns, TCP, b"\xfe" * 9) is None
