"""``portcall baseline`` and ``--expect`` as people and CI jobs run them: what is marked, said, and the status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portcall.cli import main
from portcall.commands.comparing.expect_option import say_fresh, status_with_expect
from portcall.comparison.baselines import Baseline
from portcall.comparison.servers import Server
from portcall.records.column_values import Columns
from portcall.records.report import Coverage, Report
from portcall.runs.comparing.expecting import Expecting

CAPTURES = Path(__file__).parents[3] / "captures"
OFFICE, DATABASE, DNS, OWNERS = (
    str(CAPTURES / name) for name in ("office.pcapng", "database.pcap", "dns.pcap", "owners.pcapng")
)
HOSTILE = str(CAPTURES / "broken" / "names-with-escapes.pcap")
FORMATS = ("table", "json", "jsonl", "csv")


def told(capsys, *arguments, status=0):
    assert main(list(arguments)) == status
    captured = capsys.readouterr()
    return captured.out, captured.err


@pytest.fixture
def baseline(tmp_path, capsys):
    path = str(tmp_path / "office.json")
    told(capsys, "baseline", OFFICE, "-o", path)
    return path


def test_a_capture_is_as_expected_as_the_baseline_that_was_learned_from_it(capsys, baseline):
    out, err = told(capsys, "read", OFFICE, "--expect", baseline, "--format", "jsonl")

    assert {json.loads(line)["expected"] for line in out.splitlines()} == {"known", None}
    assert err == "portcall: conversations: 0 new, 0 unknown, 25 known\n"


def test_something_new_is_marked_told_and_ends_with_4(capsys, baseline):
    out, err = told(capsys, "read", DATABASE, "--expect", baseline, "--format", "jsonl", status=4)

    rows = list(map(json.loads, out.splitlines()))
    assert {row["server_port"] for row in rows if row["expected"] == "new"} == {3306}
    assert "portcall: new: 10.20.0.1, port 3306\n" in err
    assert "conversations: 1 new, 0 unknown, 5 known\n" in err


@pytest.mark.parametrize("format_name", FORMATS)
def test_only_what_is_new_may_be_listed_in_each_format(capsys, baseline, format_name):
    chosen = ["--where", "expected=new", "--format", format_name]

    out, _ = told(capsys, "read", DATABASE, "--expect", baseline, *chosen, status=4)

    assert "mysql" in out
    assert "redis" not in out


def test_that_nothing_is_new_is_no_failure_of_a_search(capsys, baseline):
    told(capsys, "read", OFFICE, "--expect", baseline, "--where", "expected=new")


def test_what_where_leaves_out_is_not_judged_and_what_top_leaves_out_is(capsys, baseline):
    told(capsys, "read", DATABASE, "--expect", baseline, "--where", "not service=mysql")
    told(capsys, "read", DATABASE, "--expect", baseline, "--top", "1", status=4)


def test_rows_that_leave_before_the_end_are_judged_too(capsys, baseline):
    leaving = ["--idle-timeout", "0.001", "--format", "jsonl"]

    out, err = told(capsys, "read", DATABASE, "--expect", baseline, *leaving, status=4)

    assert [json.loads(line)["expected"] for line in out.splitlines()].count("new") >= 1
    assert "new: 10.20.0.1, port 3306" in err


def test_new_goes_before_what_could_not_be_read_which_goes_before_success(capsys, baseline, tmp_path):
    for capture, status in ((DATABASE, 4), (DNS, 3)):
        cut = tmp_path / "cut.pcap"
        cut.write_bytes(Path(capture).read_bytes()[:-10])
        if capture == DNS:
            told(capsys, "baseline", DNS, "-o", baseline)

        _, err = told(capsys, "read", str(cut), "--expect", baseline, status=status)

        assert str(cut) in err


@pytest.mark.parametrize(
    ("status", "is_new", "ends_with"),
    [
        *[(0, True, 4), (0, False, 0), (1, True, 4), (1, False, 0), (3, True, 4), (3, False, 3)],
        *[(130, True, 130), (143, True, 143)],
    ],
)
def test_which_status_wins(status, is_new, ends_with):
    expecting = Expecting(Baseline())
    if is_new:
        expecting.left.counts["new"] = 1

    assert status_with_expect(status, expecting) == ends_with
    assert status_with_expect(status, None) == status


def test_learning_more_makes_it_known(capsys, baseline):
    _, err = told(capsys, "baseline", DATABASE, "-o", baseline, "--add")

    assert "14 expectations, 1 of them learned now, from 6 conversations" in err
    for capture in (OFFICE, DATABASE):
        told(capsys, "read", capture, "--expect", baseline)


def test_without_add_a_baseline_begins_anew(capsys, baseline):
    told(capsys, "baseline", DATABASE, "-o", baseline)

    told(capsys, "read", OFFICE, "--expect", baseline, status=4)


def test_to_add_to_what_is_not_there_is_refused(capsys, tmp_path):
    _, err = told(capsys, "baseline", DNS, "-o", str(tmp_path / "none.json"), "--add", status=1)

    assert "no such file" in err


def test_a_network_and_exact_names_are_learned_as_asked(capsys, tmp_path):
    path = tmp_path / "it.json"
    told(capsys, "baseline", OFFICE, "-o", str(path), "--network", "10.20.0.0/16", "--exact-names")

    hosts = {entry["host"] for entry in json.loads(path.read_text())["expected"]}

    assert {"10.20.0.0/16", "music.example.net"} <= hosts
    assert not {"10.20.0.1", "*.example.net"} & hosts


def test_what_is_damaged_teaches_as_far_as_it_goes(capsys, tmp_path):
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(Path(DNS).read_bytes()[:-10])

    _, err = told(capsys, "baseline", str(cut), "-o", str(tmp_path / "it.json"), status=3)

    assert str(cut) in err
    assert (tmp_path / "it.json").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--by", "host"], "rows by flow, not by host"),
        (["--format", "html"], "--format html has no room"),
        (["--format", "zeek"], "--format zeek has no room"),
        (["--format", "prometheus"], "--format prometheus has no room"),
        (["--follow"], "--expect does not go with --follow"),
        (["--explain", ":443"], "--expect does not go with --explain"),
    ],
)
def test_what_goes_with_no_expectations_is_refused(capsys, baseline, arguments, why):
    _, err = told(capsys, "read", DNS, "--expect", baseline, *arguments, status=2)

    assert why in err


def test_without_a_baseline_that_column_means_nothing(capsys):
    out, _ = told(capsys, "read", DNS, "--by", "flow", "--format", "jsonl")

    assert {json.loads(line)["expected"] for line in out.splitlines()} == {None}


@pytest.mark.parametrize("format_name", FORMATS)
def test_hostile_names_are_text_when_they_are_new_and_when_they_are_learned(capsys, baseline, tmp_path, format_name):
    out, err = told(capsys, "read", HOSTILE, "--expect", baseline, "--format", format_name, status=4)
    learned = str(tmp_path / "hostile.json")
    _, said = told(capsys, "baseline", HOSTILE, "-o", learned)

    for text in (out, err, said, Path(learned).read_text()):
        assert all(character.isprintable() or character == "\n" for character in text)
    assert "new: " in err
    told(capsys, "read", HOSTILE, "--expect", learned)


# --- while it runs


def row(address, expected="new", **said):
    return {
        "expected": expected, "protocol": "tcp", "app": "curl", "app_source": "process", "hostname": None,
        "hostname_source": None, "server_ip": address, "server_port": 443, "server_port_class": "well-known",
        "service": "https",
    } | said  # fmt: skip


def test_while_it_runs_new_servers_are_told_once_when_they_had_time_to_get_a_name():
    expecting, server = Expecting(Baseline()), Server("curl", None, "192.0.2.1", "443", is_hidden=False)

    assert expecting.fresh([row("192.0.2.1")]) == []
    assert expecting.fresh([row("192.0.2.1"), row("192.0.2.2", "known")]) == [server]
    assert expecting.fresh([row("192.0.2.1")]) == []


def test_what_turns_out_to_be_known_is_not_told():
    expecting = Expecting(Baseline())

    expecting.fresh([row("192.0.2.1")])

    assert expecting.fresh([row("192.0.2.1", "known", hostname="www.example.org")]) == []


def test_a_look_at_no_rows_keeps_nothing_of_the_last_report():
    expecting = Expecting(Baseline())
    expecting.choosing().among(expecting.completed(Columns.of_rows([row("192.0.2.1")])))

    say_fresh(expecting, Report("flow", "live", None, Coverage(0, 0, {}, 0, None, 0), []))
    expecting.choosing()

    assert expecting.tally.counts == {}


def test_what_a_sensor_remembers_of_months_has_a_bound(monkeypatch):
    monkeypatch.setattr("portcall.runs.comparing.expecting.MOST_NEWS", 2)
    expecting = Expecting(Baseline())

    for number in range(5):
        expecting.choosing().among(expecting.completed(Columns.of_rows([row(f"192.0.2.{number}")])))
        expecting.keep()

    assert expecting.tally.counts == {"new": 5}
    assert len(expecting.tally.news) == 2


def test_each_report_is_counted_in_place_of_the_last_unless_it_is_kept():
    expecting = Expecting(Baseline())
    columns = expecting.completed(Columns.of_rows([row("192.0.2.1")]))

    for _ in range(3):
        expecting.choosing().among(columns)
    assert expecting.tally.counts == {"new": 1}
    (server,) = expecting.keep()
    assert server.address == "192.0.2.1"
    expecting.choosing().among(columns)
    expecting.leaving.among(columns)

    assert expecting.tally.counts == {"new": 3}
    assert list(expecting.tally.news.values()) == [3]
