from __future__ import annotations

import socket
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler

import pytest

from payload_builder import GET, details, from_server, inspect, names, to_server
from portcall.dissectors import http
from portcall.records.detections import WAIT, NameKind, Payload, Role


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def _exchange(**headers: str) -> tuple[bytes, bytes]:
    """What Python's own client and server say to one another."""
    sent: dict[str, bytes] = {}
    client_end, server_end = socket.socketpair()
    connection = HTTPConnection("www.example.com", 8080)
    connection.sock = client_end
    with client_end, server_end:
        connection.request("GET", "/path?q=1", headers=headers)
        sent["client"] = server_end.recv(65536, socket.MSG_PEEK)
        serving = threading.Thread(target=_Handler, args=(server_end, ("local", 0), None))
        serving.start()
        sent["server"] = client_end.recv(65536)
        client_end.shutdown(socket.SHUT_WR)
        serving.join(5)
    return sent["client"], sent["server"]


def test_a_request_names_the_host_with_its_port_as_sent():
    request, _ = _exchange(**{"User-Agent": "probe/1"})

    found = inspect(http, request, to_server(9999))

    assert [(name.kind, name.text) for name in found.names] == [(NameKind.HTTP_HOST, "www.example.com:8080")]
    assert details(found) == {"user_agent": "probe/1"}
    assert (found.protocol, found.role, found.is_final) == ("http", Role.CLIENT, True)


def test_a_response_says_which_server_it_is():
    _, response = _exchange()

    found = inspect(http, response, from_server(9999))

    assert found.role is Role.SERVER
    assert details(found)["server"].startswith("BaseHTTP/")


def test_a_host_that_comes_in_a_later_segment_is_waited_for():
    first, second = GET[:40], GET

    assert not inspect(http, first, to_server(80)).is_final
    assert names(inspect(http, second, to_server(80))) == ["www.example.com:8080"]


@pytest.mark.parametrize(
    "field",
    [b"HOST: a.example", b"host:a.example", b"hOsT \t:\t a.example \t", b"Host:\r\n a.example"],
)
def test_the_host_is_found_however_its_field_is_written(field: bytes):
    found = inspect(http, b"GET / HTTP/1.1\r\nX-Host: b.example\r\n" + field + b"\r\n\r\n", to_server(80))

    assert names(found) == ["a.example"]


def test_a_body_cannot_name_a_host():
    found = inspect(http, b"POST / HTTP/1.0\r\nContent-Length: 20\r\n\r\n\r\nHost: evil.example\r\n", to_server(80))

    assert names(found) == []


def test_lines_may_end_without_carriage_return():
    assert names(inspect(http, b"GET / HTTP/1.1\nHost: a.example\n\nHost: b.example\n", to_server(80))) == ["a.example"]


@pytest.mark.parametrize("method", [b"PROPFIND", b"M-SEARCH", b"x", b"BREW"])
def test_any_method_is_a_request(method: bytes):
    assert names(inspect(http, method + b" / HTTP/1.1\r\nHost: a.example\r\n\r\n", to_server(80))) == ["a.example"]


def test_a_request_line_is_text_where_it_begins_and_anything_behind():
    inspected = inspect(http, b"GET /" + b"a" * 60 + b"\0\1 HTTP/1.1\r\nHost: a.example\r\n\r\n", to_server(80))

    assert [name.text for name in inspected.names] == ["a.example"]
    assert inspect(http, b"GET /\0\1 HTTP/1.1\r\nHost: a.example\r\n\r\n", to_server(9999)) is None


def test_connect_names_the_target():
    found = inspect(http, b"CONNECT mail.example.org:443 HTTP/1.1\r\n\r\n", to_server(3128))

    assert names(found) == ["mail.example.org:443"]
    assert details(found)["connect"] == "mail.example.org:443"
    assert not found.is_final


def test_what_is_said_through_connect_is_heard_too():
    tunnelled = b"CONNECT a.example:22 HTTP/1.1\r\n\r\nSSH-2.0-OpenSSH_9.6\r\n"

    found = inspect(http, tunnelled, to_server(3128), b"HTTP/1.1 200 OK\r\n\r\n")

    assert details(found) == {
        "connect": "a.example:22",
        "inside": "ssh",
        "version": "OpenSSH_9.6",
        "protocol_version": "2.0",
    }


ASKED = b"CONNECT a.example:22 HTTP/1.1\r\nHost: a.example\r\n\r\n"
UNKNOWN = b"HTTP/1.1 407 Proxy Authentication Required\r\nServer: squid\r\nContent-Length: 12\r\n\r\nwho are you?"
AGREED = b"HTTP/1.1 200 OK\r\n\r\n"
PROVED = ASKED[:-2] + b"Proxy-Authorization: NTLM TlRMTVNTUAAB\r\n\r\n"


@pytest.mark.parametrize("rounds", [1, 2])
def test_what_is_said_through_a_proxy_that_first_asked_who_it_is_is_heard_too(rounds):
    asked, answered = ASKED + PROVED * rounds + b"SSH-2.0-x\r\n", UNKNOWN * rounds + AGREED + b"SSH-2.0-y\r\n"

    found = inspect(http, asked, to_server(3128), answered)
    answer = inspect(http, answered, from_server(3128), asked)

    assert (names(found), details(found)["inside"], details(found)["version"]) == (
        ["a.example:22", "a.example"],
        "ssh",
        "x",
    )
    assert (details(answer)["server"], details(answer)["inside"], details(answer)["version"]) == ("squid", "ssh", "y")


def test_a_tunnel_that_was_asked_for_in_mid_stream_is_heard_too():
    rest = Payload(b"tail of an earlier one\r\n" + ASKED + PROVED + b"SSH-2.0-x\r\n", is_from_start=False)

    found = http.inspect(rest, Payload(b""), to_server(3128))

    assert (details(found)["connect"], details(found)["inside"]) == ("a.example:22", "ssh")


@pytest.mark.parametrize("size", range(1, len(PROVED)))
def test_a_second_request_to_a_proxy_that_has_not_all_come_is_waited_for(size):
    assert not inspect(http, ASKED + PROVED[:size], to_server(3128), UNKNOWN).is_final


def test_what_a_refused_connect_brings_is_the_proxys_own():
    refusal = b"HTTP/1.1 403 Forbidden\r\nServer: squid\r\n\r\nSSH-2.0-x\r\n"

    found = inspect(http, refusal, from_server(3128), b"CONNECT a.example:22 HTTP/1.1\r\n\r\n")

    assert details(found) == {"server": "squid"}


def test_an_absolute_target_names_the_host_where_no_field_does():
    found = inspect(http, b"GET http://user:pw@a.example:81/x HTTP/1.0\r\n\r\n", to_server(8080))

    assert names(found) == ["a.example:81"]
    assert details(found) == {"proxied": "a.example:81"}


@pytest.mark.parametrize("target", ["192.0.2.9", "[2001:db8::1]:80", "real.example"])
def test_beside_an_absolute_target_the_host_field_counts_for_nothing(target):
    """RFC 9112 §3.2.2; also where the target is an address, which is no name."""
    request = f"GET http://{target}/x HTTP/1.1\r\nHost: other.example\r\n\r\n".encode()

    assert names(inspect(http, request, to_server(80))) == [target]


def test_a_websocket_is_one_once_the_server_agrees():
    asked = b"GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"

    agreed = inspect(http, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", from_server(80), asked)

    assert (inspect(http, asked, to_server(80)).protocol, agreed.protocol) == ("websocket", "websocket")
    assert inspect(http, b"HTTP/1.1 400 Bad\r\nUpgrade: websocket\r\n\r\n", from_server(80), asked).protocol == "http"


def test_an_upgrade_to_http2_is_said():
    found = inspect(http, b"GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: h2c\r\n\r\n", to_server(80))

    assert details(found) == {"upgrade": "h2c"}


def test_http_0_9_counts_on_its_own_ports_only():
    assert inspect(http, b"GET /\r\n", to_server(80)).protocol == "http"
    assert inspect(http, b"GET /\r\n", to_server(70)) is None


def test_in_mid_conversation_the_first_whole_request_names_the_host():
    late = Payload(b"end of a body\r\n" + GET, is_from_start=False)

    assert names(http.inspect(late, Payload(b""), to_server(80))) == ["www.example.com:8080"]


@pytest.mark.parametrize(
    "start", [b"OPTIONS sip:a SIP/2.0\r\n", b"DESCRIBE rtsp://a/ RTSP/1.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
)
def test_its_kin_are_left_to_their_own_dissectors(start: bytes):
    assert inspect(http, start, to_server(80)) is None


def test_bytes_that_are_not_ascii_are_escaped_and_long_hosts_cut():
    found = inspect(http, b"GET / HTTP/1.1\r\nHost: \xff" + b"a" * 5000 + b"\r\n\r\n", to_server(80))

    assert names(found) == [("\\xff" + "a" * 2000)[:1024]]


def test_a_request_line_cut_by_the_capture_is_a_request_without_name():
    found = inspect(http, b"GET /very/long", to_server(9999), is_ended=True)

    assert (found.protocol, found.names) == ("http", ())


def test_every_beginning_of_a_request_is_waited_on():
    line_end = GET.index(b"\n")

    assert all(inspect(http, GET[:end], to_server(9999)) is WAIT for end in range(line_end + 1))
