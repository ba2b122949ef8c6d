"""Which names an address had, for whom and when."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow_builder import SECOND_NS, START_NS, flow
from portcall.flows.originator import clients_are_low
from portcall.inspection.dns_cache import DnsCache
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.records.detections import DnsAnswer, NameKind
from portcall.records.flows import NEVER
from portcall.records.packets import NO_TIME

CLIENT, OTHER, SERVER = "10.0.0.1", "10.0.0.9", "192.0.2.80"
GROUP = "224.0.0.251"


def packed(address):
    return ipaddress.ip_address(address).packed


def told(timeline, name, *, client=CLIENT, server=SERVER, time_ns=START_NS, seconds=300):
    timeline.note(packed(client).rjust(16, b"\0"), time_ns, (DnsAnswer(name, packed(server), seconds),))


def names(timeline, *, client=CLIENT, server=SERVER, first_ns=START_NS + SECOND_NS):
    """(names, where from) of a conversation between both."""
    row = flow(f"{client} 40000", f"{server} 443", first_ns=first_ns)
    return timeline[int(timeline.find(row, clients_are_low(row)[0], np.array([True]))[0])]


def test_a_client_knows_a_server_by_the_name_that_it_asked_for():
    timeline = DnsCache()

    told(timeline, "www.example.com")

    assert names(timeline) == (("www.example.com",), NameKind.DNS)


def test_another_client_was_told_nothing():
    timeline = DnsCache()

    told(timeline, "www.example.com")

    assert names(timeline, client=OTHER)[0] == ()


def test_an_answer_that_comes_after_the_conversation_began_does_not_name_it():
    timeline = DnsCache()

    told(timeline, "www.example.com", time_ns=START_NS + 2 * SECOND_NS)

    assert names(timeline)[0] == ()


def test_two_names_of_one_address_are_both_told():
    timeline = DnsCache()

    told(timeline, "www.example.com")
    told(timeline, "news.example.org")

    assert names(timeline)[0] == ("news.example.org", "www.example.com")


def test_a_name_whose_time_is_over_gives_way_to_one_that_lives():
    timeline = DnsCache()

    told(timeline, "old.example.com", seconds=10)
    told(timeline, "new.example.com", time_ns=START_NS + 200 * SECOND_NS, seconds=300)

    assert names(timeline, first_ns=START_NS + 201 * SECOND_NS)[0] == ("new.example.com",)


def test_the_last_name_stays_when_its_time_is_over():
    timeline = DnsCache()

    told(timeline, "www.example.com", seconds=10)

    assert names(timeline, first_ns=START_NS + 900 * SECOND_NS)[0] == ("www.example.com",)


def test_who_is_told_the_same_again_knew_it_in_between():
    timeline = DnsCache()

    told(timeline, "www.example.com")
    told(timeline, "www.example.com", time_ns=START_NS + 100 * SECOND_NS)

    assert names(timeline, first_ns=START_NS + 50 * SECOND_NS)[0] == ("www.example.com",)


def test_who_asks_again_and_again_takes_no_more_room():
    timeline = DnsCache()

    for number in range(100):
        told(timeline, "www.example.com", time_ns=START_NS + number * SECOND_NS)

    assert len(timeline.store) == 1


def test_of_a_capture_without_times_the_last_name_counts():
    timeline = DnsCache()

    for name in ("www.example.com", "news.example.org", "www.example.com"):
        told(timeline, name, time_ns=NO_TIME)

    assert names(timeline, first_ns=NEVER)[0] == ("www.example.com",)


@pytest.mark.parametrize(("group", "server"), [("224.0.0.251", "192.0.2.80"), ("ff02::fb", "2001:db8::80")])
def test_what_is_said_to_all_holds_for_all(group, server):
    timeline = DnsCache()

    told(timeline, "printer.local", client=group, server=server)

    assert names(timeline, client="2001:db8::1" if ":" in server else OTHER, server=server)[0] == ("printer.local",)


def test_names_of_the_capture_count_where_no_resolver_spoke():
    timeline = DnsCache()

    timeline.note_capture("from-the-file.example.com", packed(SERVER))

    assert names(timeline) == (("from-the-file.example.com",), NameKind.CAPTURE)


def test_a_resolver_is_believed_before_the_capture():
    timeline = DnsCache()

    timeline.note_capture("from-the-file.example.com", packed(SERVER))
    told(timeline, "www.example.com")

    assert names(timeline) == (("www.example.com",), NameKind.DNS)


def test_the_timeline_is_bounded():
    timeline = DnsCache(InspectionBounds(most_answers=8))

    for number in range(100):
        told(timeline, "www.example.com", server=f"192.0.2.{number}")

    assert names(timeline, server="192.0.2.99")[0] == ("www.example.com",)
    assert names(timeline, server="192.0.2.1")[0] == ()
    assert timeline.forgotten == 92


def test_addresses_that_the_capture_names_are_bounded():
    bounds = InspectionBounds(most_addresses=8)
    timeline = DnsCache(bounds)

    for number in range(10):
        timeline.note_capture("www.example.com", bytes([192, 0, 2, number]))

    assert names(timeline, server="192.0.2.7")[0] == ("www.example.com",)
    assert names(timeline, server="192.0.2.8")[0] == ()
    assert bounds.addresses_left_out == 2


def test_a_timeline_with_too_many_names_begins_anew():
    bounds = InspectionBounds(most_names=10)
    timeline = DnsCache(bounds)

    for number in range(15):
        told(timeline, f"{number}.example.com", server=f"192.0.2.{number}")

    assert names(timeline, server="192.0.2.14")[0] == ("14.example.com",)
    assert names(timeline, server="192.0.2.3")[0] == ()
    assert bounds.answers_forgotten == 10


def naively(dns_answers, client, server, first_ns):
    """The names that count, from the definition: of each answer's time, all that hold, else the one told last."""
    of_pair = [entry for entry in dns_answers if entry.client in (client, GROUP) and entry.server == server]
    before = [entry for entry in of_pair if entry.time_ns <= first_ns]
    alive = {entry.name for entry in before if first_ns <= entry.time_ns + (entry.seconds + 60) * SECOND_NS}
    latest = max((entry.time_ns for entry in before), default=0)
    return alive or {entry.name for entry in before if entry.time_ns == latest}


class Told(NamedTuple):
    client: str
    server: str
    name: str
    time_ns: int
    seconds: int


TOLD = st.builds(
    Told,
    st.sampled_from([CLIENT, OTHER, GROUP]),
    st.sampled_from([SERVER, "198.51.100.7"]),
    st.sampled_from(["a.example", "b.example", "c.example"]),
    st.integers(0, 900).map(lambda seconds: START_NS + seconds * SECOND_NS),
    st.sampled_from([0, 30, 300]),
)


@settings(deadline=None)
@given(st.lists(TOLD, max_size=7), st.integers(0, 1500))
def test_the_timeline_tells_what_the_definition_says(dns_answers, second):
    timeline, first_ns = DnsCache(), START_NS + second * SECOND_NS

    for one in dns_answers:
        told(timeline, one.name, client=one.client, server=one.server, time_ns=one.time_ns, seconds=one.seconds)

    for client in (CLIENT, OTHER):
        found = set(names(timeline, client=client, first_ns=first_ns)[0])
        expected = naively(dns_answers, client, SERVER, first_ns)
        assert found == expected or (found < expected and len(found) == 1)  # told at the same time, and over


def test_strangers_have_no_name():
    timeline = DnsCache()
    told(timeline, "www.example.com")
    rows = np.repeat(flow(f"{CLIENT} 40000", "198.51.100.1 443"), 1000)

    found = timeline.find(rows, clients_are_low(rows)[0], np.ones(1000, np.bool_))

    assert not found.any()


def test_no_name_is_looked_for_where_none_is_wanted():
    timeline = DnsCache()
    told(timeline, "www.example.com")
    timeline.note_capture("from-the-file.example.com", packed("198.51.100.1"))
    rows = np.concatenate([flow(f"{CLIENT} 40000", f"{server} 443") for server in (SERVER, "198.51.100.1")])

    found = timeline.find(rows, clients_are_low(rows)[0], np.zeros(2, np.bool_))

    assert not found.any()


@settings(deadline=None)
@given(st.lists(TOLD, max_size=7), st.integers(0, 7), st.integers(0, 1500))
def test_two_timelines_of_which_one_follows_the_other_are_one(dns_answers, cut, second):
    dns_answers = sorted(dns_answers, key=lambda one: one.time_ns)
    whole, first, later = DnsCache(), DnsCache(), DnsCache()
    for number, one in enumerate(dns_answers):
        for timeline in (whole, first if number < cut else later):
            told(timeline, one.name, client=one.client, server=one.server, time_ns=one.time_ns, seconds=one.seconds)

    first.merge(DnsCache.of_plain(later.plain(), later.answers()))

    for client in (CLIENT, OTHER):
        for server in (SERVER, "198.51.100.7"):
            ends = {"client": client, "server": server, "first_ns": START_NS + second * SECOND_NS}
            assert names(first, **ends) == names(whole, **ends)


def test_names_of_the_capture_merge_too():
    timeline, later = DnsCache(), DnsCache()
    later.note_capture("from-the-file.example.com", packed(SERVER))

    timeline.merge(later)

    assert names(timeline) == (("from-the-file.example.com",), NameKind.CAPTURE)


def test_timelines_that_have_too_many_names_together_begin_anew_with_the_later_ones():
    one, later = DnsCache(InspectionBounds(most_names=10)), DnsCache()
    for number in range(7):
        told(one, f"{number}.example.com", server=f"192.0.2.{number}")
        told(later, f"{number}.example.org", server=f"198.51.100.{number}")

    one.merge(later)

    assert names(one, server="198.51.100.6")[0] == ("6.example.org",)
    assert names(one, server="192.0.2.6")[0] == ()


def test_an_answer_with_a_name_that_has_no_number_is_refused():
    timeline = DnsCache()
    told(timeline, "www.example.com")

    with pytest.raises(ValueError, match="no number"):
        DnsCache.of_plain({"names": [], "of_capture": []}, timeline.answers())
