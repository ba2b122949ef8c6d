"""Threads read ahead of who counts: rows, messages and notes are those of one thread, whatever is in the file."""

from __future__ import annotations

import dataclasses
import os
import random
import threading
from pathlib import Path

import pytest

import capture_catalogue
from capture_bytes import enhanced, interface, pcap_header, pcap_record, section
from frame_bytes import ipv4, udp
from portcall.attribution.attribution import Attribution
from portcall.decoding.copies import Copies
from portcall.errors import PortcallError
from portcall.runs import offline
from portcall.runs.stages.work_ahead import WorkAhead
from portcall.runs.tracker import Tracker
from portcall.sources import rooms
from portcall.sources.capture_set import CaptureSet

CAPTURES = Path(__file__).resolve().parents[3] / "captures"
NAMES = list(capture_catalogue.read(CAPTURES))
RAW_IP = 101


def told(*paths, **options):
    """All that a run says: rows, what they cover, notes and problems."""
    try:
        outcome = offline.read(list(map(str, paths)), **{"by": "flow", **options})
    except PortcallError as error:
        return str(error)
    notes = [note for note in outcome.report.degradations if note.feature != "copies"]  # which a secret seed decides
    report = dataclasses.replace(outcome.report, rows=(), degradations=notes)
    return list(outcome.report.rows), report, list(map(str, outcome.problems))


@pytest.fixture
def small_windows(monkeypatch):
    """Windows so small that records, heads and frames of every capture end outside of them."""
    monkeypatch.setattr(rooms, "WINDOW_BYTES", 700)
    monkeypatch.setattr(rooms, "HEAD_BYTES", 200)
    monkeypatch.setattr(rooms, "FRAMES_AT_ONCE", 5)


def datagrams(count, conversations=4000):
    chance = random.Random(5)
    return [ipv4(udp(b"x" * chance.randrange(900), source=2000 + i % conversations)) for i in range(count)]


@pytest.fixture
def long_capture(tmp_path):
    """A capture of some windows as they are."""
    path = tmp_path / "long.pcap"
    records = (pcap_record(frame, seconds=i // 100) for i, frame in enumerate(datagrams(6000)))
    path.write_bytes(pcap_header(link=RAW_IP) + b"".join(records))
    assert path.stat().st_size > 5 * rooms.WINDOW_BYTES
    return path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("small_windows")
def test_every_capture_of_ours_says_the_same_with_any_number_of_threads(name):
    alone = told(CAPTURES / name, jobs=1)

    assert [told(CAPTURES / name, jobs=jobs) == alone for jobs in range(2, 8)] == [True] * 6


@pytest.mark.parametrize(
    "options",
    [
        {"names": False},
        {"by": "app"},
        {"by": "host", "bucket": "auto"},
        {"by": "query"},
        {"deduplicate": True},
        {"filter": "tcp"},
        {"from_": "1970-01-01T00:00:01", "to": "2030-01-01"},
        {"layer": "inner"},
        {"logs": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["office.pcapng", "tunnels.pcap"])
@pytest.mark.usefixtures("small_windows")
def test_every_way_to_read_says_the_same(name, options):
    assert told(CAPTURES / name, jobs=3, **options) == told(CAPTURES / name, jobs=1, **options)


@pytest.mark.parametrize("jobs", [2, 3, 7])
def test_a_long_capture_is_the_same_and_its_threads_have_ended(long_capture, jobs):
    before = threading.active_count()

    assert told(long_capture, jobs=jobs) == told(long_capture, jobs=1)
    assert threading.active_count() == before


@pytest.fixture
def begun(monkeypatch):
    """The captures that threads read, by their first bytes behind the header."""
    begun = []
    begin = WorkAhead.begin

    def note(ahead, descriptor, offset):
        has_begun = begin(ahead, descriptor, offset)
        if has_begun:
            begun.append(os.pread(descriptor, 16, 24))
        return has_begun

    monkeypatch.setattr(WorkAhead, "begin", note)
    return begun


def dealt(folder, names, whose):
    """Captures of the same frames, each with those that ``whose`` deals to it, by their number."""
    paths = [folder / f"{name}.pcap" for name in names]
    records = [pcap_record(frame, seconds=i // 100) for i, frame in enumerate(datagrams(6000))]
    for number, path in enumerate(paths):
        path.write_bytes(pcap_header(link=RAW_IP) + b"".join(r for i, r in enumerate(records) if whose(i) == number))
        assert path.stat().st_size > 2 * rooms.WINDOW_BYTES
    return paths


@pytest.mark.parametrize(
    "options", [{}, {"names": False}, {"by": "host", "bucket": "auto"}, {"filter": "udp"}], ids=str
)
def test_captures_that_follow_each_other_are_each_read_ahead(tmp_path, begun, options):
    paths = dealt(tmp_path, "ab", lambda number: number // 3000)

    assert told(*paths, jobs=2, **options) == told(*paths, jobs=1, **options)
    assert begun == [path.read_bytes()[24:40] for path in paths]


def test_of_captures_that_overlap_one_is_read_ahead(tmp_path, begun):
    paths = dealt(tmp_path, "ab", lambda number: number // 30 % 2)

    assert told(*paths, jobs=3) == told(*paths, jobs=1)
    assert begun == [paths[0].read_bytes()[24:40]]


@pytest.mark.parametrize("by", ["flow", "app"])
def test_captures_of_all_kinds_say_the_same_together(monkeypatch, by):
    monkeypatch.setattr(rooms, "WINDOW_BYTES", 3000)  # none of their frames is longer
    paths = [CAPTURES / name for name in ("office.pcapng", "tunnels.pcap", "owners.pcapng", "dns.pcap")]
    alone = told(*paths, by=by, jobs=1)

    assert [told(*paths, by=by, jobs=jobs) == alone for jobs in (2, 5)] == [True] * 2


def test_captures_of_both_kinds_in_one_file_are_walked_as_they_come(tmp_path):
    path = tmp_path / "both"
    first, second = datagrams(3000), datagrams(2500)
    blocks = section() + interface(link=RAW_IP) + b"".join(enhanced(frame) for frame in second)
    path.write_bytes(pcap_header(link=RAW_IP) + b"".join(map(pcap_record, first)) + blocks)

    alone = told(path, jobs=1)

    assert alone[1].coverage.frames == 5500
    assert told(path, jobs=2) == told(path, jobs=4) == alone


def test_frames_larger_than_a_head_are_read_in_one_piece(tmp_path):
    path = tmp_path / "large.pcap"
    frames = [ipv4(udp(b"x" * 100)) + bytes(200_000) for _ in range(12)] + datagrams(2000)
    path.write_bytes(pcap_header(link=RAW_IP) + b"".join(map(pcap_record, frames)))

    alone = told(path, jobs=1)

    assert alone[1].coverage.frames == 2012
    assert told(path, jobs=2) == alone


@pytest.mark.parametrize("cut", range(1, 40, 6))
def test_a_capture_that_is_cut_says_where(long_capture, cut):
    os.truncate(long_capture, long_capture.stat().st_size - cut)

    alone = told(long_capture, jobs=1)

    assert "the file ends inside a record" in alone[2][0]
    assert told(long_capture, jobs=2) == alone


def test_damage_far_behind_ends_a_capture_where_it_is(long_capture):
    with long_capture.open("r+b") as file:
        file.seek(1_500_000)
        file.write(b"\xff" * 4096)

    alone = told(long_capture, jobs=1)

    assert "claims" in alone[2][0]
    assert told(long_capture, jobs=2) == told(long_capture, jobs=5) == alone


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_appended_while_a_capture_is_read_counts_too(long_capture, jobs):
    more = b"".join(pcap_record(frame) for frame in datagrams(3000))
    size = long_capture.stat().st_size

    def append(*_):
        if long_capture.stat().st_size == size:
            with long_capture.open("ab") as file:
                file.write(more)

    report = offline.read([str(long_capture)], jobs=jobs, progress=append).report

    assert report.coverage.frames == 9000


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_capture_that_shrinks_while_it_is_read_counts_up_to_its_new_end_and_that_is_said(long_capture, jobs):
    content = long_capture.read_bytes()
    long_capture.write_bytes(content + 4 * content[len(pcap_header()) :])  # more than is read ahead
    size = long_capture.stat().st_size

    def cut(*_):
        os.truncate(long_capture, size * 3 // 4 - 1)

    outcome = offline.read([str(long_capture)], jobs=jobs, progress=cut)

    (problem,) = outcome.problems
    assert 22_000 < outcome.report.coverage.frames < 23_000
    assert "the file ends inside a record" in str(problem)


@pytest.mark.parametrize("names", [True, False])
def test_an_interrupt_keeps_what_was_counted_ahead(long_capture, names):
    calls = []

    def interrupt(*_):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    outcome = offline.read([str(long_capture)], by="flow", names=names, jobs=2, progress=interrupt)
    rows = outcome.report.rows

    assert outcome.interrupted
    assert 0 < outcome.report.coverage.frames < 6000
    assert sum(row["packets_to_server"] + row["packets_to_client"] for row in rows) == outcome.report.coverage.frames
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reading")]


def test_a_full_table_lets_the_same_rows_go(long_capture):
    """The bound leaves room for a batch: with 1 row, a table is full as soon as it has two."""
    reports = []
    for jobs in (1, 2):
        tracker = Tracker(max_flows=1, copies=Copies(removes=False), is_behind=jobs > 1, _seed=1)
        ahead = WorkAhead(tracker, jobs, counts=True) if jobs > 1 else None
        captures = CaptureSet([str(long_capture)])
        captures.ahead = ahead
        run = offline.CaptureTracker(Attribution("flow"), tracker, ahead=ahead)
        for batch in captures.batches():
            run.feed(batch)
        reports.append((list(run.attribution.report(run.finish(), "").rows), run.expirer.pushed_out))

    assert reports[0][1]
    assert reports[1] == reports[0]
