"""Conversations are heard until they are known, and no longer; what is heard is found in the rows."""

from __future__ import annotations

import numpy as np
import pytest
from hpack import Encoder
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6

from made_conversations import (
    CLIENT,
    GET,
    RESOLVER,
    SERVER,
    answered,
    batch_of,
    client_hello,
    connection,
    inspected_in,
    names_by_dissectors,
)
from portcall.decoding.decoder import Decoder
from portcall.flows.table import FlowTable
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.inspection.server_names import ServerNames


def told(row):
    return row["application_protocol"], row["hostname"], row["hostname_source"], row["app"], row["app_source"]


@pytest.mark.parametrize("with_details", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_a_client_hello_names_the_server(with_details, batch_size):
    packets = connection([client_hello("open.spotify.com")])

    (row,) = inspected_in(packets, with_details=with_details, batch_size=batch_size)

    assert told(row) == ("tls", "open.spotify.com", "tls-sni", "spotify", "name")
    assert row["service"] == "https"
    assert row["evidence_frame"] == 4


@pytest.mark.parametrize("with_details", [False, True])
def test_a_hello_over_many_segments_out_of_order_is_heard(with_details):
    hello = client_hello("www.example.com")
    packets = connection([hello[at : at + 90] for at in range(0, len(hello), 90)])

    (row,) = inspected_in([*packets[:3], *reversed(packets[3:])], with_details=with_details, batch_size=2)

    assert told(row)[:3] == ("tls", "www.example.com", "tls-sni")


@pytest.mark.parametrize("with_details", [False, True])
def test_padding_that_is_counted_to_an_acknowledgement_is_not_said(with_details):
    packets = connection([client_hello("www.example.com")])
    packets[2] = packets[2] / bytes(6)

    (row,) = inspected_in(packets, with_details=with_details)

    assert told(row)[:3] == ("tls", "www.example.com", "tls-sni")


@pytest.mark.parametrize("with_details", [False, True])
def test_a_request_names_the_host_on_any_port(with_details):
    (row,) = inspected_in(connection([GET], port=29997), with_details=with_details)

    assert told(row) == ("http", "www.example.com", "http-host", "example.com", "name")
    assert row["service"] == "http"


@pytest.mark.parametrize("with_details", [False, True])
@pytest.mark.parametrize("is_turned", [False, True])
def test_a_server_is_called_as_the_client_asked_for_it_whatever_the_order_of_the_aliases(is_turned, with_details):
    question = DNSQR(qname="www.shop.example")
    records = [
        DNSRR(rrname="www.shop.example", type="CNAME", rdata="e7.example.net"),
        DNSRR(rrname="e7.example.net", rdata=SERVER),
    ]
    answer = DNS(qr=1, qd=question, an=records[::-1] if is_turned else records)
    resolved = [IP(src=RESOLVER, dst=CLIENT) / UDP(sport=53, dport=5000) / answer]

    rows = inspected_in([*resolved, *connection([b"\x07\x07\x07\x07\x07"])], with_details=with_details)

    assert [row["hostname"] for row in rows if row["server_ip"] == SERVER] == ["www.shop.example"]


def test_a_foreign_protocol_on_a_known_port_is_said():
    (row,) = inspected_in(connection([b"SSH-2.0-OpenSSH_9.6\r\n"], answers=[b"SSH-2.0-OpenSSH_9.6\r\n"]))

    assert (row["service"], row["app"], row["app_source"]) == ("ssh", "ssh", "protocol")


@pytest.mark.parametrize("with_details", [False, True])
@pytest.mark.parametrize(
    "line",
    [
        b"GET http://real.example.com/ HTTP/1.1",
        b"GET http://ada:secret@Real.example.com:8080/path?http://third.example HTTP/1.0",
        b"POST HTTPS://real.example.com HTTP/1.1",
        b"OPTIONS http://real.example.com HTTP/1.1",
        b"CONNECT real.example.com:443 HTTP/1.1",
    ],
)
def test_the_authority_of_the_target_wins_over_the_host_field(line, with_details):
    sent = line + b"\r\nHost: other.example.net\r\n\r\n"

    (row,) = inspected_in(connection([sent], port=3128), with_details=with_details)

    assert (row["hostname"], row["hostname_source"]) == ("real.example.com", "http-host")


@pytest.mark.parametrize("with_details", [False, True])
@pytest.mark.parametrize(
    "line", [b"GET /http://third.example/ HTTP/1.1", b"GET //third.example/ HTTP/1.1", b"OPTIONS * HTTP/1.1"]
)
def test_without_an_authority_in_the_target_the_host_field_counts(line, with_details):
    sent = line + b"\r\nHost: other.example.net\r\n\r\n"

    (row,) = inspected_in(connection([sent], port=80), with_details=with_details)

    assert row["hostname"] == "other.example.net"


ADDRESSES = [
    *("192.0.2.80", "192.0.2.80.", "192.000.002.080", "999.1.1.1", "2001:db8::1", "2001:DB8::1", "::ffff:192.0.2.80"),
    *("fe80::1%eth0", "[2001:db8::1]", "[fe80::1%25eth0]", "::1", "::"),
]
NAMES = ["0x7f000001", "2130706433", "127.1", "1e100.net", "host-7", "a.1.2.3.4", "1.2.3.4.example"]


@pytest.mark.parametrize("with_details", [False, True])
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("port", ["", ":8080"])
def test_an_address_in_a_host_field_is_no_hostname(address, port, with_details):
    sent = GET.replace(b"www.example.com", (address + port).encode())

    (row,) = inspected_in(connection([sent]), with_details=with_details)

    assert row["http_host"] == address + port
    assert (row["hostname"], row["hostname_source"]) == (None, None)
    assert row["app"] == "http"


@pytest.mark.parametrize("with_details", [False, True])
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_in_a_hello_is_no_hostname(address, with_details):
    place_holder = "x" * len(address)

    (row,) = inspected_in(
        connection([client_hello(place_holder).replace(place_holder.encode(), address.encode())]),
        with_details=with_details,
    )

    assert row["tls_server_name"] == address
    assert (row["hostname"], row["hostname_source"], row["app"]) == (None, None, "https")


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_as_authority_of_http_2_is_no_hostname(address):
    block = Encoder().encode([(":method", "GET"), (":path", "/"), (":authority", address + ":8080")])
    headers = len(block).to_bytes(3, "big") + b"\1\5\0\0\0\1" + block

    (row,) = inspected_in(connection([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4" + bytes(5) + headers]))

    assert (row["application_protocol"], row["http_host"], row["hostname"]) == ("http2", address + ":8080", None)


@pytest.mark.parametrize("name", NAMES)
def test_what_only_resembles_an_address_is_a_hostname(name):
    (row,) = inspected_in(connection([GET.replace(b"www.example.com", name.encode())]))

    assert row["hostname"] == name


@pytest.mark.parametrize("with_details", [False, True])
@pytest.mark.parametrize(("version", "client", "server"), [(IP, CLIENT, SERVER), (IPv6, "2001:db8::1", "2001:db8::80")])
def test_a_server_without_a_name_has_the_one_that_the_client_asked_a_resolver_for(
    version, client, server, with_details
):
    question = DNSQR(qname="media.example.org", qtype="AAAA" if version is IPv6 else "A")
    answer = DNSRR(rrname="media.example.org", type=question.qtype, rdata=server, ttl=60)
    resolver = "2001:db8::53" if version is IPv6 else RESOLVER
    packets = [
        version(src=client, dst=resolver) / UDP(sport=5000, dport=53) / DNS(id=7, qd=question),
        version(src=resolver, dst=client) / UDP(sport=53, dport=5000) / DNS(id=7, qr=1, qd=question, an=answer),
        version(src=client, dst=server) / UDP(sport=50000, dport=29997) / (b"\xf1" * 900),
    ]

    row, dns = inspected_in(packets, with_details=with_details)

    assert told(row) == (None, "media.example.org", "dns", "example.org", "name")
    assert told(dns)[0] == "dns"


def test_two_names_of_one_address_are_ambiguous_and_no_name_is_guessed():
    packets = [*answered("www.example.com"), *answered("shop.example.net")]
    packets.append(IP(src=CLIENT, dst=SERVER) / UDP(sport=50000, dport=29997) / (b"\xf1" * 900))

    row, _ = inspected_in(packets)

    assert told(row) == (None, None, "ambiguous", None, None)
    assert row["unattributed_reason"] == "no-owner"


def test_two_names_of_one_app_still_tell_the_app():
    packets = [*answered("www.example.com"), *answered("shop.example.com")]
    packets.append(IP(src=CLIENT, dst=SERVER) / UDP(sport=50000, dport=29997) / (b"\xf1" * 900))

    row, _ = inspected_in(packets)

    assert told(row) == (None, None, "ambiguous", "example.com", "name")


def test_a_new_name_for_which_the_timeline_begins_anew_is_told():
    few = ServerNames(bounds=InspectionBounds(most_names=10))
    packets = [packet for number in range(15) for packet in answered(f"{number}.example.com", f"192.0.2.{number}")]
    packets += [
        IP(src=CLIENT, dst=f"192.0.2.{number}") / UDP(sport=50000, dport=29997) / (b"\xf1" * 900) for number in (3, 14)
    ]

    rows = {row["server_ip"]: row["hostname"] for row in inspected_in(packets, names=few)}

    assert rows["192.0.2.3"] is None
    assert rows["192.0.2.14"] == "14.example.com"


def test_once_a_conversation_is_known_its_packets_are_wanted_no_more():
    table = FlowTable(inspects=True)
    inspector = ServerNames().inspector_for(table)
    batch = batch_of(connection([client_hello("www.example.com")]))
    packets = Decoder().decode(batch)
    inspector.inspect(batch, packets, table.update(packets), 1)
    inspector.of(np.zeros(0, np.int64))  # what was gathered is taken when somebody asks

    later = Decoder().decode(batch_of(connection([b"x" * 1000], answers=[b"y" * 1000])[3:]))

    assert not len(table.update(later, 5))


def test_a_conversation_that_nobody_knows_is_given_up():
    table = FlowTable(inspects=True)
    inspector = ServerNames(with_details=True).inspector_for(table)
    batch = batch_of(connection([b"\xf1" * 50], port=29997, answers=[b"\xf2" * 50]))
    packets = Decoder().decode(batch)
    inspector.inspect(batch, packets, table.update(packets), 1)
    inspector.of(np.zeros(0, np.int64))  # what was gathered is taken when somebody asks

    later = Decoder().decode(batch_of(connection([b"\xf3" * 1000], port=29997, answers=[b"\xf4" * 1000])[3:]))

    assert not len(table.update(later, 6))


def test_what_waits_is_bounded_and_the_oldest_goes_first():
    unfinished = client_hello("www.example.com")[:300]
    packets = [packet for number in range(20) for packet in connection([unfinished], client_port=40000 + number)]
    names, table = names_by_dissectors(), FlowTable(inspects=True)
    names.bounds.most_held_bytes = 2000
    inspector = names.inspector_for(table)
    batch = batch_of(packets)
    decoded = Decoder().decode(batch)

    inspector.inspect(batch, decoded, table.update(decoded), 1)
    inspector.of(np.zeros(0, np.int64))

    assert inspector._held_bytes <= 2000
    assert names.bounds.given_up == 20 - len(inspector._conversations)
    assert (table.inspected[:10] & 3 == 3).all()


def test_names_without_room_are_counted_and_the_protocol_stays():
    names = ServerNames(with_details=True, bounds=InspectionBounds(most_detection_bytes=500))
    packets = [
        packet
        for number in range(4)
        for packet in connection([client_hello(f"host-{number}.example.com")], client_port=40000 + number)
    ]

    rows = inspected_in(packets, names=names)

    assert {row["application_protocol"] for row in rows} == {"tls"}
    assert len({row["hostname"] for row in rows} - {None}) < 4
