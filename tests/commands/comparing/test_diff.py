"""``portcall diff`` as people run it: captures and reports against each other, in every format."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from scapy.utils import rdpcap, wrpcap

import portcall
from portcall.cli import main
from portcall.runs import offline

CAPTURES = Path(__file__).parents[3] / "captures"
OFFICE, DATABASE, DNS = (str(CAPTURES / name) for name in ("office.pcapng", "database.pcap", "dns.pcap"))
FORMATS = ("table", "json", "jsonl", "csv")
HOSTILE = str(CAPTURES / "broken" / "names-with-escapes.pcap")


def told(capsys, *arguments, status=0):
    assert main(["diff", *arguments]) == status
    captured = capsys.readouterr()
    return captured.out, captured.err


def rows(capsys, *arguments):
    return list(map(json.loads, told(capsys, *arguments, "--format", "jsonl")[0].splitlines()))


def test_what_is_new_gone_and_the_same_between_two_captures(capsys):
    found = {(row["app"], row["host"]): row["change"] for row in rows(capsys, OFFICE, DATABASE)}

    assert found["mysql", "10.20.0.1"] == "new"
    assert found["example.net", "music.example.net"] == "gone"
    assert found["redis", "10.20.0.1"] == "same"


@pytest.mark.parametrize("by", ["app+host", "app", "host", "service"])
@pytest.mark.parametrize("captures", [(OFFICE, DATABASE), (DNS, OFFICE), (str(CAPTURES / "loopback.pcap"), OFFICE)])
def test_rows_add_up_to_what_each_capture_says_it_covers(capsys, by, captures):
    told_rows = rows(capsys, *captures, "--by", by)

    for name, capture in zip(("before", "after"), captures, strict=True):
        coverage = offline.read([capture], by="flow" if by == "app+host" else by).report.coverage
        credited = coverage.bytes + coverage.bytes_credited_twice
        assert sum(row[f"bytes_{name}"] for row in told_rows) == credited
        assert sum(row[f"packets_{name}"] for row in told_rows) >= coverage.frames


def test_a_capture_and_its_own_reports_do_not_differ(capsys, tmp_path):
    for suffix in ("json", "jsonl", "parquet"):
        report = str(tmp_path / f"it.{suffix}")
        assert main(["read", OFFICE, "--by", "flow", "-o", report]) == 0

        assert {row["change"] for row in rows(capsys, report, OFFICE)} == {"same"}


def test_reports_at_hand_are_compared_too():
    before, after = (portcall.read(path, by="host") for path in (OFFICE, DATABASE))

    assert portcall.diff(before, after).rows == portcall.diff(OFFICE, Path(DATABASE), by="host").rows


def test_the_json_has_both_sides_and_how_they_changed(capsys):
    envelope = json.loads(told(capsys, OFFICE, DATABASE, "--format", "json")[0])

    coverage = envelope["coverage"]
    assert envelope["by"] == "diff"
    assert (coverage["before"]["source"], coverage["after"]["source"]) == (OFFICE, DATABASE)
    assert sum(change["bytes_before"] for change in coverage["changes"].values()) == coverage["before"]["bytes"]


def test_csv_and_parquet_have_the_same_rows_as_json(capsys, tmp_path):
    import pyarrow.parquet as pq

    expected = rows(capsys, OFFICE, DATABASE)
    (out, _), path = told(capsys, OFFICE, DATABASE, "--format", "csv"), tmp_path / "it.parquet"
    told(capsys, OFFICE, DATABASE, "-o", str(path))

    cells = [{name: cell or None for name, cell in row.items()} for row in csv.DictReader(io.StringIO(out))]
    assert cells == [{name: None if value is None else str(value) for name, value in row.items()} for row in expected]
    assert pq.read_table(path).to_pylist() == expected


def test_the_table_sums_up_what_is_the_same_and_marks_what_changed(capsys):
    out, _ = told(capsys, OFFICE, DATABASE)

    lines = out.splitlines()
    assert lines[0].endswith("1 new, 14 gone, 0 grown, 0 shrunk, 3 same")
    assert any(line.startswith("+ new ") and "mysql" in line for line in lines)
    assert any(line.startswith("and 3 the same: ") for line in lines)
    assert not any("redis" in line for line in lines)


def test_on_a_narrow_screen_change_and_names_stay():
    from portcall.views.changed_rows import write_changes

    stream = io.StringIO()
    write_changes(portcall.diff(OFFICE, DATABASE), stream, width=60)

    assert max(map(len, stream.getvalue().splitlines())) <= 60
    assert "music.example.net" in stream.getvalue()


def test_rows_that_are_chosen_are_shown_even_where_they_are_the_same(capsys):
    out, _ = told(capsys, OFFICE, DATABASE, "--where", "change=same")

    assert "redis" in out


def test_a_search_that_finds_nothing_ends_with_1(capsys):
    told(capsys, OFFICE, OFFICE, "--where", "change!=same", status=1)


def test_a_side_that_is_damaged_is_compared_as_far_as_it_goes_and_ends_with_3(capsys, tmp_path):
    path = tmp_path / "cut.pcap"
    path.write_bytes(Path(DNS).read_bytes()[:-10])

    out, err = told(capsys, DNS, str(path), "--format", "jsonl", status=3)

    assert len(out.splitlines()) > 3
    assert str(path) in err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-", "-"], "stdin can be one side only"),
        ([OFFICE, DNS, "--ratio", "0.5"], "--ratio 0.5: must be from 1"),
        ([OFFICE, DNS, "--ratio", "nan"], "--ratio nan"),
        ([OFFICE, DNS, "--least", "much"], "--least much: not a size"),
        ([OFFICE, DNS, "--where", "chnge=new"], "Did you mean 'change'?"),
        ([OFFICE, "REPORT", "--by", "host"], "--by host: the report is by app"),
        (["REPORT", "REPORT", "--no-names"], "are about captures, and neither side is one"),
    ],
)
def test_what_makes_no_question_is_refused(capsys, tmp_path, arguments, why):
    report = str(tmp_path / "app.json")
    main(["read", DNS, "-o", report])
    capsys.readouterr()

    _, err = told(capsys, *(report if word == "REPORT" else word for word in arguments), status=2)

    assert why in err


def test_a_report_without_some_of_its_rows_says_so(capsys, tmp_path):
    report = str(tmp_path / "top.json")
    main(["read", OFFICE, "--top", "2", "-o", report])

    _, err = told(capsys, report, OFFICE, "--format", "csv")

    assert "--where or --top left 10 rows out" in err


def test_sides_of_different_length_are_said_to_be_so_and_rates_are_compared(capsys, tmp_path):
    frames = rdpcap(DNS)
    begins = frames[0].time
    again = [frame.copy() for frame in frames]
    for copy, frame in zip(again, frames, strict=True):
        copy.time = frame.time + 2 * (frames[-1].time - begins)
    twice = str(tmp_path / "twice.pcap")
    wrpcap(twice, [*frames, *again])

    _, err = told(capsys, DNS, twice, "--format", "csv")
    rates = rows(capsys, DNS, twice, "--rates", "--least", "0", "--ratio", "1.6", "--by", "app")

    assert "the second side is 3 times as long" in err
    assert {row["app"]: (row["change"], row["ratio_percent"]) for row in rates}["dns"] == ("same", 66)


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("order", [(HOSTILE, OFFICE), (OFFICE, HOSTILE)])
def test_no_format_prints_what_is_not_text(capsys, format_name, order):
    out, err = told(capsys, *order, "--format", format_name)

    assert all(character.isprintable() or character == "\n" for character in out + err)
    assert "evil" in out or "example" in out


def test_names_in_a_report_are_as_hostile_as_those_in_packets(capsys, tmp_path):
    row = dict.fromkeys(["app", "app_source", "process", "pid"]) | {
        "app": "=cmd\x1b[31m\u202e", "flows": 1, "bytes_out": 5, "bytes_in": 5, "packets_out": 1, "packets_in": 1,
        "unattributed_reason": None,
    }  # fmt: skip
    path = tmp_path / "hostile\x1b[2J.jsonl"
    path.write_text(json.dumps(row) + "\n")

    for format_name in FORMATS:
        out, err = told(capsys, str(path), DNS, "--format", format_name)
        assert all(character.isprintable() or character == "\n" for character in out + err)
        assert not any(line.split(",")[1].startswith("=") for line in out.splitlines() if format_name == "csv")


def test_the_library_refuses_what_the_command_refuses():
    with pytest.raises(portcall.UsageError, match="by='apps'"):
        portcall.diff(OFFICE, DNS, by="apps")
    with pytest.raises(portcall.UsageError, match="ratio='2'"):
        portcall.diff(OFFICE, DNS, ratio="2")


def test_one_side_may_come_through_a_pipe():
    run = subprocess.run(
        [sys.executable, "-m", "portcall", "diff", "-", OFFICE, "--format", "jsonl"],
        input=Path(OFFICE).read_bytes(),
        capture_output=True,
        check=True,
    )

    assert {json.loads(line)["change"] for line in run.stdout.splitlines()} == {"same"}
