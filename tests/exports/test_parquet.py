"""Parquet files and Arrow streams: other people's readers find every row, exactly, with units and meaning."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import portcall
from portcall import exports
from portcall.records.report import Coverage, Report
from portcall.records.schema import GROUPINGS, column_names, columns

CAPTURES = Path(__file__).parents[2] / "captures"


def parquet_of(report):
    stream = io.TextIOWrapper(io.BytesIO())
    exports.write(report, "parquet", stream)
    return pa.BufferReader(stream.buffer.getvalue())


@pytest.mark.parametrize("by", GROUPINGS)
@pytest.mark.parametrize("capture", ["office.pcapng", "tunnels.pcap"])
def test_a_file_has_every_row_as_the_report_has_it(capture, by):
    report = portcall.read(CAPTURES / capture, by=by)

    assert pq.read_table(parquet_of(report)).to_pylist() == report.to_dicts()


def test_fields_say_unit_and_meaning_and_the_file_what_the_report_covers():
    report = portcall.read(CAPTURES / "office.pcapng", by="flow")

    schema = pq.read_schema(parquet_of(report))

    assert {
        field.name: (field.metadata[b"unit"].decode(), field.metadata[b"meaning"].decode()) for field in schema
    } == {column.name: (column.unit, column.meaning) for column in columns("flow")}
    assert json.loads(schema.metadata[b"portcall"])["coverage"]["bytes"] == report.coverage.bytes


def test_columns_that_nothing_fills_have_their_type_all_the_same():
    schema = pq.read_schema(parquet_of(portcall.read(CAPTURES / "dns.pcap", by="flow", names=False)))

    assert (schema.field("client_pid").type, schema.field("said").type) == (pa.int64(), pa.list_(pa.string()))


@pytest.mark.parametrize("by", ["app", "flow"])
def test_duckdb_polars_and_pyarrow_read_a_report_as_it_is(by):
    report = portcall.read(CAPTURES / "office.pcapng", by=by)
    names = column_names(by)

    assert pa.table(report).to_pylist() == report.to_dicts()
    assert pl.DataFrame(report).to_dicts() == report.to_dicts()
    assert [dict(zip(names, row, strict=True)) for row in duckdb.sql("select * from report").fetchall()] == (
        report.to_dicts()
    )


def test_sums_in_sql_are_the_captures(tmp_path):
    path = tmp_path / "flows.parquet"
    report = portcall.read(CAPTURES / "office.pcapng", by="flow")
    path.write_bytes(parquet_of(report).read())

    sums = duckdb.read_parquet(str(path)).aggregate("sum(bytes_to_server + bytes_to_client)").fetchall()

    assert sums == [(report.coverage.bytes,)]


def test_hostile_texts_are_what_they_were_and_lone_surrogates_stand_as_words():
    row = dict.fromkeys(column_names("app")) | {"app": "a\x1b[31m\u202e\0b", "services": ["caf\udce9", "=1+1"]}
    report = Report("app", "\x1b]0;title\x07.pcap", None, Coverage(0, 0, {}, 0, None, 0), [row])

    found = pq.read_table(parquet_of(report)).to_pylist()[0]

    assert (found["app"], found["services"]) == ("a\x1b[31m\u202e\0b", ["caf\\udce9", "=1+1"])


def test_no_row_is_a_file_too():
    report = replace(portcall.read(CAPTURES / "office.pcapng", where="app = nobody"), by="app")

    assert pq.read_table(parquet_of(report)).num_rows == 0


def test_a_listing_can_be_written_as_well(tmp_path):
    path = tmp_path / "checks.parquet"

    done = subprocess.run(
        [sys.executable, "-m", "portcall", "check", "127.0.0.1", "1", "-o", str(path)], check=False, timeout=60
    )

    assert done.returncode in (0, 1)
    assert pq.read_table(path).column("port").to_pylist() == [1]


def test_without_the_package_it_is_refused_before_anything_is_read_with_what_to_install():
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from portcall.cli import main\n"
        "sys.exit(main(['read', 'nowhere.pcap', '--format', 'parquet']))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert "pip install 'portcall[arrow]'" in done.stderr
    assert "nowhere" not in done.stderr
