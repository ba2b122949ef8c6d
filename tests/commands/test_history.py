"""``portcall history``, as somebody types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from archive.kept_windows import DAY_S, MONDAY_S, key, stored
from portcall.cli import main

HOSTILE = "\x1b[31mred</script>"


@pytest.fixture
def path(tmp_path):
    tmp_path.chmod(0o700)
    windows = {
        MONDAY_S: {key("curl", "www.example.org"): 1000, key(HOSTILE, "192.0.2.9"): 30},
        MONDAY_S + DAY_S: {key("curl", "new.example.org"): 7000},
    }
    return str(stored(tmp_path / "history.sqlite", windows))


def said(capsys, *words):
    status = main(["history", *words])
    return status, *capsys.readouterr()


def test_it_prints_a_table_by_app(capsys, path):
    status, out, _ = said(capsys, path)

    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[3:5]] == ["curl", "\\x1b[31mred</script>"]
    assert "\x1b" not in out


@pytest.mark.parametrize("format_name", ["json", "jsonl", "csv"])
def test_it_writes_every_format_of_rows(capsys, path, format_name):
    status, out, _ = said(capsys, path, "--by", "host", "--format", format_name)

    assert status == 0
    assert all(host in out for host in ("www.example.org", "new.example.org", "192.0.2.9"))


def test_json_has_the_envelope_of_reports(capsys, path):
    _, out, _ = said(capsys, path, "--by", "day", "--format", "json")

    report = json.loads(out)
    assert report["source"] == f"history {path}"
    assert report["bucket_width_ns"] == DAY_S * 10**9
    assert report["coverage"]["bytes"] == sum(row["bytes_out"] + row["bytes_in"] for row in report["rows"])


def test_parquet_has_the_same_rows(path, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")

    assert main(["history", path, "-o", str(tmp_path / "history.parquet")]) == 0

    assert parquet.read_table(tmp_path / "history.parquet").column("bytes_in").to_pylist() == [8000, 30]


def test_a_page_has_no_markup_of_what_was_kept(path, tmp_path):
    page = tmp_path / "history.html"

    assert main(["history", path, "-o", str(page)]) == 0

    text = page.read_text(encoding="utf-8")
    assert 'id="rows-host"' in text
    assert HOSTILE not in text


def test_what_is_new_are_apps_and_then_hosts(capsys, path):
    status, out, _ = said(capsys, path, "--new", "--from", "2024-03-05")

    assert status == 0
    assert "new.example.org" in out
    assert "www.example.org" not in out
    assert said(capsys, path, "--new", "--by", "app", "--from", "2024-03-05")[0] == 1


def test_a_search_that_finds_nothing_is_status_1(capsys, path):
    assert said(capsys, path, "--where", "app=wget")[0] == 1
    assert said(capsys, path, "--from", "2024-03-09")[0] == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--from", "soon"], "--from soon: not a time"),
        (["--from", "1d", "--to", "2d"], "--to 2d: it is not after --from 1d"),
        (["--where", "colour=red"], "no column 'colour' by app"),
        (["--where", "app=a or bytes>1"], "Join them with 'and' alone"),
        (["--new", "--by", "day"], "no day is new"),
        (["--new", "--format", "json"], "has room for one list. Add --by app or --by host"),
        (["--forget", "curl", "--by", "app"], "leave out --by"),
        (["--forget", "2d..3d..", "--by", "app"], "leave out --by"),
        (["--forget", "1d..2d"], "it ends before it begins"),
    ],
)
def test_wrong_words_are_status_2(capsys, path, words, error):
    status, out, err = said(capsys, path, *words)

    assert (status, out) == (2, "")
    assert error in err


def test_no_file_is_an_error_that_says_what_fills_it(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)

    status, _, err = said(capsys)

    assert status == 1
    assert f"{tmp_path}/portcall/history.sqlite: there is no history yet. " in err


def test_an_app_is_forgotten_by_its_name(capsys, path):
    status, out, err = said(capsys, path, "--forget", "curl")

    assert (status, out) == (0, "")
    assert "forgotten: " in err
    assert "curl" not in said(capsys, path)[1]
    assert said(capsys, path, "--forget", "curl")[0] == 1


@pytest.mark.parametrize("word", ["host=www.example.org", "2024-03-04..2024-03-05", "..1d"])
def test_a_host_or_a_period_is_forgotten(capsys, path, word):
    assert said(capsys, path, "--forget", word)[0] == 0

    assert "www.example.org" not in said(capsys, path, "--by", "host")[1]


def test_a_reader_that_leaves_early_is_no_error(path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    line = f"'{sys.executable}' -m portcall history '{path}' --format jsonl | head -n 1"

    ran = subprocess.run(line, shell=True, env=environment, capture_output=True, text=True, check=False)

    assert json.loads(ran.stdout)["app"] == "curl"
    assert ran.stderr == ""


def test_live_says_what_history_does_not_go_with(capsys):
    for words, error in (
        (["--history", "--bucket", "1s"], "--bucket counts in other times"),
        (["--history", "--by", "time"], "--by time counts in other times"),
        (["--history", "--format", "html"], "--format html counts in other times"),
        (["--history", "--owners-only"], "leave out --history"),
        (["--history-size", "1GB"], "add that"),
        (["--history", "--history-size", "1kB"], "too little"),
    ):
        assert main(["live", *words]) == 2
        assert error in capsys.readouterr().err
