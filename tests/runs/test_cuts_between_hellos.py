"""A cut between what a client says and what its server says costs nothing, even where there is no room for all."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from made_conversations import GET, batch_of, client_hello, connection, dialogue
from portcall.inspection import server_names
from portcall.inspection.inspection_bounds import InspectionBounds
from shard_runs import batches_of, merged, partial_of, rows_of, tracked

CAPTURES = Path(__file__).parents[2] / "captures"
HELLO = client_hello("www.example.com")
RANDOM = bytes(range(32))
TLS_1_2 = b"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03" + RANDOM + b"\x00\xc0\x2f\x00"
SUPPORTED = b"\x00\x2b\x00\x02\x03\x04"
TLS_1_3 = b"\x16\x03\x03\x00\x32\x02\x00\x00\x2e\x03\x03" + RANDOM + b"\x00\x13\x01\x00\x00\x06" + SUPPORTED
RECORD = b"\x17\x03\x03\x05\x00" + bytes(range(256)) * 5
WELCOME = b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n"
BANNER = b"SSH-2.0-OpenSSH_9.6\r\n"
ANSWERS = {
    "TLS 1.2": (HELLO, TLS_1_2, 443, "version=TLS 1.2"),
    "TLS 1.3": (HELLO, TLS_1_3, 443, "version=TLS 1.3"),
    "TLS in two segments": (HELLO, (TLS_1_3[:30], TLS_1_3[30:]), 443, "version=TLS 1.3"),
    "HTTP": (GET, WELCOME, 80, "server=nginx"),
    "SSH": (BANNER, b"SSH-2.0-dropbear_2022.83\r\n", 22, "version=dropbear_2022.83"),
}


def of_old(number):
    """What long connections say that began before: nobody knows whether another shard has their beginning."""
    packets = []
    for port in range(41000, 41000 + number):
        packets += dialogue([RECORD, RECORD] * 30, 443, client_port=port)[3:]
    return packets


@pytest.mark.parametrize("name", ["office.pcapng", "ech.pcap", "ssh.pcap", "database.pcap", "cooked.pcapng"])
def test_wherever_a_capture_is_cut_its_conversations_say_the_same(name):
    batches = batches_of(CAPTURES / name)
    frames = sum(len(batch.frames) for batch in batches)
    expected = rows_of(tracked(batches), "flow")
    told = {row["evidence_frame"] or 0 for row in expected if row["said"]}
    near = sorted({place for at in told for place in range(max(at - 1, 1), min(at + 8, frames))})
    assert len(near) > 10

    for place in near:
        partials = [partial_of(batches, *ends) for ends in pairwise([0, place, frames])]
        assert rows_of(merged(partials).tracker(), "flow") == expected, place


def room(monkeypatch, most_bytes):
    """Shards hold so many bytes of payloads from now on."""
    monkeypatch.setattr(server_names, "InspectionBounds", partial(InspectionBounds, most_shard_bytes=most_bytes))


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_a_server_says_behind_a_cut_is_heard_though_old_connections_fill_the_room(monkeypatch, answer):
    said, answered, port, fact = ANSWERS[answer]
    answers = answered if isinstance(answered, tuple) else (answered,)
    asked = connection([said], port, answers=answers)
    packets = [*asked, *of_old(8)]
    batches, cut = [batch_of(packets)], len(asked) - len(answers)
    expected = rows_of(tracked(batches), "flow")
    assert fact in [word for row in expected for word in row["said"] or ()]
    room(monkeypatch, 120_000)  # the old ones alone have 500,000

    one, later = partial_of(batches, 0, cut), partial_of(batches, cut, len(packets))
    assert later.state.said.size <= 120_000
    one.merge(later)

    assert rows_of(one.tracker(), "flow") == expected


def test_a_hello_of_which_there_was_room_for_the_first_pieces_only_is_counted(monkeypatch):
    pieces = [HELLO[at : at + 30] for at in range(0, len(HELLO), 30)]
    asked = connection(pieces, answers=[RECORD])
    packets = [*asked, *of_old(8)]
    batches = [batch_of(packets)]
    room(monkeypatch, 40_000)

    one, later = (partial_of(batches, *ends) for ends in ((0, 4), (4, len(packets))))
    one.merge(later)

    resumed = one.tracker()
    assert {row["tls_server_name"] for row in rows_of(resumed, "flow")} == {None}
    assert resumed.names.left_out == 1


def test_what_follows_the_beginning_and_is_known_is_held_no_longer():
    packets = of_old(4)
    batches = [batch_of(packets)]

    one, later = (partial_of(batches, *ends) for ends in ((0, 1), (1, len(packets))))
    one.merge(later)

    assert len(later.state.said.held) > 100
    assert len(one.state.said.held) < len(later.state.said.held) // 2
