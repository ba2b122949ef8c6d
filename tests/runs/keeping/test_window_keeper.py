"""Windows of live traffic, told by hand: they add up to the report of the same time, whoever is found late."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from portcall.archive.store import HistoryStore
from portcall.attribution.window_sums import WindowSums
from portcall.labels.bucketing import Bucketing
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.records.kept.windows import COUNTED, OTHER_HOSTS, WINDOW_S, CountedIn, WindowKey, bounded
from portcall.records.packets import Direction
from portcall.runs.keeping.past import PastOptions, report_of
from portcall.runs.keeping.window_keeper import WindowKeeper
from portcall.runs.live import LiveTracker
from portcall.runs.streaming.expirer import Expirer, timeouts_of
from portcall.runs.streaming.settled import Grouping
from runs.test_live import CLIENT, REMOTE, SERVER, batch, inspect, packet
from sightings import NOON_NS, sighting

GROUPINGS = ("app", "process", "user", "host", "service")
ENDS = (CLIENT, SERVER, "127.0.0.2:7000", "192.0.2.1:40001")


class Filled:
    """A file that is filled, which somebody else may keep from that."""

    def __init__(self, path):
        self.store = HistoryStore(path, makes_folder=False)
        self.store._connection.execute("PRAGMA synchronous=OFF")
        self.store._connection.execute("PRAGMA busy_timeout=0")
        self._other = sqlite3.connect(path, isolation_level=None)

    def refuse(self):
        self._other.execute("BEGIN IMMEDIATE")

    def accept(self):
        self._other.execute("COMMIT")

    def rows(self, column):
        """The sum of a column by second and app."""
        line = (
            f"SELECT at*10-{NOON_NS // 10**9}, text, SUM({column}) FROM ten_seconds JOIN keys ON keys.id=key "  # noqa: S608
            "LEFT JOIN names ON names.id=keys.app GROUP BY 1, 2"
        )
        return {(second, app): count for second, app, count in self.store._connection.execute(line)}

    def octets(self):
        return self.rows("bytes_out+bytes_in")


def run(store, *, idle_s=120):
    """A tracker that keeps windows in the store."""
    left = WindowSums()
    tracker = LiveTracker(
        SocketTimeline("test"),
        bucketing=Bucketing(WINDOW_S * 10**9),
        windows=left,
        expirer=Expirer(timeouts_of(idle_s, None)),
        groupings=[Grouping(by) for by in GROUPINGS],
    )
    return SimpleNamespace(tracker=tracker, keeper=WindowKeeper(store, left, lambda: [tracker]))


def turn(live, seconds):
    live.tracker.match()
    live.keeper.turn(NOON_NS + round(seconds * 1e9))


@pytest.fixture
def filled(tmp_path):
    tmp_path.chmod(0o700)
    return Filled(tmp_path / "history.sqlite")


@pytest.fixture
def live(filled):
    return run(filled.store)


def sent(seconds, source=CLIENT, target=REMOTE):
    """A packet of 100 bytes that leaves this machine, or comes."""
    return packet(
        seconds, source, target, size=72, direction=Direction.OUTBOUND if source == CLIENT else Direction.INBOUND
    )


def test_a_window_is_written_when_it_is_over(live, filled):
    live.tracker.feed(batch(sent(3), sent(12)))

    turn(live, 10.5)
    assert filled.octets() == {}
    turn(live, 11)

    assert filled.octets() == {(0, None): 100}


def test_each_packet_counts_in_the_window_of_its_own_time(live, filled):
    live.tracker.feed(batch(*(sent(second) for second in (1, 9.9, 10, 35))))

    turn(live, 41)
    turn(live, 51)

    assert filled.octets() == {(0, None): 200, (10, None): 100, (30, None): 100}


@pytest.mark.parametrize("back_s", [600, 3 * 3600])
def test_where_the_clock_is_set_back_no_window_is_lost_or_written_twice(live, filled, back_s):
    live.tracker.feed(batch(sent(3)))
    turn(live, 11)
    live.tracker.feed(batch(sent(12)))
    turn(live, 21)  # the second is written, and not final
    live.tracker.feed(batch(sent(22)))  # the third is open
    for second in range(15, 60, 5):
        live.tracker.feed(batch(sent(second - back_s)))
        turn(live, second - back_s + 1)
    while_running = filled.octets()
    live.keeper.finish(NOON_NS + (60 - back_s) * 10**9)

    told = filled.octets()
    early = {place: count for place, count in told.items() if place[0] < 0}
    assert {place: count for place, count in told.items() if place[0] >= 0} == {(at, None): 100 for at in (0, 10, 20)}
    assert sum(early.values()) == 900
    assert sum(count for place, count in while_running.items() if place[0] < 0) >= 600
    assert while_running.get((10, None)) == 100


def test_a_conversation_counts_in_the_window_in_which_it_began(live, filled):
    live.tracker.feed(batch(sent(1), sent(11), sent(21, REMOTE, CLIENT)))

    turn(live, 60)

    assert filled.rows("flows") == {(0, None): 1, (10, None): 0, (20, None): 0}


def test_bytes_of_an_owner_that_is_found_late_move_to_it(live, filled):
    live.tracker.feed(batch(sent(9.5)))
    turn(live, 11)
    inspect(live.tracker, sighting(9, 7, 100, "USED", CLIENT, protocol="udp", user=1000))
    live.tracker.feed(batch(sent(12)))
    assert filled.octets() == {(0, None): 100}

    turn(live, 21)

    assert {place for place, app in filled.octets()} == {0, 10}
    assert (0, None) not in filled.octets()


def test_a_window_that_is_final_costs_nothing_more(live):
    live.tracker.feed(batch(sent(1), sent(11)))

    turn(live, 21)

    assert live.tracker.tables[0].buckets.count == 1
    turn(live, 31)
    assert live.tracker.tables[0].buckets.count == 0
    assert live.keeper.left.windows == {}


def test_nothing_is_written_twice_a_window(live, filled):
    for tenth in range(100):
        turn(live, 20 + tenth / 10)

    assert filled.store._connection.execute("SELECT end_s FROM watches").fetchall() == [(NOON_NS // 10**9 + 21,)]


def test_windows_wait_while_the_file_cannot_be_written(live, filled):
    filled.refuse()
    live.tracker.feed(batch(sent(1), sent(11)))
    turn(live, 21)
    turn(live, 31)
    assert "database is locked" in live.keeper.notes()[0].reason

    filled.accept()
    turn(live, 41)

    assert filled.octets() == {(0, None): 100, (10, None): 100}
    assert live.keeper.notes() == []


def test_of_too_many_windows_that_wait_the_oldest_are_given_up_and_counted(live, filled):
    filled.refuse()
    for window in range(40):
        live.tracker.feed(batch(sent(10 * window + 1)))
        turn(live, 10 * window + 11)

    assert live.keeper.notes()[0].reason.startswith("10 windows of 10 s were not kept")
    assert live.tracker.tables[0].buckets.count == 30


@settings(max_examples=examples(15), deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 399), st.sampled_from(ENDS), st.sampled_from(ENDS), st.integers(0, 300)).filter(
            lambda one: one[1] != one[2]
        ),
        min_size=1,
        max_size=30,
    )
)
def test_sums_over_the_windows_are_those_of_the_report(tmp_path_factory, packets):
    path = tmp_path_factory.mktemp("kept") / "history.sqlite"
    store = HistoryStore(path, makes_folder=False)
    store._connection.execute("PRAGMA synchronous=OFF")
    live = run(store, idle_s=20)
    inspect(
        live.tracker,
        sighting(0, 7, 100, "USED", CLIENT, protocol="udp", user=1000),
        sighting(0, 8, 200, "USED", SERVER, protocol="udp", user=1000),
        sighting(0, 9, 300, "USED", "127.0.0.2:7000", protocol="udp", user=7),
    )
    for tenths, source, target, size in sorted(packets):
        live.tracker.feed(batch(packet(tenths / 10, source, target, size=size)))
        turn(live, tenths / 10 + 0.1)
    live.tracker.match()
    live.keeper.finish(NOON_NS + 60 * 10**9)
    live.keeper.close()

    for by in GROUPINGS:
        counted, kept = live.tracker.report(by=by, source="", by_time=False), report_of(path, PastOptions(by=by))
        if by != "service":  # whose reasons are of the service
            assert sums_of(kept, by) == sums_of(counted, by)
        assert kept.coverage.bytes == counted.coverage.bytes
        assert kept.coverage.frames == counted.coverage.frames
        assert kept.coverage.bytes_credited_twice == counted.coverage.bytes_credited_twice
    days = report_of(path, PastOptions(by="day"))
    assert sum(row["bytes_out"] + row["bytes_in"] for row in days) == kept.coverage.bytes


def sums_of(report, by):
    """All that adds up, by name and reason."""
    found = {}
    for row in report:
        of_row = found.setdefault((row[by], row["unattributed_reason"]), [0] * len(COUNTED))
        for place, name in enumerate(COUNTED):
            of_row[place] += row[name]
    return found


def test_a_window_has_a_bound_and_loses_no_byte():
    rows = {WindowKey("scan", host=f"192.0.2.{n}"): [1, 0, 1, 0, n, 0, n, 5, 6] for n in range(100)}

    kept = bounded(rows, 10)

    assert len(kept) == 6
    assert sum(counts[4] for counts in kept.values()) == sum(range(100))
    assert kept[WindowKey("scan", host=OTHER_HOSTS)][0] == 95


def test_more_apps_than_a_window_has_room_for_are_one_row():
    rows = {
        WindowKey(f"app-{n}", host="192.0.2.1", ends=int(CountedIn.ALL)): [1, 0, 1, 0, n, 0, n, 5, 6]
        for n in range(100)
    }

    kept = bounded(rows, 10)

    assert len(kept) <= 10
    assert sum(counts[0] for counts in kept.values()) == 100
