"""Requests and answers: what tells of each protocol which end is the client."""

import importlib

import pytest
from inspecting import TCP, UDP, inspect
from test_bittorrent import SAMPLES as BITTORRENT
from test_ethereum import FIND, SIGNED
from test_industrial import ADS, BACNET, IEC_104, KNX
from test_port_guarded import MESSAGES
from test_slp import message as slp_message
from test_tpkt import H323, S7_JOB, S7_PLUS_JOB

from portcall.dissectors import port_guarded
from portcall.records.detections import Role

CLIENT, SERVER = Role.CLIENT, Role.SERVER
NTP = b"\x24\1" + bytes(46)


def element(tag, *contents):
    body = b"".join(contents)
    return bytes([tag, len(body)]) + body


def number(value):
    return element(0x02, bytes([value]))


def snmp(pdu):
    """Version 2c with a PDU of this kind."""
    return element(
        0x30, number(1), element(0x04, b"public"), element(pdu, number(1), number(0), number(0), element(0x30))
    )


def snmp_3(flags):
    """Version 3 with its flags; the rest is sealed."""
    header = element(0x30, number(7), number(127), element(0x04, bytes([flags])), number(3))
    return element(0x30, number(3), header, element(0x04, bytes(8)), element(0x04, bytes(8)))


def changed(sent, at, value):
    """With another byte at one place."""
    return sent[:at] + bytes([value]) + sent[at + 1 :]


@pytest.mark.parametrize(
    ("name", "sent", "role"),
    [
        ("ntp", changed(NTP, 0, 0x23), CLIENT),
        ("ntp", NTP, SERVER),
        ("ntp", changed(NTP, 0, 0x21), CLIENT),
        ("ntp", changed(NTP, 0, 0x22), SERVER),
        ("ntp", changed(NTP, 0, 0x25), None),
        ("industrial", KNX, CLIENT),
        ("industrial", changed(KNX, 3, 2), SERVER),
        ("industrial", BACNET, None),
        ("industrial", bytes.fromhex("810a001101040005010c0c023fffff194b"), CLIENT),
        ("industrial", bytes.fromhex("810a0014010030010c0c023fffff194b3ec43f00"), SERVER),
        ("industrial", bytes.fromhex("810a0016 0124 0002 01 0a ff 00 05010c 0c023fffff194b".replace(" ", "")), CLIENT),
        ("industrial", bytes.fromhex("810a0012 0108 0002 01 0a 30 010c 0c023fffff".replace(" ", "")), SERVER),
        ("ethereum", FIND, CLIENT),
        ("ethereum", SIGNED + b"\2" + b"\xc5\xc4\x84\0\0\0", SERVER),
        ("slp", slp_message(), CLIENT),
        ("slp", slp_message(function=2), SERVER),
        ("slp", slp_message(function=8), None),
        ("snmp", snmp(0xA0), CLIENT),
        ("snmp", snmp(0xA7), CLIENT),
        ("snmp", snmp(0xA2), SERVER),
        ("snmp", snmp(0xA8), SERVER),
        ("snmp", snmp_3(7), CLIENT),
        ("snmp", snmp_3(3), None),
    ],
)
def test_a_datagram_tells_whether_it_asks_or_answers(name, sent, role):
    dissector = importlib.import_module(f"portcall.dissectors.{name}")
    inspected = inspect(dissector, UDP, sent, target_port=123 if name == "ntp" else 40000)

    assert inspected.role is role


@pytest.mark.parametrize(
    ("name", "sent", "role"),
    [
        ("industrial", bytes.fromhex("680407000000"), CLIENT),
        ("industrial", bytes.fromhex("68040b000000"), SERVER),
        ("industrial", IEC_104[6:], None),
        ("industrial", ADS, CLIENT),
        ("industrial", changed(ADS, 24, 5), SERVER),
        ("tpkt", S7_JOB, CLIENT),
        ("tpkt", changed(S7_JOB, 8, 3), SERVER),
        ("tpkt", changed(S7_JOB, 8, 7), None),
        ("tpkt", changed(S7_PLUS_JOB, 11, 0x31), CLIENT),
        ("tpkt", H323, CLIENT),
        ("tpkt", changed(H323, 8, 7), SERVER),
        ("ssh", b"SSH-2.0-OpenSSH_9.6\r\n", None),
    ],
)
def test_the_beginning_of_a_stream_tells_whether_it_asks_or_answers(name, sent, role):
    dissector = importlib.import_module(f"portcall.dissectors.{name}")

    for ports in ((22, 50000), (50000, 22)):
        assert inspect(dissector, TCP, sent, source_port=ports[0], target_port=ports[1]).role is role


@pytest.mark.parametrize(
    ("told", "at", "byte", "role"),
    [
        (("gtp-c", 2123), 1, 1, CLIENT),
        (("gtp-c", 2123), 1, 2, SERVER),
        (("pfcp", 8805), 1, 1, CLIENT),
        (("pfcp", 8805), 1, 2, SERVER),
        (("tacacs", 49), 2, 1, CLIENT),
        (("tacacs", 49), 2, 2, SERVER),
        (("nat-pmp", 5351), 1, 0, CLIENT),
        (("nat-pmp", 5351), 1, 128, SERVER),
        (("pcp", 5351), 1, 1, CLIENT),
        (("pcp", 5351), 1, 129, SERVER),
        (("afp", 548), 0, 0, CLIENT),
        (("afp", 548), 0, 1, SERVER),
        (("iax", 4569), 11, 1, CLIENT),
        (("iax", 4569), 11, 7, SERVER),
        (("iax", 4569), 11, 2, None),
        (("coap", 5683), 1, 1, CLIENT),
        (("coap", 5683), 1, 69, SERVER),
        (("someip", 30490), 14, 0, CLIENT),
        (("someip", 30490), 14, 128, SERVER),
        (("someip", 30490), 14, 2, None),
        (("fins", 9600), 0, 0x80, CLIENT),
        (("fins", 9600), 0, 0xC0, SERVER),
        (("afs", 7001), 21, 5, CLIENT),
        (("afs", 7001), 21, 0x2D, CLIENT),
        (("afs", 7001), 21, 4, SERVER),
        (("bfd", 3784), 3, 24, None),
    ],
)
def test_a_rule_tells_whether_a_message_asks_or_answers(told, at, byte, role):
    transport, sent = MESSAGES[told]

    assert inspect(port_guarded, transport, changed(sent, at, byte), target_port=told[1]).role is role


def test_a_question_in_the_dht_is_a_clients():
    dht = [sent for _, sent in BITTORRENT if sent.startswith(b"d1:")]

    for sent in dht:
        role = CLIENT if b"1:y1:q" in sent else SERVER
        assert inspect(importlib.import_module("portcall.dissectors.bittorrent"), UDP, sent).role is role
    assert dht
