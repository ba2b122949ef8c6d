"""pcap in all its variants, byte by byte; tshark is the outside oracle for those that it knows."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from capture_bytes import (
    MICROSECONDS,
    MODIFIED,
    NANOSECONDS,
    enhanced,
    interface,
    pcap_header,
    pcap_record,
    read_frames,
    section,
)

SECOND_NS = 10**9
START = 1_700_000_000
FRAMES = [bytes(range(60)), b"\x01" * 61]


@pytest.fixture
def written(tmp_path):
    """Write bytes to a file; gives its path."""

    def write(*parts):
        path = tmp_path / "capture.pcap"
        path.write_bytes(b"".join(parts))
        return path

    return write


def two_records(order, magic, extra=b""):
    return [
        pcap_header(order, magic),
        pcap_record(FRAMES[0], order=order, seconds=START, fraction=5, extra=extra),
        pcap_record(FRAMES[1], order=order, seconds=START + 1, fraction=999_999, wire=1500, extra=extra),
    ]


VARIANTS = {
    "microseconds": (MICROSECONDS, b""),
    "nanoseconds": (NANOSECONDS, b""),
    "modified": (MODIFIED, bytes(8)),
    "patched with 8 bytes more": (MICROSECONDS, b"\x03\0\0\0\x08\0\x02\0"),
    "patched with 4 bytes more": (MICROSECONDS, b"\x03\0\0\0"),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_gives_the_same_frames(written, order, variant):
    magic, extra = VARIANTS[variant]
    unit_ns = 1 if magic == NANOSECONDS else 1000

    frames, error = read_frames(written(*two_records(order, magic, extra)))

    assert error is None
    assert [frame.content for frame in frames] == FRAMES
    assert [frame.ts_ns - START * SECOND_NS for frame in frames] == [5 * unit_ns, SECOND_NS + 999_999 * unit_ns]
    assert [(frame.captured, frame.wire, frame.link) for frame in frames] == [(60, 60, 1), (61, 1500, 1)]


@pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark: apt install tshark")
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("variant", ["microseconds", "nanoseconds", "modified", "patched with 8 bytes more"])
def test_tshark_reads_the_same_times_and_lengths(written, order, variant):
    path = written(*two_records(order, *VARIANTS[variant]))
    fields = ["-e", "frame.time_epoch", "-e", "frame.cap_len", "-e", "frame.len"]
    told = subprocess.run(["tshark", "-r", path, "-T", "fields", *fields], capture_output=True, text=True, check=True)

    frames, _ = read_frames(path)

    assert [line.split("\t") for line in told.stdout.splitlines()] == [
        [f"{frame.ts_ns // SECOND_NS}.{frame.ts_ns % SECOND_NS:09}", str(frame.captured), str(frame.wire)]
        for frame in frames
    ]


@pytest.mark.parametrize("minor", [1, 2])
def test_before_version_2_3_the_two_lengths_are_swapped(written, minor):
    record = bytearray(pcap_record(FRAMES[0], wire=90))
    record[8:12], record[12:16] = record[12:16], record[8:12]

    [frame], error = read_frames(written(pcap_header(minor=minor), record))

    assert (frame.captured, frame.wire, frame.content, error) == (60, 90, FRAMES[0], None)


def test_no_frame_was_shorter_on_the_wire_than_what_was_captured_of_it(written):
    records = [pcap_record(FRAMES[0], wire=wire) for wire in (0, 10, 60, 90)]
    blocks = [enhanced(FRAMES[0], wire=wire) for wire in (0, 10, 60, 90)]

    for contents in ([pcap_header(), *records], [section(), interface(), *blocks]):
        frames, error = read_frames(written(*contents))

        assert [(frame.captured, frame.wire) for frame in frames] == [(60, 60), (60, 60), (60, 60), (60, 90)]
        assert error is None


def test_in_version_2_3_the_greater_length_is_that_on_the_wire(written):
    record = bytearray(pcap_record(FRAMES[0], wire=90))
    swapped = record[:8] + record[12:16] + record[8:12] + record[16:]

    frames, error = read_frames(written(pcap_header(minor=3), record, swapped))

    assert [(frame.captured, frame.wire) for frame in frames] == [(60, 90), (60, 90)]
    assert error is None


def test_the_link_type_is_without_the_check_sequence_bits(written):
    [frame], _ = read_frames(written(pcap_header(link=0x5400_0069), pcap_record(FRAMES[0])))

    assert frame.link == 105


@pytest.mark.parametrize("trailing", range(1, 16))
def test_a_cut_record_header_ends_the_capture_after_what_came_before(written, trailing):
    path = written(pcap_header(), pcap_record(FRAMES[0]), pcap_record(FRAMES[1])[:trailing])

    frames, error = read_frames(path)

    assert [frame.content for frame in frames] == FRAMES[:1]
    assert (error.path, error.offset, error.reason) == (str(path), 24 + 76, "the file ends inside a record")


def test_a_cut_frame_ends_the_capture_at_its_record(written):
    path = written(pcap_header(), pcap_record(FRAMES[0]), pcap_record(FRAMES[1])[:-1])

    frames, error = read_frames(path)

    assert (len(frames), error.offset) == (1, 24 + 76)


@pytest.mark.parametrize("length", range(4, 24))
def test_a_cut_file_header_is_an_error_that_names_the_file(written, length):
    path = written(pcap_header()[:length])

    frames, error = read_frames(path)

    assert frames == []
    assert error.path == str(path)


def test_a_record_of_300_kilobytes_is_refused(written):
    path = written(pcap_header(), pcap_record(FRAMES[0]), pcap_record(bytes(300_000)))

    frames, error = read_frames(path)

    assert (len(frames), error.offset) == (1, 24 + 76)
    assert "300000 captured bytes" in error.reason


def test_a_record_as_large_as_any_is_read_whole(written):
    largest = bytes(range(256)) * 1024

    frames, error = read_frames(
        written(pcap_header(), pcap_record(FRAMES[0]), pcap_record(largest), pcap_record(FRAMES[1]))
    )

    assert [frame.content for frame in frames] == [FRAMES[0], largest, FRAMES[1]]
    assert error is None


def test_frames_are_whole_wherever_the_window_ends(written):
    contents = [bytes([i % 251]) * (1 + i * 37 % 9000) for i in range(400)]

    frames, error = read_frames(written(pcap_header(), *map(pcap_record, contents)))

    assert [frame.content for frame in frames] == contents
    assert error is None


def test_a_last_record_without_bytes_is_a_frame(written):
    frames, error = read_frames(written(pcap_header(), pcap_record(FRAMES[0]), pcap_record(b"")))

    assert [frame.captured for frame in frames] == [60, 0]
    assert error is None


def test_an_unknown_version_is_refused(written):
    header = bytearray(pcap_header())
    header[4] = 9

    frames, error = read_frames(written(header, pcap_record(FRAMES[0])))

    assert frames == []
    assert "version 9.4" in error.reason


def test_a_capture_without_frames_is_no_error(written):
    assert read_frames(written(pcap_header())) == ([], None)
