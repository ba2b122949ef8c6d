"""However a capture is cut, and in whatever order its shards are merged, the rows are those of the whole."""

from __future__ import annotations

import functools
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, fragment

from examples import examples
from made_conversations import CLIENT, GET, SERVER, answered, batch_of, client_hello, connection, dialogue
from portcall.errors import PortcallError
from portcall.inspection import server_names
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.inspection.server_names import ServerNames
from portcall.labels.bucketing import AUTO, Bucketing
from portcall.runs.inspected_table import Shard
from portcall.runs.partial import Partial
from portcall.runs.tracker import Tracker
from shard_runs import Options, batches_of, merge_bytes, merged, partial_of, read_shard, rows_of, tracked

CAPTURES = Path(__file__).parents[2] / "captures"
AS_USUAL = Options()
NAMES = ("office.pcapng", "dns.pcap", "fragments.pcap", "reuse.pcap", "tunnels.pcap", "ssh.pcap", "cooked.pcapng")
BY = ("flow", "app")
BY_TIME = (Bucketing(5 * 10**6), AUTO)


@pytest.fixture(scope="module")
def processes():
    """Two processes that share nothing with this one, nor with each other."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@cache
def whole(name, by, options=AS_USUAL):
    return rows_of(tracked(batches_of(CAPTURES / name), options), by)


@cache
def frames_of(name):
    return sum(len(batch.frames) for batch in batches_of(CAPTURES / name))


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_shards_that_other_processes_read_and_merge_have_the_rows_of_the_whole(processes, data):
    name = data.draw(st.sampled_from(NAMES))
    places = st.integers(1, frames_of(name) - 1)
    cuts = [0, *sorted(data.draw(st.sets(places, min_size=1, max_size=4))), frames_of(name)]

    read = [processes.submit(read_shard, CAPTURES / name, *ends).result() for ends in pairwise(cuts)]
    while len(read) > 1:
        at = data.draw(st.integers(0, len(read) - 2))
        read[at] = processes.submit(merge_bytes, read[at], read.pop(at + 1)).result()

    for by in BY:
        assert rows_of(Partial.from_bytes(read[0]).tracker(), by) == whole(name, by)


@settings(max_examples=examples(20), deadline=None)
@given(st.data())
def test_so_they_have_by_time(data):
    name, bucketing = data.draw(st.sampled_from(NAMES)), data.draw(st.sampled_from(BY_TIME))
    places = st.integers(1, frames_of(name) - 1)
    cuts = [0, *sorted(data.draw(st.sets(places, min_size=1, max_size=4))), frames_of(name)]
    options, batches = Options(bucketing=bucketing), batches_of(CAPTURES / name)

    shards = [partial_of(batches, *ends, options) for ends in pairwise(cuts)]
    while len(shards) > 1:
        at = data.draw(st.integers(0, len(shards) - 2))
        shards[at].merge(shards.pop(at + 1))

    tracker = Partial.from_bytes(shards[0].to_bytes()).tracker()
    tables = list(tracker.tables)
    for by in (*BY, "time"):
        tracker.tables[:] = tables  # which an attribution lets go
        assert rows_of(tracker, by) == whole(name, by, options)


@pytest.mark.parametrize("one", [None, *BY_TIME])
def test_shards_that_count_in_other_buckets_do_not_merge(one):
    batches, frames = batches_of(CAPTURES / "dns.pcap"), frames_of("dns.pcap")
    other = Bucketing(10**9)

    first, later = (
        partial_of(batches, *ends, Options(bucketing=bucketing))
        for ends, bucketing in (((0, 9), one), ((9, frames), other))
    )

    with pytest.raises(PortcallError, match="different options"):
        first.merge(later)


@pytest.mark.parametrize("options", [Options("inner", with_details=False), Options(names=False)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_so_they_have_with_other_options(name, options):
    batches, frames = batches_of(CAPTURES / name), frames_of(name)

    partials = [partial_of(batches, *ends, options) for ends in ((0, frames // 3), (frames // 3, frames))]

    assert rows_of(merged(partials).tracker(), "app") == whole(name, "app", options)


def over_http():
    return dialogue([GET[:20], b"", GET[20:], b"HTTP/1.1 200 OK\r\n\r\n"], 80)


def over_ftp(*turns):
    control = dialogue([b"", b"220 FTP server ready\r\n", b"USER anna\r\n", b"331 Password?\r\n", *turns], 21)
    transfer = dialogue([b"", bytes(range(128, 200))], 51000, client_port=40001)
    return control + transfer


def of_old():
    """What both ends of a long TLS connection said that began before."""
    record = b"\x17\x03\x03\x00\x20" + bytes(range(32))
    return dialogue([record, record * 2, record], 443)[3:]


def said_again():
    """A SYN that is sent again before anything is said."""
    opened, *others = connection([client_hello("again.example.com")])
    return [opened, opened, *others]


def twice():
    """All of a connection once more, as where a capture was joined to itself."""
    answer = b"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03" + bytes(range(32)) + b"\x00\xc0\x2f\x00"
    return connection([client_hello("twice.example.com")], answers=[answer]) * 2


def in_fragments():
    sent = IP(src=CLIENT, dst=SERVER, id=77) / UDP(sport=40000, dport=4000) / bytes(2000)
    first, *others = fragment(sent, 600)
    return [*others, first, *others]


def in_pieces():
    hello = client_hello("pieces.example.com")
    return connection([hello[at : at + 100] for at in range(0, len(hello), 100)], answers=[b"\x16\x03\x03\x00\x02ab"])


RESET = IP(src=CLIENT, dst=SERVER) / TCP(sport=40000, dport=443, flags="R", seq=1)
SEAMS = {
    "a hello in pieces": (in_pieces(), "hostname", "pieces.example.com"),
    "a request in two segments": (over_http(), "http_host", "www.example.com"),
    "a name that was told before": (
        answered("told.example.com") + dialogue([b"\x00\x01unknown", b"\x02"], 4433),
        "hostname",
        "told.example.com",
    ),
    "a transfer that the client announces": (
        over_ftp(b"PORT 192,0,2,80,199,56\r\n", b"200 OK\r\n")[:-1],
        "application_protocol",
        "ftp",
    ),
    "a transfer that the server announces": (
        over_ftp(b"PASV\r\n", b"227 Entering Passive Mode (192,0,2,80,199,56).\r\n"),
        "application_protocol",
        "ftp-data",
    ),
    "a connection that began before": (of_old(), "application_protocol", "tls"),
    "a SYN that is sent again": (said_again(), "hostname", "again.example.com"),
    "a connection that is there twice": (twice(), "hostname", "twice.example.com"),
    "fragments before their first": (in_fragments(), "protocol", "udp"),
    "a banner and its answer": (
        dialogue([b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"SSH-2.0-PuTTY\r\n"], 2222),
        "application_protocol",
        "ssh",
    ),
    "one port for several connections": (
        [*connection([client_hello("first.example.com")]), RESET, *dialogue([GET], 443)[1:]],
        "hostname",
        "first.example.com",
    ),
}


@pytest.mark.parametrize("seam", SEAMS)
def test_what_goes_on_behind_a_cut_is_inspected_as_if_there_was_none(seam):
    packets, column, value = SEAMS[seam]
    batches, frames = [batch_of(packets)], len(packets)
    expected = {by: rows_of(tracked(batches), by) for by in BY}
    assert value in [row[column] for row in expected["flow"]]

    cut_once = [[0, place, frames] for place in range(1, frames)]
    for cuts in (*cut_once, range(frames + 1)):
        for by in BY:
            partials = [partial_of(batches, *ends) for ends in pairwise(cuts)]
            assert rows_of(merged(partials).tracker(), by) == expected[by], list(cuts)


def test_a_partial_that_was_merged_has_the_evidence_of_the_whole():
    packets = answered("told.example.com") + connection([client_hello("www.example.com")])
    partials = [partial_of([batch_of(packets)], *ends) for ends in ((0, 2), (2, 4), (4, 6))]

    rows = rows_of(merged(partials).tracker(), "flow")

    assert {row["hostname"]: row["evidence_frame"] for row in rows if row["hostname"]} == {"www.example.com": 6}


def test_merging_leaves_the_later_one_as_it_is():
    batches = [batch_of(in_pieces())]
    one, later = partial_of(batches, 0, 5), partial_of(batches, 5, 9)
    before = later.to_bytes()

    one.merge(later)

    assert later.to_bytes() == before


def test_a_shard_without_frames_changes_nothing():
    batches = [batch_of(over_http())]
    frames = len(batches[0].frames)

    partials = [partial_of(batches, *ends) for ends in ((0, 0), (0, frames), (frames, frames))]
    partials[1].shard = Shard.LATER

    assert rows_of(merged(partials).tracker(), "flow") == rows_of(tracked(batches), "flow")


def test_the_beginning_of_a_capture_follows_nothing():
    batches = [batch_of(over_http())]

    with pytest.raises(PortcallError, match="follows no other"):
        partial_of(batches, 0, 4).merge(partial_of(batches, 0, 4))


def test_shards_that_were_read_with_different_options_do_not_merge():
    batches = [batch_of(over_http())]

    for options in (Options("inner"), Options(with_details=False), Options(names=False)):
        with pytest.raises(PortcallError, match="different options"):
            partial_of(batches, 0, 4).merge(partial_of(batches, 4, 8, options))


def test_a_shard_with_too_many_conversations_is_refused():
    packets = [IP(src=CLIENT, dst=SERVER) / UDP(sport=1024 + port, dport=53) for port in range(40)]
    tracker = Tracker(shard=Shard.FIRST, max_flows=0)
    for start in range(0, 40, 20):
        tracker.feed(batch_of(packets[start : start + 20]))

    with pytest.raises(PortcallError, match="more than 0 conversations"):
        Partial.of(tracker)


def test_a_run_that_was_not_told_its_place_holds_nothing_to_merge():
    with pytest.raises(ValueError, match="which shard"):
        Partial.of(tracked([batch_of(over_http())]))


def test_what_finds_no_room_is_counted_and_costs_no_more_than_its_name(monkeypatch):
    monkeypatch.setattr(server_names, "InspectionBounds", functools.partial(InspectionBounds, most_shard_bytes=1000))
    packets = [packet for port in range(40001, 40021) for packet in dialogue([b"\x16\x03", b""], 443, client_port=port)]
    batches = [batch_of(packets)]

    partial = partial_of(batches, 0, len(packets))

    assert 0 < partial.state.lost < 20
    assert partial.state.said.held.nbytes < 1000
    resumed = partial.tracker()
    assert resumed.names.left_out == partial.state.lost
    assert len(rows_of(resumed, "flow")) == 20


def test_copies_of_frames_add_up():
    packets = [packet for packet in over_http() for _ in range(2)]
    batches, frames = [batch_of(packets)._replace(frames=at_once(packets))], len(packets)

    partial = merged([partial_of(batches, *ends) for ends in ((0, 8), (8, frames))])

    assert partial.copies == tracked(batches).copies.found == partial.tracker().copies.found > 0


def at_once(packets):
    frames = batch_of(packets).frames.copy()
    frames["ts_ns"] = 10**18
    return frames


def test_logs_need_the_whole_capture_and_are_refused_in_shards():
    with pytest.raises(PortcallError, match="the whole capture in one run"):
        Tracker(names=ServerNames(with_logs=True), shard=Shard.FIRST).new_table()


ASKING = Options(with_details=False, with_questions=True)


@pytest.mark.parametrize("name", ["dns.pcap", "office.pcapng", "tunnels.pcap", "fragments.pcap"])
def test_questions_of_shards_are_those_of_the_whole_wherever_it_is_cut(name):
    batches, frames = batches_of(CAPTURES / name), frames_of(name)
    expected = whole(name, "query", ASKING)

    for cut in range(1, frames, max(frames // 12, 1)):
        ends = ((0, cut // 2), (cut // 2, cut), (cut, frames)) if cut > 1 else ((0, cut), (cut, frames))
        assert rows_of(merged([partial_of(batches, *end, ASKING) for end in ends]).tracker(), "query") == expected


def test_questions_of_all_shards_together_are_bounded_and_counted():
    batches, frames = batches_of(CAPTURES / "dns.pcap"), frames_of("dns.pcap")
    partials = [partial_of(batches, *ends, ASKING) for ends in ((0, frames // 2), (frames // 2, frames))]
    asked = sum(len(partial.state.asked) for partial in partials)
    partials[0].state.names.bounds.most_messages = 5

    partials[0].merge(partials[1])

    assert len(partials[0].state.asked) + partials[0].state.names.questions.left_out == asked
    assert partials[0].state.names.questions.left_out > 0


def over_dns_on_an_odd_port():
    question = b"\0\7\1\0\0\1\0\0\0\0\0\0\3odd\7example\0\0\1\0\1"
    return dialogue([question, b"\0\7\x81\x80" + question[4:]] * 3, 5300, over=UDP)


def over_dns_in_a_stream():
    question = b"\0\7\1\0\0\1\0\0\0\0\0\0\3tcp\7example\0\0\1\0\1"
    return dialogue([bytes([0, len(one)]) + one for one in (question, b"\0\7\x81\x80" + question[4:])] * 2, 53)


@pytest.mark.parametrize("packets", [over_dns_on_an_odd_port, over_dns_in_a_stream])
def test_so_are_questions_where_only_some_shards_know_that_it_is_dns(packets):
    batches = [batch_of(packets())]
    frames = len(batches[0].frames)
    expected = rows_of(tracked(batches, ASKING), "query")

    for cut in range(1, frames):
        ends = ((0, cut), (cut, frames))
        assert rows_of(merged([partial_of(batches, *end, ASKING) for end in ends]).tracker(), "query") == expected
