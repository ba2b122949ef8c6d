"""Many captures are one, in order of time: files, pipes and standard input, each of them once."""

from __future__ import annotations

import os
import resource
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from capture_bytes import enhanced, interface, pcap_header, pcap_record, section, simple
from portcall.sources.capture_set import CaptureSet

SECOND_NS = 10**9


def content(*seconds):
    return pcap_header() + b"".join(pcap_record(bytes([second]) * 60, seconds=second) for second in seconds)


@pytest.fixture
def capture(tmp_path):
    """Write a capture with a frame at each second; gives its path."""

    def write(name, *seconds):
        path = tmp_path / name
        path.write_bytes(content(*seconds))
        return str(path)

    return write


def read(*paths, **options):
    """(the seconds of the frames as they came, the set)."""
    captures = CaptureSet(paths, **options)
    seconds = [int(ts_ns) // SECOND_NS for batch in captures.batches() for ts_ns in batch.frames["ts_ns"]]
    return seconds, captures


def test_files_are_read_in_order_of_their_first_frame(capture):
    late, early, middle = capture("late", 30, 31), capture("early", 10, 11), capture("middle", 20, 21)

    assert read(late, early, middle)[0] == [10, 11, 20, 21, 30, 31]


def test_files_that_overlap_are_merged(capture):
    assert read(capture("a", 1, 4, 9), capture("b", 2, 3, 12), capture("c", 10, 11))[0] == [1, 2, 3, 4, 9, 10, 11, 12]


def test_files_without_times_come_first_and_stay_in_order(capture, tmp_path):
    untimed = tmp_path / "untimed.pcapng"
    untimed.write_bytes(section() + interface() + simple(b"x"))

    seconds, captures = read(capture("timed", 30), str(untimed), capture("empty"))

    assert seconds[1:] == [30]
    assert captures.problems == []


def test_what_cannot_be_opened_is_a_problem_and_ends_nothing_else(capture, tmp_path):
    missing = str(tmp_path / "missing.pcap")

    seconds, captures = read(missing, capture("good", 1), "/proc/self/mem")

    assert seconds == [1]
    assert [problem.path for problem in captures.problems] == [missing, "/proc/self/mem"]
    assert not captures.is_unreadable


@pytest.mark.parametrize("times", [1, 2])
def test_where_nothing_can_be_read_the_set_is_unreadable(tmp_path, times):
    seconds, captures = read(*[str(tmp_path / "missing.pcap")] * times)

    assert (seconds, captures.is_unreadable) == ([], True)


def test_damage_in_one_of_those_that_are_merged_ends_that_one(capture):
    damaged = capture("damaged", 2, 4)
    with Path(damaged).open("ab") as file:
        file.write(b"\xff" * 40)

    seconds, captures = read(capture("a", 1, 3, 5), damaged)

    assert seconds == [1, 2, 3, 4, 5]
    assert [problem.path for problem in captures.problems] == [damaged]


def test_standard_input_is_merged_with_files(capture, monkeypatch):
    reading, writing = os.pipe()
    os.write(writing, content(2, 5))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=pipe))

        assert read(capture("late", 6), "-", capture("early", 1, 3, 4))[0] == [1, 2, 3, 4, 5, 6]


def test_named_pipes_are_read_once(capture, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content(*range(1, 100, 2)),))
    writer.start()

    seconds, captures = read(str(pipe), capture("even", *range(2, 100, 2)))
    writer.join()

    assert (seconds, captures.problems) == (list(range(1, 100)), [])


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to", None])
def test_one_file_under_two_names_is_read_once_and_said(capture, tmp_path, link):
    path = capture("a", 1, 2)
    again = path
    if link:
        getattr(tmp_path / "again", link)(path)
        again = str(tmp_path / "again")

    seconds, captures = read(path, again)

    assert seconds == [1, 2]
    [note] = captures.notes
    assert "read once" in note.reason


def test_progress_goes_up_to_the_size_of_all(capture):
    told = []
    paths = [capture("a", *range(0, 200, 2)), capture("b", *range(1, 200, 2))]

    read(*paths, progress=lambda done, total: told.append((done, total)))

    size = sum(Path(path).stat().st_size for path in paths)
    assert told == sorted(told)
    assert told[-1] == (size, size)


@pytest.fixture
def few_open_files():
    """As ``ulimit -n`` has it, half of it for captures, and room for what other tests have left open; gives it."""
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = 2 * max(30, len(list(Path("/dev/fd").iterdir())) + 10)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, former[1]))
    yield limit
    resource.setrlimit(resource.RLIMIT_NOFILE, former)


@pytest.mark.usefixtures("few_open_files")
def test_a_thousand_files_one_after_the_other_need_few_open(capture):
    paths = [capture(f"{second}", second % 200, second % 200) for second in range(1000)]

    seconds, captures = read(*paths)

    assert seconds == sorted(seconds)
    assert (len(seconds), captures.problems) == (2000, [])


def test_where_more_overlap_than_can_be_open_a_note_says_so(capture, few_open_files):
    paths = [capture(f"{second}", second, 200) for second in range(100)]

    seconds, captures = read(*paths)

    assert (len(seconds), captures.problems) == (200, [])
    [note] = captures.notes
    too_many = 100 - few_open_files // 2
    assert f"{too_many} captures began while as many as can be read at once were open" in note.reason


def test_what_was_read_is_closed(capture):
    before = len(list(Path("/proc/self/fd").iterdir()))

    read(*[capture(f"{second}", second, 50) for second in range(20)])

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_blocks_without_frames_reach_whoever_reads(tmp_path, capture):
    path = tmp_path / "a.pcapng"
    path.write_bytes(section() + interface() + enhanced(b"x" * 60, ticks=2_000_000))

    assert read(str(path), capture("b", 1, 3))[0] == [1, 2, 3]
