"""SIP, with the messages of RFC 3261 §24."""

import pytest
from inspecting import TCP, UDP, inspect

from portcall.dissectors import sip
from portcall.records.detections import WAIT, Role

INVITE = (
    b"INVITE sip:bob@biloxi.example.com SIP/2.0\r\nVia: SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bK776\r\n"
    b"User-Agent: softphone/1.0\r\nContent-Length: 0\r\n\r\n"
)
TRYING = b"SIP/2.0 100 Trying\r\nServer: proxy/2\r\nContent-Length: 0\r\n\r\n"
SAMPLES = [(UDP, INVITE), (TCP, INVITE), (UDP, TRYING)]


@pytest.mark.parametrize("transport", [TCP, UDP])
def test_a_request_names_the_telephone(transport):
    inspected = inspect(sip, transport, INVITE)

    assert (inspected.protocol, inspected.role) == ("sip", Role.CLIENT)
    assert dict(inspected.details) == {"user_agent": "softphone/1.0"}


def test_an_answer_is_the_servers():
    assert inspect(sip, UDP, TRYING).role == Role.SERVER


def test_a_keep_alive_counts_at_home_and_is_not_the_last_word():
    assert inspect(sip, UDP, b"\r\n\r\n") is None
    assert not inspect(sip, UDP, b"\r\n\r\n", target_port=5060).is_final


def test_half_a_method_is_waited_for():
    assert inspect(sip, TCP, b"INVI") is WAIT


@pytest.mark.parametrize("sent", [b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"NOTIFY * HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_the_same_words_in_other_protocols_are_not_sip(sent):
    assert inspect(sip, UDP, sent) is None
