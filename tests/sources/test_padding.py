"""Zeros in the place of frames: none of 1970, and a word on how many; what comes behind them is found."""

from __future__ import annotations

import gzip
import itertools
import os
import threading

import pytest

from capture_bytes import MODIFIED, enhanced, interface, pcap_header, pcap_record, read_frames, section
from portcall.errors import CaptureError
from portcall.records.packets import NO_TIME
from portcall.runs import offline
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


def times_and_sizes(path):
    return [(frame.ts_ns, frame.captured) for frame in read_frames(path)[0]]


ZERO_RECORDS = {
    "pcap": (PCAP, pcap_record(FRAME), 16),
    "big pcap": (BEGINNINGS["big pcap"], pcap_record(FRAME, order=">"), 16),
    "modified pcap": (BEGINNINGS["modified pcap"], pcap_record(FRAME, extra=bytes(range(8))), 24),
}


@pytest.mark.parametrize("name", ZERO_RECORDS)
@pytest.mark.parametrize("records", [1, 2, 100])
def test_few_records_of_zeros_between_records_are_frames_without_a_time(tmp_path, read, name, records):
    """Less than a page; tshark and tcpdump count them as frames of 1970."""
    beginning, more, record_bytes = ZERO_RECORDS[name]
    content = beginning + bytes(records * record_bytes) + more

    contents, notes, error = read(content)
    (tmp_path / "timed").write_bytes(content)

    assert (contents, error) == ([FRAME] * 2 + [b""] * records + [FRAME], None)
    assert notes == [f"has {records} records of zeros that count as frames, without bytes and without a time"]
    assert times_and_sizes(tmp_path / "timed")[2:-1] == [(NO_TIME, 0)] * records


@pytest.mark.parametrize(("zeros", "frames"), [(4080, 255), (4096, 0), (4112, 0)])
def test_a_page_of_zeros_between_records_is_padding(read, zeros, frames):
    contents, _, _ = read(PCAP + bytes(zeros) + pcap_record(FRAME, seconds=0x01010101))

    assert contents.count(b"") == frames


@pytest.mark.parametrize("piece_bytes", [1, 7, 16, 100, 4096])
@pytest.mark.parametrize("zeros", [16, 32, 4080, 4096, 8192])
def test_zeros_of_a_pipe_are_what_they_are_in_a_file(tmp_path, zeros, piece_bytes):
    """However the bytes come, also where it is not known yet what follows."""
    content = PCAP + bytes(zeros) + pcap_record(FRAME) + bytes(zeros)
    fifo, file = tmp_path / "fifo", tmp_path / "file"
    os.mkfifo(fifo)
    file.write_bytes(content)

    def write():
        with fifo.open("wb", buffering=0) as pipe:
            for at in range(0, len(content), piece_bytes):
                pipe.write(content[at : at + piece_bytes])

    writer = threading.Thread(target=write)
    writer.start()
    piped = read_frames(fifo)
    writer.join()

    assert piped == read_frames(file)


@pytest.mark.parametrize("zeros", [16, 4080, 4096])
def test_zeros_in_a_compressed_capture_are_what_they_are_in_a_plain_one(tmp_path, zeros):
    content = PCAP + bytes(zeros) + pcap_record(FRAME) + bytes(zeros)
    plain, compressed = tmp_path / "plain", tmp_path / "compressed"
    plain.write_bytes(content)
    compressed.write_bytes(gzip.compress(content))

    assert read_frames(compressed) == read_frames(plain)


def test_the_window_of_a_capture_with_records_of_zeros_is_that_of_its_frames(tmp_path):
    path = tmp_path / "capture"
    path.write_bytes(PCAP + bytes(32) + pcap_record(FRAME, seconds=1_700_000_003))

    report = offline.read([str(path)]).report

    assert report.coverage.frames == 5
    assert report.window_ns[1] - report.window_ns[0] == 3_000_000_000


def test_damage_behind_zeros_is_said_with_its_place(read):
    contents, [_], error = read(PCAP + bytes(4096) + b"\xff" * 99)

    assert contents == [FRAME] * 2
    assert error.offset == len(PCAP) + 4096
