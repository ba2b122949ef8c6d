"""Saved captures that are read with a checkpoint: ended anywhere, gone on with, and the report is that of one run."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import portcall
from portcall.errors import PortcallError, UsageError
from portcall.runs.following.checkpoint import Checkpoint
from portcall.runs.following.resumed_run import ResumedRun
from portcall.runs.reading import Reading, ReadOptions

CAPTURES = Path(__file__).parents[3] / "captures"


class EndsAfter:
    """Somebody who wants it to end after so many batches."""

    def __init__(self, batches):
        self.left = batches

    @property
    def is_asked(self):
        self.left -= 1
        return self.left < 0


def run(patterns, path, stop, by="flow", **options):
    """The report of a run that ends then, or of all."""
    reading = Reading(ReadOptions(by=by, **options))
    checkpoint = Checkpoint(str(path), reading.options.words())
    try:
        resumed = ResumedRun(patterns, reading, checkpoint)
        resumed.read(stop)
        return resumed.report(), resumed.problems
    finally:
        checkpoint.close()


NEVER = SimpleNamespace(is_asked=False)


@pytest.mark.parametrize("options", [{}, {"filter": "udp"}, {"names": False}, {"by": "query"}], ids=str)
def test_ended_after_every_batch_it_reports_what_one_run_does(tmp_path, options):
    for name in ("dns.pcap", "office.pcapng", "fragments.pcap"):
        shutil.copy(CAPTURES / name, tmp_path)
    patterns = [str(tmp_path / "*.pcap*")]

    for _ in range(4):
        run(patterns, tmp_path / "checkpoint", EndsAfter(1), **options)
    report, problems = run(patterns, tmp_path / "checkpoint", NEVER, **options)

    expected = portcall.read(patterns[0], **{"by": "flow", **options})
    assert problems == []
    assert report.coverage == expected.coverage
    assert report.to_dicts() == expected.to_dicts()


def test_what_is_damaged_is_said_again(tmp_path):
    damaged = str(CAPTURES / "broken" / "cut-in-a-frame.pcap")

    told = [run([damaged], tmp_path / "checkpoint", NEVER)[1] for _ in range(2)]

    assert [[str(problem) for problem in problems] for problems in told] == 2 * [[str(told[0][0])]]


def test_what_cannot_be_read_at_all_is_an_error(tmp_path):
    with pytest.raises(PortcallError, match="no such file"):
        run([str(tmp_path / "nothing.pcap")], tmp_path / "checkpoint", NEVER)


@pytest.mark.parametrize("what", ["has changed", "is new", "is not there any more"])
def test_other_captures_than_those_of_the_checkpoint_are_refused(tmp_path, what):
    (tmp_path / "in").mkdir()
    for name in ("a.pcap", "b.pcap"):
        shutil.copy(CAPTURES / "dns.pcap", tmp_path / "in" / name)
    run([str(tmp_path / "in")], tmp_path / "checkpoint", NEVER)
    if what == "has changed":
        shutil.copy(CAPTURES / "ssh.pcap", tmp_path / "in" / "b.pcap")
    elif what == "is new":
        shutil.copy(CAPTURES / "ssh.pcap", tmp_path / "in" / "c.pcap")
    else:
        (tmp_path / "in" / "b.pcap").unlink()

    with pytest.raises(PortcallError, match=what):
        run([str(tmp_path / "in")], tmp_path / "checkpoint", NEVER)


def test_a_pipe_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read again"):
        run(["-"], tmp_path / "checkpoint", NEVER)


def test_sections_that_overlap_are_merged_before_and_after(tmp_path):
    path = tmp_path / "both.pcapng"
    path.write_bytes((CAPTURES / "office.pcapng").read_bytes() * 2)
    run([str(path)], tmp_path / "checkpoint", EndsAfter(1))

    report, _ = run([str(path)], tmp_path / "checkpoint", NEVER)

    assert report.to_dicts() == portcall.read(str(path), by="flow").to_dicts()
