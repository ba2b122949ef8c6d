"""Whose network an address is in: real database files, several of them, damaged ones and hostile ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from databases import write_database
from examples import examples
from portcall.enrichment.geoip import Origins
from portcall.errors import PortcallError
from portcall.records.report import Origin

COUNTRIES = {
    "203.0.113.0/24": {"country": {"iso_code": "DE", "names": {"en": "Germany"}}},
    "2001:db8::/32": {"country": {"iso_code": "SE"}},
    "198.51.100.0/24": {"registered_country": {"iso_code": "NL"}},
}
SYSTEMS = {
    "203.0.113.0/25": {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Networks"},
    "2001:db8::/32": {"autonomous_system_number": 64501, "autonomous_system_organization": "Example Six"},
}


@pytest.fixture
def countries(tmp_path):
    return write_database(tmp_path / "countries.mmdb", COUNTRIES)


@pytest.fixture
def systems(tmp_path):
    return write_database(tmp_path / "systems.mmdb", SYSTEMS)


def origin_in(tmp_path, record):
    return Origins([write_database(tmp_path / "one.mmdb", {"203.0.113.0/24": record})]).look_up("203.0.113.9")


def test_two_databases_tell_network_and_country_together(countries, systems):
    origin = Origins([countries, systems]).look_up("203.0.113.9")

    assert origin == Origin("DE", 64500, "Example Networks")
    assert origin.network == "AS64500 Example Networks"


def test_what_only_one_database_knows_is_told(countries, systems):
    assert Origins([systems, countries]).look_up("203.0.113.200") == Origin("DE")


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("2001:db8::9", "SE"),
        ("2001:db8::9%eth0", "SE"),
        ("::ffff:203.0.113.9", "DE"),
        ("198.51.100.1", "NL"),
        ("192.0.2.1", None),
        ("127.0.0.1", None),
        ("example.org", None),
        ("", None),
    ],
)
def test_every_way_to_write_an_address_is_found_and_nothing_else(countries, address, country):
    assert Origins([countries]).look_up(address).country == country


def test_a_database_of_ipv4_knows_no_ipv6(tmp_path):
    records = {"203.0.113.0/24": {"country": {"iso_code": "DE"}}}
    origins = Origins([write_database(tmp_path / "four.mmdb", records, ip_version=4)])

    assert origins.look_up("203.0.113.9").country == "DE"
    assert origins.look_up("2001:db8::9") == Origin()


@pytest.mark.parametrize(
    ("record", "origin"),
    [
        ({"country_code": "SE", "country": "Sweden", "asn": "AS64500", "as_name": "One"}, Origin("SE", 64500, "One")),
        ({"country": "SE", "asn": "AS64500", "name": "One"}, Origin("SE", 64500, "One")),
        ({"asn": 64500}, Origin(None, 64500, None)),
        ({"autonomous_system_organization": "Alone"}, Origin(None, None, "Alone")),
    ],
)
def test_other_publishers_fields_are_known_too(tmp_path, record, origin):
    assert origin_in(tmp_path, record) == origin


@pytest.mark.parametrize(
    "record",
    [
        {"country": 7},
        {"country": {"iso_code": ["DE"]}},
        {"country": "somewhere far away"},
        {"asn": "AS", "as_name": 5},
        {"asn": -1},
        {"autonomous_system_number": "AS" + "9" * 4000},
        {"autonomous_system_number": {"a": 1}},
        "no record",
        ["DE"],
    ],
)
def test_a_record_of_other_types_says_nothing(tmp_path, record):
    assert origin_in(tmp_path, record) == Origin()


def test_flow_rows_get_a_country_and_a_network_for_either_end(countries, systems):
    row = {"client_ip": "192.0.2.1", "server_ip": "203.0.113.9", "app": "https", "client_network": None}

    completed = Origins([countries, systems]).completed(row)

    assert completed["server_country"] == "DE"
    assert completed["server_network"] == "AS64500 Example Networks"
    assert completed["client_network"] is None
    assert completed["app"] == "https"


def test_grouped_rows_get_those_of_their_top_host(countries):
    assert Origins([countries]).completed({"top_host": "203.0.113.9"})["top_host_country"] == "DE"


def test_a_row_without_addresses_stays_as_it_is(countries):
    assert Origins([countries]).completed({"top_host": None, "app": None}) == {"top_host": None, "app": None}


def test_a_missing_file_is_named():
    with pytest.raises(PortcallError, match=r"--geo /nonexistent.mmdb: cannot be opened: No such file"):
        Origins(["/nonexistent.mmdb"])


def test_a_directory_is_no_database(tmp_path):
    with pytest.raises(PortcallError, match=f"--geo {tmp_path}: "):
        Origins([str(tmp_path)])


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\xab\xcd\xefMaxMind.com", b"\xab\xcd\xefMaxMind.com\xe1"])
def test_a_file_of_another_format_is_refused(tmp_path, content):
    path = tmp_path / "other.mmdb"
    path.write_bytes(content)

    with pytest.raises(PortcallError, match=f"--geo {path}: not a database in MaxMind's format"):
        Origins([str(path)])


def test_damage_is_found_when_it_is_read_and_is_one_sentence(tmp_path, systems):
    path = tmp_path / "damaged.mmdb"
    content = bytearray(Path(systems).read_bytes())
    start = content.index(b"Example Networks") - 40
    content[start : start + 60] = b"\xff" * 60
    path.write_bytes(content)

    with pytest.raises(PortcallError, match=f"--geo {path}: damaged"):
        Origins([str(path)]).look_up("203.0.113.9")


def test_an_ip_version_that_is_no_number_is_damage(tmp_path, systems):
    path = tmp_path / "damaged.mmdb"
    content = bytearray(Path(systems).read_bytes())
    at = content.index(b"ip_version") + len(b"ip_version")
    content[at] = 4 << 5 | content[at] & 0x1F  # of the type bytes, as long as the number was
    path.write_bytes(content)

    with pytest.raises(PortcallError, match=f"--geo {path}: damaged"):
        Origins([str(path)]).look_up("203.0.113.9")


@pytest.mark.filterwarnings("ignore")
@given(st.randoms(use_true_random=False))
@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_one_sentence_or_no_harm(tmp_path, systems, chance):
    content = bytearray(Path(systems).read_bytes())
    for _ in range(chance.randint(1, 6)):
        content[chance.randrange(len(content) * chance.choice([0, 2]) // 3, len(content))] = chance.randrange(256)
    path = tmp_path / f"{chance.random()}.mmdb"
    path.write_bytes(content)

    try:
        origin = Origins([str(path)]).look_up("203.0.113.9")
    except PortcallError:
        return

    assert origin.asn is None or 0 < origin.asn < 1 << 32


def test_without_the_package_the_line_that_installs_it_is_said(monkeypatch, countries):
    monkeypatch.setitem(sys.modules, "maxminddb", None)

    with pytest.raises(PortcallError, match=rf"{re.escape(sys.executable)} -m pip install 'portcall\[geo\]'"):
        Origins([countries])


def test_nothing_of_it_is_imported_unless_it_is_asked_for():
    program = "import sys, portcall.enrichment.geoip, portcall.runs.offline; sys.exit('maxminddb' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
