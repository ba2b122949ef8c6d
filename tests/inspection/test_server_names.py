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


HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
OWN_WORDS = (9001, 6881, 6889, 51413, 1080, 9050, 9000, 5938, 22000, 1194, 3260, 61613, 9092, 25565, 8333)


@pytest.mark.parametrize("port", OWN_WORDS)
@pytest.mark.parametrize(("said", "protocol"), [(GET, "http"), (HTTP2, "http2"), (b"SSH-2.0-OpenSSH_9.6\r\n", "ssh")])
def test_what_is_said_in_the_clear_names_the_service_of_a_port_whose_own_speaks_otherwise(port, said, protocol):
    (row,) = inspected_in(connection([said], port=port), with_details=True)

    assert (row["service"], row["app"]) == (protocol, "example.com" if said == GET else protocol)


@pytest.mark.parametrize("port", [9001, 6881, 51413, 1080, 9050, 8333, 25565, 873])
def test_a_server_that_is_asked_for_by_name_in_tls_is_not_a_service_that_is_never_in_tls(port):
    (row,) = inspected_in(connection([client_hello("www.example.org")], port=port), with_details=True)

    assert (row["service"], row["app"], row["hostname"]) == ("tls", "example.org", "www.example.org")


@pytest.mark.parametrize("name", ["www.q4cyamnc6mtokjurvdclt.com", "www.gfu7hbxpfp.com", "www.hzkqtvwx.net"])
def test_a_relay_of_tor_is_asked_for_by_a_name_that_was_made_up(name):
    (row,) = inspected_in(connection([client_hello(name)], port=9001), with_details=True)

    assert (row["service"], row["app"]) == ("tor", "tor")


@pytest.mark.parametrize(("port", "service"), [(3128, "squid"), (9200, "elasticsearch"), (2375, "docker")])
def test_http_does_not_contradict_a_service_that_is_spoken_over_it(port, service):
    (row,) = inspected_in(connection([GET], port=port), with_details=True)

    assert row["service"] == service


@pytest.mark.parametrize(("port", "service"), [(9092, "kafka"), (9200, "elasticsearch"), (853, "dns-over-tls")])
def test_tls_hides_what_it_carries_so_the_port_tells_it(port, service):
    (row,) = inspected_in(connection([client_hello("broker.example.org")], port=port), with_details=True)

    assert row["service"] == service
