"""``history:PERIOD`` as a side of ``diff``, and to learn from."""

import json
from pathlib import Path

import pytest

import portcall
from archive.kept_windows import DAY_S, HOUR_S, MONDAY_S, key, stored
from portcall.cli import main
from portcall.errors import PortcallError, UsageError
from portcall.records.kept.windows import CountedIn

CAPTURES = Path(__file__).parents[3] / "captures"
TUESDAY_S = MONDAY_S + DAY_S
MONDAY, TUESDAY = "history:2024-03-04..2024-03-05", "history:2024-03-05..2024-03-06"
BOTH_HERE = CountedIn.FIRST | CountedIn.APP | CountedIn.HOST


@pytest.fixture
def history(tmp_path):
    """On Monday curl, and a conversation between two processes here; on Tuesday twice as much of curl, and ssh."""
    return stored(
        tmp_path / "it.sqlite",
        {
            MONDAY_S + HOUR_S: {
                key("curl", "www.example.org"): 100_000,
                key("server", "127.0.0.1", "redis", ends=BOTH_HERE): 5000,
                key("client", "127.0.0.1", "redis", ends=CountedIn.APP): 5000,
            },
            TUESDAY_S + HOUR_S: {key("curl", "www.example.org"): 300_000, key("ssh", "10.0.0.1", "ssh"): 2000},
        },
    )


def rows(listing, *names):
    return sorted(tuple(row[name] for name in names) for row in listing.rows)


def test_two_days_are_compared_by_app_and_host_and_each_conversation_counts_once(history):
    listing = portcall.diff(MONDAY, TUESDAY, history=history)

    assert rows(listing, "change", "app", "host", "bytes_before", "bytes_after") == [
        ("gone", "server", "127.0.0.1", 5500, 0),
        ("grown", "curl", "www.example.org", 110_000, 330_000),
        ("new", "ssh", "10.0.0.1", 0, 2200),
    ]


@pytest.mark.parametrize("by", ["app", "host", "process", "user", "service"])
def test_a_period_is_compared_as_the_report_of_that_period_is(history, tmp_path, by):
    reports = []
    for name, period in (("monday", MONDAY), ("tuesday", TUESDAY)):
        begin, end = period.removeprefix("history:").split("..")
        reports.append(str(tmp_path / f"{name}.json"))
        main(["history", str(history), "--by", by, "--from", begin, "--to", end, "-o", reports[-1]])

    names = ("change", by, "bytes_before", "bytes_after", "packets_before", "flows_before", "flows_after")
    of_reports = rows(portcall.diff(*reports, by=by), *names)

    assert of_reports
    assert rows(portcall.diff(MONDAY, TUESDAY, by=by, history=history), *names) == of_reports


def test_a_capture_is_compared_with_a_period(history):
    listing = portcall.diff(TUESDAY, CAPTURES / "office.pcapng", history=history)

    assert {row["change"] for row in listing.rows if row["host"] == "www.example.org"} == {"gone"}
    assert listing.compared.after.bytes == sum(row["bytes_after"] for row in listing.rows) == 120_072


def test_what_is_usual_is_learned_from_a_history(history):
    learned = portcall.baseline(["history:all"], history=history)

    assert {(one.app, one.host, one.port) for one in learned.expected} == {
        ("curl", "*.example.org", "https"),
        ("server", "127.0.0.1", "redis"),
        ("ssh", "10.0.0.1", "ssh"),
    }


@pytest.mark.parametrize(
    ("service", "port"), [("tcp/8444", "8444"), ("sctp/3868", "3868"), ("udp/ephemeral", "ephemeral"), ("icmp", "icmp")]
)
def test_a_service_without_a_name_is_learned_by_its_port(tmp_path, service, port):
    kept = stored(tmp_path / "it.sqlite", {MONDAY_S: {key("curl", "10.0.0.1", service): 100}})

    assert {one.port for one in portcall.baseline(["history:all"], history=kept).expected} == {port}


def test_a_service_that_was_learned_is_known_at_its_port(tmp_path):
    kept = stored(tmp_path / "it.sqlite", {MONDAY_S: {key(None, "10.20.0.1", "redis"): 5000}})
    usual = tmp_path / "usual.json"
    portcall.baseline(["history:all"], history=kept, output=usual)

    report = portcall.read(CAPTURES / "database.pcap", by="flow", expect=usual)

    assert {row["expected"] for row in report.rows if row["service"] == "redis"} == {"known"}
    assert {row["expected"] for row in report.rows if row["service"] == "mysql"} == {"new"}


@pytest.mark.parametrize("word", ["history:", "history:monday", "history:2024-03-05..2024-03-04"])
def test_what_is_no_period_is_refused(history, word):
    with pytest.raises(UsageError, match="history:"):
        portcall.diff(word, MONDAY, history=history)


def test_a_history_without_a_period_of_it_is_refused(history):
    capture = str(CAPTURES / "office.pcapng")

    with pytest.raises(UsageError, match=r"--history .*history:7d"):
        portcall.diff(capture, capture, history=history)


def test_a_history_that_is_not_there_is_said(tmp_path):
    with pytest.raises(PortcallError, match="live --history"):
        portcall.diff(MONDAY, TUESDAY, history=tmp_path / "none.sqlite")


def test_the_commands_take_periods(history, tmp_path, capsys):
    usual = tmp_path / "usual.json"

    assert main(["diff", MONDAY, TUESDAY, "--history", str(history), "--format", "json"]) == 0
    assert main(["baseline", "history:all", "--history", str(history), "-o", str(usual)]) == 0

    assert [row["change"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["grown", "gone", "new"]
    assert '"host": "*.example.org", "port": "https"' in usual.read_text()
