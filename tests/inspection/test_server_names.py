"""What the traffic tells of servers: their names, services and apps, in every grouping."""

from __future__ import annotations

import pytest

from made_conversations import GET, SERVER, answered, client_hello, connection, inspected_in

SPOTIFY = connection([client_hello("open.spotify.com")], client_port=40001)
SCDN = connection([client_hello("audio-fa.scdn.co")], client_port=40002)
SSH = connection([b"SSH-2.0-OpenSSH_9.6\r\n"], port=443, client_port=40003)
WEB = connection([GET], port=80, client_port=40004)


def by_name(rows, by):
    return {row[by]: row for row in rows}


def test_several_names_of_one_app_are_one_row():
    rows = by_name(inspected_in([*SPOTIFY, *SCDN], by="app"), "app")

    assert rows["spotify"]["flows"] == 2
    assert rows["spotify"]["app_source"] == "name"
    assert rows["spotify"]["services"] == ["https"]


def test_a_host_is_called_by_its_name():
    rows = by_name(inspected_in([*SPOTIFY, *SCDN, *WEB], by="host"), "host")

    assert set(rows) == {"open.spotify.com", "audio-fa.scdn.co", "www.example.com"}
    assert SERVER not in rows


def test_the_top_host_of_an_app_is_a_name():
    (row,) = inspected_in(SPOTIFY, by="app")

    assert row["top_host"] == "open.spotify.com"


def test_what_is_spoken_on_a_foreign_port_is_its_own_service():
    rows = by_name(inspected_in([*SPOTIFY, *SSH], by="service"), "service")

    assert set(rows) == {"https", "ssh"}


def test_apps_behind_one_service_are_one_row_of_it():
    (row,) = inspected_in([*SPOTIFY, *connection([client_hello("www.netflix.com")], client_port=40005)], by="service")

    assert (row["service"], row["flows"]) == ("https", 2)


def test_an_app_rests_on_the_weakest_of_what_tells_it():
    silent = connection([], port=22, client_port=40006)  # port 22 and nothing said
    (row,) = inspected_in([*SSH, *silent], by="app")

    assert (row["app"], row["flows"], row["app_source"]) == ("ssh", 2, "port")


def test_a_recognised_protocol_is_surer_than_a_port():
    (row,) = inspected_in(connection([b"SSH-2.0-OpenSSH_9.6\r\n"], port=22), by="app")

    assert (row["app"], row["app_source"]) == ("ssh", "protocol")


@pytest.mark.parametrize("by", ["app", "service", "host", "flow"])
def test_rows_still_sum_to_the_capture(by):
    packets = [*answered("cdn.example.org"), *SPOTIFY, *SCDN, *SSH, *WEB]
    rows = inspected_in(packets, by=by)

    out, back = ("bytes_to_server", "bytes_to_client") if by == "flow" else ("bytes_out", "bytes_in")
    assert sum(row[out] + row[back] for row in rows) == sum(len(bytes(packet)) for packet in packets)


@pytest.mark.parametrize("evil", [b"\x1b[31mred.example", b"\xe2\x80\xaeexample.com", b"a\0b.example", b"x" * 60_000])
def test_evil_names_are_ascii_of_bounded_length(evil):
    rows = inspected_in(connection([GET.replace(b"www.example.com", evil)]), with_details=True)

    host = rows[0]["http_host"] or ""
    assert host.isascii()
    assert len(host) <= 1024
