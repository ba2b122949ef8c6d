"""Who held an endpoint, when: every rule of ownership by itself."""

from __future__ import annotations

import time

import numpy as np
import pytest

from portcall.ownership import socket_timeline as ownership
from portcall.ownership.socket_timeline import KERNEL, SocketTimeline
from portcall.records.ownership import MatchQuality, OwnerEvents
from portcall.records.sightings import FLOW_END, SIGHTING
from sightings import at, end, executed, exited, sighting, started, told

CLIENT, SERVER = "127.0.0.1:40000", "127.0.0.1:80"


@pytest.fixture
def timeline():
    return SocketTimeline("test")


def owner(timeline, *asked, **when):
    (match,) = timeline.find(end(*asked, **when))
    return match.owner and match.owner.pid, match.quality.value


def test_a_connection_belongs_to_the_process_that_sends_on_it(timeline):
    told(timeline, sighting(1, 7, 100, "CONNECTED", CLIENT, SERVER), sighting(1, 7, 100, "USED", CLIENT, SERVER))

    assert owner(timeline, CLIENT, SERVER, first=1) == (100, "exact")


def test_the_other_end_of_a_connection_has_its_own_owner(timeline):
    told(timeline, sighting(1, 7, 100, "USED", CLIENT, SERVER), sighting(1, 8, 200, "USED", SERVER, CLIENT))

    assert owner(timeline, SERVER, CLIENT, first=1) == (200, "exact")


def test_who_sends_beats_who_accepted_however_late(timeline):
    told(timeline, sighting(1, 8, 200, "ACCEPTED", SERVER, CLIENT), sighting(5, 8, 201, "USED", SERVER, CLIENT))

    assert owner(timeline, SERVER, CLIENT, first=1, last=6) == (201, "exact")


def test_who_connected_beats_who_bound(timeline):
    told(timeline, sighting(1, 7, 100, "BOUND", CLIENT), sighting(2, 7, 101, "CONNECTED", CLIENT, SERVER))

    assert owner(timeline, CLIENT, SERVER, first=2) == (101, "exact")


def test_an_accepted_socket_that_another_process_closes_was_that_process_work(timeline):
    told(timeline, sighting(1, 8, 200, "ACCEPTED", SERVER, CLIENT), sighting(3, 8, 201, "CLOSED"))

    assert owner(timeline, SERVER, CLIENT, first=1, last=2) == (201, "exact")


def test_a_connection_that_nobody_used_belongs_to_the_listener(timeline):
    told(timeline, sighting(1, 5, 200, "LISTENING", SERVER))

    assert owner(timeline, SERVER, CLIENT, first=2) == (200, "listener")


def test_a_socket_bound_to_any_address_is_found_by_its_port(timeline):
    told(timeline, sighting(1, 5, 200, "LISTENING", "0.0.0.0:80"))

    assert owner(timeline, SERVER, CLIENT, first=2) == (200, "wildcard")


def test_an_ipv6_socket_bound_to_any_address_takes_ipv4(timeline):
    told(timeline, sighting(1, 5, 200, "LISTENING", "[::]:80"))

    assert owner(timeline, SERVER, CLIENT, first=2) == (200, "wildcard")


def test_an_ipv4_socket_bound_to_any_address_takes_no_ipv6(timeline):
    told(timeline, sighting(1, 5, 200, "LISTENING", "0.0.0.0:80"))

    assert owner(timeline, "[::1]:80", "[::1]:40000", first=2) == (None, "none")


def test_ipv6_loopback_is_not_the_ipv4_address_with_the_same_bytes(timeline):
    told(timeline, sighting(1, 7, 100, "USED", "[::1]:40000", "[::1]:80"))

    assert owner(timeline, "0.0.0.1:40000", "0.0.0.1:80", first=1) == (None, "none")


def test_an_ipv4_address_mapped_into_ipv6_is_ipv4(timeline):
    told(timeline, sighting(1, 7, 100, "USED", "[::ffff:127.0.0.1]:40000", "[::ffff:127.0.0.1]:80"))

    assert owner(timeline, CLIENT, SERVER, first=1) == (100, "exact")


def test_an_open_datagram_socket_is_found_by_its_peer_at_any_local_address(timeline):
    told(timeline, sighting(1, 7, 100, "USED", "0.0.0.0:40000", SERVER, protocol="udp"))

    assert owner(timeline, CLIENT, SERVER, first=1, protocol="udp") == (100, "exact")


def test_a_bound_socket_that_connected_owns_no_other_conversation(timeline):
    told(timeline, sighting(1, 7, 100, "BOUND", CLIENT), sighting(1, 7, 100, "CONNECTED", CLIENT, SERVER))

    assert owner(timeline, CLIENT, "127.0.0.1:81", first=1) == (None, "none")


def test_tcp_and_udp_ports_with_the_same_number_are_different(timeline):
    told(timeline, sighting(1, 7, 100, "BOUND", SERVER, protocol="udp"))

    assert owner(timeline, SERVER, CLIENT, first=1, protocol="tcp") == (None, "none")


def test_the_same_tuple_in_two_namespaces_has_two_owners(timeline):
    told(
        timeline,
        sighting(1, 7, 100, "USED", CLIENT, SERVER, namespace=1),
        sighting(1, 8, 101, "USED", CLIENT, SERVER, namespace=2),
    )

    assert [owner(timeline, CLIENT, SERVER, first=1, namespace=n)[0] for n in (1, 2)] == [100, 101]


def test_the_same_tuple_is_ambiguous_where_the_namespace_is_not_known(timeline):
    told(
        timeline,
        sighting(1, 7, 100, "USED", CLIENT, SERVER, namespace=1),
        sighting(1, 8, 101, "USED", CLIENT, SERVER, namespace=2),
    )

    assert owner(timeline, CLIENT, SERVER, first=1, namespace=0) == (None, "ambiguous")


def test_a_port_used_again_belongs_to_whoever_had_it_then(timeline):
    for since, socket, pid in ((1, 7, 100), (3, 8, 101)):
        told(
            timeline,
            sighting(since, socket, pid, "USED", CLIENT, SERVER, protocol="udp"),
            sighting(since + 1, socket, pid, "CLOSED", protocol="udp"),
        )

    asked = ((1, 2), (3, 4))
    assert [owner(timeline, CLIENT, SERVER, first=a, last=b, protocol="udp")[0] for a, b in asked] == [100, 101]


def test_a_row_that_spans_two_owners_of_a_port_has_none(timeline):
    for since, socket, pid in ((1, 7, 100), (3, 8, 101)):
        told(
            timeline,
            sighting(since, socket, pid, "USED", CLIENT, SERVER, protocol="udp"),
            sighting(since + 1, socket, pid, "CLOSED", protocol="udp"),
        )

    (match,) = timeline.find(end(CLIENT, SERVER, first=1, last=4, protocol="udp"))

    assert (match.owner, match.quality, match.reason) == (None, MatchQuality.AMBIGUOUS, "ambiguous")


def test_a_connection_on_a_tuple_whose_reset_socket_is_still_open_is_the_new_sockets(timeline):
    told(timeline, sighting(1, 7, 100, "CONNECTED", CLIENT, SERVER), sighting(5, 8, 101, "CONNECTED", CLIENT, SERVER))

    assert owner(timeline, CLIENT, SERVER, first=5, last=6) == (101, "exact")


def test_an_older_connection_stays_its_sockets_when_the_tuple_is_used_again(timeline):
    told(timeline, sighting(1, 7, 100, "CONNECTED", CLIENT, SERVER), sighting(5, 8, 101, "CONNECTED", CLIENT, SERVER))

    assert owner(timeline, CLIENT, SERVER, first=1, last=2) == (100, "exact")


@pytest.mark.parametrize(("seconds", "pid"), [(59, 100), (61, None)])
def test_packets_belong_to_a_closed_connection_for_a_minute(timeline, seconds, pid):
    told(timeline, sighting(1, 7, 100, "USED", CLIENT, SERVER), sighting(2, 7, 100, "CLOSED"))

    assert owner(timeline, CLIENT, SERVER, first=2 + seconds)[0] == pid


@pytest.mark.parametrize(("seconds", "pid"), [(1.9, 200), (2.1, None)])
def test_packets_belong_to_a_closed_port_for_two_seconds(timeline, seconds, pid):
    told(timeline, sighting(1, 5, 200, "LISTENING", SERVER), sighting(2, 5, 200, "CLOSED"))

    assert owner(timeline, SERVER, CLIENT, first=2 + seconds)[0] == pid


@pytest.mark.parametrize(("seconds", "pid"), [(1.9, 100), (2.1, None)])
def test_packets_may_come_two_seconds_before_their_sockets_first_sighting(timeline, seconds, pid):
    told(timeline, sighting(10, 7, 100, "USED", CLIENT, SERVER))

    assert owner(timeline, CLIENT, SERVER, first=10 - seconds)[0] == pid


def test_a_late_sighting_credits_backwards(timeline):
    before = owner(timeline, CLIENT, SERVER, first=1)
    told(timeline, sighting(2, 7, 100, "USED", CLIENT, SERVER))

    assert (before, owner(timeline, CLIENT, SERVER, first=1)) == ((None, "none"), (100, "exact"))


def test_a_handed_over_socket_belongs_to_each_while_it_uses_it(timeline):
    told(timeline, sighting(1, 8, 200, "USED", SERVER, CLIENT), sighting(5, 8, 201, "USED", SERVER, CLIENT))

    asked = ((1, 4.9), (5, 9))
    assert [owner(timeline, SERVER, CLIENT, first=a, last=b)[0] for a, b in asked] == [200, 201]


def test_a_row_that_spans_a_hand_over_has_no_owner(timeline):
    told(timeline, sighting(1, 8, 200, "USED", SERVER, CLIENT), sighting(5, 8, 201, "USED", SERVER, CLIENT))

    assert owner(timeline, SERVER, CLIENT, first=1, last=9) == (None, "ambiguous")


def test_processes_that_take_turns_too_often_to_be_told_make_no_owner(timeline):
    told(timeline, sighting(1, 8, 200, "USED", SERVER, CLIENT), sighting(5, 8, 201, "SHARED", SERVER, CLIENT))

    assert owner(timeline, SERVER, CLIENT, first=7, last=9) == (None, "ambiguous")


def test_workers_on_one_datagram_socket_own_the_peers_that_they_answer(timeline):
    other = "127.0.0.1:40001"
    told(
        timeline,
        sighting(1, 8, 200, "USED", SERVER, CLIENT, protocol="udp"),
        sighting(1.1, 8, 201, "USED", SERVER, other, protocol="udp"),
    )

    peers = (CLIENT, other)
    assert [owner(timeline, SERVER, peer, first=1, last=9, protocol="udp")[0] for peer in peers] == [200, 201]


def test_a_socket_that_two_processes_merely_hold_has_no_owner(timeline):
    told(timeline, sighting(0, 7, 100, "HELD", CLIENT, SERVER), sighting(0, 7, 101, "HELD", CLIENT, SERVER))

    assert owner(timeline, CLIENT, SERVER, first=1) == (None, "ambiguous")


def test_a_held_socket_belongs_to_the_program_that_its_process_runs_by_then(timeline):
    told(
        timeline,
        started(0, 100, name="sh"),
        sighting(1, 7, 100, "HELD", CLIENT, SERVER),
        executed(2, 100, "curl"),
    )

    (match,) = timeline.find(end(CLIENT, SERVER, first=3))

    assert match.owner.program.name == "curl"


def test_a_packet_without_process_finds_the_process_of_its_socket(timeline):
    told(
        timeline,
        sighting(1, 5, 0, "PACKET", SERVER, CLIENT, protocol="udp"),
        sighting(1, 5, 200, "USED", "0.0.0.0:80", protocol="udp"),
    )

    assert owner(timeline, SERVER, CLIENT, first=1, protocol="udp") == (200, "exact")


def test_a_socket_of_the_kernel_is_the_kernels(timeline):
    told(timeline, sighting(1, 9, 0, "KERNEL", "127.0.0.1:0", "127.0.0.1:0", protocol="icmp"))

    (match,) = timeline.find(end("127.0.0.1:0", "127.0.0.1:0", first=1, protocol="icmp"))

    assert (match.owner, match.reason) == (KERNEL, "kernel")


def test_a_socket_that_a_process_uses_is_not_the_kernels(timeline):
    told(timeline, sighting(1, 9, 0, "KERNEL", CLIENT, SERVER), sighting(2, 9, 100, "USED", CLIENT, SERVER))

    assert owner(timeline, CLIENT, SERVER, first=1) == (100, "exact")


def test_sightings_may_come_out_of_order(timeline):
    told(timeline, sighting(2, 7, 100, "CLOSED"), sighting(1, 7, 100, "USED", CLIENT, SERVER))

    assert owner(timeline, CLIENT, SERVER, first=70) == (None, "none")


def test_where_closes_are_not_told_a_socket_ends_with_its_process(timeline):
    told(timeline, started(0, 100), exited(2, 100), sighting(1, 7, 100, "USED", CLIENT, SERVER), tells_closes=False)

    assert owner(timeline, CLIENT, SERVER, first=70) == (None, "none")


def test_where_closes_are_not_told_a_socket_lives_as_long_as_one_of_its_processes(timeline):
    told(
        timeline,
        *(started(0, pid) for pid in (100, 101)),
        sighting(1, 8, 100, "ACCEPTED", SERVER, CLIENT),
        sighting(1, 8, 101, "USED", SERVER, CLIENT),
        exited(2, 100),
        tells_closes=False,
    )

    assert owner(timeline, SERVER, CLIENT, first=70) == (101, "exact")


def test_an_owner_has_a_user_by_name():
    timeline = told(
        SocketTimeline("test", {33: "www"}.get), started(0, 100), sighting(1, 7, 100, "USED", CLIENT, SERVER, user=33)
    )

    (match,) = timeline.find(end(CLIENT, SERVER, first=1))

    assert match.owner.user == "www"


def test_a_match_names_the_back_end(timeline):
    assert timeline.find(end(CLIENT, SERVER))[0].source == "test"


def test_a_datagram_socket_on_a_used_port_is_a_change(timeline):
    told(
        timeline,
        sighting(1, 7, 100, "USED", CLIENT, SERVER, protocol="udp"),
        sighting(2, 7, 100, "CLOSED", protocol="udp"),
        sighting(3, 8, 101, "USED", CLIENT, SERVER, protocol="udp"),
    )

    (change,) = timeline.take_changes()

    assert [change[name] for name in ("time_ns", "protocol", "local_port", "namespace")] == [at(3), 17, 40000, 1]


def test_the_first_socket_on_a_port_is_no_change(timeline):
    told(timeline, sighting(1, 7, 100, "USED", CLIENT, SERVER, protocol="udp"))

    assert not len(timeline.take_changes())


def test_a_socket_on_a_port_of_another_namespace_is_no_change(timeline):
    for socket, namespace in ((7, 1), (8, 2)):
        told(timeline, sighting(1, socket, 100, "BOUND", CLIENT, protocol="udp", namespace=namespace))

    assert not len(timeline.take_changes())


def test_a_hand_over_is_a_change_at_the_moment_of_the_first_use(timeline):
    told(timeline, sighting(1, 8, 200, "USED", SERVER, CLIENT), sighting(5, 8, 201, "USED", SERVER, CLIENT))

    assert [(int(change["time_ns"]), int(change["local_port"])) for change in timeline.take_changes()] == [(at(5), 80)]


def test_accepting_for_a_worker_is_no_change(timeline):
    told(timeline, sighting(1, 8, 200, "ACCEPTED", SERVER, CLIENT), sighting(5, 8, 201, "USED", SERVER, CLIENT))

    assert not len(timeline.take_changes())


def test_changes_are_told_once(timeline):
    told(timeline, sighting(1, 8, 200, "USED", SERVER, CLIENT), sighting(5, 8, 201, "USED", SERVER, CLIENT))

    assert [len(timeline.take_changes()) for _ in range(2)] == [1, 0]


def test_sockets_closed_for_two_minutes_are_forgotten(timeline):
    told(timeline, sighting(1, 7, 100, "USED", CLIENT, SERVER), sighting(2, 7, 100, "CLOSED"), until=2)
    told(timeline, until=123)
    told(timeline, until=134)

    assert (len(timeline), owner(timeline, CLIENT, SERVER, first=1)) == (0, (None, "none"))


def test_processes_that_exited_long_ago_are_forgotten_unless_a_socket_needs_them(timeline):
    told(timeline, started(0, 100), started(0, 101), exited(2, 100), exited(2, 101), until=2)
    told(timeline, sighting(1, 7, 100, "BOUND", SERVER), until=123)
    told(timeline, until=134)

    assert len(timeline.processes) == 1


def test_a_connection_whose_close_was_missed_is_forgotten_some_time_after_its_process(timeline):
    told(timeline, started(0, 100), started(0, 200), exited(2, 100), until=2)
    told(timeline, sighting(1, 7, 100, "USED", CLIENT, SERVER), sighting(1, 8, 200, "USED", SERVER, CLIENT), until=123)
    told(timeline, until=134)

    assert list(timeline._tables.sockets) == [8]


def test_a_connection_that_was_seen_to_end_is_forgotten_though_nobody_told_of_its_close(timeline):
    told(timeline, started(0, 200), sighting(1, 8, 200, "USED", SERVER, CLIENT), sighting(1, 9, 200, "BOUND", SERVER))
    timeline.note_ended(end(SERVER, CLIENT, first=1, last=2))

    assert owner(timeline, SERVER, CLIENT, first=1)[0] == 200
    told(timeline, until=123)
    told(timeline, until=134)
    assert list(timeline._tables.sockets) == [9]


@pytest.mark.parametrize("later_s", [7200, -7200], ids=["asleep for two hours", "set back by two hours"])
def test_where_the_clock_jumps_who_had_a_socket_just_before_is_known_for_seconds_more(timeline, later_s):
    told(timeline, started(10_000, 100), sighting(10_001, 7, 100, "USED", CLIENT, SERVER), until=10_005)
    told(timeline, sighting(10_012, 7, 100, "CLOSED"), exited(10_013, 100), until=10_016)

    told(timeline, until=10_017 + later_s)
    told(timeline, until=10_021 + later_s)

    assert owner(timeline, CLIENT, SERVER, first=10_002)[0] == 100


def test_a_report_that_comes_after_that_of_a_later_close_opens_nothing(timeline):
    told(timeline, sighting(1, 7, 100, "USED", CLIENT, SERVER), sighting(3, 7, 100, "CLOSED"), until=3)
    told(timeline, sighting(2, 7, 100, "USED", CLIENT, SERVER), until=4)
    told(timeline, until=123)
    told(timeline, until=134)

    assert len(timeline) == 0


def test_children_of_a_server_that_exited_are_forgotten_though_it_still_listens(timeline):
    told(timeline, started(0, 100), sighting(0, 7, 100, "BOUND", SERVER), until=1)
    for n in range(1, 200):
        told(timeline, started(n, 1000 + n, parent=100), sighting(n, 7, 1000 + n, "HELD", SERVER), until=n)
        told(timeline, exited(n + 0.5, 1000 + n), until=n + 0.5)

    assert len(timeline.processes) < 120
    assert owner(timeline, SERVER, CLIENT, first=199)[0] == 100


def test_of_many_turns_at_one_socket_the_latest_are_remembered(timeline):
    turns = [sighting(n / 10, 7, 100 + n % 2, "USED", SERVER, CLIENT, protocol="udp") for n in range(1000)]
    told(timeline, started(0, 100), started(0, 101), *turns)

    [socket] = timeline._tables.sockets.values()
    assert len(socket.used) < 100


def test_more_sockets_than_the_bound_push_out_the_oldest(timeline):
    timeline.bounds.most_sockets = 2
    told(timeline, *(sighting(n, n, 100, "USED", f"127.0.0.1:{n}", SERVER) for n in (1, 2, 3)), until=11)

    assert [owner(timeline, f"127.0.0.1:{n}", SERVER, first=n)[0] for n in (1, 2, 3)] == [None, 100, 100]
    assert [(note.feature, note.reason.split()[0]) for note in timeline.bounds.notes()] == [("owners", "1")]


def test_more_peers_than_the_bound_are_found_by_the_port(timeline):
    timeline.bounds.most_peers = 2
    told(timeline, sighting(0, 5, 200, "BOUND", SERVER, protocol="udp"))
    told(timeline, *(sighting(n, 5, 200, "USED", SERVER, f"127.0.0.1:{n}", protocol="udp") for n in (1, 2, 3)))

    found = [owner(timeline, SERVER, f"127.0.0.1:{n}", first=n, protocol="udp")[1] for n in (1, 2, 3)]
    assert found == ["listener", "exact", "exact"]
    assert timeline.bounds.peers_forgotten == 1


def test_only_ends_that_no_sighting_named_are_unknown(timeline):
    told(timeline, sighting(1, 7, 100, "USED", CLIENT, SERVER))

    ends = np.concatenate([end(CLIENT, SERVER), end(SERVER, CLIENT)])
    assert timeline.knows(ends).tolist() == [True, False]


def test_sixty_thousand_ends_are_found_within_two_seconds(timeline):
    count = 60_000
    sightings = np.repeat(sighting(1, 0, 100, "USED", "127.0.0.1:1", SERVER), count)
    sightings["socket"] = np.arange(1, count + 1)
    sightings["local_port"] = np.arange(1, count + 1)
    timeline.update(OwnerEvents(sightings, [started(0, 100)], at(1)))
    ends = np.repeat(end("127.0.0.1:1", SERVER, first=1), count)
    ends["local_port"] = np.arange(1, count + 1)

    started_s = time.process_time()
    matches = timeline.find(ends)
    used_s = time.process_time() - started_s

    assert all(match.quality is MatchQuality.EXACT for match in matches)
    assert used_s < 2


def test_the_sizes_of_rows_are_what_the_model_says():
    assert (SIGHTING.itemsize, FLOW_END.itemsize) == (68, 58)


def ping(socket, pid, identifier, evidence="USED", seconds=1.0):
    return sighting(seconds, socket, pid, evidence, f"10.0.0.1:{identifier}", "10.0.0.2:8", protocol="icmp")


def test_two_pings_of_one_host_are_told_apart_by_their_identifiers(timeline):
    told(timeline, ping(7, 100, 801), ping(8, 101, 802), ping(8, 0, 801, "PACKET"), ping(7, 0, 802, "PACKET"))

    asked = [owner(timeline, f"10.0.0.1:{n}", "10.0.0.2:8", first=1, protocol="icmp") for n in (801, 802)]
    assert asked == [(100, "exact"), (101, "exact")]


def test_a_listener_that_gets_a_copy_of_an_answer_has_not_asked(timeline):
    told(timeline, sighting(0, 9, 300, "HELD", protocol="icmp"), ping(9, 0, 801, "PACKET"), ping(7, 100, 801))

    assert owner(timeline, "10.0.0.1:801", "10.0.0.2:8", first=1, protocol="icmp") == (100, "exact")


def test_a_ping_socket_is_found_by_the_identifier_that_it_is_bound_to(timeline):
    told(timeline, sighting(1, 7, 100, "HELD", "0.0.0.0:801", protocol="icmp"))

    assert owner(timeline, "10.0.0.1:801", "10.0.0.2:8", first=1, protocol="icmp") == (100, "wildcard")


def test_a_raw_socket_may_have_asked_what_no_ping_socket_asked(timeline):
    told(timeline, sighting(1, 7, 100, "HELD", protocol="icmp"))

    assert owner(timeline, "10.0.0.1:801", "10.0.0.2:8", first=1, protocol="icmp") == (100, "wildcard")


def test_an_echo_is_answered_by_the_kernel_whoever_pings_from_there(timeline):
    told(timeline, ping(7, 100, 801), sighting(0, 9, 300, "HELD", protocol="icmp"))

    (match,) = timeline.find(end("10.0.0.1:0", "10.0.0.2:801", first=1, protocol="icmp"))

    assert (match.owner, match.reason) == (KERNEL, "kernel")


def test_an_identifier_used_again_starts_new_rows(timeline):
    told(timeline, ping(7, 100, 801), sighting(2, 7, 100, "CLOSED"), ping(8, 101, 801, seconds=3))

    changes = timeline.take_changes()

    assert changes[["time_ns", "local_port", "protocol"]].tolist() == [(at(3), 801, 1)]


def test_copies_of_answers_start_no_rows(timeline):
    told(timeline, ping(7, 100, 801), ping(9, 300, 802), ping(9, 0, 801, "PACKET", seconds=2))

    assert not len(timeline.take_changes())


def test_a_raw_socket_that_sends_from_every_port_is_kept_small(timeline):
    rows = [sighting(1, 7, 100, "USED", f"10.0.0.1:{n}", SERVER, protocol="udp") for n in range(1, 2000)]
    told(timeline, *rows)

    assert len(timeline._tables.sockets[7].places) == ownership._PORTS_PER_SOCKET


def test_a_socket_that_a_service_manager_holds_too_is_the_services(timeline):
    told(
        timeline,
        *(executed(0, pid, name) for pid, name in ((1, "systemd"), (100, "sshd"))),
        *(sighting(1, 7, pid, "HELD", SERVER) for pid in (1, 100)),
    )

    assert owner(timeline, SERVER, CLIENT, first=2) == (100, "listener")


TUNNEL, ANYWHERE = "10.0.0.2:4789", "10.0.0.1:37529"


def test_what_leaves_a_tunnel_of_the_kernel_is_the_kernels_from_whichever_port(timeline):
    told(timeline, sighting(0, 7, 0, "KERNEL", "0.0.0.0:4789", protocol="udp"))

    (match,) = timeline.find(end(ANYWHERE, TUNNEL, first=1, protocol="udp"))

    assert (match.owner, match.reason) == (KERNEL, "kernel")


def test_a_process_that_calls_such_a_port_elsewhere_is_named(timeline):
    told(
        timeline,
        sighting(0, 7, 0, "KERNEL", "0.0.0.0:4789", protocol="udp"),
        sighting(0, 8, 100, "HELD", "0.0.0.0:37529", protocol="udp"),
    )

    assert owner(timeline, ANYWHERE, TUNNEL, first=1, protocol="udp") == (100, "wildcard")


def test_a_port_that_a_process_has_here_too_says_nothing_of_who_calls_it_elsewhere(timeline):
    told(timeline, sighting(0, 7, 100, "HELD", "0.0.0.0:4789", protocol="udp"))

    assert owner(timeline, ANYWHERE, TUNNEL, first=1, protocol="udp") == (None, "none")


def test_ends_with_one_owner_share_one_answer_until_sockets_are_forgotten(timeline):
    told(timeline, *(sighting(1, port, 100, "USED", f"127.0.0.1:{port}", SERVER) for port in (5, 6)))

    ends = [end(f"127.0.0.1:{port}", SERVER, first=1) for port in (5, 6)]
    first, second = timeline.find(np.concatenate(ends))
    told(timeline, until=100)

    assert first.owner.pid == 100
    assert second is first
    assert not timeline._answers
