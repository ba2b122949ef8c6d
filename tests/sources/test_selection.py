"""Windows of time: what lies before a moment and what lies from it on are the whole capture."""

from __future__ import annotations

from pathlib import Path

import pytest

import portcall
from capture_bytes import enhanced, interface, section, simple
from portcall.errors import UsageError

CAPTURES = Path(__file__).parents[2] / "captures"
OFFICE = CAPTURES / "office.pcapng"


def text(time_ns):
    return f"{time_ns // 10**9}.{time_ns % 10**9:09d}"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_before_and_after_a_moment_are_all_frames(share):
    report = portcall.read(OFFICE)
    first_ns, last_ns = report.window_ns
    moment = text(first_ns + int((last_ns - first_ns) * share))

    before, after = portcall.read(OFFICE, to=moment), portcall.read(OFFICE, from_=moment)

    assert before.coverage.frames + after.coverage.frames == report.coverage.frames
    assert before.coverage.bytes + after.coverage.bytes == report.coverage.bytes
    assert (before.coverage.frames > 0) == (share > 0)
    assert after.coverage.frames > 0


def test_a_window_is_what_lies_in_it():
    first_ns, last_ns = portcall.read(OFFICE).window_ns

    report = portcall.read(OFFICE, from_=text(first_ns + 1), to=text(last_ns))

    assert first_ns < report.window_ns[0] <= report.window_ns[1] < last_ns


def test_frames_without_a_time_lie_in_no_window_and_that_is_said(tmp_path):
    path = tmp_path / "timeless.pcapng"
    frame = bytes(60)
    path.write_bytes(section("<") + interface() + enhanced(frame, ticks=5) + simple(frame) + simple(frame))

    report = portcall.read(path, from_="1970-01-01")

    assert report.coverage.frames == 1
    assert [note.reason for note in report.degradations if note.feature == "times"] == [
        "2 frames have no time, so --from and --to leave them out"
    ]


def test_an_end_before_the_beginning_is_refused():
    with pytest.raises(UsageError, match="--to 2024-01-01: not after --from 2024-01-02"):
        portcall.read(CAPTURES / "dns.pcap", from_="2024-01-02", to="2024-01-01")
