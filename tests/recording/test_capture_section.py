"""What a section is made of, read a second time from the layout alone."""

import numpy as np
import pytest

from portcall.recording.blocks import CaptureWriter, RecordedInterface
from portcall.recording.capture_section import FRAME_PLAN, LEFT_OUT, CaptureSection, Style
from portcall.recording.recorded_processes import process_options
from portcall.records.ownership import Owner, Program
from portcall.records.packets import FRAME
from recorded_captures import read_capture

WRITER = CaptureWriter("x86_64", "Linux 6.18", "portcall 0.1.0")
LOOPBACK = RecordedInterface(1, 262_144, "lo", None, "tcp port 80", "Linux 6.18")
CURL = Owner(
    7, 1_796_030_331_309_785_588, Program("curl", "/usr/bin/curl", ("curl", "--key", "s3cret")), "alice", ((3, "bash"),)
)
SERVER = Owner(9, None, Program("nginx", script=None, unit="nginx.service"), "www")


def a_section(**wishes):
    style = Style(WRITER, wishes.pop("snap_length", 262_144), wishes.pop("with_arguments", False), {"alice": 1000}.get)
    assert not wishes
    return CaptureSection(style)


def frames_of(*contents, time_ns=1_796_030_331_000_000_001):
    frames = np.zeros(len(contents), FRAME)
    frames["captured"] = frames["wire"] = [len(content) for content in contents]
    frames["offset"][1:] = np.cumsum(frames["captured"][:-1])
    frames["ts_ns"] = time_ns + np.arange(len(contents))
    return frames, np.frombuffer(b"".join(contents) or b"\0", np.uint8)


def plans_of(count, **columns):
    plans = np.zeros(count, FRAME_PLAN)
    for name, values in columns.items():
        plans[name] = values
    return plans


def test_a_section_says_what_wrote_it_and_where():
    capture = read_capture(a_section().header())

    assert capture.section == {2: b"x86_64", 3: b"Linux 6.18", 4: b"portcall 0.1.0"}


def test_an_interface_is_described_once():
    section = a_section()

    number, described = section.number(LOOPBACK)

    assert section.number(LOOPBACK) == (number, b"")
    (interface,) = read_capture(section.header() + described).interfaces
    assert interface == {
        "link": 1, "snap_length": 262_144, 2: b"lo", 9: b"\x09", 11: b"\0tcp port 80", 12: b"Linux 6.18",
    }  # fmt: skip


def test_a_namespace_is_told_with_its_interface():
    section = a_section()

    described = section.number(LOOPBACK._replace(namespace="blue"))[1]

    capture = read_capture(section.header() + described)
    assert capture.interfaces[0][3] == b"network namespace blue"
    assert capture.lines == [{"is": "interface", "interface": 0, "namespace": "blue"}]


def test_a_process_is_described_as_wireshark_does():
    section = a_section()

    capture = read_capture(section.header() + section.processes([CURL]))

    assert capture.processes == [
        {
            "pid": 7, "name": "curl", "path": "/usr/bin/curl", "user": "alice", "uid": 1000, "parent": 3,
            "start": CURL.start_ns, "arguments": None,
        }
    ]  # fmt: skip
    assert b"s3cret" not in section.processes([CURL._replace(start_ns=1)])


def test_arguments_are_written_where_they_are_wanted():
    section = a_section(with_arguments=True)

    capture = read_capture(section.header() + section.processes([CURL]))

    assert capture.processes[0]["arguments"] == ["curl", "--key", "s3cret"]


def test_what_a_process_block_has_no_room_for_is_told_beside_it():
    section = a_section()

    capture = read_capture(section.header() + section.processes([SERVER]))

    assert capture.lines == [{"is": "process", "pid": 9, "user": "www", "name": "nginx", "unit": "nginx.service"}]


def test_a_process_is_described_again_where_its_pid_has_become_another_one():
    section = a_section()
    other = CURL._replace(program=Program("wget"))

    written = b"".join(section.processes([owner]) for owner in (CURL, CURL, other, CURL))

    capture = read_capture(section.header() + written)
    assert [process["name"] for process in capture.processes] == ["curl", "wget", "curl"]


def test_packets_are_written_as_they_came_with_their_options():
    section = a_section()
    before = section.header() + section.number(LOOPBACK)[1]
    frames, buffer = frames_of(b"one", b"", b"three and more")
    options = process_options(CURL, SERVER)
    plans = plans_of(3, flags=[2, 1, 0], options_at=4, options_bytes=[len(options), 0, len(options)])

    written = section.frames(frames, buffer, plans, bytes(4) + options).tobytes()

    packets = read_capture(before + written).packets
    assert [packet.captured for packet in packets] == [b"one", b"", b"three and more"]
    assert [packet.time_ns for packet in packets] == frames["ts_ns"].tolist()
    assert [packet.direction for packet in packets] == [2, 1, 0]
    assert [packet.processes for packet in packets] == [[(7, 0), (9, 0)], [], [(7, 0), (9, 0)]]


def test_a_receiver_alone_leaves_the_senders_place_to_nobody():
    section = a_section()
    before = section.header() + section.number(LOOPBACK)[1]
    frames, buffer = frames_of(b"x")
    options = process_options(None, SERVER)

    written = section.frames(frames, buffer, plans_of(1, options_bytes=len(options)), options).tobytes()

    assert read_capture(before + written).packets[0].processes == [(0, 0), (9, 0)]


def test_a_snap_length_cuts_what_is_captured_and_not_what_passed():
    section = a_section(snap_length=64)
    before = section.header() + section.number(LOOPBACK)[1]
    frames, buffer = frames_of(bytes(range(100)))

    written = section.frames(frames, buffer, plans_of(1), b"").tobytes()

    (packet,) = read_capture(before + written).packets
    assert packet.captured == bytes(range(64))
    assert packet.wire == 100


def test_a_frame_that_is_left_out_is_neither_written_nor_counted():
    section = a_section()
    before = section.header() + section.number(LOOPBACK)[1]
    frames, buffer = frames_of(b"one", b"two")

    written = section.frames(frames, buffer, plans_of(2, interface=[LEFT_OUT, 0]), b"").tobytes()

    capture = read_capture(before + written + section.end([], 0))
    assert [packet.captured for packet in capture.packets] == [b"two"]
    assert capture.statistics[0][8] == 1


@pytest.mark.parametrize("wrong", [{"options_at": 5}, {"options_bytes": 8}])
def test_options_outside_their_pool_are_no_block(wrong):
    frames, buffer = frames_of(b"one")

    with pytest.raises(ValueError, match="outside"):
        a_section().frames(frames, buffer, plans_of(1, **{"options_bytes": 4, **wrong}), bytes(4))


def test_a_frame_outside_its_buffer_is_no_block():
    frames, buffer = frames_of(b"one")
    frames["offset"] = 1

    with pytest.raises(ValueError, match="outside"):
        a_section().frames(frames, buffer, plans_of(1), b"")


def test_the_end_tells_the_names_that_were_heard_and_what_was_lost():
    section = a_section()
    before = section.header() + section.number(LOOPBACK)[1] + section.number(LOOPBACK._replace(name="eth0"))[1]
    frames, buffer = frames_of(b"one", b"two", b"three")
    written = section.frames(frames, buffer, plans_of(3, interface=[0, 1, 1]), b"").tobytes()
    names = [(bytes([192, 0, 2, 1]), "example.org"), (bytes(15) + b"\1", "localhost")]

    capture = read_capture(before + written + section.end(names, 5))

    assert capture.names == names
    first, second = capture.statistics
    assert (first[4], first[5], first[8]) == (6, 5, 1)
    assert (second[8], 5 in second) == (2, False)
