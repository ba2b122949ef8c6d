"""A capture may begin where one ended, whatever it is; and what only looks like one stays a record."""

from __future__ import annotations

import gzip
import itertools
import lzma
import random
import struct

import lz4.frame
import pytest
import zstandard

from capture_bytes import (
    MICROSECONDS,
    MODIFIED,
    NANOSECONDS,
    block,
    enhanced,
    interface,
    pcap_header,
    pcap_record,
    read_frames,
    section,
)

SECOND_NS = 10**9
START = 1_700_000_000
FRAME = bytes(range(60))
RAW, ETHERNET = 101, 1
COMPRESSORS = {
    "gzip": gzip.compress,
    "xz": lambda plain: lzma.compress(plain, preset=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "lz4": lz4.frame.compress,
}


def pcap(order="<", magic=MICROSECONDS, link=ETHERNET, extra=b""):
    record = pcap_record(FRAME, order=order, seconds=START, fraction=5, extra=extra)
    return pcap_header(order, magic, link=link) + record * 2


def pcapng(order="<"):
    return section(order) + interface(order=order) + enhanced(FRAME, order=order) * 2


CAPTURES = {
    "little": pcap(),
    "big": pcap(">"),
    "nanoseconds": pcap(magic=NANOSECONDS, link=RAW),
    "big nanoseconds": pcap(">", NANOSECONDS),
    "modified": pcap(magic=MODIFIED, extra=bytes(8)),
    "pcapng": pcapng(),
    "big pcapng": pcapng(">"),
}


@pytest.fixture
def written(tmp_path):
    """Write bytes to a file; gives its path."""

    def write(*parts):
        path = tmp_path / "capture"
        path.write_bytes(b"".join(parts))
        return path

    return write


def alone(written, name):
    frames, error = read_frames(written(CAPTURES[name]))
    assert error is None
    assert len(frames) == 2
    return frames


@pytest.mark.parametrize("pair", list(itertools.product(CAPTURES, repeat=2)), ids=" then ".join)
def test_two_captures_in_a_row_are_the_frames_of_both(written, pair):
    expected = [frame for name in pair for frame in alone(written, name)]

    frames, error = read_frames(written(*(CAPTURES[name] for name in pair)))

    assert error is None
    assert [frame._replace(interface=0) for frame in frames] == [frame._replace(interface=0) for frame in expected]


def test_many_captures_in_a_row_are_read_through(written):
    names = list(CAPTURES) * 30

    frames, error = read_frames(written(*(CAPTURES[name] for name in names)))

    assert error is None
    assert len(frames) == 2 * len(names)


@pytest.mark.parametrize("first", [None, *COMPRESSORS])
@pytest.mark.parametrize("then", [None, *COMPRESSORS])
def test_what_is_in_a_row_may_be_compressed_each_in_its_own_way(written, first, then):
    if (first, then) == (None, "lz4"):
        pytest.skip("the first bytes of lz4 can be a record of 1982")
    parts = [
        COMPRESSORS[name](CAPTURES[capture]) if name else CAPTURES[capture]
        for name, capture in ((first, "little"), (then, "big pcapng"))
    ]

    frames, error = read_frames(written(*parts))

    assert error is None
    assert [frame.content for frame in frames] == [FRAME] * 4


@pytest.mark.parametrize("options", [{}, {"write_checksum": True}, {"write_content_size": False}, {"level": 19}])
@pytest.mark.parametrize("size", [0, 1, 300, 70_000, 3_000_000])
def test_zstd_of_every_size_ends_where_it_ends(written, options, size):
    """Headers differ by size and options, blocks by content: noise, one byte repeated, text."""
    contents = [random.Random(size).randbytes(size), bytes(size), b"some text or other " * (size // 19)]
    for content in contents:
        plain = (
            pcap_header()
            + pcap_record(FRAME)
            + b"".join(pcap_record(content[at : at + 60_000]) for at in range(0, len(content), 60_000))
        )
        compressed = zstandard.ZstdCompressor(**options).compress(plain)

        frames, error = read_frames(written(compressed, CAPTURES["little"]))

        assert error is None
        assert [frame.content for frame in frames[-2:]] == [FRAME] * 2
        assert sum(frame.captured for frame in frames) == len(content) + 180


@pytest.mark.parametrize("compressor", ["zstd", "lz4"])
def test_frames_that_are_to_be_skipped_are(written, compressor):
    skipped = b"\x5a\x2a\x4d\x18" + struct.pack("<I", 40_000) + bytes(40_000)
    compressed = COMPRESSORS[compressor](CAPTURES["little"])

    frames, error = read_frames(written(skipped, compressed, skipped, compressed, skipped))

    assert error is None
    assert [frame.content for frame in frames] == [FRAME] * 4


def test_damage_in_a_capture_that_follows_is_said_by_its_place_in_the_file(written):
    cut = COMPRESSORS["gzip"](pcap_header() + b"".join(pcap_record(bytes([i]) * 999) for i in range(200)))[:-9]

    frames, error = read_frames(written(CAPTURES["little"], cut))

    assert len(frames) > 100
    assert error.offset > len(CAPTURES["little"]) + 100 * 1000


def test_what_is_compressed_behind_a_capture_and_is_none_is_an_error(written):
    frames, error = read_frames(written(CAPTURES["little"], gzip.compress(b"dear diary, nothing was captured")))

    assert len(frames) == 2
    assert (error.offset, error.reason) == (len(CAPTURES["little"]), "no capture begins here")


@pytest.mark.parametrize("name", ["little", "pcapng"])
def test_a_second_capture_that_is_cut_inside_its_header_says_where(written, name):
    frames, error = read_frames(written(CAPTURES[name], pcap_header()[:20]))

    assert len(frames) == 2
    assert (error.offset, error.is_whole) == (len(CAPTURES[name]) + 20, False)


def test_an_unknown_version_behind_a_capture_is_no_capture(written):
    later = struct.pack("<IHHiIII", MICROSECONDS, 9, 0, 0, 0, 65535, ETHERNET)

    frames, error = read_frames(written(CAPTURES["pcapng"], later))

    assert len(frames) == 2
    assert error.offset == len(CAPTURES["pcapng"])


@pytest.mark.parametrize("magic", [MICROSECONDS, NANOSECONDS, 0x0A0D0D0A])
def test_a_frame_whose_time_or_content_looks_like_a_capture_is_a_frame(written, magic):
    """In 2055, in 1975, and with a file header as its bytes."""
    records = [
        pcap_record(pcap_header() + section(), seconds=magic, fraction=4 << 16 | 2),
        pcap_record(b"", seconds=magic, fraction=4 << 16 | 2, wire=60),
    ]

    frames, error = read_frames(written(pcap_header(), *records, pcap_record(FRAME)))

    assert error is None
    assert [(frame.captured, frame.wire) for frame in frames] == [(52, 52), (0, 60), (60, 60)]


@pytest.mark.parametrize("order", "<>")
def test_a_block_of_local_use_whose_type_is_a_magic_number_is_passed_over(written, order):
    local = block(MICROSECONDS, bytes(60), order)

    frames, error = read_frames(written(pcapng(order), local, enhanced(FRAME, order=order)))

    assert error is None
    assert len(frames) == 3
