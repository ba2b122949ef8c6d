"""Conversations leave when packet time says so; sums stay what they are, whatever leaves when."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from made_streams import SECOND_NS, write_stream
from packet_rows import packet, packet_rows, reply
from portcall.flows.expiry import Timeouts
from portcall.flows.table import FlowTable
from portcall.inspection import server_names
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.records.packets import NO_TIME
from portcall.records.schema import GROUPINGS, directions
from portcall.runs import offline
from portcall.runs.inspected_table import InspectedTable
from portcall.runs.streaming.expirer import CLOSED_NS, Expirer, time_of, timeouts_of
from portcall.runs.streaming.stream_options import StreamOptions
from portcall.sources import rooms

RST = 0x04


class Feed:
    """A table that is fed, and looked after."""

    def __init__(self, timeouts, max_flows=1 << 20):
        self.table = InspectedTable(FlowTable(max_flows=max_flows))
        self.expirer = Expirer(timeouts)
        self.left = []

    def feed(self, *packets):
        rows = packet_rows(packets)
        self.table.flows.update(rows)
        self.expirer.turn(self.table, time_of(rows["ts_ns"]), len(rows), lambda left: self.left.extend(left.flows))
        return self


def other(number, **fields):
    """A packet of another conversation."""
    return packet(target=("10.0.0.2", number), **fields)


def test_a_conversation_leaves_when_packets_of_others_show_that_it_was_idle():
    feed = Feed(Timeouts(idle_ns=10)).feed(packet(ts_ns=0)).feed(other(1, ts_ns=9)).feed(other(1, ts_ns=10))

    assert feed.left == []
    feed.feed(other(1, ts_ns=12))
    assert [flow["high_port"] for flow in feed.left] == [443]


def test_one_packet_of_a_wrong_clock_ends_nothing():
    feed = Feed(Timeouts(idle_ns=10))

    feed.feed(packet(ts_ns=1)).feed(*[reply(ts_ns=2)] * 3, other(1, ts_ns=10**18))

    assert feed.left == []


def test_where_the_clock_is_set_back_time_goes_on_from_there():
    feed = Feed(Timeouts(idle_ns=10)).feed(packet(ts_ns=1000)).feed(other(1, ts_ns=5)).feed(other(2, ts_ns=30))

    assert [flow["high_port"] for flow in feed.left] == [1]


def test_packets_without_a_time_end_nothing():
    feed = Feed(Timeouts(idle_ns=10)).feed(packet(ts_ns=NO_TIME)).feed(other(1, ts_ns=NO_TIME))

    assert feed.left == []


def test_a_closed_connection_leaves_before_an_idle_one():
    timeouts = timeouts_of(60.0, None)
    feed = Feed(timeouts).feed(packet(ts_ns=0, tcp_flags=RST), other(1, ts_ns=0))

    feed.feed(other(2, ts_ns=CLOSED_NS - 1)).feed(other(2, ts_ns=8 * SECOND_NS))

    assert [flow["high_port"] for flow in feed.left] == [443]


def test_a_conversation_that_goes_on_is_cut_by_the_active_timeout_and_counted():
    feed = Feed(Timeouts(active_ns=10))

    for ts_ns in range(0, 30, 2):
        feed.feed(packet(ts_ns=ts_ns))

    assert len(feed.left) == 2
    assert "2 conversations were cut" in feed.expirer.notes()[0].reason


def test_of_a_full_table_those_idle_for_longest_leave_and_are_counted():
    feed = Feed(Timeouts(), max_flows=3)

    feed.feed(*[other(number, ts_ns=100 - number) for number in (1, 2, 3, 4)])

    assert sorted(flow["high_port"] for flow in feed.left) == [3, 4]
    assert "2 conversations, those idle for longest, left early" in feed.expirer.notes()[0].reason


# --- laws of reports


def totals(report):
    """Bytes and packets of all rows."""
    out, back = directions(report.by)
    return tuple(sum(row[f"{name}_{out}"] + row[f"{name}_{back}"] for row in report) for name in ("bytes", "packets"))


@pytest.fixture(scope="module", autouse=True)
def few_frames_at_once():
    """Small windows, so that a small capture comes in many batches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rooms, "WINDOW_BYTES", 1 << 12)
        yield


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    path = tmp_path_factory.mktemp("streams") / "stream.pcap"
    write_stream(path, seconds=60)
    return str(path)


@pytest.mark.parametrize("by", GROUPINGS)
def test_rows_count_the_same_with_timeouts_as_without(capture, by):
    if by in ("process", "user"):
        pytest.skip("a capture does not say")

    whole = offline.read([capture], by=by).report
    cut = offline.read([capture], by=by, stream=StreamOptions(1.0, 5.0)).report

    assert totals(cut) == totals(whole)
    assert cut.coverage == whole.coverage


@settings(max_examples=examples(10), deadline=None)
@given(idle=st.floats(0.01, 100), active=st.none() | st.floats(0.01, 100))
def test_groups_have_the_same_bytes_whatever_the_timeouts(capture, idle, active):
    whole, cut = (
        offline.read([capture], by="service", stream=stream).report
        for stream in (StreamOptions(), StreamOptions(idle, active))
    )

    assert by_service(cut) == by_service(whole)


def by_service(report):
    out, back = directions(report.by)
    return Counter({row["services"][0]: row[f"bytes_{out}"] + row[f"bytes_{back}"] for row in report})


def test_buckets_have_the_same_bytes_with_timeouts(capture):
    whole, cut = (
        offline.read([capture], by="app", bucket="5s", stream=stream).report
        for stream in (StreamOptions(), StreamOptions(1.0))
    )

    assert [(row["bucket_ns"], row["bytes_out"]) for row in cut] == [
        (row["bucket_ns"], row["bytes_out"]) for row in whole
    ]


def test_rows_that_leave_early_and_the_last_ones_are_all_rows(capture):
    early = []
    whole = offline.read([capture], by="flow", stream=StreamOptions(1.0)).report

    last = offline.read([capture], by="flow", stream=StreamOptions(1.0, take_rows=early.extend)).report

    assert len(early) > len(last.rows) > 0
    assert sorted(map(repr, [*early, *last])) == sorted(map(repr, whole))
    assert last.coverage == whole.coverage


def test_rows_that_leave_early_are_those_that_somebody_wants(capture):
    early = []

    last = offline.read(
        [capture], by="flow", where="server_port = 53", stream=StreamOptions(1.0, take_rows=early.extend)
    )

    assert {row["server_port"] for row in [*early, *last.report]} == {53}
    assert len(early) > 10


def test_rows_with_buckets_leave_early_bucket_by_bucket(capture):
    early = []
    whole = offline.read([capture], by="flow", bucket="2s", stream=StreamOptions(1.0)).report

    last = offline.read([capture], by="flow", bucket="2s", stream=StreamOptions(1.0, take_rows=early.extend)).report

    assert sorted(map(repr, [*early, *last])) == sorted(map(repr, whole))


@pytest.mark.parametrize("by", ["host", "service", "app"])
def test_names_of_conversations_that_left_make_room_for_others(capture, by, monkeypatch):
    whole = offline.read([capture], by=by).report
    monkeypatch.setattr(server_names, "InspectionBounds", partial(InspectionBounds, most_detection_bytes=2500))

    crowded, let_go = (
        offline.read([capture], by=by, stream=stream) for stream in (StreamOptions(), StreamOptions(1.0))
    )

    assert crowded.names.left_out > 10
    assert let_go.names.left_out == 0
    assert Counter(map(name_and_bytes, let_go.report)) == Counter(map(name_and_bytes, whole))


def name_and_bytes(row):
    out, back = ("bytes_out", "bytes_in") if "bytes_out" in row else ("bytes_to_server", "bytes_to_client")
    return row.get("host"), row.get("app"), tuple(row["services"]), row[out], row[back]
