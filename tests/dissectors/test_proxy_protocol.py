"""PROXY protocol: the header is skipped, whom it names is kept, and what follows is heard."""

from __future__ import annotations

import pytest
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import UDP as UDP_LAYER

from made_conversations import GET, client_hello, dialogue, inspected_in
from payload_builder import inspect, to_server
from portcall.dissectors import proxy_protocol
from portcall.records.detections import TCP, UDP, WAIT, Detection, Role

LINE = b"PROXY TCP4 192.0.2.1 192.0.2.2 1111 80\r\n"
LINE_6 = b"PROXY TCP6 2001:db8::1 2001:db8::2 1111 80\r\n"
UNKNOWN, UNKNOWN_LONG = b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PORTS = b"\x04\x57\0\x50"
ADDRESSES = bytes([192, 0, 2, 1, 192, 0, 2, 2]) + PORTS
ADDRESSES_6 = bytes.fromhex("20010db800000000000000000000000120010db8000000000000000000000002") + PORTS


def binary(command, family, body):
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2, "big") + body


VALUES = b"\3\0\4\1\2\3\4" + b"\2\0\x0fpp2.example.com" + b"\x20\0\x08\1\0\0\0\0\x21\0\0"
SOURCE = [("proxy_source", "192.0.2.1:1111"), ("proxy_target", "192.0.2.2:80")]
SOURCE_6 = [("proxy_source", "[2001:db8::1]:1111"), ("proxy_target", "[2001:db8::2]:80")]
HEADERS = [
    (LINE, [("proxy", "v1"), *SOURCE]),
    (LINE_6, [("proxy", "v1"), *SOURCE_6]),
    (UNKNOWN, [("proxy", "v1")]),
    (UNKNOWN_LONG, [("proxy", "v1")]),
    (binary(0x21, 0x11, ADDRESSES), [("proxy", "v2"), *SOURCE]),
    (binary(0x21, 0x21, ADDRESSES_6), [("proxy", "v2"), *SOURCE_6]),
    (binary(0x21, 0x11, ADDRESSES + VALUES), [("proxy", "v2"), *SOURCE, ("proxy_authority", "pp2.example.com")]),
    (binary(0x21, 0x31, bytes(216)), [("proxy", "v2")]),
    (binary(0x20, 0x00, b""), [("proxy", "v2 local")]),
    (binary(0x20, 0x11, ADDRESSES), [("proxy", "v2 local")]),
]
SAMPLES = [(TCP, header) for header, _ in HEADERS] + [(UDP, binary(0x21, 0x12, ADDRESSES))]
EVERY_HEADER = pytest.mark.parametrize(("header", "sent"), HEADERS)


@EVERY_HEADER
def test_a_header_alone_waits_for_what_follows(header, sent):
    assert inspect(proxy_protocol, header, to_server(80)) == Detection(
        "proxy-protocol", Role.CLIENT, details=tuple(sent), is_final=False
    )
    assert inspect(proxy_protocol, header[:-1], to_server(80)) is WAIT
    assert inspect(proxy_protocol, header[:9], to_server(80)) is WAIT


@EVERY_HEADER
@pytest.mark.parametrize("is_alone", [False, True])
@pytest.mark.parametrize(("with_details", "batch_size"), [(False, 1000), (True, 1)])
def test_the_request_behind_it_is_heard(header, sent, is_alone, with_details, batch_size):
    turns = [header, b"", GET] if is_alone else [header + GET]
    answer = b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n"

    (row,) = inspected_in(dialogue([*turns, answer], 80), with_details=with_details, batch_size=batch_size)

    assert (row["application_protocol"], row["hostname"]) == ("http", "www.example.com")
    assert (row["service"], row["app"]) == ("http", "example.com")
    if with_details:
        assert [f"{key}={text}" for key, text in sent] == [text for text in row["said"] if text.startswith("proxy")]
        assert "server=nginx" in row["said"]


@EVERY_HEADER
def test_a_header_in_two_pieces_is_put_together(header, sent):
    (row,) = inspected_in(dialogue([header[:14], b"", header[14:] + GET], 80), with_details=True)

    assert row["hostname"] == "www.example.com"
    assert f"proxy={sent[0][1]}" in row["said"]


def test_a_hello_behind_it_names_the_server():
    (row,) = inspected_in(dialogue([LINE + client_hello("pp.example.com")], 443))

    assert (row["application_protocol"], row["hostname"], row["service"]) == ("tls", "pp.example.com", "https")


def test_a_server_that_speaks_first_is_heard_too():
    turns = [LINE, b"220 mx.example ESMTP\r\n", b"EHLO me\r\n", b"250 ok\r\n", b"STARTTLS\r\n", b"220 go\r\n"]

    (row,) = inspected_in(dialogue([*turns, client_hello("mx.example.com")], 25), batch_size=1)

    assert (row["application_protocol"], row["service"], row["hostname"]) == ("smtp", "smtp", "mx.example.com")


def test_a_question_behind_a_header_in_the_same_datagram_is_heard():
    question = bytes(DNS(id=7, rd=1, qd=DNSQR(qname="www.example.com")))

    (row,) = inspected_in(dialogue([binary(0x21, 0x12, ADDRESSES) + question], 53, over=UDP_LAYER), with_details=True)

    assert row["application_protocol"] == "dns"
    assert "query=www.example.com" in row["said"]


@pytest.mark.parametrize(("port", "app"), [(80, "http"), (29997, None)])
def test_a_header_alone_is_no_app(port, app):
    (row,) = inspected_in(dialogue([LINE, b"", b"\x07\x07\x07\x07\x07"], port))

    assert row["application_protocol"] == "proxy-protocol"
    assert (row["app"] if app else row["service"]) == app


@pytest.mark.parametrize(
    "data", [b"PROXY TCP4 192.0.2.1\r\n", b"PROXY \n", SIGNATURE + b"\x31\x11\0\0", b"PROXIES", b"\r\nx"]
)
def test_what_is_no_header_is_none(data):
    assert inspect(proxy_protocol, data, to_server(80)) is None
