"""Labels by port: the shipped lists are sound, and each question about a port has one answer."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from portcall.labels import curated_services, port_lists
from portcall.labels import port_services as labels
from portcall.labels.port_services import PortClass, Rank

ROOT = Path(__file__).parents[2]
DATA = Path(labels.__file__).parents[1].joinpath("data")
GENERATOR = ROOT / "tools" / "make_iana_services.py"

TCP, UDP, SCTP, DCCP, UDPLITE, ICMP = 6, 17, 132, 33, 136, 1
TEXT = (DATA / "services.toml").read_text(encoding="utf-8")
CURATED = curated_services.read_services(TEXT)
RANGES = curated_services.read_ranges(TEXT)
CSV_LINES = (DATA / "iana-services.csv").read_text(encoding="utf-8").splitlines()
CSV_ROWS = [line.split(",") for line in CSV_LINES[3:]]

ENTRY = """
[[service]]
port = 7
transports = ["tcp", "udp"]
name = "echo"
title = "Echo"
description = "Sends back what it gets."
encrypted = false
"""


def protocols(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint8)


def ports(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint16)


# --- the three classes


@pytest.mark.parametrize(
    ("port", "port_class"),
    [
        (0, "well-known"),
        (1023, "well-known"),
        (1024, "registered"),
        (49151, "registered"),
        (49152, "ephemeral"),
        (65535, "ephemeral"),
    ],
)
def test_the_class_of_a_port_changes_exactly_at_the_borders(port, port_class):
    (number,) = labels.port_classes(ports(port))

    assert PortClass(number).label == port_class


def test_port_classes_are_one_byte_each():
    assert labels.port_classes(ports(1, 2)).dtype == np.uint8


@pytest.mark.parametrize(
    ("port", "temporary"), [(0, False), (32767, False), (32768, True), (60999, True), (61000, True), (65535, True)]
)
def test_a_port_is_temporary_in_the_range_of_iana_or_of_linux(port, temporary):
    assert labels.is_temporary(ports(port)).tolist() == [temporary]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells its range in /proc")
def test_the_range_of_linux_is_the_one_that_this_kernel_hands_out():
    setting = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    first, last = map(int, setting.split())
    if (first, last) != (32768, 60999):
        pytest.skip(f"the administrator of this machine chose {first}-{last}")

    assert labels.EPHEMERAL_BY_SYSTEM["Linux"] == (first, last)


# --- services


@pytest.mark.parametrize(
    ("port", "transport", "name"),
    [
        (20, "tcp", "ftp-data"),
        (21, "tcp", "ftp"),
        (22, "tcp", "ssh"),
        (25, "tcp", "smtp"),
        (53, "tcp", "dns"),
        (53, "udp", "dns"),
        (67, "udp", "dhcp"),
        (68, "udp", "dhcp"),
        (80, "tcp", "http"),
        (110, "tcp", "pop3"),
        (143, "tcp", "imap"),
        (443, "tcp", "https"),
        (443, "udp", "https"),
        (587, "tcp", "submission"),
        (3306, "tcp", "mysql"),
        (5432, "tcp", "postgresql"),
        (6379, "tcp", "redis"),
        (8080, "tcp", "http-alt"),
        (27017, "tcp", "mongodb"),
    ],
)
def test_the_ports_everybody_must_know_have_their_service(port, transport, name):
    service = curated_services.curated(port, transport)

    assert service is not None
    assert service.name == labels.service_name_of({"tcp": TCP, "udp": UDP}[transport], port) == name


@pytest.mark.parametrize(
    ("protocol", "port", "name"),
    [
        (TCP, 514, None),
        (UDP, 514, "syslog"),
        (TCP, 853, "dns-over-tls"),
        (UDP, 853, "dns-over-quic"),
        (SCTP, 2905, "m3ua"),
        (UDP, 2905, None),
        (DCCP, 5004, None),
        (UDP, 5004, "rtp"),
    ],
)
def test_the_same_number_is_another_service_on_another_transport(protocol, port, name):
    assert labels.service_name_of(protocol, port) == name


@pytest.mark.parametrize(
    ("name", "ports"),
    [
        ("dns", [(53, "tcp"), (53, "udp")]),
        ("DHCP", [(67, "udp"), (68, "udp")]),
        ("syslog", [(514, "udp")]),
        ("nobody-has-this-name", []),
    ],
)
def test_a_service_has_its_ports_by_number_in_any_case(name, ports):
    assert labels.ports_of(name) == ports


def test_the_ports_of_our_own_list_come_before_those_of_iana():
    ranks = [labels.service_evidence({"tcp": TCP, "udp": UDP}[one], port) for port, one in labels.ports_of("http-alt")]

    assert ranks[0].startswith("curated")
    assert ranks == sorted(ranks, key=lambda words: words.startswith("IANA"))


@pytest.mark.parametrize(("name", "near"), [("postgres", "postgresql"), ("Mongo", "mongodb"), ("qqqqqqqqqqqq", None)])
def test_a_name_that_nothing_has_may_mean_the_nearest(name, near):
    assert labels.nearest_name(name) == near


def test_udplite_shares_the_services_of_udp():
    assert labels.service_name_of(UDPLITE, 514) == "syslog"


def test_a_protocol_without_ports_has_no_service():
    assert labels.service_name_of(ICMP, 80) is None


def test_a_negative_port_is_refused_not_wrapped():
    with pytest.raises(OverflowError):
        labels.service_name_of(TCP, -1)


def test_the_curated_name_comes_before_the_name_of_iana():
    assert ["53", "tcp/udp", "domain"] in CSV_ROWS
    assert labels.service_name_of(UDP, 53) == "dns"


def test_ranks_tell_curated_from_iana_from_unknown():
    found = labels.ranks(protocols(TCP, TCP, TCP, ICMP), ports(443, 514, 65000, 443))

    assert found.tolist() == [Rank.CURATED, Rank.IANA, Rank.NONE, Rank.NONE]


def test_evidence_names_the_list_and_the_entry():
    evidence = [labels.service_evidence(*end) for end in ((TCP, 443), (TCP, 514), (UDPLITE, 53), (TCP, 65000))]

    assert evidence == ["curated 443/tcp", "IANA 514/tcp", "curated 53/udp", None]


def test_tables_agree_with_single_answers_for_every_port():
    every_port = np.arange(65536, dtype=np.uint16)

    for protocol in (*labels.PORTED, ICMP):
        ids, ranks = labels.port_table(protocol)

        assert np.array_equal(ranks, labels.ranks(np.full(65536, protocol, np.uint8), every_port))
        for port in np.flatnonzero(ids >= 0)[::37].tolist():
            assert labels.service_name(ids[port]) == labels.service_name_of(protocol, port)
        for port in np.flatnonzero(ids < 0)[::997].tolist():
            assert labels.service_name_of(protocol, port) is None


def test_every_row_of_both_lists_reaches_the_tables():
    iana = {(int(port), transport): name for port, joined, name in CSV_ROWS for transport in joined.split("/")}
    ours = {key: service.name for key, service in CURATED.items()}
    number_of = {"tcp": TCP, "udp": UDP, "sctp": SCTP, "dccp": DCCP}

    hints = {key: labels.iana_name_of(number_of[key[1]], key[0]) for key in iana.keys() | ours.keys()}

    assert {key: labels.service_name_of(number_of[key[1]], key[0]) for key in ours} == ours
    assert hints == {**iana, **dict.fromkeys(ours)}


@pytest.mark.parametrize(("port", "hint"), [(9999, "distinct"), (2024, "xinuexpansion4")])
def test_a_name_that_only_iana_has_is_a_hint_and_labels_nothing(port, hint):
    assert labels.service_name_of(TCP, port) is None
    assert labels.port_table(TCP).ids[port] == -1
    assert labels.iana_name_of(TCP, port) == labels.known_name_of(TCP, port) == hint


def test_equal_names_share_one_id():
    tcp, udp = labels.port_table(TCP).ids, labels.port_table(UDP).ids

    assert tcp[443] == udp[443] != tcp[80]


def test_no_service_has_the_number_minus_one():
    with pytest.raises(IndexError):
        labels.service_name(-1)


@pytest.mark.parametrize(
    ("number", "name"),
    [(6, "tcp"), (17, "udp"), (132, "sctp"), (33, "dccp"), (136, "udplite"), (1, "icmp"), (58, "icmp6"), (47, "ip-47")],
)
def test_protocols_have_the_words_of_the_interface(number, name):
    assert labels.protocol_name(number) == name


# --- services.toml


def test_a_port_listed_twice_for_one_transport_is_refused():
    with pytest.raises(ValueError, match="7/udp is listed twice"):
        curated_services.read_services(ENTRY + ENTRY.replace('"tcp", "udp"', '"udp"'))


def test_one_port_may_be_listed_once_for_each_transport():
    services = curated_services.read_services(ENTRY.replace(', "udp"', "") + ENTRY.replace('"tcp", ', ""))

    assert sorted(services) == [(7, "tcp"), (7, "udp")]


def test_the_fast_reading_of_the_curated_list_equals_the_full_one():
    fast = [
        {
            (first, last, transport): name
            for first, last, joined, name in zip(*entries, strict=True)
            for transport in joined.split("/")
        }
        for entries in curated_services.read_names(TEXT)
    ]

    assert fast == [
        {(service.port, service.last_port, service.transport): service.name for service in services}
        for services in (CURATED.values(), RANGES)
    ]


@pytest.mark.parametrize(
    "service",
    [*CURATED.values(), *RANGES],
    ids=lambda one: f"{one.port}-{one.last_port}-{one.transport}",
)
def test_each_curated_entry_is_complete(service):
    assert 0 <= service.port <= service.last_port <= 65535
    assert service.transport in port_lists.TRANSPORTS
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", service.name)
    assert service.title.strip()
    assert re.fullmatch(r"[A-Z0-9][^\n]{10,118}\.", service.description)
    assert service.encrypted in (True, False, "starttls")
    assert service.avoid is None or re.fullmatch(r"[A-Z][^\n]+\.", service.avoid)


# --- ranges

RANGE = ENTRY.replace("port = 7", "ports = [7000, 7009]").replace('"echo"', '"echo-range"')


@pytest.mark.parametrize(("first", "transports"), [(7009, '"tcp"'), (7003, '"udp", "sctp"')])
def test_two_ranges_that_share_a_port_of_one_transport_are_refused(first, transports):
    other = RANGE.replace("7000, 7009", f"{first}, 7020").replace('"tcp", "udp"', transports)

    with pytest.raises(ValueError, match=f"echo-range and echo-range share {first}"):
        curated_services.read_ranges(RANGE + other)


def test_two_ranges_may_share_ports_of_different_transports():
    ranges = curated_services.read_ranges(RANGE.replace(', "udp"', "") + RANGE.replace('"tcp", ', ""))

    assert [(one.port, one.last_port, one.transport) for one in ranges] == [(7000, 7009, "tcp"), (7000, 7009, "udp")]


def test_a_range_beside_a_single_port_is_not_that_port_listed_twice():
    assert sorted(curated_services.read_services(ENTRY.replace("port = 7", "port = 7005") + RANGE)) == [
        (7005, "tcp"),
        (7005, "udp"),
    ]


@pytest.mark.parametrize("one", RANGES, ids=lambda one: f"{one.name}-{one.transport}")
def test_a_port_of_a_range_has_the_name_of_the_range_unless_it_has_one_of_its_own(one):
    number = labels.PROTOCOL_NUMBERS[one.transport]
    own = {key: service.name for key, service in CURATED.items()}
    ports_of_range = range(one.port, one.last_port + 1)

    names = [labels.service_name_of(number, port) for port in ports_of_range]

    assert names == [own.get((port, one.transport), one.name) for port in ports_of_range]


@pytest.mark.parametrize(
    ("port", "transport", "found"),
    [
        (59999, "udp", None),
        (60000, "udp", "mosh"),
        (61000, "udp", "mosh"),
        (61001, "udp", None),
        (60000, "tcp", None),
        (6063, "tcp", "x11"),
        (5985, "tcp", "vnc"),
    ],
)
def test_a_port_lies_in_a_range_from_its_first_to_its_last_port(port, transport, found):
    around = curated_services.range_of(port, transport)

    assert (around and around.name) == found


def test_the_name_of_a_range_is_no_evidence_for_the_serving_end():
    assert labels.ranks(protocols(UDP, TCP), ports(60005, 5985)).tolist() == [Rank.NONE, Rank.CURATED]
    assert labels.service_evidence(UDP, 60005) == "curated 60000-61000/udp"
    assert labels.service_evidence(UDPLITE, 60005) == "curated 60000-61000/udp"


def test_a_name_has_the_ports_of_its_range_only_where_no_port_by_itself_has_it():
    assert labels.ports_of("vnc") == [(5900, "tcp")]
    assert labels.ports_of("mosh") == [(port, "udp") for port in range(60000, 61001)]


def test_the_name_of_a_range_may_be_what_somebody_meant():
    assert labels.nearest_name("moshh") == "mosh"


# --- iana-services.csv


def test_the_snapshot_states_its_packages_and_date():
    stated = "\n".join(CSV_LINES[:2])

    assert re.search(r"netbase \d\S* and libwireshark-data \d\S*; generated \d{4}-\d{2}-\d{2} ", stated)
    assert CSV_LINES[2] == "port,transports,name"


def test_the_snapshot_lists_each_port_once_per_transport():
    listed = [(port, transport) for port, joined, _ in CSV_ROWS for transport in joined.split("/")]

    assert len(listed) == len(set(listed)) > 11_000


def test_the_snapshot_is_in_the_order_of_ports():
    numbers = [int(port) for port, _, _ in CSV_ROWS]

    assert numbers == sorted(numbers)


def test_names_in_the_snapshot_hold_nothing_that_could_harm_a_terminal():
    assert [name for _, _, name in CSV_ROWS if not re.fullmatch(r"[a-z0-9][a-z0-9_.+-]*", name)] == []


# --- the generator


def test_the_generator_reads_both_tables_alike_and_stops_where_iana_ends():
    read_table = runpy.run_path(str(GENERATOR))["read_table"]
    table = [
        "# services(5)",
        "HTTP\t80/tcp/sctp  www\t# web",
        "x11 6000-6001/tcp",
        "rtmp 1/ddp",
        "Cut-(Off 9/tcp",
        "# The remaining port numbers are not as allocated by IANA.",
        "zebra 2601/tcp",
    ]

    entries = list(read_table(table))

    assert entries == [(80, "tcp", "http"), (80, "sctp", "http"), (6000, "tcp", "x11"), (6001, "tcp", "x11")]


def test_the_snapshot_can_be_made_again_from_the_same_packages():
    shipped = "\n".join(CSV_LINES) + "\n"
    packages, date = re.search(r"^# (.*); generated (\S+) by", CSV_LINES[1]).groups()

    made = subprocess.run([sys.executable, GENERATOR, "--date", date], capture_output=True, text=True, check=False)

    assert "Traceback" not in made.stderr
    if made.returncode:
        pytest.skip(made.stderr.strip())
    if packages not in made.stdout:
        pytest.skip(f"other versions than {packages} are installed here")
    assert made.stdout == shipped


@pytest.mark.parametrize(
    ("name", "found"),
    [("redis", [(6379, "tcp")]), ("REDIS", [(6379, "tcp")]), ("dhcp", [(67, "udp"), (68, "udp")]), ("no such", [])],
)
def test_the_ports_of_a_name_are_found(name, found):
    assert labels.ports_of(name) == found


def test_the_ports_of_a_name_come_with_our_own_before_those_of_iana():
    ranks = [labels.service_evidence(6, port).split()[0] for port, _ in labels.ports_of("irc")]

    assert ranks == sorted(ranks, key=["curated", "IANA"].index)
