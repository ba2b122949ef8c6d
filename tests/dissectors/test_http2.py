from __future__ import annotations

import struct

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payload_builder import HTTP2_PREFACE, details, from_server, inspect, names, to_server
from portcall.dissectors import http2
from portcall.records.detections import WAIT, Detection, Role

HEADERS, SETTINGS, CONTINUATION = 1, 4, 9
END_HEADERS, PADDED, PRIORITY = 4, 8, 32


def _frame(kind: int, flags: int, payload: bytes, stream: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _block(*fields: tuple[str, str], huffman: bool = True) -> bytes:
    return hpack.Encoder().encode(fields, huffman=huffman)


START = HTTP2_PREFACE + _frame(SETTINGS, 0, b"\0\3\0\0\0\x64")
REQUEST = _block((":method", "GET"), (":authority", "www.example.com:8080"), ("user-agent", "nghttp2/1.59"))


@pytest.mark.parametrize("huffman", [True, False])
def test_the_authority_of_the_first_request_is_the_host(huffman):
    block = _block((":method", "GET"), (":authority", "www.example.com:8080"), huffman=huffman)

    found = inspect(http2, START + _frame(HEADERS, END_HEADERS, block, 1), to_server(9999))

    assert (names(found), found.role, found.is_final) == (["www.example.com:8080"], Role.CLIENT, True)


def test_a_host_field_counts_where_there_is_no_authority():
    block = _block((":method", "GET"), ("host", "a.example"))

    assert names(inspect(http2, START + _frame(HEADERS, END_HEADERS, block, 1), to_server(80))) == ["a.example"]


def test_padding_priority_and_continuations_are_taken_off():
    first = b"\3" + bytes(5) + REQUEST[:7] + b"\0\0\0"
    frames = _frame(HEADERS, PADDED | PRIORITY, first, 1) + _frame(CONTINUATION, END_HEADERS, REQUEST[7:], 1)

    found = inspect(http2, START + frames, to_server(80))

    assert names(found) == ["www.example.com:8080"]
    assert details(found) == {"user_agent": "nghttp2/1.59"}


def test_headers_that_come_later_are_waited_for():
    whole = START + _frame(HEADERS, END_HEADERS, REQUEST, 1)

    assert all(not inspect(http2, whole[:end], to_server(80)).is_final for end in range(len(HTTP2_PREFACE), len(whole)))
    assert all(inspect(http2, whole[:end], to_server(80)) is WAIT for end in range(len(HTTP2_PREFACE)))


def test_grpc_is_told_by_its_content_type():
    block = _block((":authority", "a.example"), ("content-type", "application/grpc+proto"))

    assert inspect(http2, START + _frame(HEADERS, END_HEADERS, block, 1), to_server(80)).protocol == "grpc"


def test_a_server_is_known_by_the_settings_that_answer_a_preface():
    answer = _frame(SETTINGS, 0, b"") + _frame(HEADERS, END_HEADERS, _block((":status", "200"), ("server", "envoy")), 1)

    found = inspect(http2, answer, from_server(80), START)

    assert (found.protocol, found.role, details(found)) == ("http2", Role.SERVER, {"server": "envoy"})
    assert inspect(http2, answer, from_server(80), b"GET / HTTP/1.1\r\n") is None


@settings(deadline=None)  # the first example pays for the import of hpack
@given(st.binary(max_size=200), st.integers(0, 255))
def test_no_block_of_headers_is_an_error(block: bytes, flags: int):
    found = inspect(http2, START + _frame(HEADERS, flags | END_HEADERS, block, 1), to_server(80))

    assert isinstance(found, Detection)
