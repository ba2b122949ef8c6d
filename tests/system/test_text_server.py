"""A server that never waits: real clients ask, and those that are slow, many or odd do not hold it up."""

import socket
import time

import pytest

from portcall.errors import PortcallError
from portcall.system import text_server
from portcall.system.text_server import Address, TextServer


@pytest.fixture
def server():
    serving = TextServer(Address("127.0.0.1", 0), "/metrics", "text/plain; version=0.0.4")
    serving.text = "portcall_bytes_total 7\n"
    yield serving
    serving.close()


@pytest.fixture
def connect(server):
    clients = []

    def connected(sent=b""):
        client = socket.create_connection(server.address, timeout=5)
        clients.append(client)
        client.sendall(sent)
        return client

    yield connected
    for client in clients:
        client.close()


def answer(server, client, turns=200):
    """All that the client gets, while the server turns."""
    client.settimeout(0.01)
    got = b""
    for _ in range(turns):
        server.turn(0.0)
        try:
            more = client.recv(1 << 20)
        except TimeoutError:
            continue
        if not more:
            return got
        got += more
    return got


GET = b"GET /metrics HTTP/1.1\r\nHost: localhost:9100\r\n\r\n"


def test_who_asks_gets_the_text(server, connect):
    got = answer(server, connect(GET))

    head, _, body = got.partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"HTTP/1.1 200 OK"
    assert b"Content-Type: text/plain; version=0.0.4" in head
    assert body == b"portcall_bytes_total 7\n"


def test_it_is_the_newest_text(server, connect):
    server.text = "newer\n"

    assert answer(server, connect(GET)).endswith(b"newer\n")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /metrics?name=x HTTP/1.0\r\n\r\n", b"200"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"200"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"\x16\x03\x01\x00\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\n" + b"x: " + b"y" * 9000, b"431"),
    ],
)
def test_other_requests_are_told_what_is_wrong(server, connect, request_bytes, status):
    got = answer(server, connect(request_bytes))

    assert got.split(b" ")[1] == status
    assert (got.partition(b"\r\n\r\n")[2] == b"") == request_bytes.startswith(b"HEAD")


def test_a_request_in_pieces_is_put_together(server, connect):
    client = connect(GET[:10])
    server.turn(0.0)
    client.sendall(GET[10:])

    assert b"200 OK" in answer(server, client)


def test_one_who_says_nothing_holds_nobody_up_and_is_left(server, connect):
    silent = connect()
    server.turn(0.0)

    assert b"200 OK" in answer(server, connect(GET))
    server.turn(100.0)
    silent.settimeout(5)
    assert silent.recv(1) == b""
    assert not server._clients


def test_one_who_reads_nothing_holds_nobody_up(server, connect):
    server.text = "x" * (32 << 20)
    connect(GET)
    began = time.process_time()
    for _ in range(20):
        server.turn(0.0)

    assert time.process_time() - began < 2
    server.text = "short\n"
    assert answer(server, connect(GET)).endswith(b"short\n")


def test_more_clients_than_there_is_room_for_are_left_at_once(server, connect, monkeypatch):
    monkeypatch.setattr(text_server, "_MOST_CLIENTS", 2)
    waiting = [connect() for _ in range(2)]
    server.turn(0.0)

    late = connect()
    for _ in range(10):
        server.turn(0.0)

    assert len(server._clients) == len(waiting)
    late.settimeout(5)
    assert late.recv(1) == b""


def test_one_who_goes_in_the_middle_is_forgotten(server, connect):
    connect(GET[:5]).close()
    for _ in range(3):
        server.turn(0.0)

    assert not server._clients


def test_its_file_wakes_a_loop_that_polls(server, connect):
    import select

    poll = select.poll()
    poll.register(server.fileno(), select.POLLIN)
    assert poll.poll(0) == []

    connect(GET)

    assert poll.poll(5000)


def test_an_address_that_is_taken_is_said(server):
    with pytest.raises(PortcallError, match=f"cannot listen on {server.address}: address already in use"):
        TextServer(server.address, "/", "text/plain")


def test_ipv6_is_an_address_too():
    serving = TextServer(Address("::1", 0), "/", "text/plain")
    try:
        assert str(serving.address).startswith("[::1]:")
        assert serving.address.is_loopback
    finally:
        serving.close()
