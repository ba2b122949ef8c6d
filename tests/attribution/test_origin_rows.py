"""Countries, network owners and reverse names in the rows of reports: from the option to the column."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
import sys
from pathlib import Path

import pytest

import portcall
from databases import write_database
from portcall.cli import main
from portcall.errors import PortcallError
from portcall.views.tables import write_table

OFFICE = str(Path(__file__).resolve().parents[2] / "captures" / "office.pcapng")


@pytest.fixture
def countries(tmp_path):
    return write_database(
        tmp_path / "countries.mmdb",
        {
            "198.51.100.0/24": {"country": {"iso_code": "DE"}},
            "203.0.113.0/24": {"country": {"iso_code": "SE"}},
            "127.0.0.0/8": {"country": {"iso_code": "CH"}},
        },
    )


@pytest.fixture
def systems(tmp_path):
    record = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example"}
    return write_database(tmp_path / "systems.mmdb", {"198.51.100.0/24": record})


def out_of(capsys, *words):
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_conversations_have_places_for_either_end(countries, systems):
    rows = {row["server_ip"]: row for row in portcall.read(OFFICE, by="flow", geo=[countries, systems])}

    found = rows["198.51.100.20"]
    assert (found["server_country"], found["server_network"]) == ("DE", "AS64500 Example")
    assert (found["client_country"], found["client_network"]) == (None, None)
    assert (rows["203.0.113.30"]["server_country"], rows["203.0.113.30"]["server_network"]) == ("SE", None)


@pytest.mark.parametrize(("by", "name"), [("host", "198.51.100.20"), ("app", "https"), ("service", "https")])
def test_grouped_rows_have_the_place_of_their_top_host(countries, by, name):
    (row,) = (row for row in portcall.read(OFFICE, by=by, geo=[countries], names=False) if row[by] == name)

    assert (row["top_host"], row["top_host_country"]) == ("198.51.100.20", "DE")


def test_a_top_host_that_is_known_by_its_name_has_no_place(countries):
    hosts = {row["host"]: row for row in portcall.read(OFFICE, by="host", geo=[countries])}

    assert hosts["music.example.net"]["top_host_country"] is None


def test_rows_can_be_chosen_by_country(countries):
    report = portcall.read(OFFICE, by="flow", geo=[countries], where="server_country=SE")

    assert {row["server_ip"] for row in report} == {"203.0.113.30"}


def test_without_a_database_the_columns_are_there_and_null():
    for row in portcall.read(OFFICE, by="host"):
        assert row["top_host_country"] is row["top_host_network"] is row["top_host_reverse_name"] is None


def test_counts_do_not_depend_on_places(countries):
    without, with_places = (portcall.read(OFFICE, by="flow", geo=geo) for geo in ([], [countries]))

    assert with_places.coverage == without.coverage
    counted = ["client_ip", "server_ip", "bytes_to_server", "bytes_to_client"]
    assert [[row[name] for name in counted] for row in with_places] == [
        [row[name] for name in counted] for row in without
    ]


def test_a_table_has_columns_for_what_was_asked(capsys, countries, systems):
    plain = out_of(capsys, "read", OFFICE, "--by", "host")
    placed = out_of(capsys, "read", OFFICE, "--by", "host", "--no-names", "--geo", countries, "--geo", systems)

    assert "country" not in plain
    assert "AS64500 Example" in placed
    assert "country  network" in placed


def test_what_was_asked_for_stays_in_a_narrow_table(countries):
    stream = io.StringIO()

    write_table(portcall.read(OFFICE, by="host", geo=[countries], names=False), stream, width=40)

    assert re.match(r"host +bytes +country\n", stream.getvalue().split("\n\n")[1])


def test_a_bad_database_ends_the_run_before_a_frame_is_read():
    with pytest.raises(PortcallError, match="--geo /nonexistent"):
        portcall.read("/also/nonexistent.pcap", geo=["/nonexistent"])


def test_reverse_dns_names_the_addresses_shown_and_no_others(capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(socket, "getnameinfo", lambda end, flags: (asked.append(end[0]) or f"name-of-{end[0]}", "0"))

    shown = out_of(capsys, "read", OFFICE, "--by", "host", "--top", "2", "--no-names", "--resolve", "--format", "json")

    rows = json.loads(shown)["rows"]
    assert sorted(asked) == sorted(row["host"] for row in rows)
    assert [row["top_host_reverse_name"] for row in rows] == [f"name-of-{row['host']}" for row in rows]


def test_nobody_is_asked_without_the_option(capsys, monkeypatch):
    monkeypatch.setattr(socket, "getnameinfo", lambda end, flags: pytest.fail(f"asked for {end}"))

    assert out_of(capsys, "read", OFFICE, "--by", "flow", "--format", "jsonl")


@pytest.mark.skipif(sys.platform != "linux", reason="who has a socket is read from /proc")
def test_conversations_that_exist_now_have_places_and_names(capsys, countries):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        port = client.getsockname()[1]
        shown = out_of(
            capsys, "conns", "--geo", countries, "--resolve", "--format", "csv",
            "--where", f"local_port={port} and remote_country=CH",
        )  # fmt: skip

    (row,) = csv.DictReader(io.StringIO(shown))
    assert (int(row["pid"]), row["remote_country"]) == (os.getpid(), "CH")
    assert row["remote_reverse_name"] == socket.getnameinfo(("127.0.0.1", 0), 0)[0]
