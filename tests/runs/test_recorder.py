"""Recording beside the live tracker, told by hand: what waits, what is written, what is told later."""

from __future__ import annotations

import pytest

from portcall.errors import UsageError
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.recording.blocks import CaptureWriter
from portcall.recording.capture_files import CaptureFiles
from portcall.recording.capture_section import Style
from portcall.recording.rotation import Rotation
from portcall.records.packets import CapturePoint, Direction
from portcall.runs.live import LiveTracker
from portcall.runs.recording.begun_recording import RecordingOptions, check_recording
from portcall.runs.recording.recorded_conversations import RecordedConversations
from portcall.runs.recording.recorder import HOLD_NS, SOON_NS, TURN_NS, Recorder
from recorded_captures import read_capture
from runs.test_live import CLIENT, REMOTE, SERVER, batch, inspect, packet
from sightings import at, executed, sighting, started

SECOND_NS = 1_000_000_000
ASKS = sighting(0, 7, 100, "USED", CLIENT, SERVER, protocol="udp")
ANSWERS = sighting(0, 8, 200, "USED", SERVER, CLIENT, protocol="udp")


class Run:
    """A tracker that is recorded, and a clock that is set by hand."""

    def __init__(self, path, *, rotation=Rotation(), annotate="first", name=None):  # noqa: B008 - it is frozen
        points = name or (lambda _namespace, _interface: CapturePoint("lo"))
        self.tracker = LiveTracker(SocketTimeline("test"), name_capture_point=points)
        self.path, self.now_ns, self.dropped = path, SECOND_NS, 0
        self.conversations = RecordedConversations(self.tracker.timeline, self.tracker.points)
        self.recorder = Recorder(
            files=CaptureFiles(str(path), rotation),
            style=Style(CaptureWriter("here", "Test", "portcall 0"), 262_144, False, {}.get),  # noqa: FBT003
            conversations=self.conversations,
            points=self.tracker.points.names,
            annotate=annotate,
            clock=lambda: self.now_ns,
            heard=lambda: [(bytes([192, 0, 2, 7]), "example.org")],
            dropped=lambda: self.dropped,
        )
        self.tracker.record(self.recorder)

    def feed(self, *packets, **where):
        self.tracker.feed(batch(*packets, **where))

    def wait(self, wait_ns):
        self.now_ns += wait_ns
        self.recorder.turn()

    def written(self):
        return read_capture(self.path.read_bytes())

    def finished(self):
        self.recorder.finish()
        return self.written()


@pytest.fixture(name="run")
def fixture_run(tmp_path):
    return Run(tmp_path / "taken.pcapng")


def question(seconds=0):
    return packet(seconds, CLIENT, SERVER)


def answer(seconds=0):
    return packet(seconds, SERVER, CLIENT)


def of_kind(capture, kind):
    return [line for line in capture.lines if line["is"] == kind]


def test_a_packet_names_its_sender_and_then_its_receiver(run):
    inspect(run.tracker, ASKS, ANSWERS)
    run.feed(question(), answer())

    packets = run.finished().packets

    assert [[pid for pid, _ in packet.processes] for packet in packets] == [[100, 200], [200, 100]]


def test_a_packet_to_another_machine_names_who_is_here_and_says_its_way(run):
    inspect(run.tracker, sighting(0, 7, 100, "USED", CLIENT, REMOTE, protocol="udp"))
    run.feed(packet(0, CLIENT, REMOTE, direction=Direction.OUTBOUND))
    run.feed(packet(0, REMOTE, CLIENT, direction=Direction.INBOUND))

    packets = run.finished().packets

    assert [(packet.direction, packet.processes) for packet in packets] == [(2, [(100, 0)]), (1, [(100, 0)])]


def test_each_process_is_described_before_its_first_packet_and_once(run):
    inspect(run.tracker, started(0, 100, name="dig"), ASKS)
    run.feed(question(), question())
    run.feed(question(1))

    capture = run.finished()

    assert [process["name"] for process in capture.processes] == ["dig"]
    assert all(packet.process_blocks[100]["name"] == "dig" for packet in capture.packets)


def test_a_packet_waits_for_its_owner_and_names_it(run):
    run.feed(question())
    run.wait(HOLD_NS - TURN_NS)
    assert run.written().packets == []
    inspect(run.tracker, ASKS, ANSWERS)

    run.wait(TURN_NS)

    (written,) = run.written().packets
    assert written.processes == [(100, 0), (200, 0)]


def test_a_packet_whose_owners_are_known_is_written_soon(run):
    inspect(run.tracker, ASKS, ANSWERS)
    run.feed(question())

    run.wait(SOON_NS)

    assert len(run.written().packets) == 1


def test_nothing_waits_longer_than_two_seconds(run):
    run.feed(question())

    run.wait(HOLD_NS)

    (written,) = run.written().packets
    assert written.processes == []


def test_an_owner_that_is_found_later_is_told_by_a_line(run):
    run.feed(question())
    run.wait(HOLD_NS)
    inspect(run.tracker, started(-1, 100, name="dig"), ASKS)

    line = next(line for line in of_kind(run.finished(), "end") if line["local_port"] == 40000)

    assert {"protocol": 17, "local": "127.0.0.1", "local_port": 40000, "remote": "127.0.0.1", "remote_port": 5353,
            "quality": "exact", "pid": 100, "start_ns": at(-1)}.items() <= line.items()  # fmt: skip
    assert (line["first_ns"], line["last_ns"], line["interface"]) == (at(0), at(0), 0)


def test_an_end_that_nobody_has_is_told_with_the_reason(run):
    run.feed(question())

    lines = of_kind(run.finished(), "end")

    assert [(line["reason"], line["failure"], "pid" in line) for line in lines] == 2 * [
        ("no-owner", "no-socket", False)
    ]


def test_what_packets_say_exactly_is_not_told_again(run):
    inspect(run.tracker, ASKS, ANSWERS)
    run.feed(question(), answer())

    assert of_kind(run.finished(), "end") == []


def test_a_settled_conversation_is_told_before_the_end(run):
    run.feed(question(0))
    run.wait(HOLD_NS)
    run.feed(packet(10, CLIENT, REMOTE))

    run.wait(HOLD_NS)

    assert {line["remote_port"] for line in of_kind(run.written(), "end")} == {5353, 40000}


def test_a_takeover_of_a_port_stands_between_the_packets_of_both(run):
    inspect(run.tracker, sighting(0, 7, 100, "USED", CLIENT, SERVER, protocol="udp"), ANSWERS)
    run.feed(question(0))
    inspect(run.tracker, sighting(4, 7, 100, "CLOSED", CLIENT, SERVER, protocol="udp"))
    inspect(run.tracker, sighting(5, 9, 300, "USED", CLIENT, SERVER, protocol="udp"))
    run.feed(question(6))

    capture = run.finished()

    last = of_kind(capture, "turn")[-1]
    assert (last["local_port"], last["protocol"], last["time_ns"]) == (40000, 17, at(5))
    assert [packet.processes[0][0] for packet in capture.packets] == [100, 300]


def test_an_interface_is_described_before_a_takeover_is_told(run):
    inspect(run.tracker, ASKS, sighting(5, 9, 300, "USED", CLIENT, SERVER, protocol="udp"))
    run.feed(question(6))

    assert run.finished().lines[0]["is"] == "interface"


def test_only_the_first_packet_of_each_direction_has_a_comment(run):
    inspect(run.tracker, executed(-1, 100, "dig"), ASKS, ANSWERS)
    run.feed(question(), question(), answer(), answer())

    comments = [len(packet.comments) for packet in run.finished().packets]

    assert comments == [1, 0, 1, 0]


@pytest.mark.parametrize(("annotate", "comments"), [("every", [1, 1]), ("none", [0, 0])])
def test_every_packet_or_none_has_a_comment_where_that_is_wanted(tmp_path, annotate, comments):
    run = Run(tmp_path / "taken.pcapng", annotate=annotate)
    inspect(run.tracker, ASKS, ANSWERS)
    run.feed(question(), question())

    packets = run.finished().packets

    assert [len(packet.comments) for packet in packets] == comments
    assert all(packet.processes for packet in packets)


def test_only_what_is_followed_is_recorded_where_somebody_is(run):
    inspect(run.tracker, ASKS, ANSWERS, sighting(0, 9, 300, "USED", CLIENT, REMOTE, protocol="udp"))
    run.tracker.follow(lambda match: match is not None and match.owner is not None and match.owner.pid == 300)
    run.feed(question(), packet(0, CLIENT, REMOTE), answer())

    capture = run.finished()

    assert [[pid for pid, _ in packet.processes if pid] for packet in capture.packets] == [[300]]
    assert [process["pid"] for process in capture.processes] == [300]
    assert run.recorder.packets == 1
    assert {line["remote"] for line in of_kind(capture, "end")} <= {"192.0.2.7", "127.0.0.1"}


def test_interfaces_are_told_apart_by_namespace(tmp_path):
    run = Run(
        tmp_path / "taken.pcapng", name=lambda namespace, interface: CapturePoint(f"if{interface}", f"ns{namespace}")
    )
    run.feed(question(), namespace=1, interface=2)
    run.feed(question(), namespace=2, interface=2)

    capture = run.finished()

    assert [(interface[2], interface[3]) for interface in capture.interfaces] == [
        (b"if2", b"network namespace ns1"), (b"if2", b"network namespace ns2"),
    ]  # fmt: skip
    assert [packet.interface for packet in capture.packets] == [0, 1]


def test_every_file_of_a_rotation_is_a_capture_of_its_own(tmp_path):
    run = Run(tmp_path / "taken.pcapng", rotation=Rotation(most_seconds=1))
    inspect(run.tracker, executed(-1, 100, "dig"), ASKS, ANSWERS)
    for second in range(3):
        run.feed(question(second))
        run.wait(2 * SECOND_NS)
    run.recorder.finish()

    captures = [read_capture(path.read_bytes()) for path in sorted(tmp_path.iterdir())]

    assert [len(capture.packets) for capture in captures] == [1, 1, 1]
    for capture in captures:
        assert {process["name"] for process in capture.processes} == {"dig", "unknown"}
        assert len(capture.packets[0].comments) == 1
        assert len(capture.statistics) == 1
        assert capture.names


def test_drops_are_told_in_the_file_in_which_they_happened(tmp_path):
    run = Run(tmp_path / "taken.pcapng", rotation=Rotation(most_seconds=1))
    run.feed(question(0))
    run.wait(HOLD_NS)
    run.dropped = 3
    run.feed(question(1))
    run.wait(HOLD_NS)
    run.dropped = 5
    run.recorder.finish()

    captures = [read_capture(path.read_bytes()) for path in sorted(tmp_path.iterdir())]

    assert [capture.statistics[0][5] for capture in captures] == [3, 2]


def test_packets_that_come_too_fast_are_written_without_waiting_and_counted(run, monkeypatch):
    monkeypatch.setattr(run.recorder._held, "_most_bytes", 500)
    for second in range(10):
        run.feed(question(second))

    assert 0 < run.recorder.unwaited < 10
    assert "too fast" in run.recorder.losses()[0].reason
    assert len(run.finished().packets) == 10


def test_a_full_disk_is_said_and_what_is_there_is_whole(run, monkeypatch):
    run.feed(question())
    run.wait(HOLD_NS)

    def refuse(_file, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", refuse)
    run.feed(question(1))
    run.wait(HOLD_NS)
    run.feed(question(2))

    assert len(run.written().packets) == 1
    assert (run.recorder.packets, run.recorder.lost) == (1, 2)
    (loss,) = run.recorder.losses()
    assert "no space left on device" in loss.reason


def test_conversations_beyond_the_bound_are_recorded_without_owners_and_counted(tmp_path):
    run = Run(tmp_path / "taken.pcapng")
    run.conversations._most = len(run.conversations.matches)
    packets = [packet(0, f"127.0.0.1:{10_000 + port}", SERVER) for port in range(run.conversations._most + 5)]
    run.feed(*packets)

    assert run.conversations.left_out == 5
    assert len(run.finished().packets) == len(packets)


def test_slots_of_silent_conversations_are_used_again(run):
    for minute in range(6):
        run.feed(*(packet(60 * minute, f"127.0.0.1:{10_000 + minute * 100 + port}", SERVER) for port in range(50)))
        run.wait(60 * SECOND_NS)

    assert len(run.conversations.matches) == 256
    assert len(run.finished().packets) == 300


@pytest.mark.parametrize(
    "wrong",
    [
        {"write": "-", "rotate": "1h"},
        {"write": "a.pcapng", "keep": 2},
        {"write": "a.pcapng", "snaplen": 10},
        {"write": "a.pcapng.gz"},
        {"write": "a.pcap"},
    ],
)
def test_wishes_that_contradict_each_other_are_refused(wrong):
    with pytest.raises(UsageError):
        check_recording(RecordingOptions(**wrong))


def test_rows_of_packets_are_those_of_the_table(run):
    seen = []
    run.tracker._tracker.counted = lambda _batch, _packets, _table, told: seen.extend(told.tolist())

    run.feed(question(), answer(), packet(0, CLIENT, REMOTE), question())

    first, second, third, fourth = (value - 2 for value in seen)
    assert first >> 1 == second >> 1 == fourth >> 1 == 0
    assert third >> 1 == 1
    assert first & 1 == fourth & 1 != second & 1
