"""Openings of MQTT, Kafka, XMPP, SMPP, Diameter, git and NNTP, by their documents."""

import struct

import pytest
from inspecting import TCP, inspect

from portcall.dissectors import messaging
from portcall.records.detections import WAIT, Role

MQTT = b"\x10\x15\0\4MQTT\4\2\0\x3c\0\x09sensor-17"
MQTT_ANSWER = b"\x20\2\0\0"
KAFKA = struct.pack(">IhhIh", 18, 18, 3, 7, 8) + b"producer"
XMPP = (
    b"<?xml version='1.0'?><stream:stream to='example.net' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
)
SMPP = struct.pack(">IIII", 32, 2, 0, 1) + b"me\0secret\0\0\x34\0\0\0"[:16].ljust(16, b"\0")
DIAMETER = b"\1\0\0\x20\x80\0\1\1" + bytes(12) + b"\0\0\1\x08\x40\0\0\x0c" + b"host"
GIT = b"0033git-upload-pack /project.git\0host=myserver.example\0"
NNTP = b"200 news.example.com InterNetNews NNTP server ready\r\n"
READER = b"MODE READER\r\n"
SAMPLES = [(TCP, data) for data in (MQTT, MQTT_ANSWER, KAFKA, XMPP, SMPP, DIAMETER, GIT, NNTP, READER)]


@pytest.mark.parametrize(
    ("sent", "protocol", "role", "details"),
    [
        (MQTT, "mqtt", Role.CLIENT, {"client": "sensor-17"}),
        (KAFKA, "kafka", Role.CLIENT, {"client": "producer"}),
        (XMPP, "xmpp", Role.CLIENT, {"to": "example.net"}),
        (SMPP, "smpp", Role.CLIENT, {}),
        (DIAMETER, "diameter", Role.CLIENT, {}),
        (GIT, "git", Role.CLIENT, {"path": "/project.git", "host": "myserver.example"}),
        (NNTP, "nntp", Role.SERVER, {}),
    ],
)
def test_an_opening_tells_on_any_port(sent, protocol, role, details):
    inspected = inspect(messaging, TCP, sent)

    assert (inspected.protocol, inspected.role, dict(inspected.details)) == (protocol, role, details)


def test_an_answer_of_mqtt_needs_its_question_or_its_port():
    assert inspect(messaging, TCP, MQTT_ANSWER) is WAIT
    assert inspect(messaging, TCP, MQTT_ANSWER, MQTT).role == Role.SERVER
    assert inspect(messaging, TCP, MQTT_ANSWER, source_port=1883).role == Role.SERVER


def test_a_readers_command_needs_its_greeting_or_its_port():
    assert inspect(messaging, TCP, READER) is None
    assert inspect(messaging, TCP, READER, NNTP).role == Role.CLIENT


@pytest.mark.parametrize(("sent", "end"), [(MQTT, 5), (KAFKA, 10), (XMPP, 3), (DIAMETER, 8), (SMPP, 12)])
def test_half_an_opening_is_waited_for(sent, end):
    assert inspect(messaging, TCP, sent[:end]) is WAIT


def test_other_xml_is_not_xmpp():
    assert inspect(messaging, TCP, b"<?xml version='1.0'?><note>hello</note>" + b" " * 200) is None
