"""Bytes of partial results: of this build they are read back, and of all others a sentence says why not."""

from __future__ import annotations

import json
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from made_conversations import GET, answered, batch_of, client_hello, connection, dialogue
from portcall.errors import PortcallError
from portcall.runs import partial_bytes
from portcall.runs.partial import Partial
from shard_runs import partial_of, rows_of

PACKETS = [
    *answered("www.example.com"),
    *connection([client_hello("www.example.com")]),
    *dialogue([GET[:20]], 80, client_port=40001),
    *dialogue([b"", b"220 FTP server ready\r\n", b"USER anna\r\n", b"227 Passive (192,0,2,80,199,56).\r\n"], 21),
]
DATA = partial_of([batch_of(PACKETS)], 0, len(PACKETS)).to_bytes()


def parts(data):
    """Up to the length of the header; the header; the arrays."""
    start = data.index(b"\n") + 5
    (length,) = struct.unpack_from("<I", data, start - 4)
    return data[: start - 4], json.loads(data[start : start + length]), data[start + length :]


def whole(line, header, arrays):
    header = json.dumps(header).encode()
    return line + struct.pack("<I", len(header)) + header + arrays


def test_what_is_read_back_writes_the_same_bytes():
    assert Partial.from_bytes(DATA).to_bytes() == DATA


def test_another_build_is_refused_by_its_name():
    mine = partial_bytes.build().encode()
    other = DATA.replace(mine, b"portcall 9.9, format 7, layout 0", 1)

    with pytest.raises(PortcallError, match=r"another build: 'portcall 9.9, format 7, layout 0'; this is 'portcall"):
        Partial.from_bytes(other)


@pytest.mark.parametrize("size", [0, 1, 17, 60, 90, 200, len(DATA) - 1])
def test_what_ends_early_is_no_partial_result(size):
    with pytest.raises(PortcallError, match="no partial result"):
        Partial.from_bytes(DATA[:size])


def test_what_goes_on_is_no_partial_result():
    with pytest.raises(PortcallError, match="goes on behind its end"):
        Partial.from_bytes(DATA + b"\0")


@pytest.mark.parametrize("name", ["flows", "held", "answers", "inspected", "content", "tallies"])
def test_more_rows_than_there_are_take_no_memory(name):
    line, header, arrays = parts(DATA)
    header["arrays"][name] = 1 << 40
    Partial.from_bytes(DATA)  # what is imported once is not the bytes'

    tracemalloc.start()
    with pytest.raises(PortcallError, match=f"fewer {name} than it says"):
        Partial.from_bytes(whole(line, header, arrays))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 1 << 20


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plain: plain.update(shard="middle"),
        lambda plain: plain.update(frames=-1),
        lambda plain: plain.update(layer=["outer"]),
        lambda plain: plain.update(names=[]),
        lambda plain: plain.update(names="names"),
        lambda plain: plain.pop("copies"),
        lambda plain: plain["names"].update(detections=[["tls", [["no-kind", "name"]], []]]),
        lambda plain: plain["names"].update(detections=[["tls", [], []], ["tls", [], []]]),
        lambda plain: plain["names"].update(detections=[]),
        lambda plain: plain["names"].update(dns=[]),
        lambda plain: plain["names"]["dns"].update(names=[]),
        lambda plain: plain["names"]["dns"].update(of_capture=[["zz", ["name"]]]),
        lambda plain: plain["names"].update(expected=[[6, "00", 1, "00", []]]),
        lambda plain: plain["names"].update(secrets=[["CLIENT_RANDOM", 1, "00"]]),
        lambda plain: plain["names"].update(detections=json.loads("[" * 900 + "]" * 900)),
    ],
)
def test_a_header_that_says_something_else_is_no_partial_result(spoil):
    line, header, arrays = parts(DATA)
    spoil(header["plain"])

    with pytest.raises(PortcallError, match="no partial result"):
        Partial.from_bytes(whole(line, header, arrays))


@pytest.mark.parametrize(
    "header", [[], {}, {"plain": 1}, {"plain": {}, "arrays": 1}, {"plain": {}, "arrays": {"x": 1}}]
)
def test_a_header_of_another_form_is_no_partial_result(header):
    line, _, arrays = parts(DATA)

    with pytest.raises(PortcallError, match="no partial result"):
        Partial.from_bytes(whole(line, header, arrays))


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_bytes_that_were_changed_give_rows_or_a_sentence(changes):
    data = bytearray(DATA)
    for at, value in changes:
        data[at] = value

    try:
        partial = Partial.from_bytes(bytes(data))
    except PortcallError:
        return
    partial.merge(partial_of([batch_of(PACKETS)], 1, len(PACKETS)))

    assert len(rows_of(partial.tracker(), "flow")) > 0
