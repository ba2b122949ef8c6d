"""``portcall read --engine``: what it writes, what it shows, and what it does not take."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from portcall import cli

CAPTURES = Path(__file__).parents[3] / "captures"
DNS = str(CAPTURES / "dns.pcap")
needs_sail = pytest.mark.skipif(importlib.util.find_spec("pysail") is None, reason="pysail is not installed")


def portcall(*words):
    command = [sys.executable, "-m", "portcall", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--engine", "sail"], "add -o flows/"),
        (["--engine", "sail", "-o", "x", "--top", "3"], "has no --top"),
        (["--engine", "sail", "-o", "x", "--from", "2024-01-01"], "has no --from"),
        (["--engine", "sail", "-o", "x", "--by", "host"], "not --by host"),
        (["--engine", "sail", "-o", "x", "--follow"], "has no --follow"),
        (["--engine", "sail", "-o", "x", "--range-bytes", "many"], "--range-bytes many: not a size"),
        (["--engine", "sail", "-o", "x", "--filter", "tcp prt 80"], "--filter"),
        (["--master", "local"], "--master is for engines"),
        (["--range-bytes", "1MB"], "--range-bytes is for engines"),
        (["--sensors", "folder"], "--sensors is for engines"),
    ],
    ids=" ".join,
)
def test_what_means_nothing_is_said_before_anything_begins(capsys, words, reason):
    assert cli.main(["read", DNS, *words]) == 2
    assert reason in capsys.readouterr().err


@needs_sail
def test_conversations_are_written_and_apps_are_shown(tmp_path):
    expected = portcall("read", DNS)

    done = portcall("read", DNS, "--engine", "sail", "--range-bytes", "4kB", "-o", str(tmp_path / "flows"))

    assert done.returncode == 0, done.stderr
    assert done.stdout == expected.stdout
    ((written,),) = duckdb.sql(f"select count(*) from '{tmp_path}/flows/sensor=*/*.parquet'").fetchall()  # noqa: S608
    assert f"portcall: {written} rows are in" in done.stderr


@needs_sail
def test_what_cannot_be_read_is_one_sentence(tmp_path):
    (tmp_path / "cut.pcap").write_bytes(Path(DNS).read_bytes()[:-3])
    (tmp_path / "file").write_text("")

    cut = portcall("read", str(tmp_path / "cut.pcap"), "--engine", "sail", "-o", str(tmp_path / "flows"))
    nowhere = portcall("read", DNS, "--engine", "sail", "-o", str(tmp_path / "file"))

    assert cut.returncode == 3
    assert "the file ends inside a record" in cut.stderr
    assert nowhere.returncode == 1
    assert "-o wants a folder" in nowhere.stderr
    assert "Traceback" not in cut.stderr + nowhere.stderr
