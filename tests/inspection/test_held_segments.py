"""Hellos over two segments: the kernel holds the first, and tells what the dissectors tell, however the rest comes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from made_conversations import answered, batch_of, client_hello, connection, dialogue, inspected_in
from portcall.decoding.decoder import Decoder
from portcall.flows.table import FlowTable
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.inspection.server_names import ServerNames

GET = b"GET / HTTP/1.1\r\nUser-Agent: test\r\nHost: www.example.com\r\nAccept: */*\r\n\r\n"
UPGRADE = GET.replace(b"Accept: */*", b"Upgrade: websocket\r\nConnection: Upgrade")
WITHOUT_HOST = b"GET / HTTP/1.0\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n"
HELLO = client_hello("www.example.com")
OPENINGS = [HELLO, GET, UPGRADE, WITHOUT_HOST, b"GET / HTTP/1.1\r\nX: \x7f\r\nHost: www.example.com\r\n\r\n"]
SERVER_HELLO = b"\x16\x03\x03\0\x2c\x02\0\0\x28\x03\x03" + bytes(32) + b"\0\xc0\x2f\0\0\0"
STATUS, FIELDS = b"HTTP/1.1 200 OK\r\nX: y\r", b"\nServer: nginx\r\n\r\n"
RECORD = b"\x17\3\3\0\x20" + bytes(32)
TOLD = ("application_protocol", "hostname", "hostname_source", "app", "client", "evidence_frame")


def told(rows):
    return [[row[name] for name in TOLD if name in row] for row in rows]


def assert_same(packets, batch_size, snap=None):
    """The kernel tells what the dissectors tell, with details and without."""
    how = {"batch_size": batch_size, "snap": snap}
    by_dissectors = inspected_in(packets, by_dissectors=True, **how)

    assert told(inspected_in(packets, **how)) == told(by_dissectors)
    assert list(inspected_in(packets, with_details=True, **how)) == list(by_dissectors)


def left_to_dissectors(packets, *, with_details=False):
    """How many payloads of some packets the kernel leaves to the dissectors."""
    table = FlowTable(inspects=True)
    inspector = ServerNames(with_details=with_details).inspector_for(table)
    batch = batch_of(packets)
    decoded = Decoder().decode(batch)
    inspector.inspect(batch, decoded, table.update(decoded), 1)
    return sum(1 for _ in iter(inspector._kernel.next_deferred, None))


@pytest.mark.parametrize("opening", OPENINGS, ids=["tls", "http", "websocket", "http 1.0", "control character"])
@pytest.mark.parametrize("batch_size", [1, 1000])
def test_wherever_a_hello_is_cut_in_two_the_kernel_tells_what_the_dissectors_tell(opening, batch_size):
    first = 1 if batch_size == 1 else 2  # either way every other byte is where it is cut
    for at in range(first, len(opening), 2 if opening is not HELLO else 14):
        packets = connection([opening[:at], opening[at:]], 8080)

        assert_same(packets, batch_size)


def test_a_hello_in_two_segments_is_left_to_nobody():
    name_at = HELLO.index(b"www.example.com")

    assert left_to_dissectors(connection([HELLO[: name_at + 5], HELLO[name_at + 5 :]])) == 0
    assert left_to_dissectors(connection([HELLO[: name_at + 30], HELLO[name_at + 30 :]])) == 0
    assert left_to_dissectors(connection([GET[:40], GET[40:]])) == 0
    assert left_to_dissectors(connection([GET[:40]], answers=[STATUS])) == 0


@pytest.mark.parametrize(
    "packets",
    [
        connection([HELLO[:300], HELLO[300:]]),
        connection([HELLO], answers=[SERVER_HELLO]),
        connection([GET], 80, answers=[STATUS + FIELDS]),
        connection([GET], 80, answers=[STATUS[:20], STATUS[20:], FIELDS]),
        dialogue([GET[:40], STATUS, GET[40:], FIELDS], 80),
        answered("www.example.com")[:1],
    ],
    ids=["hello in two", "tls", "http", "answer in three", "both in two", "dns"],
)
def test_details_of_the_commonest_are_left_to_nobody(packets):
    (*_, row) = inspected_in(packets, with_details=True)

    assert left_to_dissectors(packets, with_details=True) == 0
    assert row["said"]


def test_what_is_held_is_left_with_what_does_not_complete_it():
    assert left_to_dissectors(connection([UPGRADE[:40], UPGRADE[40:]])) == 2
    assert left_to_dissectors(connection([GET[:40], GET[40:50], GET[50:]])) == 3
    assert left_to_dissectors(connection([GET[:40]], answers=[b"HTTP/1.1 101 Switching Protocols\r\n\r\n"])) == 2


@st.composite
def dialogues(draw):
    """A hello in pieces with answers between, of which some packets come twice, late or never."""
    opening = draw(st.sampled_from([one for one in OPENINGS if one is not UPGRADE]))  # what it becomes is a detail
    cuts = sorted(draw(st.lists(st.integers(1, len(opening) - 1), min_size=1, max_size=2, unique=True)))
    pieces = [opening[start:end] for start, end in zip([0, *cuts], [*cuts, len(opening)], strict=True)]
    answers = [
        draw(st.sampled_from([b"", b"", STATUS, STATUS, FIELDS, SERVER_HELLO, RECORD, b"\xf1" * 20])) for _ in pieces
    ]
    port = draw(st.sampled_from([80, 443, 40001]))
    packets = dialogue([turn for pair in zip(pieces, answers, strict=True) for turn in pair], port)
    handshake, sent = packets[:3], packets[3:]
    order = draw(st.lists(st.integers(0, len(sent) - 1), max_size=len(sent))) or range(len(sent))
    told_in_order = draw(st.booleans())
    return [*handshake[: draw(st.sampled_from([3, 3, 0]))], *(sent if told_in_order else [sent[i] for i in order])]


@settings(max_examples=examples(100))
@given(dialogues(), st.sampled_from([1, 2, 1000]), st.sampled_from([None, None, 96]))
def test_in_whatever_order_its_segments_come_kernel_and_dissectors_tell_the_same(packets, batch_size, snap):
    assert_same(packets, batch_size, snap)


def test_what_is_held_is_bounded_and_the_oldest_goes_first():
    packets = [packet for number in range(20) for packet in connection([GET[:40]], 80, client_port=40000 + number)]
    table = FlowTable(inspects=True)
    names = ServerNames(bounds=InspectionBounds(most_hellos=5))
    inspector = names.inspector_for(table)
    batch = batch_of(packets)
    decoded = Decoder().decode(batch)

    inspector.inspect(batch, decoded, table.update(decoded), 1)

    assert (table.inspected[:15] & 3 == 3).all()
    assert (table.inspected[15:20] & 3 == 0).all()
    assert (inspector.of(np.arange(20)).numbers > 0).all()
    (note,) = names.shortfalls()
    assert note.reason.startswith("15 conversations were given up in mid-hello")


def test_hellos_that_go_on_at_once_push_out_none_that_waits():
    packets = connection([GET[:40]], 80)
    packets += [
        packet for port in range(40001, 40011) for packet in connection([GET[:40], GET[40:]], 80, client_port=port)
    ]
    names, table = ServerNames(bounds=InspectionBounds(most_hellos=2)), FlowTable(inspects=True)
    inspector = names.inspector_for(table)
    batch = batch_of(packets)
    decoded = Decoder().decode(batch)

    inspector.inspect(batch, decoded, table.update(decoded), 1)

    assert (inspector.of(np.arange(11)).numbers > 0).all()
    assert names.shortfalls() == []
