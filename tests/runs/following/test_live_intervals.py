"""Live traffic in intervals: every packet in one of them, each owner found though the report of its interval waits."""

from __future__ import annotations

import socket
import struct

import numpy as np
import pytest

from frame_bytes import udp
from portcall.inspection.server_names import ServerNames
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.records.packets import FRAME, Direction, FrameBatch
from portcall.runs.following.live_intervals import IntervalTracker
from portcall.runs.live import LiveTracker
from sightings import at, sighting, told

RAW_IPV4 = 228
SECOND = 10**9
CLIENT, SERVER, OTHER = "127.0.0.1:40000", "127.0.0.1:5353", "127.0.0.1:40001"


class Clock:
    """The time of day, which is that of the packets here."""

    def __init__(self):
        self.now_ns = at(0)
        self.waited_ns = 0

    def __call__(self):
        return self.now_ns

    def go_to(self, seconds):
        self.waited_ns += max(at(seconds) - self.now_ns, 0)
        self.now_ns = at(seconds)

    def be_set_to(self, seconds):
        """Somebody sets it, which takes no time."""
        self.now_ns = at(seconds)

    def waited(self):
        """What a clock says that nobody sets."""
        return self.waited_ns


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def intervals(clock):
    return IntervalTracker(LiveTracker(SocketTimeline("test"), names=ServerNames()), 10 * SECOND, clock, clock.waited)


def batch(*packets):
    """Datagrams: (second, source, target)."""
    frames, data = np.zeros(len(packets), FRAME), b""
    for row, (seconds, *ends) in zip(frames, packets, strict=True):
        (source, source_port), (target, target_port) = (end.split(":") for end in ends)
        content = udp(bytes(10), int(source_port), int(target_port))
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(content), 7, 0, 64, socket.IPPROTO_UDP, 0)
        content = head + socket.inet_aton(source) + socket.inet_aton(target) + content
        row["ts_ns"], row["offset"], row["link"], row["direction"] = (
            at(seconds),
            len(data),
            RAW_IPV4,
            Direction.INTERNAL,
        )
        row["captured"] = row["wire"] = len(content)
        data += content
    return FrameBatch(frames, np.frombuffer(data, np.uint8), 1, 1)


def tell(intervals, *what):
    class Inspector:
        def update(self, events):
            intervals.note(events)

    told(Inspector(), *what)


def reports(due):
    """{second it begins: (frames, pids)} of intervals whose reports are due."""
    made = {}
    for ended in due:
        report = ended.tracker.report(by="process", source="test")
        pids = sorted(row["pid"] for row in report.rows if row["pid"])
        made[(ended.begins_ns - at(0)) // SECOND] = (report.coverage.frames, pids)
    return made


def start_of(seconds):
    """The second, from the first one on, at which the interval of this one begins."""
    return (at(seconds) // (10 * SECOND) * 10 * SECOND - at(0)) // SECOND


def test_every_packet_is_in_the_interval_of_its_time(intervals, clock):
    clock.go_to(40)
    intervals.feed(batch(*((second, CLIENT, SERVER) for second in range(0, 40, 4))))
    intervals.match()

    made = reports(intervals.finish())

    assert sum(frames for frames, _ in made.values()) == 10
    assert set(made) == {start_of(second) for second in range(0, 40, 4)}


@pytest.mark.parametrize("jump_s", [3600, -3600], ids=["suspended for an hour", "set back by an hour"])
def test_a_clock_that_jumps_loses_no_packet_and_no_owner(intervals, clock, jump_s):
    tell(intervals, sighting(3600, 7, 100, "USED", CLIENT, SERVER, protocol="udp"))
    for second in (3601, 3602, 3602 + jump_s, 3603 + jump_s):
        clock.go_to(second)
        intervals.feed(batch((second, CLIENT, SERVER)))
        intervals.match()

    made = reports(intervals.finish())

    assert sum(frames for frames, _ in made.values()) == 4
    assert [100] in [pids for _, pids in made.values()]


@pytest.mark.parametrize("jump_s", [3 * 3600, -3 * 3600], ids=["forward", "back"])
def test_where_the_clock_is_set_each_report_comes_once_within_seconds_and_all_have_owners(intervals, clock, jump_s):
    made = []
    for number in range(60):
        second = 20_000 + number + (jump_s if number >= 25 else 0)
        clock.be_set_to(second) if number in {0, 25} else clock.go_to(second)
        clock.waited_ns += SECOND
        client = f"127.0.0.1:{40_000 + number}"
        tell(intervals, sighting(second - 0.5, number, 100 + number, "USED", client, SERVER, protocol="udp"))
        intervals.feed(batch((second, client, SERVER)))
        intervals.match()
        made += intervals.settled()
    while_running = len(made)
    made += intervals.finish()

    assert while_running >= 4
    assert len({id(ended.tracker) for ended in made}) == len(made)
    pids = [pid for ended in made for _, (_, pids) in reports([ended]).items() for pid in pids]
    assert sorted(pids) == list(range(100, 160))
    assert sum(frames for ended in made for frames, _ in reports([ended]).values()) == 60


def test_a_report_waits_until_the_owners_of_the_last_packets_can_be_known(intervals, clock):
    begins = start_of(0)
    last = begins + 9
    clock.go_to(last)
    intervals.feed(batch((last, CLIENT, SERVER)))
    clock.go_to(begins + 10)
    intervals.feed(batch((begins + 10, OTHER, SERVER)))
    early = intervals.settled()
    tell(intervals, sighting(last - 1, 7, 100, "USED", CLIENT, SERVER, protocol="udp"))
    clock.go_to(begins + 14)
    intervals.match()

    assert early == []
    assert reports(intervals.settled()) == {begins: (1, [100])}
    assert intervals.settled() == []


def test_the_clock_ends_an_interval_in_which_nothing_comes_any_more(intervals, clock):
    begins = start_of(0)
    clock.go_to(begins + 1)
    intervals.feed(batch((begins + 1, CLIENT, SERVER)))
    for second in (5, 12, 17):
        clock.go_to(begins + second)
        intervals.match()
        due = intervals.settled()

    assert list(reports(due)) == [begins]


def test_a_socket_that_lives_on_is_known_in_the_next_interval(intervals, clock):
    tell(intervals, sighting(0, 7, 100, "USED", CLIENT, SERVER, protocol="udp"))
    clock.go_to(30)
    intervals.feed(batch((1, CLIENT, SERVER), (25, CLIENT, SERVER)))
    intervals.match()

    assert [pids for _, pids in reports(intervals.finish()).values()] == [[100], [100]]


def test_nothing_is_reported_of_no_traffic(intervals, clock):
    clock.go_to(100)
    intervals.match()

    assert intervals.settled() == intervals.finish() == []


def test_what_a_settled_interval_had_is_let_go(intervals, clock):
    clock.go_to(30)
    intervals.feed(batch((1, CLIENT, SERVER), (25, CLIENT, SERVER)))
    intervals.match()
    intervals.finish()

    assert intervals.open.frames == 0
