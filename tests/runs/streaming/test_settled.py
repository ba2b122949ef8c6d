"""Live conversations that are over leave memory, and every report stays what it would have been."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from portcall.flows.expiry import Timeouts
from portcall.inspection.server_names import ServerNames
from portcall.labels.bucketing import Bucketing
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.records.packets import CapturePoint, Direction
from portcall.records.schema import LIVE_GROUPINGS
from portcall.runs.live import LiveTracker
from portcall.runs.packet_clock import SETTLE_NS
from portcall.runs.streaming.early_rows import EarlyRows
from portcall.runs.streaming.expirer import Expirer
from portcall.runs.streaming.settled import Grouping
from runs.test_live import batch, inspect, packet
from sightings import executed, sighting, started

SECOND_NS = 10**9
REMOTE = "192.0.2.7:9999"
EVERY_WAY = [Grouping(by, is_by_time) for by in LIVE_GROUPINGS for is_by_time in (False, True)]


def tracker_of(*, leaves, names=True, width_ns=None, early=None, idle_s=5):
    timeouts = Timeouts(idle_s * SECOND_NS, None, SETTLE_NS)
    return LiveTracker(
        SocketTimeline("test"),
        names=ServerNames(with_questions=True) if names else None,
        name_capture_point=lambda _, interface: CapturePoint(f"if{interface}"),
        bucketing=Bucketing(width_ns) if width_ns else None,
        expirer=Expirer(timeouts) if leaves else None,
        groupings=EVERY_WAY,
        early=early,
    )


def rows_of(tracker, by):
    report = tracker.report(by=by, source="test")
    return sorted(map(repr, report)), report.coverage, report.degradations


def run(tracker, seconds, interfaces=1):
    """A conversation a second, each of another process, some of them over several interfaces; a long one beside."""
    for second in range(seconds):
        pid, port = 100 + second, 40000 + second
        local = f"10.0.0.1:{port}"
        inspect(
            tracker,
            started(second, pid),
            executed(second, pid, f"program{second % 3}"),
            sighting(second, port, pid, "USED", local, REMOTE, protocol="udp"),
        )
        for interface in range(1 + second % interfaces):
            way = {"direction": Direction.OUTBOUND, "protocol": socket.IPPROTO_UDP}
            tracker.feed(batch(packet(second + 0.1, local, REMOTE, **way), interface=interface))
            tracker.feed(batch(packet(second + 0.2, "10.0.0.1:4500", REMOTE, **way), interface=0))
        tracker.match()
    return tracker


def held(tracker):
    return sum(len(table.flows) for table in tracker._tables)


@pytest.mark.parametrize("by", LIVE_GROUPINGS)
@pytest.mark.parametrize("interfaces", [1, 3])
def test_reports_are_those_of_a_run_that_keeps_everything(by, interfaces):
    kept, let_go = (run(tracker_of(leaves=leaves), 30, interfaces) for leaves in (False, True))

    assert held(let_go) < 30 < held(kept) + 1
    assert rows_of(let_go, by) == rows_of(kept, by)


@pytest.mark.parametrize("by", ["app", "flow", "time"])
def test_buckets_are_those_of_a_run_that_keeps_everything(by):
    kept, let_go = (run(tracker_of(leaves=leaves, width_ns=2 * SECOND_NS), 30, 2) for leaves in (False, True))

    assert rows_of(let_go, by) == rows_of(kept, by)


def test_every_grouping_of_a_page_is_that_of_a_run_that_keeps_everything():
    shown = []
    for leaves in (False, True):
        tracker = tracker_of(leaves=leaves, width_ns=2 * SECOND_NS)
        tracker.settled._groupings = [Grouping("app", by_time=True, page=True)]
        report = run(tracker, 30, 2).report(by="app", source="test", page=True)
        reports = (report, *report.page.groupings, report.page.over_time)
        shown.append([(one.by, sorted(map(repr, one)), one.coverage) for one in reports])

    assert held(tracker) < 30
    assert [by for by, _, _ in shown[0]] == ["app", "host", "service", "process", "flow", "app"]
    assert shown[0] == shown[1]


@settings(max_examples=examples(8), deadline=None)
@given(st.integers(1, 25), st.integers(1, 4), st.integers(1, 9))
def test_apps_have_the_same_bytes_however_long_conversations_stay(seconds, interfaces, idle_s):
    kept, let_go = (run(tracker_of(leaves=leaves, idle_s=idle_s), seconds, interfaces) for leaves in (False, True))

    assert rows_of(let_go, "app") == rows_of(kept, "app")


def test_only_what_a_command_did_is_counted_also_of_what_left():
    kept, let_go = (tracker_of(leaves=leaves) for leaves in (False, True))
    for tracker in (kept, let_go):
        tracker.is_wanted = lambda match: match is not None and match.owner is not None and match.owner.pid % 2 == 0
        run(tracker, 20, 2)

    assert rows_of(let_go, "process") == rows_of(kept, "process")
    assert held(let_go) < 20


def test_while_it_runs_people_see_the_latest_conversations_and_how_many_are_not_shown():
    tracker = run(tracker_of(leaves=True), 30)

    report = tracker.report(by="flow", source="test", recent_ns=4 * SECOND_NS)

    assert len(report.rows) < 10
    assert len(report.rows) + report.rows_left_out == 31


def test_rows_by_flow_go_to_whoever_takes_them_with_their_owners():
    rows = []
    tracker = run(tracker_of(leaves=True, early=EarlyRows(rows.extend, None)), 30)

    last = tracker.report(by="flow", source="test")

    whole = run(tracker_of(leaves=False), 30).report(by="flow", source="test")
    columns = ("client_port", "client_process", "interface", "bytes_to_server")
    facts = [tuple(row[name] for name in columns) for row in [*rows, *last]]
    assert sorted(facts) == sorted(tuple(row[name] for name in columns) for row in whole)
    assert len(rows) > 20
    assert last.coverage == whole.coverage


def test_how_it_was_not_asked_to_report_it_does_not():
    tracker = tracker_of(leaves=True)
    tracker.settled._groupings = [Grouping("app")]
    run(tracker, 20)

    with pytest.raises(ValueError, match="none was counted by host"):
        tracker.report(by="host", source="test")
