"""Which names an address had, for whom and when."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest

from flow_builder import SECOND_NS, START_NS, flow
from portcall import timeline as timelines
from portcall.locality import addresses
from portcall.openers import clients_are_low
from portcall.speech import Answer, NameKind
from portcall.timeline import NameTimeline

CLIENT, OTHER, SERVER = "10.0.0.1", "10.0.0.9", "192.0.2.80"


def packed(address):
    return ipaddress.ip_address(address).packed


def told(timeline, name, *, client=CLIENT, server=SERVER, time_ns=START_NS, seconds=300):
    timeline.note(packed(client).rjust(16, b"\0"), time_ns, (Answer(name, packed(server), seconds),))


def names(timeline, *, client=CLIENT, server=SERVER, first_ns=START_NS + SECOND_NS):
    """(names, where from) of a conversation between both."""
    row = flow(f"{client} 40000", f"{server} 443", first_ns=first_ns)
    low, high, (is_low, _) = addresses(row, "low"), addresses(row, "high"), clients_are_low(row)
    return timeline[int(timeline.find(low.where(is_low, high), high.where(is_low, low), row["first_ns"])[0])]


def test_a_client_knows_a_server_by_the_name_that_it_asked_for():
    timeline = NameTimeline()

    told(timeline, "www.example.com")

    assert names(timeline) == (("www.example.com",), NameKind.DNS)


def test_another_client_was_told_nothing():
    timeline = NameTimeline()

    told(timeline, "www.example.com")

    assert names(timeline, client=OTHER)[0] == ()


def test_an_answer_that_comes_after_the_conversation_began_does_not_name_it():
    timeline = NameTimeline()

    told(timeline, "www.example.com", time_ns=START_NS + 2 * SECOND_NS)

    assert names(timeline)[0] == ()


def test_two_names_of_one_address_are_both_told():
    timeline = NameTimeline()

    told(timeline, "www.example.com")
    told(timeline, "news.example.org")

    assert names(timeline)[0] == ("news.example.org", "www.example.com")


def test_a_name_whose_time_is_over_gives_way_to_one_that_lives():
    timeline = NameTimeline()

    told(timeline, "old.example.com", seconds=10)
    told(timeline, "new.example.com", time_ns=START_NS + 200 * SECOND_NS, seconds=300)

    assert names(timeline, first_ns=START_NS + 201 * SECOND_NS)[0] == ("new.example.com",)


def test_the_last_name_stays_when_its_time_is_over():
    timeline = NameTimeline()

    told(timeline, "www.example.com", seconds=10)

    assert names(timeline, first_ns=START_NS + 900 * SECOND_NS)[0] == ("www.example.com",)


@pytest.mark.parametrize(("group", "server"), [("224.0.0.251", "192.0.2.80"), ("ff02::fb", "2001:db8::80")])
def test_what_is_said_to_all_holds_for_all(group, server):
    timeline = NameTimeline()

    told(timeline, "printer.local", client=group, server=server)

    assert names(timeline, client="2001:db8::1" if ":" in server else OTHER, server=server)[0] == ("printer.local",)


def test_names_of_the_capture_count_where_no_resolver_spoke():
    timeline = NameTimeline()

    timeline.note_capture("from-the-file.example.com", packed(SERVER))

    assert names(timeline) == (("from-the-file.example.com",), NameKind.CAPTURE)


def test_a_resolver_is_believed_before_the_capture():
    timeline = NameTimeline()

    timeline.note_capture("from-the-file.example.com", packed(SERVER))
    told(timeline, "www.example.com")

    assert names(timeline) == (("www.example.com",), NameKind.DNS)


def test_the_timeline_is_bounded(monkeypatch):
    monkeypatch.setattr(timelines, "_MOST_PAIRS", 10)
    timeline = NameTimeline()

    for number in range(100):
        told(timeline, "www.example.com", server=f"192.0.2.{number}")

    assert names(timeline, server="192.0.2.99")[0] == ("www.example.com",)
    assert names(timeline, server="192.0.2.1")[0] == ()


def test_strangers_have_no_name():
    timeline = NameTimeline()
    told(timeline, "www.example.com")
    rows = np.repeat(flow(f"{CLIENT} 40000", "198.51.100.1 443"), 1000)

    found = timeline.find(addresses(rows, "low"), addresses(rows, "high"), rows["first_ns"])

    assert not found.any()
