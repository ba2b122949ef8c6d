"""Plain and compressed files and standard input are one kind of stream; damage is said after what came before it."""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import os
import random
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import lz4.frame
import pytest
import zstandard

from capture_bytes import pcap_header, pcap_record, read_frames
from portcall.errors import CaptureError
from portcall.sources import read_ahead, streams
from portcall.sources.captures import open_capture
from portcall.sources.decompression import DecompressionError

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
COMPRESSORS = {
    "gzip": gzip.compress,
    "xz": lambda plain: lzma.compress(plain, preset=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "lz4": lz4.frame.compress,
}
SIZES = (60, 61, 1500, 9000)
NOISE = random.Random(1)  # what does not compress lies where it is expected in the compressed stream
FRAMES = [NOISE.randbytes(SIZES[i % 4]) for i in range(200)]
CONTENT = pcap_header() + b"".join(map(pcap_record, FRAMES))
BOMB_BYTES = 16 << 20
DAMAGED_FRAMES = 74  # that captures/CATALOGUE.toml counts in broken/damaged.pcap.gz


@pytest.fixture(autouse=True, params=["here", "in a thread"])
def decompressing(request, monkeypatch):
    """What is small is decompressed where it is read, what is large in a thread: all of it must be alike."""
    if request.param == "in a thread":
        monkeypatch.setattr(read_ahead, "_MADE_HERE_BYTES", 0)


@pytest.fixture
def written(tmp_path):
    """Write bytes to a file whose name tells nothing; gives its path."""

    def write(content):
        path = tmp_path / "capture"
        path.write_bytes(content)
        return path

    return write


def contents_and_error(path):
    frames, error = read_frames(path)
    return [frame.content for frame in frames], error


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_a_compressed_capture_has_the_frames_of_the_plain_one(written, compressor):
    assert contents_and_error(written(COMPRESSORS[compressor](CONTENT))) == (FRAMES, None)


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_several_compressed_parts_in_a_row_are_one_stream(written, compressor):
    compress = COMPRESSORS[compressor]
    parts = [CONTENT[:1000], CONTENT[1000:70_001], CONTENT[70_001:]]

    assert contents_and_error(written(b"".join(map(compress, parts)))) == (FRAMES, None)


@pytest.mark.parametrize("compressor", [None, *COMPRESSORS])
@pytest.mark.parametrize("zeros", [4, 512, 1 << 20])
def test_zeros_behind_a_capture_are_padding_and_said(written, compressor, zeros):
    compress = COMPRESSORS[compressor] if compressor else bytes
    for content in (compress(CONTENT + bytes(zeros)), compress(CONTENT) + bytes(zeros)):
        capture = open_capture(str(written(content)))
        frames = sum(len(batch.frames) for batch in capture.source.batches())

        [note] = capture.notes()
        assert frames == len(FRAMES)
        count = f"{zeros:,}".replace(",", " ")
        place = f"{len(CONTENT):,}".replace(",", " ")
        assert f"has {count} bytes of zeros at its end, from byte {place}: no frames" in note.reason


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_zero_padding_behind_a_compressed_stream_is_no_damage(written, compressor):
    assert contents_and_error(written(COMPRESSORS[compressor](CONTENT) + bytes(512))) == (FRAMES, None)


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_a_cut_compressed_capture_counts_what_came_before_the_cut(written, compressor):
    compressed = COMPRESSORS[compressor](CONTENT)
    path = written(compressed[: len(compressed) * 3 // 4])

    contents, error = contents_and_error(path)

    assert contents == FRAMES[: len(contents)]
    assert len(contents) > len(FRAMES) // 3
    assert error.path == str(path)
    assert error.offset > 0


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_a_compressed_capture_cut_anywhere_gives_a_prefix_and_an_error(written, compressor):
    compressed = COMPRESSORS[compressor](CONTENT[:5000])
    whole = len(contents_and_error(written(CONTENT[:5000]))[0])

    for length in range(6, len(compressed) - 8, 97):
        contents, error = contents_and_error(written(compressed[:length]))

        assert contents == FRAMES[: len(contents)]
        assert len(contents) <= whole
        assert isinstance(error, CaptureError), length


def test_gzip_damage_gives_every_whole_frame_before_it():
    path = CAPTURES / "broken" / "damaged.pcap.gz"

    frames, error = read_frames(path)

    assert len(frames) == DAMAGED_FRAMES
    assert error.path == str(path)
    assert error.offset > sum(frame.captured + 16 for frame in frames)


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_a_compressed_file_comes_in_windows_as_full_as_those_of_the_plain_one(written, compressor):
    """Of 128 kB at once, each cost as much to hand on as to count, while the thread that decompresses waited."""
    content = pcap_header() + pcap_record(NOISE.randbytes(1000)) * 2000
    plain = [len(batch.frames) for batch in open_capture(str(written(content))).source.batches()]

    compressed = open_capture(str(written(COMPRESSORS[compressor](content)))).source.batches()

    assert [len(batch.frames) for batch in compressed] == plain


@pytest.mark.parametrize("error", [OSError("gone"), DecompressionError("broken")], ids=["disk", "damage"])
def test_an_error_in_the_middle_of_a_window_comes_behind_the_bytes_before_it_and_once(written, error, monkeypatch):
    def pieces(_):
        yield b"some"
        yield b"more"
        raise error

    monkeypatch.setattr(streams, "plain_pieces", pieces)
    stream, _, _ = streams.open_stream(str(written(gzip.compress(b""))))
    buffer = memoryview(bytearray(99))

    assert bytes(buffer[: stream.readinto(buffer)]) == b"somemore"
    with pytest.raises(CaptureError if isinstance(error, DecompressionError) else OSError, match=r"gone|data end here"):
        stream.readinto(buffer)
    assert stream.readinto(buffer) == 0


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_a_bomb_is_read_in_small_pieces(written, compressor):
    path = written(COMPRESSORS[compressor](pcap_header() + pcap_record(b"") * (BOMB_BYTES // 16)))
    records = 0
    tracemalloc.start()

    for batch in open_capture(str(path)).source.batches():
        records += len(batch.frames)

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert records == BOMB_BYTES // 16
    assert peak_bytes < BOMB_BYTES // 4


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "this is a directory, not a capture"),
        (lambda path: path.touch(), "the file is empty"),
        (lambda path: path.write_text("dear diary"), "this is neither pcap nor pcapng"),
        (lambda path: path.write_bytes(b"\xd4\xc3"), "this is neither pcap nor pcapng"),
    ],
)
def test_what_is_no_capture_is_an_error_that_names_the_path(tmp_path, make, reason):
    path = tmp_path / "capture"
    make(path)

    with pytest.raises(CaptureError) as caught:
        open_capture(str(path))

    assert (caught.value.path, caught.value.reason, caught.value.is_whole) == (str(path), reason, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_error(written):
    path = written(CONTENT)
    path.chmod(0)

    with pytest.raises(CaptureError, match="not readable for this user"):
        open_capture(str(path))


@pytest.mark.parametrize("compressor", [None, *COMPRESSORS])
def test_standard_input_is_read_as_it_comes(monkeypatch, compressor):
    """A pipe gives few bytes at once: here, one to ninety."""
    content = COMPRESSORS[compressor](CONTENT) if compressor else CONTENT
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Trickle(content)))

    contents, error = contents_and_error("-")

    assert (contents, error) == (FRAMES, None)


class Trickle(io.RawIOBase):
    """A pipe that never has many bytes."""

    def __init__(self, content):
        self._rest = content
        self._reads = 0

    def readable(self):
        return True

    def readinto(self, buffer):
        self._reads += 1
        count = min(len(buffer), len(self._rest), 1 + self._reads * 7 % 90)
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


OPEN_FILES = Path("/proc/self/fd")


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="this system does not list open files")
@pytest.mark.parametrize("end", [b"", bytes(7), b"no capture"], ids=["whole", "damaged", "no capture"])
def test_a_capture_that_was_read_is_closed(written, end):
    """Many captures are read one after the other, and what the collector closes it calls a mistake."""
    path = written(end if end == b"no capture" else CONTENT + end)
    before = len(list(OPEN_FILES.iterdir()))

    with contextlib.suppress(CaptureError):
        capture = open_capture(str(path))
        for _ in capture.source.batches():
            pass

    assert len(list(OPEN_FILES.iterdir())) == before
