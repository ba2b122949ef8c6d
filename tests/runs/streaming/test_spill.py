"""Rows that memory has no room for come back from files as they were, and of too many the greatest remain."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from flow_builder import flow
from portcall.attribution.attribution import Attribution
from portcall.errors import PortcallError
from portcall.runs.streaming.memory_bound import tree_bytes
from portcall.runs.streaming.settled import Grouping
from portcall.runs.streaming.spill import Spill
from runs.streaming.test_settled import SECOND_NS, rows_of, run, tracker_of

MEGABYTE = 10**6


def conversations(count, first=0):
    """FLOW[n], of other sizes each."""
    flows = np.repeat(flow("10.0.0.1 40000", "192.0.2.1 443"), count)
    flows["first_frame"] = 1 + first + np.arange(count)
    flows["bytes"][:, 0] = first + np.arange(count)
    flows["low_port"] = (np.arange(count) % 60000) + 1
    return flows


def test_an_array_in_a_file_is_as_it_was_and_nobody_may_write_to_it():
    kept = Spill(MEGABYTE).kept(conversations(100))

    assert (kept == conversations(100)).all()
    with pytest.raises(ValueError, match="read-only"):
        kept["bytes"] = 0


def test_its_files_have_no_name(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    kept = Spill(MEGABYTE).kept(np.arange(1 << 16))

    assert list(tmp_path.iterdir()) == []
    assert any(str(tmp_path) in line for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines())
    assert kept[-1] == (1 << 16) - 1


def test_where_the_disk_has_no_room_that_is_said_with_the_folder():
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(PortcallError, match="no room for rows that memory does not hold"):
            Spill(MEGABYTE).kept(np.arange(1 << 16))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_what_rests_takes_no_memory_until_it_is_looked_at():
    spill, size = Spill(MEGABYTE), 64 * MEGABYTE
    kept = spill.kept(np.ones(size, np.uint8))
    kept.sum()
    before = tree_bytes()

    spill.rest()

    assert before - tree_bytes() > size * 3 // 4
    assert kept.sum() == size


def test_rows_kept_in_files_are_those_kept_in_memory():
    in_memory, in_files = Attribution("flow"), Attribution("flow", store=Spill(100 * MEGABYTE))
    for first in range(0, 60_000, 7000):
        for attribution in (in_memory, in_files):
            attribution.add(conversations(7000, first))

    reports = [attribution.report({}, "test", top=500) for attribution in (in_memory, in_files)]

    assert list(reports[0]) == list(reports[1])
    assert reports[0].coverage == reports[1].coverage
    assert reports[0].rows_left_out == reports[1].rows_left_out


def test_of_too_many_rows_those_of_most_bytes_remain_and_the_others_are_counted():
    spill = Spill(MEGABYTE)
    attribution = Attribution("flow", store=spill)
    attribution.add(conversations(50_000))

    report = attribution.report({}, "test")

    assert len(report.rows) <= spill.most_rows + (1 << 14)
    assert len(report.rows) + report.rows_left_out == 50_000
    assert report.rows[0]["bytes_to_server"] + report.rows[0]["bytes_to_client"] == 49_999 + 1000
    assert report.coverage.bytes_attributed == int(conversations(50_000)["bytes"].sum())
    assert [note.feature for note in report.degradations] == ["rows"]


def file_bytes():
    """What this process has in memory of files."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssFile"))


def test_of_rows_in_files_no_more_than_a_few_are_in_memory_whatever_is_done_with_them(monkeypatch):
    monkeypatch.setattr("portcall.attribution.kept_flow_rows._MOST_TOUCHED_BYTES", 2 * MEGABYTE)
    spill, seen = Spill(256 * 160_000), []
    rest = spill.rest
    monkeypatch.setattr(spill, "rest", lambda: (seen.append(file_bytes()), rest()))
    attribution = Attribution("flow", store=spill)
    before = file_bytes()
    for first in range(0, 180_000, 20_000):
        attribution.add(conversations(20_000, first))
    report = attribution.report({}, "test")

    assert report.rows_left_out > 0
    assert max(seen) - before < 20 * MEGABYTE  # of 33

    seen.clear()
    assert sum(1 for _ in report.rows) == len(report.rows)
    assert max(seen) - before < 10 * MEGABYTE


def test_owners_and_buckets_come_back_from_files(monkeypatch):
    monkeypatch.setattr("portcall.attribution.kept_flow_rows._KEPT_AT_ONCE", 7)
    kept, let_go = (tracker_of(leaves=leaves, width_ns=2 * SECOND_NS) for leaves in (False, True))
    let_go.settled._store = Spill(100 * MEGABYTE)
    let_go.settled._groupings = [Grouping("flow", by_time=True)]
    for tracker in (kept, let_go):
        run(tracker, 30, 2)

    assert rows_of(let_go, "flow") == rows_of(kept, "flow")
