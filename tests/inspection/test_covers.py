"""Covers of encrypted hellos: what resolvers offered tells them apart, for the kernel and for dissectors."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP

import portcall
from dissectors.ech_vectors import (
    CONFIGURATIONS,
    GREASE_HELLO,
    QUIC_DATAGRAM,
    RETRIED_CLIENT,
    RETRIED_SERVER,
    RETRY_TURNS,
)
from made_conversations import CLIENT, RESOLVER, SERVER, answered, connection, dialogue, inspected_in

CAPTURES = Path(__file__).parents[2] / "captures"
FIRST, RETRY, SECOND = RETRY_TURNS
HELLO = RETRIED_CLIENT[:FIRST]
SERVER_BYTES = bytes(map(int, SERVER.split(".")))
ALPN, HINT, ECH = (1, b"\3h2"), (4, SERVER_BYTES), (5, CONFIGURATIONS)


def https_answer(name, *parameters, kind=65, target=b"\0", client=CLIENT):
    """What a resolver answers to a question for an HTTPS record."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    data = b"\0\1" + target + b"".join(struct.pack(">HH", key, len(value)) + value for key, value in parameters)
    message = struct.pack(">6H", 7, 0x8180, 1, 1, 0, 0) + labels + struct.pack(">HH", kind, 1)
    message += struct.pack(">HHHIH", 0xC00C, kind, 1, 300, len(data)) + data
    return [IP(src=RESOLVER, dst=client) / UDP(sport=53, dport=5000) / message]


def rows_of(packets, **how):
    """Rows by flow but those of the resolver, the same by kernel and dissectors, with details and without."""
    by_dissectors = [row for row in inspected_in(packets, by_dissectors=True, **how) if row["server_port"] != 53]
    detailed = [row for row in inspected_in(packets, with_details=True, **how) if row["server_port"] != 53]
    plain = [row for row in inspected_in(packets, **how) if row["server_port"] != 53]

    assert detailed == by_dissectors
    for one, other in zip(plain, by_dissectors, strict=True):
        names = ("hostname", "hostname_source", "app", "app_source", "tls_server_name")
        assert [one[name] for name in names] == [other[name] for name in names]
    return by_dissectors


def named(row):
    return row["hostname"], row["hostname_source"], row["app"], row["app_source"]


OFFERS = {
    "with hints": https_answer("shop.secret.example.com", ALPN, HINT, ECH),
    "and an address": https_answer("shop.secret.example.com", ALPN, ECH) + answered("shop.secret.example.com"),
    "and no address": https_answer("shop.secret.example.com", ALPN, ECH),
    "for a port": https_answer("_443._https.shop.secret.example.com", ALPN, HINT, ECH),
    "as a service": https_answer("_443._https.shop.secret.example.com", HINT, ECH, kind=64),
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("cut", [FIRST, 100, 200, 400], ids=lambda at: f"cut at {at}")
def test_a_name_behind_which_dns_had_offered_ech_is_a_cover_and_the_app_is_of_the_name_behind(offer, cut):
    (row,) = rows_of([*offer, *connection([HELLO[:cut], HELLO[cut:]] if cut < FIRST else [HELLO])])

    assert named(row) == ("cover.example", "tls-sni-outer", "example.com", "name")
    assert row["tls_server_name"] == "cover.example"


def test_quic_is_told_alike():
    packets = [*OFFERS["with hints"], *dialogue([QUIC_DATAGRAM], 443, over=UDP)]

    (row,) = rows_of(packets)

    assert named(row) == ("cover.example", "quic-sni-outer", "example.com", "name")


def test_what_may_be_grease_keeps_its_name():
    offer = https_answer("secret.example", ALPN, HINT, ECH)

    (row,) = rows_of([*offer, *connection([GREASE_HELLO[:1400], GREASE_HELLO[1400:]])])

    assert named(row)[:2] == ("secret.example", "tls-sni")
    assert "ech=yes" in row["said"]


@pytest.mark.parametrize(
    "before",
    [
        [],
        answered("shop.secret.example.com"),
        https_answer("shop.secret.example.com", ALPN, HINT),
        https_answer("shop.secret.example.com", ALPN, HINT, ECH, client="10.0.0.2"),
        https_answer("shop.secret.example.com", ALPN, HINT, (5, CONFIGURATIONS.replace(b"cover", b"other"))),
        https_answer("shop.secret.example.com", HINT, ECH, ALPN),
        https_answer("shop.secret.example.com", ALPN, HINT, (5, CONFIGURATIONS[:30])),
    ],
    ids=["nothing", "an address", "no ech", "another client", "another cover", "keys in disorder", "cut"],
)
def test_without_an_offer_to_this_client_behind_this_name_nothing_is_told_apart(before):
    (row,) = rows_of([*before, *connection([HELLO])])

    assert named(row)[:2] == ("cover.example", "tls-sni")


def test_an_offer_counts_only_for_what_comes_after_it():
    (row,) = rows_of([*connection([HELLO]), *OFFERS["with hints"]])

    assert row["hostname_source"] == "tls-sni"


def test_of_several_names_behind_a_cover_those_at_the_servers_address_are_meant():
    elsewhere = https_answer("www.elsewhere.example.net", ALPN, (4, b"\xc6\x33\x64\7"), ECH)

    (row,) = rows_of([*elsewhere, *OFFERS["with hints"], *connection([HELLO])])
    (unsure,) = rows_of(
        [*https_answer("www.elsewhere.example.net", ALPN, ECH), *OFFERS["and no address"], *connection([HELLO])]
    )

    assert named(row) == ("cover.example", "tls-sni-outer", "example.com", "name")
    assert named(unsure) == ("cover.example", "tls-sni-outer", "https", "protocol")


def test_a_known_cover_is_one_without_dns_and_its_app_is_not_that_of_who_runs_it():
    hello = HELLO.replace(b"cover.example", b"cover.defo.ie")

    (alone,) = rows_of(connection([hello]))
    (told,) = rows_of([*answered("shop.secret.example.com"), *connection([hello])])

    assert named(alone) == ("cover.defo.ie", "tls-sni-outer", "https", "protocol")
    assert named(told) == ("cover.defo.ie", "tls-sni-outer", "example.com", "name")


@pytest.mark.parametrize("parameters", [(ALPN, HINT), (HINT,), (ALPN, HINT, (6, bytes(15) + b"\1"))])
@pytest.mark.parametrize("kind", [64, 65])
def test_addresses_that_https_records_hint_at_have_their_names(parameters, kind):
    (row,) = rows_of(
        [*https_answer("www.example.com", *parameters, kind=kind), *connection([b"\0\1\2\3 what is this"], 99)]
    )

    assert (row["hostname"], row["hostname_source"]) == ("www.example.com", "dns")


@pytest.mark.parametrize(
    "hint", [(4, SERVER_BYTES[:3]), (4, b""), (4, SERVER_BYTES * 40), (4, b"\7\7\7\7" * 30 + SERVER_BYTES)]
)
def test_hints_of_odd_lengths_are_none_and_many_are_all_taken(hint):
    (row,) = rows_of([*https_answer("www.example.com", hint), *connection([b"\0\1\2\3 what is this"], 99)])

    assert row["hostname_source"] == ("dns" if len(hint[1]) > 4 else None)


def test_a_resolver_that_is_discovered_is_called_by_its_target():
    answer = https_answer("_dns.resolver.arpa", ALPN, HINT, kind=64, target=b"\3dns\7example\3net\0")

    (row,) = rows_of([*answer, *connection([b"\0\1\2\3 what is this"], 99)])

    assert row["hostname"] == "dns.example.net"


@pytest.mark.parametrize("batch_size", [1, 1000])
@pytest.mark.parametrize("cut", [0, 3, 6, 7, 60, 400])
def test_the_fingerprint_of_a_second_hello_is_told_where_the_server_asked_for_it(batch_size, cut):
    second = RETRIED_CLIENT[FIRST : FIRST + SECOND]
    turns = [HELLO, RETRIED_SERVER[:RETRY], second[:cut], b"", second[cut:], RETRIED_SERVER[RETRY : RETRY + 200]]

    (row,) = rows_of(dialogue(turns, 443), batch_size=batch_size)

    assert len([said for said in row["said"] if said.startswith("ja4=")]) == 2
    assert "ech=accepted" in row["said"]


def test_a_real_client_that_was_offered_ech_is_behind_a_cover_and_one_that_asks_for_the_cover_is_not():
    rows = [row for row in portcall.read(CAPTURES / "ech.pcap", by="flow") if row["server_port"] == 443]

    assert [named(row) for row in rows] == [
        ("cover.example.net", "tls-sni-outer", "example.org", "name"),
        ("cover.example.net", "tls-sni", "example.net", "name"),
    ]
    assert ["ech=yes" in row["said"] for row in rows] == [True, False]
