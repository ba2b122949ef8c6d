"""Expectations: who is known, who is new, and of whom nobody can tell, one rule a test."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from portcall.comparison.baselines import MOST_EXPECTATIONS, Baseline, Expectation, Seen, baseline_of
from portcall.comparison.judging import JUDGEMENTS, Judge
from portcall.comparison.learning import Learner
from portcall.comparison.servers import servers_of
from portcall.errors import PortcallError
from portcall.records.column_values import Columns
from portcall.records.schema import columns

ROW = {
    "protocol": "tcp", "app": None, "app_source": None, "hostname": None, "hostname_source": None,
    "server_ip": "198.51.100.7", "server_port": 443, "server_port_class": "well-known", "service": "https",
    "first_ns": 5, "last_ns": 9,
}  # fmt: skip


def row(**said):
    return ROW | said


def named(name, **said):
    return row(hostname=name, hostname_source="tls-sni", **said)


def of_process(name, **said):
    return row(app=name, app_source="process", **said)


def learned(*rows, within=(), exact_names=False):
    learner = Learner(list(map(ipaddress.ip_network, within)), exact_names=exact_names)
    learner.add(Columns.of_rows(rows))
    return learner.baseline


def judged(baseline, *rows):
    found = Judge(baseline).judged(Columns.of_rows(rows))
    return found[0] if len(rows) == 1 else found


def hosts(baseline):
    return sorted(expectation.host for expectation in baseline.expected)


# --- names


def test_a_name_is_learned_with_all_below_the_domain_that_somebody_registered():
    baseline = learned(named("www.example.co.uk"))

    assert hosts(baseline) == ["*.example.co.uk"]
    assert judged(baseline, named("img.cdn.example.co.uk"), named("example.co.uk")) == ["known", "known"]
    assert judged(baseline, named("example2.co.uk"), named("other.co.uk"), named("evilexample.co.uk")) == ["new"] * 3


def test_those_who_share_a_domain_that_hands_out_names_are_told_apart():
    baseline = learned(named("project.github.io"))

    assert judged(baseline, named("a.project.github.io"), named("other.github.io")) == ["known", "new"]


def test_with_exact_names_only_the_name_itself_is_known():
    baseline = learned(named("www.example.org"), exact_names=True)

    assert judged(baseline, named("www.example.org"), named("example.org")) == ["known", "new"]


@pytest.mark.parametrize("sent", ["WWW.Example.ORG", "www.example.org.", "www.example.org:8443", "*.example.org"])
def test_a_name_is_the_same_however_it_was_written(sent):
    assert judged(learned(named(sent)), named("www.example.org")) == "known"
    assert judged(learned(named("www.example.org"), exact_names=True), named("www.example.org.:443")) == "known"


def test_a_name_below_no_public_suffix_is_known_by_itself():
    baseline = learned(named("printer"), named("nas.local"))

    assert judged(baseline, named("printer"), named("tv.local"), named("x.printer")) == ["known", "new", "new"]


@pytest.mark.parametrize(
    "name", ["0.0.0.0/0", "::/0", "*", "*.com", "*.", "*.*.com", "*.local", "198.51.100.9", "a b/8"]
)
def test_who_asks_for_a_name_that_is_none_is_not_expected_everywhere(name):
    baseline = learned(named(name))

    assert judged(baseline, named(name)) == "known"
    others = [named("evil.com"), row(server_ip="203.0.113.1"), row(server_ip="198.51.100.9")]
    assert judged(baseline, *others) == ["new"] * 3
    assert baseline_of(baseline.plain()) == baseline


# --- addresses and networks


def test_a_server_without_a_name_is_known_by_its_address():
    baseline = learned(row())

    assert judged(baseline, row(), row(server_ip="198.51.100.8")) == ["known", "new"]


def test_on_the_internet_a_known_address_does_not_make_a_name_known():
    assert judged(learned(row()), named("evil.example.com")) == "new"


def test_in_a_private_network_an_address_is_a_host_whether_it_has_a_name_or_not():
    without, with_name = row(server_ip="10.0.0.5"), named("db.corp.example.org", server_ip="10.0.0.5")

    assert judged(learned(without), with_name) == "known"
    assert judged(learned(with_name), without) == "known"
    assert judged(learned(with_name), row(server_ip="10.0.0.6")) == "new"


def test_a_network_that_somebody_named_is_expected_as_a_whole():
    baseline = learned(row(server_ip="10.1.2.3"), within=["10.0.0.0/8", "10.1.0.0/16"])

    assert hosts(baseline) == ["10.1.0.0/16"]
    assert judged(baseline, named("new.example.org", server_ip="10.1.9.9"), row(server_ip="10.2.0.1")) == [
        "known", "new"
    ]  # fmt: skip


def test_groups_are_one_as_they_are_no_hosts():
    baseline = learned(row(server_ip="224.0.0.251"), row(server_ip="ff02::1:ff00:1"))

    assert judged(baseline, row(server_ip="239.1.2.3"), row(server_ip="ff02::2")) == ["known", "known"]


# --- what hides its name


def test_a_server_without_a_name_where_expected_names_live_is_unknown():
    baseline = learned(named("www.example.org"), named("six.example.org", server_ip="2001:db8:1::1"))

    near = [
        row(server_ip=address) for address in ("198.51.100.200", "2001:db8:1:ff::9", "198.51.101.1", "2001:db8:2::1")
    ]
    assert judged(baseline, *near) == ["unknown", "unknown", "new", "new"]
    assert judged(baseline, row(server_port=22)) == "new"


def test_a_new_name_is_new_even_where_expected_names_live():
    assert judged(learned(named("www.example.org")), named("evil.example.com")) == "new"


def test_in_private_networks_no_name_is_hidden():
    baseline = learned(named("db.corp.example.org", server_ip="10.0.0.5"))

    assert judged(baseline, row(server_ip="10.0.0.77")) == "new"


@pytest.mark.parametrize("source", ["tls-sni-outer", "quic-sni-outer"])
def test_an_outer_name_is_a_cover_and_neither_learned_nor_new(source):
    cover = row(hostname="public.example.net", hostname_source=source)
    baseline = learned(cover)

    assert hosts(baseline) == []
    assert judged(baseline, cover, named("public.example.net")) == ["unknown", "new"]
    assert judged(learned(named("www.public.example.net")), cover) == "unknown"


# --- apps


def test_where_both_know_the_process_it_counts():
    baseline = learned(of_process("curl"))

    assert judged(baseline, of_process("curl"), of_process("nc")) == ["known", "new"]


def test_who_does_not_know_the_process_judges_by_server_and_port():
    assert judged(learned(of_process("curl")), row()) == "known"
    assert judged(learned(row()), of_process("nc")) == "known"


def test_an_app_by_name_or_protocol_says_no_more_than_server_and_port():
    assert judged(learned(row(app="youtube", app_source="name")), row(app="tls", app_source="protocol")) == "known"


# --- ports


@pytest.mark.parametrize(
    ("there", "here", "word"),
    [
        ({}, {"protocol": "udp"}, "known"),  # HTTP/3
        ({}, {"server_port": 8443}, "new"),
        ({"server_port": 50000, "server_port_class": "ephemeral", "service": "rtp"}, {}, "known"),
        ({"server_port": 50000, "server_port_class": "ephemeral", "service": None}, {}, "known"),
    ],
)
def test_a_port_is_its_number_and_in_the_ephemeral_range_its_service(there, here, word):
    other = there | {"server_port": 60000} if there else here

    assert judged(learned(row(**there)), row(**other)) == word


def test_another_service_in_the_ephemeral_range_is_new():
    ephemeral = {"server_port": 50000, "server_port_class": "ephemeral"}

    assert judged(learned(row(**ephemeral, service="rtp")), row(**ephemeral, service="bittorrent")) == "new"


def test_protocols_without_ports_are_told_apart_by_themselves():
    icmp = {"protocol": "icmp", "server_port": 0, "server_port_class": None, "service": None}

    assert judged(learned(row(**icmp)), row(**icmp), row(**icmp | {"protocol": "ip-47"})) == ["known", "new"]


def test_what_is_on_no_flow_is_not_judged():
    assert judged(learned(row()), row(protocol=None, server_ip=None)) is None


# --- laws


NAMES = (
    st.none() | st.sampled_from(["a.example.org", "b.co.uk", "*.com", "0.0.0.0/0", "printer"]) | st.text(max_size=30)
)
ROWS = st.lists(
    st.builds(
        row,
        protocol=st.sampled_from(["tcp", "udp", "icmp", "\x1b"]),
        app=st.none() | st.text(max_size=5),
        app_source=st.sampled_from(["process", "name", None]),
        hostname=NAMES,
        hostname_source=st.sampled_from(["tls-sni", "dns", "tls-sni-outer", None]),
        server_ip=st.ip_addresses().map(str) | st.sampled_from(["10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "no"]),
        server_port=st.integers(0, 65535),
        server_port_class=st.sampled_from(["well-known", "ephemeral", None]),
        service=st.none() | st.sampled_from(["https", "rtp"]) | st.text(max_size=5),
        first_ns=st.none() | st.integers(-(1 << 60), 1 << 60),
    ),
    min_size=1,
    max_size=8,
)


@given(rows=ROWS, exact_names=st.booleans(), within=st.sampled_from([[], ["10.0.0.0/8", "::/1"]]))
@settings(max_examples=examples(80))
def test_all_that_a_baseline_was_learned_from_is_expected_whatever_it_was(rows, exact_names, within):
    baseline = learned(*rows, exact_names=exact_names, within=within)

    back = baseline_of(baseline.plain())
    assert back == baseline
    for one, word in zip(rows, Judge(back).judged(Columns.of_rows(rows)), strict=True):
        hidden = one["hostname"] and one["hostname_source"] == "tls-sni-outer"
        assert word in {"known", None, "unknown" if hidden else None}


@given(first=ROWS, second=ROWS)
@settings(max_examples=examples(40))
def test_what_is_learned_in_parts_is_what_is_learned_at_once(first, second):
    parts = learned(*first)

    parts.merge(learned(*second))

    assert parts == learned(*first, *second)


def test_every_judgement_is_documented():
    (column,) = [column for column in columns("flow") if column.name == "expected"]

    assert column.meaning.startswith(f"{', '.join(JUDGEMENTS[:-1])} or {JUDGEMENTS[-1]},")


# --- bounds


def test_a_baseline_has_a_bound_and_says_what_to_do(monkeypatch):
    monkeypatch.setattr("portcall.comparison.baselines.MOST_EXPECTATIONS", 2)
    baseline = Baseline()

    for host in ("a", "b", "b"):
        baseline.expect(Expectation(None, host, "1"), Seen(1))
    with pytest.raises(PortcallError, match=r"--network 10\.0"):
        baseline.expect(Expectation(None, "c", "1"), Seen(1))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"portcall_baseline": 2}, "it is a baseline of version 2, and this portcall reads version 1"),
        ({"portcall_baseline": True}, "version True"),
        ({"expected": {}}, "'expected' is no list"),
        ({"expected": [7]}, "entry 1 of 'expected'"),
        ({"expected": [{"host": "a.example", "port": "1"}, {"host": "a"}]}, "entry 2 of 'expected': it has no 'port'"),
        ({"expected": [{"host": "10.0.0.1/8", "port": "1"}]}, "10.0.0.1/8 has host bits set"),
        ({"expected": [{"host": "*", "port": "1"}]}, "'host' is '*'"),
        ({"expected": [{"host": "a\x1b", "port": "1"}]}, "'host' is 'a\\x1b'"),
        ({"expected": [{"host": "a", "port": 443}]}, "a text is something else"),
        ({"expected": [{"host": "a", "port": "4 3"}]}, "'port' is '4 3'"),
        ({"expected": [{"host": "a" * 3000, "port": "1"}]}, "empty or too long"),
        ({"expected": [{"host": "a", "port": "1", "first_ns": 1 << 64}]}, "out of its bounds"),
        ({"named_networks": [{"network": "a", "port": "1"}]}, "'network' is none"),
        ({"learned": [{"source": "x", "window_ns": [1]}]}, "entry 1 of 'learned'"),
        ({"learned": [{}] * (MOST_EXPECTATIONS + 1)}, "no list of at most"),
    ],
)
def test_what_is_no_baseline_is_refused_by_what_is_wrong(change, why):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the text is looked at
        baseline_of({"portcall_baseline": 1} | change)

    assert why in str(error.value)


@pytest.mark.parametrize("plain", [None, [], {}, 7])
def test_other_json_is_no_baseline(plain):
    with pytest.raises(ValueError, match="has no 'portcall_baseline'"):
        baseline_of(plain)


def test_by_hand_host_and_port_are_enough():
    baseline = baseline_of(
        {"portcall_baseline": 1, "expected": [{"host": "*.Example.org.", "port": "443", "note": "ours"}]}
    )

    assert judged(baseline, of_process("curl", hostname="www.example.org", hostname_source="dns")) == "known"


def test_servers_of_no_rows_are_none():
    assert list(servers_of(Columns(0, {}))) == []
