"""Exports: every format carries every row and column, exactly, and nothing that a terminal would obey."""

from __future__ import annotations

import csv
import io
import json
import pkgutil
from dataclasses import replace
from pathlib import Path

import pytest

import portcall
from flow_builder import flow, tallies_of
from portcall import exports
from portcall.attribution.attribution import Attribution
from portcall.exports.json_lines import row_text
from portcall.records.report import Coverage, Report
from portcall.records.schema import GROUPINGS, column_names

CAPTURES = Path(__file__).parents[2] / "captures"


def made(by: str) -> Report:
    flows = flow("192.168.1.5 40000", "93.184.216.34 443", sizes=(10, 2**53 + 1))
    attribution = Attribution(by)
    attribution.add(flows)
    return attribution.report(tallies_of(flows, not_ip=(1, 60)), "capture.pcap")


def written(report: Report, format_name: str) -> str:
    stream = io.StringIO()
    exports.write(report, format_name, stream)
    return stream.getvalue()


def hostile() -> Report:
    coverage = Coverage(0, 0, {}, 0, None, 0)
    row = dict.fromkeys(column_names("app")) | {"app": "a\x1b[31m\u202eb\0\r\n", "services": ["\x9b1m", "ok"]}
    return Report("app", "\x1b]0;title\x07.pcap", None, coverage, [row])


@pytest.mark.parametrize("by", GROUPINGS)
def test_json_carries_rows_and_coverage_as_the_report_has_them(by):
    report = made(by)

    envelope = json.loads(written(report, "json"))

    assert envelope["rows"] == report.to_dicts()
    assert envelope["window_ns"] == list(report.window_ns)
    assert (envelope["schema"], envelope["source"]) == (1, "capture.pcap")
    assert set(envelope["coverage"]) == {
        "frames", "bytes", "verdicts", "bytes_credited_twice", "dropped_by_kernel", "bytes_attributed"
    }  # fmt: skip


@pytest.mark.parametrize("text", ["plain", "caf\xe9", "caf\udce9", '\u2028\u202e\x9b\x7f"\\', 2**64 - 1, -1.5, None])
def test_json_is_ascii_and_reads_back_as_it_was(text):
    row = dict.fromkeys(column_names("app")) | {"app": text, "services": [text]}

    line = row_text(row)

    assert line.isascii()
    assert json.loads(line) == row


def test_json_carries_what_was_degraded():
    assert json.loads(written(made("app"), "json"))["degradations"][0]["remedy"] == "--local CIDR"


def test_json_of_an_empty_report_is_valid():
    assert json.loads(written(Attribution("app").report({}, "empty"), "json"))["rows"] == []


@pytest.mark.parametrize("by", GROUPINGS)
def test_json_lines_are_the_rows(by):
    report = made(by)

    lines = written(report, "jsonl").splitlines()

    assert [json.loads(line) for line in lines] == report.to_dicts()


@pytest.mark.parametrize("by", GROUPINGS)
def test_csv_has_all_columns_exact_numbers_and_empty_cells_for_null(by):
    report = made(by)

    cells = list(csv.DictReader(io.StringIO(written(report, "csv"))))

    as_text = [
        {n: "" if v is None else ";".join(v) if isinstance(v, list) else str(v) for n, v in row.items()}
        for row in report.rows
    ]
    assert cells == as_text


@pytest.mark.parametrize("format_name", sorted(set(exports.MODULES) - exports.BINARY))
def test_no_format_lets_control_characters_through(format_name):
    text = written(hostile(), format_name)

    assert all(character.isprintable() or character == "\n" for character in text)


def test_json_lines_keep_what_a_packet_said_exactly():
    assert json.loads(written(hostile(), "jsonl"))["app"] == "a\x1b[31m\u202eb\0\r\n"


def test_every_module_of_the_folder_is_a_format():
    found = {module.name for module in pkgutil.iter_modules(exports.__path__)}

    assert {name for name in found if not name.startswith("_")} == {
        *exports.MODULES.values(),
        *exports.LOGS.values(),
        *exports.TRAFFIC_ONLY.values(),
        *exports.PAGES.values(),
    }


@pytest.mark.parametrize("by", GROUPINGS)
@pytest.mark.parametrize("capture", ["office.pcapng", "dns.pcap"])
def test_rows_written_as_columns_are_those_written_one_by_one(capture, by):
    report = portcall.read(CAPTURES / capture, by=by)
    one_by_one = replace(report, rows=report.to_dicts())

    for format_name in set(exports.MODULES) - exports.BINARY:
        assert written(report, format_name) == written(one_by_one, format_name)


@pytest.mark.parametrize("format_name", ["json", "jsonl", "csv"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_a_file_has_what_a_text_has_in_any_encoding(format_name, encoding, tmp_path):
    report = made("flow")

    with (tmp_path / "rows").open("w", encoding=encoding, newline="") as stream:
        stream.write("before\n")
        exports.write(report, format_name, stream)
        stream.write("behind\n")

    assert (tmp_path / "rows").read_bytes().decode(encoding) == f"before\n{written(report, format_name)}behind\n"


def test_rows_of_a_stream_without_a_buffer_are_written_whole(tmp_path):
    """As stdout of ``python -u``, whose file may take a part of what it is given."""
    report = made("flow")

    class FewBytes(io.FileIO):
        def write(self, data):
            return super().write(data[:100])

    with io.TextIOWrapper(FewBytes(tmp_path / "rows", "w"), "utf-8", newline="") as stream:
        exports.write(report, "jsonl", stream)

    assert (tmp_path / "rows").read_text(encoding="utf-8") == written(report, "jsonl")
