"""Reports read back: what was written comes back as it was, and what is none is refused by what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portcall import exports
from portcall.comparison.keyed_sums import KeyedSums
from portcall.errors import PortcallError
from portcall.records.schema import LIVE_GROUPINGS, column_names
from portcall.runs import offline
from portcall.sources.reports import json_rows
from portcall.sources.reports.described_report import SCHEMA
from portcall.sources.reports.written_report import written_report

CAPTURES = Path(__file__).parents[3] / "captures"
FORMATS = ("json", "jsonl", "parquet")


def report_of(by, capture="office.pcapng"):
    return offline.read([str(CAPTURES / capture)], by=by).report


def written(report, path):
    with path.open("w", encoding="utf-8", newline="") as stream:
        exports.write(report, path.suffix[1:], stream)
    return str(path)


def rows_of(path, names):
    report = written_report(path)
    return [row for columns in report.blocks(frozenset(names)) for row in columns.rows(list(names))]


def told(path):
    with pytest.raises(PortcallError) as error:
        rows_of(str(path), ["app"])
    return str(error.value)


@pytest.fixture
def envelope(tmp_path):
    return json.loads(Path(written(report_of("app"), tmp_path / "it.json")).read_text())


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("by", [by for by in LIVE_GROUPINGS if by not in ("process", "user", "time")])
def test_what_was_written_comes_back_as_it_was(tmp_path, by, format_name):
    report = report_of(by)
    plain = [name for name in column_names(by) if not isinstance(report.to_dicts()[0][name], list)]
    names = [name for name in plain if not {"services", "said", "resolvers", "response_codes"} & {name}]

    path = written(report, tmp_path / f"it.{format_name}")

    found = written_report(path)
    assert (found.by, found.rows_left_out) == (by, None if format_name == "jsonl" else 0)
    assert found.window_ns == (None if format_name == "jsonl" else report.window_ns)
    assert rows_of(path, names) == [{name: row[name] for name in names} for row in report.rows]


@pytest.mark.parametrize("format_name", FORMATS)
def test_sums_of_a_report_are_those_of_its_capture(tmp_path, format_name):
    report = report_of("flow")
    sums, here = KeyedSums("app+host", "flow"), KeyedSums("app+host", "flow")

    for columns in written_report(written(report, tmp_path / f"it.{format_name}")).blocks(sums.names):
        sums.add(columns)
    here.add_rows(report.rows)

    assert sums.by_key == here.by_key
    assert sums.total.bytes == report.coverage.bytes


def test_json_that_another_program_laid_out_anew_is_read_too(tmp_path, envelope):
    path = tmp_path / "pretty.json"
    path.write_text("\ufeff" + json.dumps(envelope, indent=2))

    assert rows_of(str(path), ["app"]) == [{"app": row["app"]} for row in envelope["rows"]]


@pytest.mark.parametrize("name", ["office.pcapng", "dns.pcap", "."])
def test_captures_and_folders_are_no_reports(name):
    assert written_report(str(CAPTURES / name)) is None


@pytest.mark.parametrize("path", ["-", "/nowhere", "\0", "/dev/null"])
def test_what_is_no_file_is_no_report(path):
    assert written_report(path) is None


def test_csv_is_refused_by_its_name(tmp_path):
    assert "csv, which cannot be read back exactly" in told(written(report_of("flow"), tmp_path / "it.csv"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schema": SCHEMA + 1}, f"it has schema 2, and this portcall reads schema {SCHEMA}"),
        ({"schema": True}, "it has schema True"),
        ({"schema": None}, "it has no 'schema'"),
        ({"by": "ports"}, "this is a list ('by': 'ports'), not a report of traffic"),
        ({"by": "\x1b[31m"}, "no report says 'by'"),
        ({"by": ["app"]}, "a list"),
        ({"rows": {}}, "it has no 'rows'"),
        ({"window_ns": [1]}, "'window_ns' is no pair of times"),
        ({"rows_left_out": -1}, "'rows_left_out' is no number of rows"),
        ({"rows": [[]]}, "a row is a list"),
        ({"rows": [{"app": "x"}] * 2 + [{"ap": "x"}]}, "a row by app has no 'app'"),
        ({"rows": [{"app": 7}]}, "'app' is 7"),
        ({"rows": [{"app": "a" * 20_000}]}, "'app' is 'aaa"),
        ({"portcall_baseline": 1}, "this is a baseline"),
    ],
)
def test_what_is_no_report_is_refused_by_what_is_wrong(tmp_path, envelope, change, why):
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(envelope | change))

    refusal = told(path)

    assert refusal.startswith(f"{path}:")
    assert why in refusal
    assert "--format json, jsonl or parquet" in refusal


@pytest.mark.parametrize("count", ["bytes_out", "flows"])
@pytest.mark.parametrize("value", [-1, 1.5, "7", True, 1 << 63, [1]])
def test_a_count_that_is_none_is_refused_with_its_line(tmp_path, envelope, count, value):
    path = tmp_path / "odd.jsonl"
    rows = [*envelope["rows"][:2], envelope["rows"][2] | {count: value}]
    path.write_text("\n".join(map(json.dumps, rows)))

    with pytest.raises(PortcallError, match=rf"line 3: '{count}' is "):
        rows_of(str(path), ["app", "bytes_out", "flows"])


def test_a_line_that_is_cut_is_refused_with_its_number(tmp_path):
    path = Path(written(report_of("app"), tmp_path / "it.json"))
    lines = path.read_bytes().splitlines(keepends=True)

    path.write_bytes(b"".join(lines[:3]) + lines[3][:40])
    assert "line 4: this is no JSON" in told(path)
    path.write_bytes(b"".join(lines[:3]))
    assert "line 4: it ends before its rows do: it was cut" in told(path)


def test_a_line_without_an_end_is_not_read_into_memory(tmp_path):
    path = Path(written(report_of("app"), tmp_path / "it.jsonl"))
    with path.open("ab") as stream:
        stream.truncate(stream.tell() + (json_rows.MOST_LINE_BYTES * 2))

    assert "has more than 4 MiB, which no row has" in told(path)


def test_a_document_too_long_to_be_read_at_once_is_refused(tmp_path):
    path = tmp_path / "long.json"
    path.write_bytes(b"{\n")
    with path.open("ab") as stream:
        stream.truncate(json_rows.MOST_WHOLE_BYTES + 10)

    assert "its rows do not stand a line each, and it has more than 64 MiB" in told(path)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "{", "[]", "{}", '{"app"', "[1]\n[2]", '{"x": 1}\n']
)
def test_other_json_is_no_report(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)

    assert "this is no" in told(path)


@pytest.mark.parametrize("damage", [slice(4), slice(-400), slice(1000)])
def test_damaged_parquet_is_refused(tmp_path, damage):
    path = Path(written(report_of("app"), tmp_path / "it.parquet"))
    path.write_bytes(path.read_bytes()[damage])

    assert told(path).startswith(f"{path}: ")


def test_parquet_of_others_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"app": ["x"]}), tmp_path / "other.parquet")

    assert "this is Parquet, but no report of portcall" in told(tmp_path / "other.parquet")
