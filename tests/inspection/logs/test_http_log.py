"""Requests and responses of one connection, however they come in."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from portcall.inspection.logs.http_log import HttpLog

CLIENT, SERVER = 0, 1


def logged(*said):
    """The fields of each line, of what (side, bytes) said."""
    log = HttpLog()
    entries = [entry for at, (side, data) in enumerate(said) for entry in log.feed(side, data, at)]
    return [dict(entry.fields) for entry in (*entries, *log.finish())]


def test_a_request_and_its_response_are_a_line():
    (line,) = logged(
        (CLIENT, b"GET /a%20b HTTP/1.1\r\nHost: example.org\r\nUser-Agent: x\r\nReferer: y\r\n\r\n"),
        (SERVER, b"HTTP/1.1 200 All right\r\nContent-Length: 5\r\n\r\nhello"),
    )

    assert line == {
        "trans_depth": 1,
        "method": b"GET",
        "uri": b"/a b",
        "version": b"1.1",
        "host": b"example.org",
        "user_agent": b"x",
        "referrer": b"y",
        "status_code": 200,
        "status_msg": b"All right",
        "request_body_len": 0,
        "response_body_len": 5,
        "tags": [],
    }


def test_requests_that_do_not_wait_are_answered_in_their_order():
    lines = logged(
        (CLIENT, b"GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcHEAD /3 HTTP/1.1\r\n\r\n"),
        (SERVER, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n"),
        (SERVER, b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
    )

    facts = [(line["uri"], line["request_body_len"], line["response_body_len"], line["status_code"]) for line in lines]
    assert facts == [(b"/1", 0, 3, 200), (b"/2", 3, 0, 204), (b"/3", 0, 0, 200)]
    assert [line["trans_depth"] for line in lines] == [1, 2, 3]


def test_a_body_without_a_length_goes_on_to_the_end():
    (line,) = logged((CLIENT, b"GET / HTTP/1.0\r\n\r\n"), (SERVER, b"HTTP/1.0 200 OK\r\n\r\nabc"), (SERVER, b"defg"))

    assert line["response_body_len"] == 7


def test_an_interim_response_is_information():
    (line,) = logged(
        (CLIENT, b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
        (SERVER, b"HTTP/1.1 100 Continue\r\n\r\n"),
        (CLIENT, b"ab"),
        (SERVER, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
    )

    assert (line["info_code"], line["info_msg"], line["status_code"], line["request_body_len"]) == (
        100,
        b"Continue",
        201,
        2,
    )


def test_behind_connect_nothing_is_http():
    log = HttpLog()
    log.feed(CLIENT, b"CONNECT a:443 HTTP/1.1\r\n\r\n", 1)

    (entry,) = log.feed(SERVER, b"HTTP/1.1 200 Connection established\r\n\r\n", 2)

    assert (entry.fields["method"], entry.fields["status_code"]) == (b"CONNECT", 200)
    assert log.is_tunnel
    assert log.feed(CLIENT, b"GET / HTTP/1.1\r\n\r\n", 3) == log.finish() == []


def test_a_response_without_a_request_is_a_line_too():
    (line,) = logged((SERVER, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))

    assert (line["status_code"], line.get("method")) == (404, None)


def test_a_user_is_named_and_a_password_is_not_kept():
    secret = base64.b64encode(b"kim:s3cret")

    (line,) = logged((CLIENT, b"GET / HTTP/1.1\r\nAuthorization: Basic " + secret + b"\r\n\r\n"))

    assert line["username"] == b"kim"
    assert b"s3cret" not in str(line).encode()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_it_does_not_matter_how_the_stream_is_cut(size):
    request = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc" * 2

    def in_pieces(side, data):
        return [(side, data[at : at + size]) for at in range(0, len(data), size)]

    lines = logged(*in_pieces(CLIENT, request), *in_pieces(SERVER, response))

    assert [(line["uri"], line["request_body_len"], line["response_body_len"]) for line in lines] == [
        (b"/", 5, 3),
        (b"/2", 0, 3),
    ]


words = st.sampled_from(
    [
        *(b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"),
        *(b"\r\n", b"\n", b"0\r\n\r\n", b"-1\r\n", b"fffffffffffffffffff\r\n", b"abc", b"\0\xff"),
    ]
)


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.one_of(words, st.binary(max_size=30))), max_size=30))
def test_no_bytes_make_it_raise_or_hold_more_than_a_header(said):
    log = HttpLog()

    for side, data in said:
        log.feed(side, data, 0)
        assert log.held_bytes < 64 << 10 or len(log._waiting) > 32
    log.finish()


def test_what_never_ends_is_not_held():
    log = HttpLog()

    for _ in range(200):
        log.feed(CLIENT, b"GET /" + b"x" * 1000, 0)

    assert log.held_bytes < 64 << 10
