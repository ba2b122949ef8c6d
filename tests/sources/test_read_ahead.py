"""Compressed captures are decompressed in a thread: same pieces, same errors, few threads, and none is left behind."""

from __future__ import annotations

import gzip
import lzma
import os
import random
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest
import zstandard

from capture_bytes import pcap_header, pcap_record, read_frames
from portcall.errors import CaptureError
from portcall.sources import read_ahead
from portcall.sources.capture_set import CaptureSet
from portcall.sources.captures import first_ns, open_capture
from portcall.sources.read_ahead import ReadAhead
from portcall.sources.streams import open_stream

NOISE = random.Random(2)
FRAMES = [NOISE.randbytes(700) + bytes(700) for _ in range(4000)]
CONTENT = pcap_header() + b"".join(map(pcap_record, FRAMES))
COMPRESSORS = {
    "gzip": lambda plain: gzip.compress(plain, 1),
    "xz": lambda plain: lzma.compress(plain, preset=0),
}
needs_two_processors = pytest.mark.skipif(read_ahead.MOST_THREADS < 1, reason="threads are for a second processor")


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "read ahead"]


@pytest.fixture
def written(tmp_path):
    def write(content, name="capture"):
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return write


class Plenty:
    """What pieces of nothing are made of."""

    def begin_aside(self):
        return 1

    def end_aside(self):
        pass


def begun(pieces):
    """An iterator whose thread is at work, and what it gave until then."""
    ahead = ReadAhead(pieces, Plenty())
    given = [next(ahead)]
    while not ahead._thread:
        given.append(next(ahead))
    return ahead, given


@needs_two_processors
@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_a_large_capture_is_decompressed_in_a_thread_that_ends_with_it(written, compressor):
    seen = set()
    frames = 0

    for batch in open_capture(written(COMPRESSORS[compressor](CONTENT))).source.batches():
        frames += len(batch.frames)
        seen.add(len(threads()))

    assert frames == len(FRAMES)
    assert seen == {0, 1}
    assert threads() == []


def test_what_is_decompressed_faster_than_it_is_counted_needs_no_thread(written, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail(f"{self.name} began"))

    frames, error = read_frames(written(zstandard.compress(CONTENT, 1)))

    assert (len(frames), error) == (len(FRAMES), None)


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_a_small_capture_and_a_look_at_a_first_frame_begin_no_thread(written, compressor, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail(f"{self.name} began"))

    frames, error = read_frames(written(COMPRESSORS[compressor](CONTENT[: 24 + 1416 * 500])))
    seen_ns = first_ns(written(COMPRESSORS[compressor](CONTENT)))

    assert (len(frames), error) == (500, None)
    assert seen_ns == 1_700_000_000 * 10**9


@needs_two_processors
def test_an_error_comes_behind_all_good_pieces_and_once():
    def pieces():
        for _ in range(40):
            yield bytes(1 << 16)
        raise OSError("no more")

    ahead, given = begun(pieces())
    with pytest.raises(OSError, match="no more"):
        given.extend(ahead)

    assert len(given) == 40
    assert list(ahead) == []
    assert threads() == []


@needs_two_processors
def test_pieces_that_nobody_wants_any_more_are_not_made():
    made = []

    def pieces():
        while True:
            made.append(1)
            yield bytes(1 << 18)

    ahead, given = begun(pieces())
    ahead.close()

    assert threads() == []
    assert len(made) <= len(given) + 1 + read_ahead._BATCHES_AHEAD + 2
    assert next(ahead, None) is None


@needs_two_processors
def test_a_capture_that_is_left_early_leaves_no_thread_and_no_open_file(written):
    path = written(gzip.compress(CONTENT, 1))
    before = len(list(Path("/dev/fd").iterdir()))

    batches = open_capture(path).source.batches()
    while not threads():
        next(batches)
    batches.close()

    assert threads() == []
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_many_captures_that_are_merged_share_few_threads(written):
    """They overlap from their first frame to their last, so all of them are open at once."""
    compressed = gzip.compress(CONTENT[: 24 + 1416 * 1500], 1)
    most = 0
    frames = 0

    for batch in CaptureSet([written(compressed, f"{number}.gz") for number in range(12)]).batches():
        frames += len(batch.frames)
        most = max(most, len(threads()))

    assert frames == 12 * 1500
    assert most == min(read_ahead.MOST_THREADS, 12)
    assert threads() == []


@needs_two_processors
def test_where_the_system_gives_no_thread_all_is_read_without_one(written, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    frames, error = read_frames(written(gzip.compress(CONTENT, 1)))

    assert (len(frames), error) == (len(FRAMES), None)


@needs_two_processors
@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_a_pipe_is_decompressed_in_a_thread_and_its_end_is_met(tmp_path, compressor):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    compressed = COMPRESSORS[compressor](CONTENT)
    writer = threading.Thread(target=path.write_bytes, args=(compressed,))
    writer.start()
    seen = set()
    frames = 0

    for batch in open_capture(str(path)).source.batches():
        frames += len(batch.frames)
        seen.add(len(threads()))
    writer.join()

    assert frames == len(FRAMES)
    assert 1 in seen
    assert threads() == []


@needs_two_processors
def test_a_thread_that_waits_for_a_pipe_ends_when_nobody_wants_more(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    before = len(list(Path("/dev/fd").iterdir()))
    opened = []
    writer = threading.Thread(target=lambda: opened.append(path.open("wb")))
    writer.start()
    stream = open_late(path, opened, writer, gzip.compress(CONTENT, 1)[:2_000_000])

    buffer = memoryview(bytearray(1 << 18))
    while not threads():
        assert stream.readinto(buffer)
    stream.close()

    assert threads() == []
    opened[0].close()
    assert len(list(Path("/dev/fd").iterdir())) == before


def open_late(path, opened, writer, content):
    """Open a named pipe, into which somebody writes and then keeps it open."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer.join()
    feeder = threading.Thread(target=write_as_much_as_is_wanted, args=(opened[0], content), daemon=True)
    feeder.start()
    stream, _, _ = open_stream(str(path))
    os.close(descriptor)
    return stream


def write_as_much_as_is_wanted(file, content):
    try:
        file.write(content)
        file.flush()
    except (BrokenPipeError, ValueError):
        return  # nobody reads on


def damaged(compressed, at):
    return compressed[:at] + bytes(byte ^ 0xFF for byte in compressed[at : at + 40]) + compressed[at + 40 :]


def good_bytes(compressed):
    """All that zlib can make of it, a byte at a time, and its error."""
    engine = zlib.decompressobj(wbits=31)
    plain = bytearray()
    for byte in compressed:
        try:
            plain += engine.decompress(bytes([byte]))
        except zlib.error as error:
            return bytes(plain), str(error)
    return bytes(plain), "the file is cut short"


def plain_of(path):
    """(the plain bytes, what ended them)."""
    stream, _, _ = open_stream(path)
    buffer = bytearray(1 << 18)
    plain = bytearray()
    try:
        while count := stream.readinto(memoryview(buffer)):
            plain += buffer[:count]
    except CaptureError as error:
        return plain, error
    finally:
        stream.close()
    return plain, None


def cut(compressed, at):
    return compressed[:at]


def without(monkeypatch, library):
    """Let those not be there that come before this one."""
    for name in {"isal": [], "zlib-ng": ["isal"], "zlib": ["isal", "zlib_ng"]}[library]:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("library", ["isal", "zlib-ng", "zlib"])
@pytest.mark.parametrize(
    "behind",
    [gzip.compress(CONTENT[:99_999]), bytes(1), bytes(70_000), b"\x1f\x8b\x08 and no more", CONTENT[:50_000]],
    ids=["another member", "a zero", "many zeros", "what begins like one", "a plain capture"],
)
def test_what_is_behind_a_gzip_counts_with_all_libraries(written, monkeypatch, library, behind):
    without(monkeypatch, library)
    is_member = behind.startswith(b"\x1f\x8b\x08\0")

    plain, _ = plain_of(written(gzip.compress(CONTENT[:900_000], 6) + behind))

    assert plain[:900_000] == CONTENT[:900_000]
    assert plain[900_000:] == (CONTENT[:99_999] if is_member else b"" if b"no more" in behind else behind)


def test_members_before_harm_count_though_zeros_stand_between_them(written):
    member = gzip.compress(CONTENT[:300_000], 6)

    plain, error = plain_of(written(member + bytes(20) + member + cut(member, 100)))

    assert plain[:600_000] == CONTENT[:300_000] * 2
    assert CONTENT.startswith(plain[600_000:])
    assert error.reason == "the compressed data end here: the file is cut short"


@pytest.mark.parametrize("library", ["isal", "zlib-ng", "zlib"])
@pytest.mark.parametrize("harm", [damaged, cut])
@pytest.mark.parametrize("place", [0.3, 0.7, 0.97])
def test_of_a_harmed_gzip_every_byte_before_the_harm_counts_with_all_libraries(
    written, monkeypatch, library, harm, place
):
    without(monkeypatch, library)
    whole = gzip.compress(CONTENT[:2_000_000], 6)
    compressed = harm(whole, int(len(whole) * place))

    plain, error = plain_of(written(compressed))

    expected, reason = good_bytes(compressed)
    assert plain == expected
    assert (error.offset, error.reason) == (len(expected), f"the compressed data end here: {reason}")


def test_reading_compressed_captures_in_a_program_that_ends_at_once_ends_at_once(written):
    """A reader that was forgotten half-way holds up nothing."""
    program = (
        "import sys; from portcall.sources.captures import open_capture\n"
        "kept = open_capture(sys.argv[1]).source.batches()\n"
        "for _ in range(6): next(kept)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, written(gzip.compress(CONTENT, 1))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
