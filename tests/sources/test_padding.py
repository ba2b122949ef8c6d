"""Zeros in the place of frames: none of 1970, and a word on how many; what comes behind them is found."""

from __future__ import annotations

import itertools

import pytest

from capture_bytes import MODIFIED, enhanced, interface, pcap_header, pcap_record, section
from portcall.errors import CaptureError
from portcall.sources.captures import open_capture

FRAME = bytes(range(60))
PCAP = pcap_header() + pcap_record(FRAME) * 2
BEGINNINGS = {
    "pcap": PCAP,
    "big pcap": pcap_header(">") + pcap_record(FRAME, order=">") * 2,
    "modified pcap": pcap_header(magic=MODIFIED) + pcap_record(FRAME, extra=bytes(range(8))) * 2,
    "pcapng": section() + interface() + enhanced(FRAME) * 2,
    "big pcapng": section(">") + interface(order=">") + enhanced(FRAME, order=">") * 2,
}


@pytest.fixture
def read(tmp_path):
    """Read bytes; gives the contents of the frames, the notes' reasons, and the error or None."""

    def read(content):
        path = tmp_path / "capture"
        path.write_bytes(content)
        capture, contents, error = open_capture(str(path)), [], None
        try:
            for batch in capture.source.batches():
                contents += [batch.buffer[frame["offset"] :][: frame["captured"]].tobytes() for frame in batch.frames]
        except CaptureError as caught:
            error = caught
        return contents, [note.reason.removeprefix(str(path)).strip() for note in capture.notes()], error

    return read


@pytest.mark.parametrize("name", BEGINNINGS)
@pytest.mark.parametrize("zeros", [4, 15, 16, 17, 4095, 4096, 1_000_003])
def test_zeros_at_the_end_are_no_frames(read, name, zeros):
    contents, notes, error = read(BEGINNINGS[name] + bytes(zeros))

    assert (contents, error) == ([FRAME] * 2, None)
    count = f"{zeros:,}".replace(",", " ")
    assert notes == [f"has {count} bytes of zeros at its end, from byte {len(BEGINNINGS[name])}: no frames"]


@pytest.mark.parametrize("name", BEGINNINGS)
def test_without_zeros_there_is_no_word_of_them(read, name):
    assert read(BEGINNINGS[name]) == ([FRAME] * 2, [], None)


def test_a_capture_that_was_only_prepared_has_no_frames(read):
    contents, [note], error = read(pcap_header() + bytes(1000))

    assert (contents, error) == ([], None)
    assert "1 000 bytes of zeros at its end, from byte 24" in note


@pytest.mark.parametrize("written_bytes", range(1, 9))
def test_a_record_header_that_a_crash_left_half_written_is_no_frame(read, written_bytes):
    """Of captures that were set aside: zeros stand where the rest of the header should."""
    begun = pcap_record(FRAME, seconds=1_700_000_001, fraction=5)[:written_bytes]

    contents, [note], error = read(PCAP + begun + bytes(4096))

    assert (contents, error) == ([FRAME] * 2, None)
    assert f"from byte {len(PCAP) + 16}" in note


@pytest.mark.parametrize("pair", list(itertools.product(BEGINNINGS, repeat=2)), ids=" then ".join)
@pytest.mark.parametrize("zeros", [24, 999, 300_000])
def test_a_capture_behind_zeros_is_found(read, pair, zeros):
    contents, [note], error = read(BEGINNINGS[pair[0]] + bytes(zeros) + BEGINNINGS[pair[1]])

    assert (contents, error) == ([FRAME] * 4, None)
    assert f"between its frames, the first at byte {len(BEGINNINGS[pair[0]])}" in note


@pytest.mark.parametrize(("name", "more"), [("pcap", pcap_record(FRAME, seconds=3)), ("pcapng", enhanced(FRAME))])
def test_records_behind_whole_records_of_zeros_are_read(read, name, more):
    contents, [note], error = read(BEGINNINGS[name] + bytes(4096) + more + bytes(64))

    assert (contents, error) == ([FRAME] * 3, None)
    assert "has 4 160 bytes of zeros between its frames" in note


def test_damage_behind_zeros_is_said_with_its_place(read):
    contents, [_], error = read(PCAP + bytes(4096) + b"\xff" * 99)

    assert contents == [FRAME] * 2
    assert error.offset == len(PCAP) + 4096
