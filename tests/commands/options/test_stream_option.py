"""``--idle-timeout``, ``--active-timeout``, ``--memory``: rows come while a pipe is still open."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import subprocess
import sys

import pytest

from made_streams import stream_header, stream_records, write_stream
from portcall.cli import main
from portcall.sources import rooms


@pytest.fixture
def few_frames_at_once(monkeypatch):
    """Small windows, so that a small capture comes in many batches."""
    monkeypatch.setattr(rooms, "WINDOW_BYTES", 1 << 12)


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    path = tmp_path_factory.mktemp("streams") / "stream.pcap"
    write_stream(path, seconds=20)
    return str(path)


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="pipes have one size here")
def test_rows_of_a_burst_that_came_at_once_do_not_wait_for_what_follows():
    from_pipe, into_pipe = os.pipe()
    fcntl.fcntl(into_pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
    os.write(into_pipe, stream_header() + b"".join(stream_records(20)))
    words = ["read", "-", "--by", "flow", "--format", "csv", "--idle-timeout", "2", "--no-names"]
    with subprocess.Popen(
        [sys.executable, "-m", "portcall", *words], stdin=from_pipe, stdout=subprocess.PIPE
    ) as process:
        os.close(from_pipe)
        early = [process.stdout.readline() for _ in range(3)]
        os.close(into_pipe)
        rest = process.stdout.read()

    assert sum(map(bool, early)) == 3
    assert len(rest.splitlines()) > 3


@pytest.mark.parametrize("format_name", ["jsonl", "csv"])
def test_rows_come_while_the_pipe_is_open(format_name):
    words = ["read", "-", "--by", "flow", "--format", format_name, "--idle-timeout", "2", "--no-names"]
    with subprocess.Popen(
        [sys.executable, "-m", "portcall", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdin.write(stream_header())
        for start in range(0, 20, 2):
            process.stdin.write(b"".join(stream_records(2, start_s=start)))
            process.stdin.flush()

        early = [process.stdout.readline() for _ in range(3)]
        process.stdin.write(b"".join(stream_records(2, start_s=20)))
        process.stdin.close()
        rest, said = process.stdout.read(), process.stderr.read()

    rows = (b"".join(early) + rest).decode().splitlines()
    assert process.returncode == 0
    if format_name == "csv":
        assert sum(row.startswith("protocol,") for row in rows) == 1
        rows = list(csv.DictReader(rows))
    else:
        rows = list(map(json.loads, rows))
    assert sum(int(row[f"packets_to_{end}"]) for row in rows for end in ("server", "client")) == len(
        list(stream_records(22))
    )
    assert b"conversations" not in said


@pytest.mark.usefixtures("few_frames_at_once")
def test_a_file_has_the_same_rows_as_stdout(capture, tmp_path, capsys):
    words = ["read", capture, "--by", "flow", "--idle-timeout", "2"]

    assert main([*words, "--format", "jsonl"]) == 0
    printed = capsys.readouterr().out
    assert main([*words, "-o", str(tmp_path / "rows.jsonl")]) == 0

    assert (tmp_path / "rows.jsonl").read_text(encoding="utf-8") == printed
    assert printed.count("\n") > 100


@pytest.mark.usefixtures("few_frames_at_once")
def test_a_file_that_cannot_be_written_is_said(capture, capsys):
    words = ["read", capture, "--by", "flow", "--idle-timeout", "2", "--format", "jsonl", "-o", "/dev/full"]

    assert main(words) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.usefixtures("few_frames_at_once")
def test_rows_wait_for_the_end_where_the_best_of_all_are_asked_for(capture, capsys):
    main(["read", capture, "--by", "flow", "--idle-timeout", "2", "--format", "jsonl", "--top", "3"])

    rows = map(json.loads, capsys.readouterr().out.splitlines())
    sizes = [row["bytes_to_server"] + row["bytes_to_client"] for row in rows]
    assert len(sizes) == 3
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.usefixtures("few_frames_at_once")
def test_one_report_says_how_many_conversations_were_cut(capture, capsys):
    main(["read", capture, "--active-timeout", "3", "--format", "json"])

    notes = json.loads(capsys.readouterr().out)["degradations"]
    assert any("were cut" in note["reason"] for note in notes)


@pytest.mark.parametrize("size", ["", "1", "12 parsecs", "1e400GB", "64MB", "nanMB"])
def test_a_size_that_is_none_is_refused_before_anything_is_read(size, capsys):
    assert main(["read", "/nowhere.pcap", "--memory", size]) == 2

    assert "--memory" in capsys.readouterr().err
