"""What is remembered of sockets becomes less again: after a flood of them, and after reports were lost."""

from __future__ import annotations

import gc
import sys

import pytest

from portcall.ownership.observed_socket import ObservedSocket, Use
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.records.ownership import ExistingSockets, OwnerEvents
from sightings import at, end, exited, sighting, started, told

FLOOD = 20_000
MUCH_BYTES, LITTLE_BYTES = 1 << 19, 1 << 12
SERVER = "127.0.0.1:80"


@pytest.fixture
def timeline():
    return told(SocketTimeline("test"), started(0, 100), started(0, 101))


def flood(evidence, **known):
    """Sightings of many sockets of one process, a port each."""
    rows = sighting(1, 1, 100, evidence, "127.0.0.1:1", None, **known).repeat(FLOOD)
    rows["socket"] = range(1, FLOOD + 1)
    rows["local_port"] = range(1, FLOOD + 1)
    return rows


def table_bytes(timeline):
    """Of everything that has entries by socket or by process."""
    tables = [value for value in vars(timeline._tables).values() if isinstance(value, dict)]
    sets = [value for table in tables for value in table.values() if isinstance(value, set)]
    return sum(map(sys.getsizeof, [*tables, *sets, timeline.processes._generations]))


def remembered():
    """Objects of sockets in this process."""
    gc.collect()
    return sum(isinstance(one, (ObservedSocket, Use)) for one in gc.get_objects())


def tables_made():
    """Tables of Python that have something in them, in this process."""
    gc.collect()
    return sum(isinstance(one, dict) for one in gc.get_objects())


def lost(timeline, *cookies, before, protocol=17, namespace=1, until):
    """The timeline, after it was told that reports were lost, and which sockets there are now."""
    existing = ExistingSockets(namespace, at(before), {protocol: {*cookies}})
    timeline.update(OwnerEvents(sighting(0, 1, 1, "HELD")[:0], [], at(until), existing=existing))
    return timeline


def test_tables_are_small_again_after_a_flood_of_sockets_of_which_one_stays(timeline):
    told(timeline, flood("BOUND", protocol="udp"), until=5)
    assert table_bytes(timeline) > MUCH_BYTES

    closes = flood("CLOSED", protocol="udp")[1:]
    closes["time_ns"] = at(6)
    told(timeline, closes, until=6)
    told(timeline, until=100)
    told(timeline, until=111)

    assert len(timeline) == 1
    assert table_bytes(timeline) < LITTLE_BYTES
    (match,) = timeline.find(end("127.0.0.1:1", "127.0.0.1:9", first=99, protocol="udp"))
    assert match.owner.pid == 100


def test_tables_are_small_again_after_a_flood_of_processes(timeline):
    told(timeline, *(started(1, pid) for pid in range(1000, 1000 + FLOOD)), until=5)
    assert table_bytes(timeline) > MUCH_BYTES

    told(timeline, *(exited(6, pid) for pid in range(1000, 1000 + FLOOD)), until=6)
    told(timeline, until=100)
    told(timeline, until=111)

    assert len(timeline.processes) == 2
    assert table_bytes(timeline) < LITTLE_BYTES


def test_connections_need_no_tables_of_their_own(timeline):
    """A table takes a fifth of what is remembered of a connection, and each has one peer."""
    rows = flood("CONNECTED")
    rows["remote"], rows["remote_port"] = rows["local"], 80
    before = tables_made()

    told(timeline, rows, until=5)

    assert len(timeline) == FLOOD
    assert tables_made() - before < 100


def test_nothing_of_a_forgotten_socket_stays(timeline):
    before = remembered()
    told(timeline, flood("BOUND", protocol="udp"), exited(6, 100), until=6)
    told(timeline, until=100)
    lost(timeline, 1 << 40, before=2, until=101)
    told(timeline, until=200)

    assert len(timeline) == 0
    assert remembered() == before


def test_of_a_process_that_lives_sockets_are_forgotten_whose_closes_were_lost(timeline):
    told(timeline, flood("BOUND", protocol="udp"), until=5)

    lost(timeline, 7, before=2, until=10)
    told(timeline, until=100)
    told(timeline, until=111)

    assert [*timeline._tables.sockets] == [7]


def test_a_socket_that_came_after_the_look_or_is_elsewhere_or_of_another_protocol_stays(timeline):
    told(timeline, sighting(3, 1, 100, "BOUND", "127.0.0.1:1", protocol="udp"))
    told(timeline, sighting(1, 2, 100, "BOUND", "127.0.0.1:2", protocol="udp", namespace=2))
    told(timeline, sighting(1, 3, 100, "BOUND", "127.0.0.1:3"), until=4)

    lost(timeline, 7, before=2, until=10)
    told(timeline, until=100)

    assert sorted(timeline._tables.sockets) == [1, 2, 3]


def test_after_a_loss_what_only_processes_had_that_are_gone_is_forgotten(timeline):
    told(timeline, sighting(1, 1, 100, "BOUND", SERVER, protocol="udp"), sighting(1, 2, 101, "BOUND", SERVER))
    told(timeline, exited(3, 100), until=4)
    told(timeline, until=100)
    assert len(timeline) == 2  # somebody who has not touched it yet may hold it

    lost(timeline, 1, 2, before=90, until=100)
    told(timeline, until=111)

    assert [*timeline._tables.sockets] == [2]


def test_time_passes_for_sockets_where_nothing_is_reported_any_more(timeline):
    told(timeline, sighting(1, 1, 100, "BOUND", SERVER), sighting(2, 1, 100, "CLOSED"), until=3)

    for seconds in (100, 111):
        timeline.update(OwnerEvents(sighting(0, 1, 1, "HELD")[:0], [], at(seconds)))

    assert len(timeline) == 0
