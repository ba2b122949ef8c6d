"""pcapng: every block, byte order, unit and origin of time; tshark is the outside oracle."""

from __future__ import annotations

import shutil
import struct
import subprocess
from functools import partial

import numpy as np
import pytest

from capture_bytes import (
    COMMENT,
    CUSTOM,
    EPB_FLAGS,
    IF_TSOFFSET,
    IF_TSRESOL,
    NAME_RESOLUTION,
    SECRETS,
    STATISTICS,
    block,
    enhanced,
    interface,
    name_resolution,
    obsolete,
    read_frames,
    secrets,
    section,
    simple,
)
from portcall.records.packets import NO_TIME, Direction
from portcall.runs import offline
from portcall.sources import pcapng
from portcall.sources.captures import open_capture
from portcall.sources.padding import Padding
from portcall.sources.pcapng import PcapngBounds, PcapngSource
from portcall.sources.streams import open_stream
from portcall.sources.window import Window

SECOND_NS = 10**9
START_NS = 1_700_000_000_123_456_789
ADDRESS_4, ADDRESS_6 = bytes([192, 0, 2, 1]), bytes.fromhex("20010db8000000000000000000000001")
FRAMES = [bytes(range(60)), b"\x01" * 61, b"\x02" * 62]
NEEDS_TSHARK = pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark: apt install tshark")

DECIMAL = {exponent: (exponent, 10**exponent) for exponent in (0, 3, 6, 7, 9)}
BINARY = {0x80 | exponent: (exponent, 2**exponent) for exponent in (0, 10, 20, 32)}
RESOLUTIONS = {code: per_second for code, (_, per_second) in {**DECIMAL, **BINARY}.items()}


@pytest.fixture
def written(tmp_path):
    """Write blocks to a file; gives its path."""

    def write(*parts):
        path = tmp_path / "capture.pcapng"
        path.write_bytes(b"".join(parts))
        return path

    return write


def tshark_times(path):
    told = subprocess.run(
        ["tshark", "-r", path, "-T", "fields", "-e", "frame.time_epoch"], capture_output=True, text=True, check=True
    )
    return [int(line.replace(".", "")) for line in told.stdout.splitlines()]


@pytest.mark.parametrize("order", "<>")
def test_frames_of_all_three_packet_blocks_are_read_in_their_order(written, order):
    path = written(
        section(order),
        interface(order=order),
        enhanced(FRAMES[0], order=order, ticks=5, wire=100),
        simple(FRAMES[1], order=order),
        obsolete(FRAMES[2], order=order, ticks=7),
    )

    frames, error = read_frames(path)

    assert error is None
    assert [frame.content for frame in frames] == FRAMES
    assert [(frame.ts_ns, frame.wire) for frame in frames] == [(5000, 100), (NO_TIME, 61), (7000, 62)]


@pytest.mark.parametrize("kind", [NAME_RESOLUTION, STATISTICS, SECRETS, CUSTOM, 0x40000BAD, 0x7FFFFFFF])
def test_blocks_without_packets_are_passed_over(written, kind):
    other = block(kind, bytes(20))

    frames, error = read_frames(
        written(section(), other, interface(), other, enhanced(FRAMES[0]), other, enhanced(FRAMES[1]))
    )

    assert [frame.content for frame in frames] == FRAMES[:2]
    assert error is None


@pytest.mark.parametrize("order", "<>")
def test_names_of_hosts_are_handed_on(written, order):
    path = written(
        section(order),
        interface(order=order),
        name_resolution((ADDRESS_4, b"Printer.example."), (ADDRESS_6, b"a.example", b"b\xff"), order=order),
        enhanced(FRAMES[0], order=order),
        name_resolution((ADDRESS_4, b"late.example"), order=order),
    )

    batches = list(open_capture(str(path)).source.batches())

    names = (("printer.example", ADDRESS_4), ("a.example", ADDRESS_6), ("b\\xff", ADDRESS_6))
    assert [batch.host_names for batch in batches] == [names, (), (("late.example", ADDRESS_4),)]
    assert [len(batch.frames) for batch in batches] == [0, 1, 0]


@pytest.mark.parametrize(
    "records",
    [
        b"\1\0\5\0\1\2\3\4n",  # no zero ends the name
        b"\1\0\3\0\1\2\3\0",  # no room for the address
        b"\1\0\4\0\1\2\3\4",  # no name
        b"\1\0\5\0\1\2\3\4\0\0\0\0",  # an empty name
        b"\1\0\xff\xff\1\2\3\4name",
        b"\3\0\x0a\0\1\2\3\4\5\6abc\0\0\0",  # a hardware address
        b"\0\0\0\0\1\0\6\0\1\2\3\4n\0",  # behind the end
        b"\1\0\x06\1\1\2\3\4" + b"n" * 257 + b"\0",  # longer than a name can be
        b"\1\0\6",
    ],
)
def test_records_that_name_no_host_are_passed_over(written, records):
    path = written(section(), interface(), block(NAME_RESOLUTION, records), enhanced(FRAMES[0]))

    batches = list(open_capture(str(path)).source.batches())

    assert [batch.host_names for batch in batches] == [()]


@pytest.mark.parametrize("order", "<>")
def test_secrets_of_tls_come_before_the_frames_behind_them(written, order):
    path = written(
        section(order),
        interface(order=order),
        enhanced(FRAMES[0], order=order),
        secrets(b"CLIENT_RANDOM a b\n", order=order),
        secrets(b"a key of WireGuard", order=order, kind=0x57474B4C),
        enhanced(FRAMES[1], order=order),
    )

    batches = list(open_capture(str(path)).source.batches())

    assert [batch.key_log for batch in batches] == [b"", b"CLIENT_RANDOM a b\n", b""]
    assert [len(batch.frames) for batch in batches] == [1, 0, 1]
    assert [batch.first_number for batch in batches] == [1, 2, 2]


@pytest.mark.parametrize("code", RESOLUTIONS)
def test_time_is_counted_in_any_unit(written, code):
    ticks = START_NS * RESOLUTIONS[code] // SECOND_NS

    [frame], _ = read_frames(
        written(section(), interface((IF_TSRESOL, bytes([code]))), enhanced(FRAMES[0], ticks=ticks))
    )

    assert frame.ts_ns == ticks * SECOND_NS // RESOLUTIONS[code]


@NEEDS_TSHARK
@pytest.mark.parametrize("code", RESOLUTIONS)
def test_tshark_reads_the_same_time(written, code):
    ticks = START_NS * RESOLUTIONS[code] // SECOND_NS
    path = written(section(), interface((IF_TSRESOL, bytes([code]))), enhanced(FRAMES[0], ticks=ticks))

    frames, _ = read_frames(path)

    # Within a nanosecond: tshark rounds 2^-32 s in floating point.
    assert [frame.ts_ns for frame in frames] == pytest.approx(tshark_times(path), abs=1, rel=0)


@pytest.mark.parametrize(("code", "per_second"), [(12, 10**12), (19, 10**19), (0x80 | 40, 2**40), (0x80 | 63, 2**63)])
def test_time_finer_than_nanoseconds_is_cut_to_them(written, code, per_second):
    ticks = min(per_second + per_second // 3, 2**64 - 1)

    [frame], _ = read_frames(
        written(section(), interface((IF_TSRESOL, bytes([code]))), enhanced(FRAMES[0], ticks=ticks))
    )

    assert frame.ts_ns == ticks * SECOND_NS // per_second


@pytest.mark.parametrize("offset_seconds", [1_000_000, -1_000_000])
@pytest.mark.parametrize("order", "<>")
def test_the_offset_of_an_interface_moves_its_times(written, order, offset_seconds):
    offset = (IF_TSOFFSET, struct.pack(f"{order}q", offset_seconds))
    path = written(
        section(order), interface(offset, order=order), enhanced(FRAMES[0], order=order, ticks=2_000_000 * 10**6)
    )

    [frame], _ = read_frames(path)

    assert frame.ts_ns == (2_000_000 + offset_seconds) * SECOND_NS


def test_each_interface_has_its_own_link_and_unit(written):
    path = written(
        section(),
        interface(link=1),
        interface((IF_TSRESOL, b"\x09"), link=101),
        enhanced(FRAMES[0], index=1, ticks=7),
        enhanced(FRAMES[1], index=0, ticks=7),
        obsolete(FRAMES[2], index=1, ticks=8),
    )

    frames, _ = read_frames(path)

    assert [(frame.interface, frame.link, frame.ts_ns) for frame in frames] == [(1, 101, 7), (0, 1, 7000), (1, 101, 8)]


def test_a_new_section_forgets_the_interfaces_and_may_turn_the_byte_order(written):
    path = written(
        section("<"),
        interface(link=1),
        enhanced(FRAMES[0]),
        section(">"),
        interface(link=113, order=">"),
        enhanced(FRAMES[1], order=">"),
        section("<"),
        interface(link=101),
        simple(FRAMES[2]),
    )

    frames, error = read_frames(path)

    assert [(frame.content, frame.link) for frame in frames] == list(zip(FRAMES, (1, 113, 101), strict=True))
    assert error is None


def test_interfaces_of_several_sections_are_numbered_on(written):
    path = written(
        section(), interface(), interface(), enhanced(FRAMES[0], index=1), section(), interface(), enhanced(FRAMES[1])
    )

    frames, _ = read_frames(path)

    assert [frame.interface for frame in frames] == [1, 2]


def test_many_interfaces_may_be_described(written):
    path = written(section(), *(interface(link=i) for i in range(100)), *(enhanced(b"x", index=i) for i in range(100)))

    frames, _ = read_frames(path)

    assert [frame.link for frame in frames] == list(range(100))


def test_a_simple_packet_is_cut_to_the_snap_length(written):
    [frame], error = read_frames(written(section(), interface(snap=20), simple(FRAMES[0][:20], wire=60)))

    assert (frame.captured, frame.wire, frame.content, error) == (20, 60, FRAMES[0][:20], None)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("flags", "direction"),
    [(0, Direction.UNKNOWN), (1, Direction.INBOUND), (2, Direction.OUTBOUND), (0x1FD, Direction.INBOUND)],
)
def test_the_direction_is_that_of_the_packets_flags(written, order, flags, direction):
    told = [(COMMENT, b"odd"), (EPB_FLAGS, struct.pack(f"{order}I", flags))]
    path = written(section(order), interface(order=order), enhanced(FRAMES[0], *told, order=order))

    [batch] = [batch.frames["direction"].tolist() for batch in open_capture(str(path)).source.batches()]

    assert batch == [direction]


BAD_TAILS = {
    "a packet of no interface": (enhanced(b"x", index=1), "names an interface"),
    "a block of length 0": (struct.pack("<II", 6, 0) + bytes(8), "length is impossible"),
    "a block of 4 gigabytes": (struct.pack("<II", 6, 0xFFFFFFFC) + bytes(32), "length is impossible"),
    "two lengths that differ": (enhanced(b"x")[:-4] + b"\x40\0\0\0", "two lengths differ"),
    "a packet larger than its block": (
        block(6, struct.pack("<IIIII", 0, 0, 0, 61, 61) + bytes(60)),
        "more captured bytes than its block holds",
    ),
    "a packet block without its header": (block(6, bytes(16)), "too short for its header"),
    "a section without byte-order mark": (block(0x0A0D0D0A, bytes(16)), "no byte-order mark"),
    "a packet of 300 kilobytes": (enhanced(bytes(300_000)), "more captured bytes"),
    "a cut block": (enhanced(FRAMES[1])[:-1], "ends inside a block"),
    "a cut section header": (section()[:-5], "ends inside a block"),
    "a cut block header": (b"\x06\0\0", "ends inside a block"),
}


@pytest.mark.parametrize("tail", BAD_TAILS)
def test_damage_ends_the_capture_after_what_came_before(written, tail):
    content, reason = BAD_TAILS[tail]
    before = section() + interface() + enhanced(FRAMES[0])
    path = written(before, content)

    frames, error = read_frames(path)

    assert [frame.content for frame in frames] == FRAMES[:1]
    assert (error.path, error.offset) == (str(path), len(before))
    assert reason in error.reason


@pytest.mark.parametrize("length", range(4, 28))
def test_a_cut_first_section_header_is_an_error(written, length):
    frames, error = read_frames(written(section()[:length]))

    assert frames == []
    assert "ends inside a block" in error.reason


def test_a_block_larger_than_the_window_is_passed_over(written):
    large = block(SECRETS, bytes(3 << 20))

    frames, error = read_frames(written(section(), interface(), enhanced(FRAMES[0]), large, enhanced(FRAMES[1])))

    assert [frame.content for frame in frames] == FRAMES[:2]
    assert error is None


def test_frames_are_whole_wherever_the_window_ends(written):
    contents = [bytes([i % 251]) * (1 + i * 37 % 9000) for i in range(400)]

    frames, error = read_frames(written(section(), interface(), *map(enhanced, contents)))

    assert [frame.content for frame in frames] == contents
    assert error is None


def test_a_capture_without_frames_is_no_error(written):
    assert read_frames(written(section(), interface())) == ([], None)


@NEEDS_TSHARK
def test_tshark_reads_the_same_frames_of_two_sections(written):
    path = written(
        section("<"), interface(), enhanced(FRAMES[0], ticks=1_700_000_000_000_001),
        section("<"), interface((IF_TSRESOL, b"\x09")), enhanced(FRAMES[1], ticks=1_700_000_000_000_000_002),
    )  # fmt: skip

    frames, _ = read_frames(path)

    assert [frame.ts_ns for frame in frames] == tshark_times(path)


def test_a_section_with_more_interfaces_than_any_machine_has_is_damaged(written, monkeypatch):
    monkeypatch.setattr(pcapng, "PcapngBounds", partial(PcapngBounds, most_interfaces=100))

    frames, error = read_frames(written(section(), interface() * 100, enhanced(FRAMES[0], index=99), interface()))

    assert [frame.content for frame in frames] == FRAMES[:1]
    assert error.reason == "a section describes more than 100 interfaces"


def read_whole(path, **bounds):
    """The names and options of a capture within bounds, and what was left out."""
    stream, *_ = open_stream(str(path))
    window = Window(stream)
    source = PcapngSource(str(path), window, Padding(str(path), PcapngSource.MAGICS), Owners(), PcapngBounds(**bounds))
    names = [name for batch in source.batches() for name in batch.host_names]
    window.close()
    return names, source


class Owners:
    """Keeps how many options there were."""

    listed = 0

    def claims(self, frames, _buffer, options):
        Owners.listed = len(options)
        return np.zeros(len(frames), np.uint32)

    def read_block(self, *_):
        return ()


def test_names_of_a_block_beyond_the_bound_are_counted(written):
    names = [(ADDRESS_4, b"host%d.example" % number) for number in range(5)]
    path = written(section(), interface(), name_resolution(*names), enhanced(FRAMES[0]))

    assert read_whole(path, most_names=5)[1].names_left_out == 0
    told, source = read_whole(path, most_names=3)

    assert (len(told), source.names_left_out) == (3, 2)


def test_options_of_a_packet_beyond_the_bound_are_counted(written):
    comments = [(COMMENT, b"one")] * 5
    path = written(section(), interface(), enhanced(FRAMES[0], *comments), enhanced(FRAMES[0], *comments[:2]))

    _, source = read_whole(path, most_options=3)

    assert (Owners.listed, source.options_left_out) == (5, 2)


def test_what_is_beyond_the_bounds_of_a_capture_is_said(written):
    names = [b"%d" % number for number in range((1 << 17) + 3)]
    comments = [(COMMENT, b"-")] * 70
    path = written(
        section(),
        interface(),
        name_resolution(*((ADDRESS_4, *names[at : at + 9000]) for at in range(0, len(names), 9000))),
        enhanced(FRAMES[0], *comments),
    )

    notes = {note.feature: note.reason for note in offline.read([str(path)]).report.degradations}

    assert "3 names of blocks" in notes["names"]
    assert "6 options of packets" in notes["owners"]
