"""Where no owner is found, the row says at which level the search failed, and on what."""

from __future__ import annotations

import pytest

from portcall.ownership.socket_timeline import SocketTimeline
from sightings import end, sighting, told

CLIENT, SERVER, ELSEWHERE = "127.0.0.1:40000", "127.0.0.1:80", "127.0.0.9:80"


@pytest.fixture
def timeline():
    return SocketTimeline("test")


def failure(timeline, local=SERVER, remote=CLIENT, **when):
    (match,) = timeline.find(end(local, remote, **when))
    return match.failure


def test_where_no_socket_was_seen_there_is_none(timeline):
    assert failure(timeline) == "no-socket"


def test_an_end_with_an_owner_has_no_failure(timeline):
    told(timeline, sighting(1, 7, 100, "USED", SERVER, CLIENT))

    assert failure(timeline, first=1) is None


def test_a_socket_of_just_these_ends_that_nobody_holds_is_without_a_process(timeline):
    told(timeline, sighting(1, 7, 0, "PACKET", SERVER, CLIENT))

    assert failure(timeline, first=1) == "exact no-process"


def test_a_listener_that_was_closed_long_before_is_named_with_its_level(timeline):
    told(timeline, sighting(1, 7, 100, "LISTENING", SERVER), sighting(2, 7, 100, "CLOSED"))

    assert failure(timeline, first=30) == "listener closed-before"


def test_a_port_that_was_opened_at_any_address_long_after_is_named_with_its_level(timeline):
    told(timeline, sighting(90, 7, 100, "LISTENING", "0.0.0.0:80"))

    assert failure(timeline, first=1) == "wildcard opened-later"


def test_the_same_port_in_another_namespace_is_not_this_one(timeline):
    told(timeline, sighting(1, 7, 100, "LISTENING", SERVER, namespace=2))

    assert failure(timeline, first=1, namespace=1) == "listener other-namespace"


def test_several_owners_are_said_with_their_level(timeline):
    told(
        timeline,
        sighting(1, 7, 100, "USED", "0.0.0.0:53", protocol="udp"),
        sighting(1, 8, 200, "USED", "0.0.0.0:53", protocol="udp"),
    )

    assert failure(timeline, "127.0.0.1:53", CLIENT, first=1, protocol="udp") == "wildcard several-owners"
