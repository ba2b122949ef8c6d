"""Rows about sockets: services, who opened, exposure, holders, counts."""

from __future__ import annotations

import pytest

from portcall.records.schema import COUNTS, column_names
from portcall.records.sockets import Holding, TcpFigures
from portcall.sockets.rows import conversation_rows, count_rows, held_rows, port_rows
from socket_builder import listing, owner, system_socket

HTTPS = system_socket("192.168.1.5:54823", "142.250.80.46:443", owners=[owner("firefox")])


def direction(*sockets):
    """Of the first socket, among all of them."""
    (row,) = (row for row in conversation_rows(listing(*sockets)) if row["local_port"] == sockets[0].local_port)
    return row["direction"], row["opener_evidence"]


def test_rows_have_exactly_the_columns_of_the_schema():
    server = system_socket("0.0.0.0:80")
    everything = listing(server, HTTPS)
    conversations = conversation_rows(everything)

    assert set(port_rows(everything)[0]) == set(column_names("ports"))
    assert set(conversations[0]) == set(column_names("conns"))
    assert set(held_rows(everything, {server: "local"})[0]) == set(column_names("who"))
    for by, grouping in COUNTS.items():
        assert set(count_rows(conversations, by)[0]) == set(column_names(grouping))


def test_ports_are_listening_sockets_in_order_of_protocol_and_port():
    rows = port_rows(listing(system_socket("0.0.0.0:443"), HTTPS, system_socket("[::]:53", protocol="udp"),
                             system_socket("127.0.0.1:22")))  # fmt: skip

    assert [(row["protocol"], row["port"], row["service"]) for row in rows] == [
        ("tcp", 22, "ssh"), ("tcp", 443, "https"), ("udp", 53, "dns")
    ]  # fmt: skip


def test_the_service_is_that_of_the_end_that_was_called():
    accepted = system_socket("192.168.1.5:22", "192.168.1.9:443")
    rows = conversation_rows(listing(accepted, system_socket("0.0.0.0:22"), HTTPS))

    assert {row["local_port"]: row["service"] for row in rows} == {22: "ssh", 54823: "https"}


@pytest.mark.parametrize("listener", ["0.0.0.0:8080", "192.168.1.5:8080"])
def test_a_listener_on_the_local_port_means_that_they_opened(listener):
    accepted = system_socket("192.168.1.5:8080", "192.168.1.9:443")

    assert direction(accepted, system_socket(listener)) == ("in", "listener")


def test_a_listener_at_another_address_says_nothing():
    accepted = system_socket("192.168.1.5:8080", "192.168.1.9:443")

    assert direction(accepted, system_socket("127.0.0.1:8080")) == ("out", "port-class")


def test_a_listener_of_another_protocol_says_nothing():
    accepted = system_socket("192.168.1.5:8080", "192.168.1.9:443")

    assert direction(accepted, system_socket("0.0.0.0:8080", protocol="udp"))[1] == "port-class"


@pytest.mark.parametrize(("dual", "told"), [(True, ("in", "listener")), (False, ("out", "port-class"))])
def test_an_ipv6_listener_takes_ipv4_only_if_it_is_dual(dual, told):
    accepted = system_socket("192.168.1.5:8080", "192.168.1.9:443")

    assert direction(accepted, system_socket("[::]:8080", takes_ipv4_too=dual)) == told


def test_a_listener_on_the_other_end_means_that_we_opened():
    client = system_socket("127.0.0.1:40000", "127.0.0.1:60000")

    assert direction(client, system_socket("0.0.0.0:60000")) == ("out", "remote-listener")


def test_a_listener_here_says_nothing_of_another_machines_port():
    client = system_socket("192.168.1.5:40000", "192.168.1.9:60000")

    assert direction(client, system_socket("0.0.0.0:60000")) == (None, None)


@pytest.mark.parametrize(("state", "told"), [("SYN-SENT", "out"), ("SYN-RECV", "in")])
def test_half_a_handshake_tells_who_opened(state, told):
    assert direction(system_socket("192.168.1.5:443", "192.168.1.9:443", state=state)) == (told, "state")


def test_two_ports_that_systems_give_to_clients_leave_open_who_opened():
    assert direction(system_socket("192.168.1.5:40000", "192.168.1.9:52000")) == (None, None)


def test_equal_ports_leave_open_who_opened():
    assert direction(system_socket("192.168.1.5:500", "192.168.1.9:500", protocol="udp")) == (None, None)


def test_figures_and_age_are_exact():
    figures = TcpFigures(10, 20, 3_000_000, 500_000, 7)
    (row,) = conversation_rows(listing(
        system_socket("10.0.0.1:1", "10.0.0.2:2", figures=figures, since_ns=400, send_queue_bytes=5), time_ns=1000
    ))  # fmt: skip

    assert (row["bytes_sent"], row["bytes_received"], row["bytes_sent_again"], row["bytes_to_send"]) == (10, 20, 7, 5)
    assert (row["round_trip_ns"], row["since_ns"], row["age_ns"]) == (3_000_000, 400, 600)


def test_what_the_kernel_does_not_tell_is_null():
    (row,) = conversation_rows(listing(system_socket("10.0.0.1:1", "10.0.0.2:2", protocol="udp")))

    assert [row[name] for name in ("bytes_sent", "round_trip_ns", "since_ns", "age_ns")] == [None] * 4


def test_a_container_is_preferred_to_a_unit():
    (row,) = port_rows(listing(system_socket("0.0.0.0:80", owners=[owner(container="web", unit="docker.service")])))

    assert row["container"] == "web"


def test_several_holders_are_told_by_number_and_the_first_by_name():
    (row,) = port_rows(listing(system_socket("0.0.0.0:80", owners=[owner("nginx", 5), owner("worker", 9)])))

    assert (row["process"], row["pid"], row["pids"]) == ("nginx", 5, [5, 9])


def test_without_a_process_the_user_is_the_sockets():
    (row,) = port_rows(listing(system_socket("0.0.0.0:80", user="www-data", holding=Holding.HIDDEN)))

    assert (row["process"], row["pids"], row["user"], row["holding"]) == (None, [], "www-data", "hidden")


def test_counts_add_up_and_the_most_come_first():
    ssh = owner("ssh", 7)
    figures = TcpFigures(1, 2, 0, 0, 0)
    rows = conversation_rows(listing(
        HTTPS,
        system_socket("192.168.1.5:40000", "10.0.0.9:22", owners=[ssh], figures=figures),
        system_socket("192.168.1.5:40001", "10.0.0.9:22", owners=[ssh], figures=figures, state="CLOSE-WAIT"),
    ))  # fmt: skip

    first, second = count_rows(rows, "app")

    assert first == {
        "app": "ssh", "conversations": 2, "established": 1, "opened_in": 0, "opened_out": 2, "hosts": 1,
        "bytes_sent": 2, "bytes_received": 4, "pids": [7],
    }  # fmt: skip
    assert second["app"] == "firefox"


def test_what_is_held_tells_the_chain_of_parents():
    server = system_socket("0.0.0.0:80", owners=[owner(start_ns=77)])

    (row,) = held_rows(listing(server), {server: "local"})

    assert (row["relation"], row["started_by"], row["process_since_ns"]) == ("local", ["init(1)"], 77)
    assert (row["exposure"], row["direction"], row["service"]) == ("everywhere", None, "http")
