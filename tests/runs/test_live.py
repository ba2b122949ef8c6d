"""The live tracker, told by hand: whose rows are, when they start anew, and what is counted of them."""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from frame_bytes import udp
from portcall.inspection.server_names import ServerNames
from portcall.labels.bucketing import Bucketing
from portcall.ownership.owner_bounds import OwnerBounds
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.queries.row_filter import compile_where
from portcall.records.column_values import Columns, Words
from portcall.records.histories import HISTORY_TEXT, IP_BYTES_OF_CLIENT, MISSED_BYTES
from portcall.records.ownership import OwnerEvents
from portcall.records.packets import FRAME, CapturePoint, Direction, FrameBatch, Verdict
from portcall.records.payloads.log_entries import LOG_ENTRIES
from portcall.records.schema import LIVE_GROUPINGS, directions
from portcall.records.sightings import SIGHTING
from portcall.runs import live_loop
from portcall.runs.live import LiveTracker
from portcall.runs.live_loop import turn, watch
from portcall.runs.packet_clock import SETTLE_NS
from sightings import at, executed, sighting, started, told

RAW_IPV4 = 228
CLIENT, SERVER, REMOTE = "127.0.0.1:40000", "127.0.0.1:5353", "192.0.2.7:9999"
SETTLE_S = SETTLE_NS / 1e9


@pytest.fixture
def tracker():
    return LiveTracker(SocketTimeline("test"))


def packet(seconds, source, target, *, size=10, protocol=socket.IPPROTO_UDP, direction=Direction.INTERNAL):
    """(time, content, direction): IPv4 and UDP, or TCP with only ACK set."""
    (source, source_port), (target, target_port) = (end.split(":") for end in (source, target))
    if protocol == socket.IPPROTO_UDP:
        content = udp(bytes(size), int(source_port), int(target_port))
    else:
        content = struct.pack(">HHIIBBHHH", int(source_port), int(target_port), 7, 8, 0x50, 0x10, 9, 0, 0) + bytes(size)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(content), 7, 0, 64, protocol, 0)
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    return at(seconds), head + addresses + content, direction


def batch(*packets, namespace=1, interface=0):
    frames, data = np.zeros(len(packets), FRAME), b""
    for row, (time_ns, content, direction) in zip(frames, packets, strict=True):
        row["ts_ns"], row["offset"], row["link"], row["direction"] = time_ns, len(data), RAW_IPV4, direction
        row["captured"] = row["wire"] = len(content)
        row["interface"] = interface
        data += content
    return FrameBatch(frames, np.frombuffer(data or b"\0", np.uint8), 1, namespace)


def inspect(tracker, *what):
    """Tell the tracker by way of a stand-in for its timeline, which collects what was told."""

    class Inspector:
        def update(self, events):
            tracker.note(events)

    told(Inspector(), *what)


def rows(tracker, *columns, by="flow"):
    tracker.match()
    return sorted(tuple(row[name] for name in columns) for row in tracker.report(by=by, source="test"))


def test_both_ends_of_a_conversation_on_loopback_have_their_owners(tracker):
    inspect(
        tracker,
        sighting(0, 7, 100, "USED", CLIENT, SERVER, protocol="udp"),
        sighting(0, 8, 200, "USED", SERVER, CLIENT, protocol="udp"),
    )

    tracker.feed(batch(packet(1, CLIENT, SERVER), packet(2, SERVER, CLIENT)))

    assert rows(tracker, "client_pid", "server_pid", "packets_to_server", "packets_to_client") == [(100, 200, 1, 1)]


def test_where_the_clock_is_set_back_what_comes_then_finds_its_owners_too(tracker):
    inspect(tracker, sighting(10_800, 7, 100, "USED", CLIENT, protocol="udp"))
    tracker.feed(batch(packet(10_801, CLIENT, REMOTE, direction=Direction.OUTBOUND)))
    tracker.match()
    other = "127.0.0.1:40009"
    for second in (10, 11, 12):
        tracker.feed(batch(packet(second, other, REMOTE, direction=Direction.OUTBOUND)))
        tracker.match()
    inspect(tracker, sighting(10.5, 8, 101, "USED", other, protocol="udp"))  # its report came late

    assert rows(tracker, "client_port", "client_pid") == [(40000, 100), (40009, 101)]


def test_a_port_that_another_process_takes_over_goes_on_in_a_new_row(tracker):
    inspect(tracker, started(0, 100), sighting(0, 7, 100, "USED", SERVER, protocol="udp"))
    tracker.feed(batch(packet(1, CLIENT, SERVER)))
    inspect(tracker, sighting(2, 7, 100, "CLOSED"), sighting(3, 8, 200, "USED", SERVER, protocol="udp"))
    tracker.feed(batch(packet(4, CLIENT, SERVER), packet(5, CLIENT, SERVER)))

    assert rows(tracker, "server_pid", "packets_to_server") == [(100, 1), (200, 2)]


def test_a_change_within_a_batch_parts_the_packets_by_their_times(tracker):
    inspect(
        tracker,
        sighting(0, 7, 100, "USED", SERVER, protocol="udp"),
        sighting(2, 7, 100, "CLOSED"),
        sighting(3, 8, 200, "USED", SERVER, protocol="udp"),
    )

    tracker.feed(batch(packet(1, CLIENT, SERVER), packet(1.5, SERVER, CLIENT), packet(4, CLIENT, SERVER)))

    assert rows(tracker, "server_pid", "packets_to_server", "packets_to_client") == [(100, 1, 1), (200, 1, 0)]


def test_packets_of_an_interface_that_lags_belong_to_who_held_the_port_then(tracker):
    inspect(
        tracker,
        sighting(0, 7, 100, "USED", SERVER, protocol="udp"),
        sighting(2, 7, 100, "CLOSED"),
        sighting(2.1, 8, 200, "USED", SERVER, protocol="udp"),
    )

    tracker.feed(batch(packet(2.3, "10.0.0.1:40001", "10.0.0.2:2000"), namespace=2))  # another one is further
    tracker.feed(batch(packet(1.9, CLIENT, SERVER), packet(2.2, CLIENT, SERVER)))

    found = rows(tracker, "client_port", "server_pid", "packets_to_server")
    assert found == [(40000, 100, 1), (40000, 200, 1), (40001, None, 1)]


def test_a_change_on_a_port_of_udp_leaves_tcp_on_that_port_in_its_row(tracker):
    inspect(tracker, sighting(0, 7, 100, "USED", SERVER, protocol="udp"))
    tracker.feed(batch(packet(1, CLIENT, SERVER, protocol=socket.IPPROTO_TCP)))
    inspect(tracker, sighting(2, 7, 100, "CLOSED"), sighting(3, 8, 200, "USED", SERVER, protocol="udp"))
    tracker.feed(batch(packet(4, CLIENT, SERVER, protocol=socket.IPPROTO_TCP)))

    assert rows(tracker, "protocol", "packets_to_server") == [("tcp", 2)]


def test_the_same_ends_in_two_namespaces_are_two_rows_of_two_owners(tracker):
    inspect(
        tracker,
        sighting(0, 7, 100, "USED", CLIENT, SERVER, protocol="udp", namespace=1),
        sighting(0, 8, 200, "USED", CLIENT, SERVER, protocol="udp", namespace=2),
    )

    tracker.feed(batch(packet(1, CLIENT, SERVER), namespace=1))
    tracker.feed(batch(packet(1, CLIENT, SERVER), packet(2, CLIENT, SERVER), namespace=2))

    assert rows(tracker, "client_pid", "packets_to_server") == [(100, 1), (200, 2)]


def test_bytes_that_came_before_their_owner_was_reported_are_credited_to_it(tracker):
    tracker.feed(batch(packet(1, CLIENT, SERVER)))
    tracker.match()
    before = rows(tracker, "client_pid", "unattributed_reason")
    inspect(tracker, sighting(1.01, 7, 100, "USED", CLIENT, SERVER, protocol="udp"))

    assert before == [(None, "no-owner")]
    assert rows(tracker, "client_pid") == [(100,)]


@pytest.mark.parametrize(("later_s", "owner"), [(SETTLE_S - 1, 100), (SETTLE_S + 1, None)])
def test_an_owner_is_asked_for_until_packets_have_settled(tracker, later_s, owner):
    tracker.feed(batch(packet(1, CLIENT, REMOTE, direction=Direction.OUTBOUND)))
    tracker.feed(batch(packet(1 + later_s, "127.0.0.1:1", "127.0.0.1:2")))
    tracker.match()
    inspect(tracker, sighting(1, 7, 100, "USED", CLIENT, REMOTE, protocol="udp"))
    tracker.match()

    assert [row["client_pid"] for row in tracker.report(by="flow", source="") if row["client_port"] == 40000] == [owner]


def test_an_end_that_is_not_of_this_machine_has_no_owner_and_no_reason(tracker):
    inspect(tracker, sighting(0, 7, 100, "USED", CLIENT, REMOTE, protocol="udp"))

    tracker.feed(batch(packet(1, CLIENT, REMOTE, direction=Direction.OUTBOUND)))

    assert rows(tracker, "client_pid", "server_pid", "unattributed_reason") == [(100, None, None)]


def test_only_wanted_owners_count_in_rows_and_totals(tracker):
    tracker.is_wanted = lambda match: match is not None and match.owner is not None and match.owner.pid == 100
    inspect(
        tracker,
        sighting(0, 7, 100, "USED", CLIENT, REMOTE, protocol="udp"),
        sighting(0, 8, 200, "USED", SERVER, REMOTE, protocol="udp"),
    )

    tracker.feed(batch(*(packet(1, end, REMOTE, direction=Direction.OUTBOUND) for end in (CLIENT, SERVER, CLIENT))))
    tracker.match()
    report = tracker.report(by="process", source="test")

    assert [(row["pid"], row["bytes_out"], row["bytes_in"]) for row in report] == [(100, 2 * 38, 0)]
    assert (report.coverage.frames, report.coverage.bytes) == (2, 2 * 38)


def test_a_wanted_process_tree_is_it_and_those_below_it(tracker):
    from portcall.commands.live import _is_of

    tracker.is_wanted = _is_of(100)
    inspect(
        tracker,
        started(0, 100, 1, "make"),
        started(0.1, 101, 100, "sh"),
        started(0.2, 102, 101, "curl"),
        started(0, 200, 1, "stranger"),
        sighting(1, 7, 102, "USED", CLIENT, REMOTE, protocol="udp"),
        sighting(1, 8, 200, "USED", SERVER, REMOTE, protocol="udp"),
    )

    tracker.feed(batch(*(packet(2, end, REMOTE, direction=Direction.OUTBOUND) for end in (CLIENT, SERVER))))

    assert rows(tracker, "process", "pid", by="process") == [("curl", 102)]


def test_only_ends_that_no_sighting_named_are_asked_for_and_once(tracker):
    inspect(tracker, sighting(0, 7, 100, "USED", CLIENT, SERVER, protocol="udp"))

    tracker.feed(batch(packet(1, CLIENT, SERVER)))
    unknown = tracker.unknown_ends()

    assert [(int(end["local_port"]), int(end["namespace"])) for end in unknown] == [(5353, 1)]
    assert len(tracker.unknown_ends()) == 0


def test_a_program_that_a_process_becomes_names_its_row(tracker):
    inspect(
        tracker,
        started(0, 100, 1, "bash"),
        executed(1, 100, "curl"),
        sighting(2, 7, 100, "USED", CLIENT, REMOTE, protocol="udp"),
    )

    tracker.feed(batch(packet(2, CLIENT, REMOTE, direction=Direction.OUTBOUND)))

    assert rows(tracker, "process", "pid", by="process") == [("curl", 100)]


def test_nothing_fed_is_an_empty_report(tracker):
    report = tracker.report(by="process", source="test")

    assert (report.rows, report.coverage.frames, report.window_ns) == ([], 0, None)


ENDS = ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", REMOTE)
PACKETS = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from(ENDS),
        st.sampled_from(ENDS),
        st.integers(0, 1400),
        st.sampled_from(Direction),
    ),
    max_size=30,
)
BIRTHS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.integers(1, 5)), max_size=8)


@settings(max_examples=examples(60))
@given(packets=PACKETS, births=BIRTHS, by=st.sampled_from(LIVE_GROUPINGS))
def test_whoever_comes_and_goes_every_byte_is_in_the_report_once_for_each_local_end(packets, births, by):
    tracker = LiveTracker(SocketTimeline("test"))
    for socket_number, (seconds, port_index, pid) in enumerate(births, 1):
        inspect(tracker, sighting(seconds, socket_number, pid, "USED", ENDS[port_index], protocol="udp"))
    sent = [packet(seconds, source, target, size=size, direction=way) for seconds, source, target, size, way in packets]

    tracker.feed(batch(*sent[::2]))
    tracker.feed(batch(*sent[1::2], namespace=2))
    tracker.match()
    report = tracker.report(by=by, source="test")

    coverage, (out, back) = report.coverage, directions(by)
    assert coverage.bytes == sum(len(content) for _, content, _ in sent)
    assert coverage.verdicts["ok"] == len(sent) == tracker.frames
    assert sum(row[f"bytes_{out}"] + row[f"bytes_{back}"] for row in report) == (
        coverage.bytes + coverage.bytes_credited_twice
    )


def test_a_batch_is_heard_of_when_it_is_there(tracker):
    class Source:
        def batches(self):
            reported.append(sighting(3, 8, 200, "USED", SERVER, protocol="udp"))  # after the turn began
            yield batch(packet(1, CLIENT, SERVER), packet(4, CLIENT, SERVER))

    class Owners:
        def drain(self, *_):
            events = []
            told(SimpleNamespace(update=events.append), *reported)
            reported.clear()
            return events[0]

    reported = [sighting(0, 7, 100, "USED", SERVER, protocol="udp"), sighting(2, 7, 100, "CLOSED")]

    turn(Source(), Owners(), tracker, asks=False)

    assert rows(tracker, "server_pid", "packets_to_server") == [(100, 1), (200, 1)]


class Silent:
    """A source and owners that tell nothing, and take so long to do so."""

    name, recorder = "test", None

    def __init__(self, took_s):
        self.now_s, self.took_s = 0.0, took_s

    def descriptors(self):
        return []

    def fileno(self):
        return None

    def drain(self, *_):
        return OwnerEvents(np.zeros(0, SIGHTING), [], 0, tells_closes=True)

    def batches(self):
        self.now_s += self.took_s
        return iter(())


@pytest.mark.parametrize(("took_s", "waits_s"), [(0, 0.02), (0.015, 0.005), (0.02, 0), (5, 0)])
def test_after_a_turn_it_waits_for_more_only_as_far_as_the_turn_was_short(tracker, monkeypatch, took_s, waits_s):
    silent, waited = Silent(took_s), []
    monkeypatch.setattr(time, "sleep", waited.append)

    watch(
        silent,
        silent,
        tracker,
        is_over=lambda: len(waited) == 3,
        on_interval=lambda: None,
        interval_s=0,
        clock=lambda: silent.now_s,
    )

    assert waited == pytest.approx([waits_s] * 3)


def test_free_memory_goes_back_every_five_seconds_and_circles_are_looked_for_every_minute(tracker, monkeypatch):
    silent, returned = Silent(1), []
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(
        live_loop, "return_free_memory", lambda *, collects: returned.append((round(silent.now_s), collects))
    )

    watch(
        silent,
        silent,
        tracker,
        is_over=lambda: silent.now_s > 120,
        on_interval=lambda: None,
        interval_s=0,
        clock=lambda: silent.now_s,
    )

    assert [second for second, _ in returned] == list(range(5, 121, 5))
    assert [second for second, collects in returned if collects] == [60, 120]


@pytest.mark.parametrize("ports", [1, 40])
def test_a_packet_more_costs_no_step_in_python(tracker, ports):
    """Whatever the packets are, and however many takeovers of their ports wait to be told from them."""
    steps = Counter()
    ends = [f"127.0.0.1:{5000 + i % ports}" for i in range(80)]
    inspect(tracker, *(sighting(i / 1000, 10 + i, 100 + i, "USED", end, protocol="udp") for i, end in enumerate(ends)))
    kinds = [
        lambda i, at_s: packet(at_s, ends[i % len(ends)], REMOTE),
        lambda i, at_s: packet(at_s, CLIENT, REMOTE, protocol=socket.IPPROTO_TCP),
        lambda i, at_s: echo(at_s, "127.0.0.1", "192.0.2.7", 8, i),
        lambda i, at_s: echo(at_s, "127.0.0.1", "192.0.2.7", 8, i, content=bytes(1000)),
        lambda _i, at_s: echo(at_s, "127.0.0.1", "192.0.2.7", 8, 0, fragment=1008, content=bytes(9)),
    ]
    fed = {count: batch(*(kinds[i % len(kinds)](i, i / count) for i in range(count))) for count in (50, 2000)}
    tracker.feed(fed[2000])  # what is met for the first time

    for count, frames in fed.items():
        sys.setprofile(lambda _frame, event, _about, count=count: steps.update({count: event.endswith("call")}))
        tracker.feed(frames)
        sys.setprofile(None)

    assert steps[2000] - steps[50] < 150  # of 1950 packets more: room is made for them, and takeovers settle
    assert steps[50] > 5


def test_what_comes_from_more_interfaces_than_have_numbers_counts_as_the_last_and_is_said():
    tracker = LiveTracker(
        SocketTimeline("test", bounds=OwnerBounds(most_capture_points=2)),
        name_capture_point=lambda _namespace, interface: CapturePoint(f"eth{interface}", None),
    )

    for interface in (1, 2, 3, 4):
        client = f"10.0.0.1:{40000 + interface}"
        tracker.feed(batch(packet(1, client, REMOTE, direction=Direction.OUTBOUND), interface=interface))
    report = tracker.report(by="flow", source="")

    assert sorted(row["interface"] for row in report) == ["eth1", "eth2", "eth2", "eth2"]
    assert [(note.feature, note.reason) for note in report.degradations if note.feature == "interfaces"] == [
        ("interfaces", "2 times packets of more than 2 interfaces were called like the last of them")
    ]


def test_what_passes_two_interfaces_counts_once_where_its_owner_is_known():
    tracker = LiveTracker(
        SocketTimeline("test"), name_capture_point=lambda _namespace, interface: CapturePoint(f"eth{interface}", None)
    )
    inspect(tracker, sighting(0, 7, 100, "USED", CLIENT, REMOTE, protocol="udp"))

    tracker.feed(batch(packet(1, CLIENT, REMOTE, direction=Direction.UNKNOWN), interface=1))
    tracker.feed(batch(packet(1, CLIENT, REMOTE, direction=Direction.OUTBOUND), interface=2))
    tracker.match()
    report = tracker.report(by="flow", source="")

    (row,) = report
    assert (row["client_pid"], row["interface"], row["packets_to_server"]) == (100, "eth2", 1)
    assert (report.coverage.frames, report.coverage.verdicts["ok"]) == (1, 1)
    assert [note.reason for note in report.degradations] == [
        "1 frames passed several of eth1, eth2; each conversation counts on one"
    ]


def test_what_passes_two_namespaces_counts_in_both(tracker):
    tracker.feed(batch(packet(1, CLIENT, REMOTE), interface=1, namespace=1))
    tracker.feed(batch(packet(1, CLIENT, REMOTE), interface=1, namespace=2))

    assert rows(tracker, "packets_to_server") == [(1,), (1,)]


def test_networks_that_are_named_decide_which_ends_are_credited(tracker):
    inspect(tracker, sighting(0, 7, 100, "USED", CLIENT, SERVER, protocol="udp"))

    tracker.feed(batch(packet(1, CLIENT, REMOTE, direction=Direction.OUTBOUND)))
    tracker.match()
    (row,) = tracker.report(by="process", source="", local=["192.0.2.0/24"])

    assert (row["pid"], row["bytes_out"], row["bytes_in"]) == (None, 0, 38)


def test_the_other_end_of_a_wanted_conversation_is_not_credited(tracker):
    tracker.is_wanted = lambda match: match is not None and match.owner is not None and match.owner.pid == 100
    inspect(
        tracker,
        sighting(0, 7, 100, "USED", CLIENT, SERVER, protocol="udp"),
        sighting(0, 8, 200, "USED", SERVER, CLIENT, protocol="udp"),
    )

    tracker.feed(batch(packet(1, CLIENT, SERVER)))
    tracker.match()
    report = tracker.report(by="process", source="")

    assert [(row["pid"], row["bytes_out"]) for row in report] == [(100, 38)]
    assert report.coverage.bytes_credited_twice == 0


def test_frames_that_are_not_ip_are_counted_with_their_verdict(tracker):
    tracker.feed(batch((at(1), b"\xff" * 30, Direction.INBOUND), packet(2, CLIENT, SERVER)))

    verdicts = tracker.report(by="app", source="test").coverage.verdicts

    assert sum(verdicts.values()) == 2
    assert verdicts[Verdict.OK.name.lower()] == 1


def test_rows_are_completed_by_others_before_they_are_chosen(tracker):
    tracker.feed(batch(packet(1, CLIENT, SERVER)))

    report = tracker.report(
        by="flow",
        source="test",
        completed=lambda columns: Columns(1, {**columns.by_name, "server_country": Words.each(["DE"])}),
        where=compile_where("server_country = DE", "flow"),
    )

    assert [row["server_country"] for row in report] == ["DE"]


def echo(seconds, source, target, kind, identifier, *, content=b"", fragment=0):
    """An ICMP message with an identifier, or the IPv4 fragment of one that begins at that offset."""
    message = struct.pack(">BBHHH", kind, 0, 0, identifier, 1) + content
    message = content if fragment else message
    more = 0x2000 if content and not fragment else 0
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(message), 7, more | fragment // 8, 64, 1, 0)
    return at(seconds), head + socket.inet_aton(source) + socket.inet_aton(target) + message, Direction.OUTBOUND


PING, PONG = 8, 0
PC, HOST = "10.0.0.1", "10.0.0.2"


def ping_rows(tracker):
    return rows(tracker, "client_pid", "packets_to_server", "packets_to_client")


def test_pings_at_once_have_a_row_each_by_their_identifier(tracker):
    for pid, identifier in ((100, 801), (101, 802)):
        ends = f"{PC}:{identifier}", f"{HOST}:8"
        inspect(tracker, sighting(1, pid, pid, "USED", *ends, protocol="icmp"))

    for identifier in (801, 802):
        tracker.feed(batch(echo(1, PC, HOST, PING, identifier), echo(2, HOST, PC, PONG, identifier)))

    assert ping_rows(tracker) == [(100, 1, 1), (101, 1, 1)]


def test_two_that_use_one_identifier_in_turn_have_a_row_each(tracker):
    for seconds, pid in ((1, 100), (5, 101)):
        ends = f"{PC}:801", f"{HOST}:8"
        inspect(
            tracker,
            sighting(seconds, pid, pid, "USED", *ends, protocol="icmp"),
            sighting(seconds + 2, pid, pid, "CLOSED"),
        )
        tracker.feed(batch(echo(seconds + 0.1, PC, HOST, PING, 801), echo(seconds + 0.2, HOST, PC, PONG, 801)))

    assert ping_rows(tracker) == [(100, 1, 1), (101, 1, 1)]


def test_both_ends_of_a_ping_to_oneself_are_known_though_they_are_one_address(tracker):
    inspect(
        tracker,
        sighting(1, 7, 100, "USED", f"{PC}:801", f"{PC}:8", protocol="icmp"),
        sighting(1, 9, 0, "KERNEL", f"{PC}:0", f"{PC}:801", protocol="icmp"),
    )

    asked, answered = (echo(1, PC, PC, kind, 801)[:2] for kind in (PING, PONG))
    tracker.feed(batch((*asked, Direction.INTERNAL), (*answered, Direction.INTERNAL)))

    assert rows(tracker, "client_pid", "server_process") == [(100, "[kernel]")]


def test_the_later_fragments_of_a_ping_count_with_the_first(tracker):
    inspect(tracker, sighting(1, 7, 100, "USED", f"{PC}:801", f"{HOST}:8", protocol="icmp"))

    first = echo(1, PC, HOST, PING, 801, content=bytes(80))
    tracker.feed(batch(first, echo(1.1, PC, HOST, PING, 801, content=bytes(40), fragment=88)))

    assert rows(tracker, "client_pid", "packets_to_server", "payload_to_server") == [(100, 2, 120)]


@given(st.binary(max_size=8), st.sampled_from([1, 58, 17, 253]))
def test_no_header_that_ends_early_is_an_echo_or_an_error(message, protocol):
    tracker = LiveTracker(SocketTimeline("test"))
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(message), 7, 0, 64, protocol, 0)
    packet_ = at(1), head + socket.inet_aton(PC) + socket.inet_aton(HOST) + message, Direction.OUTBOUND

    tracker.feed(batch(packet_))
    tracker.match()

    assert tracker.report(by="flow", source="test").coverage.frames == 1


def test_while_it_runs_conversations_that_are_silent_are_counted_and_make_no_row(tracker):
    tracker.feed(batch(packet(1, CLIENT, SERVER), packet(9, "127.0.0.1:40001", SERVER)))

    report = tracker.report(by="flow", source="test", recent_ns=SETTLE_NS)

    assert [row["client_port"] for row in report] == [40001]
    assert report.rows_left_out == 1
    assert report.coverage.frames == 2


def test_of_very_many_conversations_those_with_the_most_bytes_are_seen_while_it_runs(tracker):
    flows = [packet(1 + port / 1e6, f"127.0.0.1:{port}", SERVER, size=10 + port % 2) for port in range(20000, 31000)]
    tracker.feed(batch(*flows))

    report = tracker.report(by="flow", source="test", most_flows=5000)

    assert len(report.rows) < 6000
    assert len(report.rows) + report.rows_left_out == len(flows)
    assert all(row["client_port"] % 2 for row in report)


def test_a_conversation_goes_on_over_an_interface_that_was_made_anew():
    tracker = LiveTracker(SocketTimeline("test"), name_capture_point=lambda _namespace, _index: CapturePoint("vpn0"))
    tracker.feed(batch(packet(1, CLIENT, SERVER), interface=4))
    tracker.feed(batch(packet(2, CLIENT, SERVER), interface=9))

    (row,) = tracker.report(by="flow", source="test")

    assert (row["packets_to_server"], row["interface"]) == (2, "vpn0")


def test_the_order_of_packets_is_kept_where_somebody_asks_and_what_was_not_caught_is_not_missed():
    tracker = LiveTracker(SocketTimeline("made"), with_histories=True)
    long = [*packet(1, CLIENT, REMOTE, size=500, protocol=socket.IPPROTO_TCP)]
    answer = packet(2, REMOTE, CLIENT, size=0, protocol=socket.IPPROTO_TCP)
    caught = batch(long, answer)
    caught.frames["captured"][0] = 80

    tracker.feed(caught)

    (row,) = tracker.report(by="flow", source="made").rows.blocks()
    (told,) = row.rows((HISTORY_TEXT, MISSED_BYTES, IP_BYTES_OF_CLIENT))
    assert told == {HISTORY_TEXT: "Da", MISSED_BYTES: 0, IP_BYTES_OF_CLIENT: 540}


def test_logs_of_what_passed_are_there_when_nothing_more_comes():
    tracker = LiveTracker(SocketTimeline("made"), names=ServerNames(with_logs=True))
    question = b"\0\7\1\0\0\1\0\0\0\0\0\0\4live\7example\0\0\1\0\1"
    ends = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(question), 7, 0, 64, 17, 0) + bytes([10, 0, 0, 1, 10, 0, 0, 53])
    content = ends + struct.pack(">4H", 40000, 53, 8 + len(question), 0) + question

    tracker.feed(batch((at(1), content, Direction.OUTBOUND)))
    tracker.finish_logs()

    (columns,) = tracker.report(by="flow", source="test").rows.blocks()
    (row,) = columns.rows([LOG_ENTRIES])
    assert [(entry.log, entry.fields["query"]) for entry in row[LOG_ENTRIES]] == [("dns", b"live.example")]
    assert tracker.entries_left_out == 0


# --- by time


@pytest.fixture
def by_second():
    return LiveTracker(
        SocketTimeline("test"),
        name_capture_point=lambda _namespace, interface: CapturePoint(f"eth{interface}", None),
        bucketing=Bucketing(10**9),
    )


def seconds_of(report, *columns):
    """The second of each row, and what it says there."""
    return [((row["bucket_ns"] - at(0)) // 10**9, *(row[column] for column in columns)) for row in report]


def test_what_an_owner_sends_is_its_own_second_by_second(by_second):
    inspect(by_second, sighting(0, 7, 100, "USED", CLIENT, REMOTE, protocol="udp"), executed(0, 100, "wget"))

    for second in (1, 1.5, 3):
        by_second.feed(batch(packet(second, CLIENT, REMOTE, direction=Direction.OUTBOUND)))
    by_second.match()

    report = by_second.report(by="process", source="")
    assert seconds_of(report, "pid", "packets_out") == [(1, 100, 2), (3, 100, 1)]
    assert seconds_of(by_second.report(by="time", source=""), "packets_out") == [(1, 2), (3, 1)]
    (row,) = by_second.report(by="process", source="", by_time=False)
    assert (row["bucket_ns"], row["packets_out"]) == (None, 3)


def test_what_passes_two_interfaces_counts_once_in_its_second_and_each_way_where_most_of_it_was_seen(by_second):
    there = packet(1, CLIENT, REMOTE, direction=Direction.OUTBOUND)
    back = packet(2, REMOTE, CLIENT, direction=Direction.INBOUND)
    by_second.feed(batch(there, interface=1))
    by_second.feed(batch(there, back, back, interface=2))

    report = by_second.report(by="flow", source="")

    counted = [f"packets_to_{end}" for end in ("client", "server")]
    assert seconds_of(report, *counted) == [(1, 0, 1), (2, 2, 0)]
    assert sum(row[name] for row in report for name in counted) == report.coverage.frames == 3


def test_frames_on_no_flow_have_their_second_and_none_where_only_a_command_counts(by_second):
    by_second.feed(batch((at(1), b"\xff" * 30, Direction.INBOUND), packet(2, CLIENT, SERVER)))

    assert seconds_of(by_second.report(by="app", source=""), "unattributed_reason") == [
        (1, "malformed"),
        (2, "no-owner"),
    ]
    by_second.is_wanted = lambda match: match is not None and match.owner is not None
    assert list(by_second.report(by="app", source="")) == []


@pytest.mark.parametrize("by", [by for by in LIVE_GROUPINGS if by != "query"])
def test_seconds_add_up_to_all_that_was_counted(by_second, by):
    inspect(
        by_second,
        sighting(0, 7, 100, "USED", CLIENT, SERVER, protocol="udp"),
        sighting(3, 8, 200, "USED", CLIENT, SERVER, protocol="udp"),
    )

    for second in range(6):
        by_second.feed(batch(packet(second, CLIENT, SERVER), packet(second + 0.5, SERVER, CLIENT, size=99)))
    by_second.match()
    report = by_second.report(by=by, source="")

    sums = sum(row[f"bytes_{way}"] for row in report for way in directions(by))
    assert sums == report.coverage.bytes + report.coverage.bytes_credited_twice
    assert {second for (second,) in seconds_of(report)} == set(range(6))
