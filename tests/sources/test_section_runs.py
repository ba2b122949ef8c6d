"""Sections of one file that overlap in time are merged; others are read straight through."""

from __future__ import annotations

import gzip

import pytest

from capture_bytes import IF_TSRESOL, enhanced, interface, pcap_header, pcap_record, section
from portcall.sources.capture_set import CaptureSet
from portcall.sources.section_runs import MOST_RUNS, SectionsOverlapError, runs_of

SECOND_NS = 10**9


def pcap(*seconds):
    return pcap_header() + b"".join(pcap_record(b"x" * 60, seconds=second) for second in seconds)


def pcapng(*seconds):
    in_seconds = interface((IF_TSRESOL, b"\0"))
    return section() + in_seconds + b"".join(enhanced(b"x" * 60, ticks=second) for second in seconds)


@pytest.fixture
def written(tmp_path):
    """Write sections to one file; gives its path."""

    def write(*sections, compress=bytes):
        path = tmp_path / "capture"
        path.write_bytes(compress(b"".join(sections)))
        return str(path)

    return write


def read(*paths, in_runs=True):
    captures = CaptureSet(paths, in_runs=in_runs)
    seconds = [int(ts_ns) // SECOND_NS for batch in captures.batches() for ts_ns in batch.frames["ts_ns"]]
    return seconds, captures


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("kinds", [(pcap, pcap), (pcapng, pcapng), (pcap, pcapng), (pcapng, pcap)])
def test_sections_that_overlap_are_merged(written, kinds, compress):
    path = written(kinds[0](1, 4, 9), kinds[1](2, 3, 12), compress=compress)

    seconds, captures = read(path)

    assert seconds == [1, 2, 3, 4, 9, 12]
    assert (captures.problems, captures.notes) == ([], [])


def test_that_sections_overlap_is_found_where_the_later_one_begins(written):
    path = written(pcapng(1, 4, 9), pcapng(2, 3, 12))

    with pytest.raises(SectionsOverlapError):
        read(path, in_runs=False)


@pytest.mark.parametrize("kind", [pcap, pcapng])
def test_sections_in_order_are_read_straight_through(written, kind):
    path = written(kind(1, 2), kind(2, 3), kind(7))

    assert read(path, in_runs=False)[0] == [1, 2, 2, 3, 7]
    assert len(runs_of(path)) == 1


def test_within_a_section_the_order_is_that_of_the_file(written):
    assert read(written(pcapng(5, 1, 4)), in_runs=False)[0] == [5, 1, 4]


def test_what_goes_on_in_time_is_one_run(written):
    parts = [pcap(1, 5), pcap(6, 9), pcap(2, 3), pcap(4, 8)]
    path = written(*parts)

    assert [(run.start, run.stop) for run in runs_of(path)] == [
        (0, len(parts[0] + parts[1])),
        (len(parts[0] + parts[1]), None),
    ]
    assert read(path)[0] == [1, 2, 3, 4, 5, 6, 8, 9]


def test_sections_are_merged_with_other_files(written, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(pcap(3, 8))

    assert read(written(pcapng(1, 9), pcapng(2, 7)), str(other))[0] == [1, 2, 3, 7, 8, 9]


def test_damage_in_the_last_section_is_met_once(written):
    path = written(pcap(1, 9), pcap(2, 7), b"\xff" * 40)

    seconds, captures = read(path)

    assert seconds == [1, 2, 7, 9]
    assert [problem.offset for problem in captures.problems] == [len(pcap(1, 9) + pcap(2, 7))]


def test_more_runs_than_are_merged_are_said(written):
    path = written(*[pcap(100 - i) for i in range(MOST_RUNS + 5)])

    seconds, captures = read(path)

    assert sorted(seconds) == list(range(100 - MOST_RUNS - 4, 101))
    [note] = captures.notes
    assert "overlap in time and were read one after the other" in note.reason
