"""Captures that name processes, in every format and odd case: rows have them as live has."""

from __future__ import annotations

import json
import struct

import pytest

import named_captures as made
import portcall
from capture_bytes import block, interface, section
from named_captures import (
    HERE,
    IN,
    NAME,
    OUT,
    PATH,
    SECONDS,
    START,
    THERE,
    UDP,
    comment,
    connection,
    darwin_block,
    packets,
    pcap,
    pcapng,
    pid_option,
    pktap_first,
    pktap_second,
    process_block,
    user_block,
    way_option,
    wireshark_block,
    with_trailer,
)
from named_oracle import named_frames
from portcall.errors import UsageError
from portcall.records.ownership import MatchQuality, Program
from portcall.records.recorded.claims import MOST_POINTS
from portcall.records.recorded.process_blocks import EndLine, InterfaceLine, ProcessLine, TurnLine, own_data
from portcall.records.schema import LIVE_GROUPINGS, directions

TALK = connection()
PTCPDUMP = "PID: 321\nCmd: /usr/bin/curl\nArgs: curl http://www.example.com/"
RUSTNET = "rustnet process=curl pid=321 attr=exact direction=outgoing"
APPLE = "PID: 321, ProcName: Safari, EPID: 0, EProcName: , SVC: 0"


def darwin(block_number, effective=None):
    said = [(0x8001, struct.pack("<I", block_number)), (0x8002, bytes(4)), (0x8004, bytes(4))]
    return said if effective is None else [*said, (0x8003, struct.pack("<I", effective))]


FORMATS = {
    "pcapng-process": pcapng(process_block(321, "curl"), packets(TALK, pid_option(321, 5))),
    "pcapng-process, big-endian": pcapng(
        process_block(321, "curl", order=">"), packets(TALK, pid_option(321, 5, ">"), order=">"), order=">"
    ),
    "darwin": pcapng(darwin_block(1, "launchd"), darwin_block(321, "curl"), packets(TALK, *darwin(1))),
    "darwin, on behalf": pcapng(darwin_block(321, "curl"), darwin_block(9, "urld"), packets(TALK, *darwin(1, 0))),
    "pktap": pcap([pktap_first(frame, way, 321, "curl") for frame, way in TALK], link=258),
    "pktap, longer": pcap([pktap_first(frame, way, 321, "curl", length=156) for frame, way in TALK], link=258),
    "pktap, old": pcap([pktap_first(frame, way, 321, "curl") for frame, way in TALK], link=149),
    "pktap, second": pcap([pktap_second(frame, way, 321, "curl") for frame, way in TALK], link=258),
    "pktap, on behalf": pcap([pktap_first(frame, way, 9, "urld", (321, "curl")) for frame, way in TALK], link=258),
    "pktap, second on behalf": pcap([pktap_second(frame, way, 9, "urld", (321, "curl")) for frame, way in TALK], 258),
    "pktap, in pcapng": pcapng(packets([(pktap_second(f, way, 321, "curl"), 0) for f, way in TALK]), link=258),
    "ptcpdump": pcapng(packets(TALK, comment(PTCPDUMP))),
    "ptcpdump, an option a line": pcapng(packets(TALK, *map(comment, PTCPDUMP.split("\n")))),
    "ptcpdump, Command": pcapng(packets(TALK, comment(PTCPDUMP.replace("Cmd", "Command")))),
    "rustnet": pcapng(
        packets(TALK, comment("rustnet process=curl pid=321 attr=exact direction=outgoing"), directed=False)
    ),
    "pcapdroid": pcap([with_trailer(bytes(12) + frame[12:], 10123, "curl") for frame, _ in TALK]),
    "pcapdroid, blocks": pcapng(user_block(10123, "org.curl", "curl"), packets(TALK, comment("u-10123"))),
    "pymobiledevice3": pcapng(packets(TALK, comment(APPLE.replace("Safari", "curl")), directed=False)),
}


@pytest.fixture
def rows_of(tmp_path):
    def read(data, by="flow", **options):
        path = tmp_path / "capture"
        path.write_bytes(data)
        return portcall.read(str(path), by=by, **options).to_dicts()

    return read


def naive_ends(data):
    """End of a conversation → everybody whom its packets name there, as (pid, name), by the second reader."""
    ends = {}
    for source, target, way, names in named_frames(data):
        for place, name in enumerate(names):
            end = source if way == OUT or (way != IN and len(names) > 1 and place == 0) else target
            if way not in (IN, OUT) and len(names) == 1:
                end = min(source, target)  # in these captures, the private one
            ends.setdefault(end, []).append(name)
    return {end: list(dict.fromkeys(names)) for end, names in ends.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_a_second_reader_finds_the_same_owners(rows_of, name):
    (row,) = rows_of(FORMATS[name])

    assert naive_ends(FORMATS[name]) == {HERE: [(row["client_pid"], row["client_process"])]}


@pytest.mark.parametrize("name", FORMATS)
def test_a_conversation_has_the_owner_of_its_packets(rows_of, name):
    (row,) = rows_of(FORMATS[name])

    assert (row["app"], row["app_source"], row["client_process"]) == ("curl", "process", "curl")
    assert row["client_pid"] == (None if name.startswith("pcapdroid") else 321)
    assert (row["server_process"], row["owner_quality"]) == (None, "exact")
    assert row["owner_source"] == name.partition(",")[0]


@pytest.mark.parametrize("name", FORMATS)
def test_there_are_rows_by_process_and_user(rows_of, name):
    (row,) = rows_of(FORMATS[name], "process")
    (of_user,) = rows_of(FORMATS[name], "user")

    assert (row["process"], row["packets_out"], row["packets_in"]) == ("curl", 4, 2)
    assert (of_user["bytes_out"], of_user["bytes_in"]) == (row["bytes_out"], row["bytes_in"])


def test_a_comment_of_portcalls_names_both_ends_of_a_packet_that_stayed(rows_of):
    """As it is where another program has kept comments alone."""
    frames = [(frame, 0) for frame, way in TALK if way == OUT]
    both = comment("PID: 321\nCmd: /usr/bin/curl\nReceiver PID: 80\nReceiver Cmd: /usr/sbin/nginx")

    (row,) = rows_of(pcapng(packets(frames, both)))

    assert (row["client_pid"], row["client_process"], row["client_exe"]) == (321, "curl", "/usr/bin/curl")
    assert (row["server_pid"], row["server_process"], row["server_exe"]) == (80, "nginx", "/usr/sbin/nginx")


def test_a_receiver_alone_is_named_where_the_sender_is_not_known(rows_of):
    frames = [(frame, 0) for frame, way in TALK if way == OUT]

    (row,) = rows_of(pcapng(packets(frames, comment("Receiver PID: 80\nReceiver Cmd: /usr/sbin/nginx"))))

    assert (row["client_process"], row["server_pid"], row["server_process"]) == (None, 80, "nginx")


def test_what_names_owners_live_works_on_captures(rows_of):
    talk = FORMATS["ptcpdump"] + pcapng(process_block(7, "ssh"), packets(connection((HERE[0], 5)), pid_option(7)))

    (chosen,) = rows_of(talk, where="client_process=ssh")
    (grouped,) = rows_of(talk, "process", where="process=curl and pid=321")

    assert (chosen["client_port"], grouped["packets_out"]) == (5, 4)


def test_a_capture_that_names_nobody_has_no_rows_by_process(rows_of):
    with pytest.raises(UsageError, match="no capture here says which process sent a packet"):
        rows_of(pcapng(packets(TALK, comment("seen it"))), "process")


def test_comments_of_people_name_nobody(rows_of):
    (row,) = rows_of(
        pcapng(packets(TALK, comment("Note: PID 5 is odd"), comment("rustnet is nice"), comment("u-boot")))
    )

    assert (row["owner_source"], row["app_source"]) == (None, "port")


# --- which block of a pid ---


def started(*starts):
    return [process_block(7, f"since-{start}", SECONDS + start) for start in starts]


def name_at(rows_of, *blocks):
    (row,) = rows_of(pcapng(*blocks))
    return row["client_process"]


UDP_ONCE = packets(connection(protocol=UDP)[:1], pid_option(7))


def test_the_last_block_counts_that_had_started(rows_of):
    assert name_at(rows_of, *started(-9, -5, 5), UDP_ONCE) == "since--5"


def test_the_order_of_blocks_counts_and_not_that_of_starts(rows_of):
    assert name_at(rows_of, *started(-5, -9), UDP_ONCE) == "since--9"


def test_if_all_started_later_the_last_before_the_packet_counts(rows_of):
    assert name_at(rows_of, *started(5, 9), UDP_ONCE, *started(-3)) == "since-9"


def test_if_no_block_is_before_the_first_after_counts(rows_of):
    assert name_at(rows_of, UDP_ONCE, *started(9, -1)) == "since-9"


def test_a_pid_that_is_used_again_is_another_process(rows_of):
    early, late = connection((HERE[0], 1), protocol=UDP), connection((HERE[0], 2), protocol=UDP)
    data = pcapng(
        *started(-9), packets(early, pid_option(7)), *started(5), packets(late, pid_option(7), seconds=SECONDS + 6)
    )

    rows = rows_of(data, "process")

    assert {(row["process"], row["pid"]) for row in rows} == {("since--9", 7), ("since-5", 7)}


def test_a_section_forgets_the_blocks_of_the_one_before(rows_of):
    one = pcapng(process_block(7, "first"), packets(connection((HERE[0], 40001), protocol=UDP), pid_option(7)))
    other = pcapng(
        packets(connection((HERE[0], 40002), protocol=UDP), pid_option(7, 0, ">"), order=">", seconds=SECONDS + 1),
        process_block(7, "second", order=">"),
        order=">",
    )

    rows = rows_of(one + other)

    assert {row["client_port"]: row["client_process"] for row in rows} == {40001: "first", 40002: "second"}


def test_a_darwin_block_may_stand_behind_its_packets(rows_of):
    (row,) = rows_of(pcapng(packets(TALK, *darwin(0)), darwin_block(5, "mail")))

    assert (row["client_pid"], row["client_process"]) == (5, "mail")


def test_a_darwin_number_without_a_block_names_nobody(rows_of):
    (row,) = rows_of(pcapng(packets(TALK, *darwin(77))))

    assert (row["client_process"], row["unattributed_reason"], row["owner_search"]) == (None, "no-owner", "no-record")


def test_the_kernel_is_named_as_such(rows_of):
    (row,) = rows_of(pcap([pktap_first(frame, way, 0, "kernel_task") for frame, way in TALK], link=258))

    assert (row["client_process"], row["unattributed_reason"]) == ("[kernel]", "kernel")


# --- ends, contradictions, trust ---

LOOP = connection(("127.0.0.1", 40000), ("127.0.0.1", 80))


def test_of_two_processes_on_a_loopback_packet_the_first_one_sent(rows_of):
    blocks = [process_block(1, "client"), process_block(2, "server")]
    both = {OUT: [pid_option(1), pid_option(2)], IN: [pid_option(2), pid_option(1)]}
    said = packets(LOOP, lambda number: both[LOOP[number][1]], directed=False)

    (row,) = rows_of(pcapng(*blocks, said))
    rows = rows_of(pcapng(*blocks, said), "process")

    assert (row["client_process"], row["server_process"]) == ("client", "server")
    assert {one["process"]: one["packets_out"] for one in rows} == {"client": 4, "server": 2}


def test_of_two_processes_on_a_packet_that_went_out_the_second_gets_it(rows_of):
    blocks = [process_block(1, "client"), process_block(2, "server")]

    (row,) = rows_of(pcapng(*blocks, packets(TALK[:1], pid_option(1), pid_option(2))))

    assert (row["client_process"], row["server_process"]) == ("client", "server")


@pytest.mark.parametrize("by", LIVE_GROUPINGS)
def test_every_byte_is_credited_and_what_is_credited_twice_is_counted(tmp_path, by):
    """The law of the rows: conversations with two local ends, one, none, and with several processes at one."""
    both = {OUT: [pid_option(1), pid_option(2)], IN: [pid_option(2), pid_option(1)]}
    mixed = connection((HERE[0], 41000))
    path = tmp_path / "mixed.pcapng"
    path.write_bytes(
        pcapng(
            packets(LOOP, lambda number: both[LOOP[number][1]], directed=False),
            packets(TALK, pid_option(1)),
            packets(connection(("198.51.100.1", 41001), ("203.0.113.4", 443)), directed=False),
            packets(mixed, lambda number: [pid_option(number + 1)]),
        )
    )

    report = portcall.read(str(path), by=by)

    ways = directions(by)
    counted = sum(row[f"bytes_{way}"] for row in report.to_dicts() for way in ways)
    twice = report.coverage.bytes_credited_twice
    assert counted == report.coverage.bytes + twice
    assert (twice > 0) is (by in ("app", "process", "user", "host"))


def test_an_unknown_sender_keeps_its_place(rows_of):
    first = packets(LOOP[:1], pid_option(0), pid_option(2), directed=False)

    (row,) = rows_of(pcapng(process_block(2, "server"), first))

    assert (row["client_process"], row["server_process"]) == (None, "server")


def test_several_receivers_of_one_packet_are_ambiguous(rows_of):
    talk = connection(protocol=UDP)
    (row,) = rows_of(
        pcapng(process_block(1, "a"), process_block(2, "b"), packets(talk[1:], pid_option(1), pid_option(2)))
    )

    assert (row["owner_quality"], row["unattributed_reason"]) == ("ambiguous", "ambiguous")
    assert row["owner_search"] == "several-owners: a (1), b (2)"


def test_packets_that_contradict_each_other_are_ambiguous_and_shown(rows_of):
    data = pcapng(packets(TALK, lambda number: [comment(PTCPDUMP.replace("321", str(number)))] if number else []))

    (row,) = rows_of(data)
    report = rows_of(data, "process")

    assert (row["app"], row["unattributed_reason"], row["owner_quality"]) == (None, "ambiguous", "ambiguous")
    assert row["owner_search"] == "several-owners: curl (1), curl (2), curl (3), 2 more"
    assert [one["unattributed_reason"] for one in report] == ["ambiguous"]


def test_a_process_that_runs_another_program_is_one_process(rows_of):
    blocks = [wireshark_block(7, (NAME, name), (START, struct.pack("<Q", 5))) for name in (b"sh", b"curl")]

    (row,) = rows_of(pcapng(blocks[0], packets(TALK[:2], pid_option(7)), blocks[1], packets(TALK[2:], pid_option(7))))

    assert (row["client_pid"], row["client_process"], row["owner_quality"]) == (7, "sh", "exact")


def test_of_who_was_running_in_windows_packets_that_went_out_count_first(rows_of):
    data = pcapng(
        packets(TALK, lambda number: [pid_option(7 if TALK[number][1] == OUT else 1000 + number)]),
        writer=b"etl2pcapng 1.9",
    )

    (row,) = rows_of(data)

    assert (row["client_pid"], row["owner_quality"]) == (7, "exact")


def test_of_who_was_running_in_windows_only_incoming_packets_are_unsure(rows_of):
    (row,) = rows_of(pcapng(packets(TALK[1:2], pid_option(7)), writer=b"etl2pcapng 1.9"))

    assert (row["client_pid"], row["server_pid"], row["owner_quality"]) == (7, None, "unsure")


def test_a_relaxed_match_of_rustnet_is_unsure(rows_of):
    (row,) = rows_of(pcapng(packets(TALK, comment("rustnet process=curl pid=3 attr=procfs-relaxed"))))

    assert (row["client_pid"], row["owner_quality"]) == (3, "unsure")


def test_rustnet_says_that_the_local_end_was_called(rows_of):
    (row,) = rows_of(pcapng(packets(TALK, comment("rustnet process=nginx pid=3 direction=incoming"), directed=False)))

    assert (row["client_process"], row["server_process"]) == (None, "nginx")


def test_local_networks_say_which_end_a_process_is_at_where_packets_do_not(rows_of):
    data = pcapng(packets(connection(("192.0.2.1", 1), ("203.0.113.5", 80)), comment(PTCPDUMP), directed=False))

    (row,) = rows_of(data, local=["203.0.113.0/24"])

    assert (row["client_process"], row["server_process"]) == (None, "curl")


def test_who_is_not_named_is_not_guessed(rows_of):
    other = connection((HERE[0], 5), ("203.0.113.7", 443))
    rows = rows_of(FORMATS["ptcpdump"] + pcapng(packets(other)), "app")

    assert {row["app"]: row["unattributed_reason"] for row in rows} == {"curl": None, None: "no-owner"}


# --- what else is told ---


def test_a_block_tells_program_user_and_parent(rows_of):
    said = [
        (NAME, b"python3"),
        (PATH, b"/usr/bin/python3.11"),
        (made.COMMAND_LINE, b"python3\0-m\0http.server\0"),
        (made.PARENT, struct.pack("<I", 1)),
        (made.USER_ID, struct.pack("<I", 1000)),
        (made.USER, b"ann"),
    ]

    (row,) = rows_of(pcapng(wireshark_block(321, *said), packets(TALK, pid_option(321))))

    names = ("client_process", "client_exe", "client_user", "client_script")
    assert [row[name] for name in names] == ["python3", "/usr/bin/python3.11", "ann", "http.server"]


def test_a_comment_adds_what_a_block_does_not_say(rows_of):
    text = f"{PTCPDUMP}\nUserId: 1000"
    data = pcapng(
        wireshark_block(321, (NAME, b"curl")),
        packets(TALK, pid_option(321), comment(text), comment("ContainerName: web\nContainerId: 5")),
    )

    (row,) = rows_of(data)

    assert (row["client_user"], row["client_container"], row["client_exe"]) == ("1000", "web", "/usr/bin/curl")
    assert row["owner_source"] == "pcapng-process"


def test_arguments_of_a_process_cannot_say_who_it_is(rows_of):
    text = "PID: 5\nCmd: /bin/evil\nArgs: x\nPID: 1\nCmd: /sbin/init\nUserId: 0"

    (row,) = rows_of(pcapng(packets(TALK, comment(text), comment("UserId: 1000"))))

    assert (row["client_pid"], row["client_process"], row["client_user"]) == (5, "evil", "1000")


def test_a_cut_comment_tells_what_is_there(rows_of):
    (row,) = rows_of(pcapng(packets(TALK, comment("PID: 5\nCmd: /usr/lib/a/very/lo...\nArgs: python3 ser..."))))

    assert (row["client_process"], row["client_exe"], row["client_pid"]) == ("lo...", None, 5)


def test_rustnets_file_beside_a_capture_names_its_connections(tmp_path):
    path = tmp_path / "X.pcap"
    path.write_bytes(pcap([frame for frame, _ in TALK]))

    def at(seconds):
        return {"secs_since_epoch": seconds, "nanos_since_epoch": 5}

    ends = {"protocol": "TCP", "local_addr": "10.9.0.2:40000", "remote_addr": "203.0.113.9:80"}
    named = {"pid": 321, "process_name": "curl", "process_executable": "/usr/bin/curl", "process_uid": 1000}
    lines = [
        {**ends, "pid": 9, "first_seen": at(5), "last_seen": at(9)},
        {**ends, **named, "first_seen": at(SECONDS - 1), "last_seen": at(SECONDS + 1)},
    ]
    beside = "\n".join(["{", *map(json.dumps, lines), "[]", '{"protocol": "ARP"}', ""])
    (tmp_path / "X.pcap.connections.jsonl").write_text(beside)

    report = portcall.read(str(path), by="flow")

    (row,) = report.to_dicts()
    names = ("client_pid", "client_process", "client_exe", "client_user", "owner_source")
    assert [row[name] for name in names] == [321, "curl", "/usr/bin/curl", "1000", "rustnet"]
    assert any("3 blocks or lines" in note.reason for note in report.degradations)


def test_captures_that_are_merged_keep_their_owners(tmp_path):
    """Frames of several files that lie between each other in time."""
    talks = [connection((HERE[0], port)) for port in (1, 2, 3)]
    files = [
        pcapng(process_block(7, "one"), packets(talks[0], pid_option(7))),
        pcapng(packets(talks[1], comment(PTCPDUMP))),
        pcap([pktap_first(frame, way, 9, "three") for frame, way in talks[2]], link=258),
    ]
    for number, data in enumerate(files):
        (tmp_path / f"{number}").write_bytes(data)

    rows = portcall.read([str(tmp_path / f"{number}") for number in range(3)], by="flow").to_dicts()

    assert {row["client_port"]: row["client_process"] for row in rows} == {1: "one", 2: "curl", 3: "three"}


def test_frames_that_are_chosen_keep_their_owners(rows_of):
    data = pcapng(
        process_block(7, "one"),
        packets(connection((HERE[0], 1)), pid_option(7)),
        process_block(8, "two"),
        packets(connection((HERE[0], 2)), pid_option(8), seconds=SECONDS + 60),
    )

    (filtered,) = rows_of(data, filter="port 2")
    (later,) = rows_of(data, from_="2023-11-14T22:13:50")

    assert (filtered["client_process"], later["client_process"]) == ("two", "two")


# --- captures that portcall wrote ---


def own(*lines):
    return made.custom(made.PORTCALL, own_data(lines))


def recorded(*blocks, names=(b"eth0",)):
    return made.section_by(b"portcall 0.1") + b"".join(interface((2, name)) for name in names) + b"".join(blocks)


def test_rows_are_those_of_each_interface_and_namespace(rows_of):
    data = recorded(
        own(InterfaceLine(1, "blue")),
        process_block(7, "curl"),
        packets(TALK, pid_option(7)),
        packets([(frame, 0) for frame, _ in TALK], index=1),
        names=(b"eth0", b"veth1"),
    )

    rows = rows_of(data)

    seen = {(row["interface"], row["namespace"], row["client_process"]) for row in rows}
    assert seen == {("eth0", None, "curl"), ("veth1", "blue", None)}


@pytest.mark.parametrize("options", [{}, {"idle_timeout": 1}])
def test_so_they_are_where_a_recording_names_nobody(rows_of, options):
    data = recorded(
        own(InterfaceLine(1, "blue")),
        packets([(frame, 0) for frame, _ in TALK]),
        packets([(frame, 0) for frame, _ in TALK], index=1),
        names=(b"eth0", b"veth1"),
    )

    rows = rows_of(data, **options)

    assert {(row["interface"], row["namespace"]) for row in rows} == {("eth0", None), ("veth1", "blue")}


def test_interfaces_for_whose_names_there_is_no_room_are_one_and_the_report_says_so(tmp_path):
    path = tmp_path / "capture.pcapng"
    names = [f"eth{number}".encode() for number in range(MOST_POINTS + 10)]
    shown = b"".join(packets([(TALK[0][0], 0)], index=number) for number in range(len(names)))
    path.write_bytes(recorded(shown, names=names))

    report = portcall.read(str(path), by="flow")

    found = [row["interface"] for row in report]
    assert (found.count(None), len(found)) == (1, MOST_POINTS)
    reasons = [note.reason for note in report.degradations]
    assert "there was no room for the names of 11 interfaces or more" in reasons


def test_what_passes_two_interfaces_counts_on_the_one_where_it_is_owned(rows_of):
    data = recorded(
        process_block(7, "curl"),
        packets(TALK, pid_option(7), index=1),
        packets([(frame, 0) for frame, _ in TALK]),
        names=(b"br0", b"veth1"),
    )

    (row,) = rows_of(data)

    assert (row["interface"], row["packets_to_server"], row["client_process"]) == ("veth1", 4, "curl")


def test_a_turn_begins_a_new_row(rows_of):
    talk = connection(protocol=UDP)
    data = recorded(
        process_block(7, "one"),
        process_block(8, "two"),
        packets(talk, pid_option(7)),
        own(TurnLine((SECONDS + 5) * 10**9, HERE[1], UDP)),
        packets(talk, pid_option(8), seconds=SECONDS + 9),
    )

    rows = rows_of(data)

    assert [row["client_process"] for row in sorted(rows, key=lambda row: row["first_ns"])] == ["one", "two"]


def test_what_live_found_at_last_counts_before_packets(rows_of):
    ends = {"protocol": 6, "local": HERE[0], "local_port": HERE[1], "remote": THERE[0], "remote_port": THERE[1]}
    times = {"first_ns": SECONDS * 10**9, "last_ns": (SECONDS + 1) * 10**9}
    late = EndLine(0, **ends, **times, quality=MatchQuality.LISTENER, pid=9, start_ns=5)
    line = ProcessLine(9, 5, Program("late", "/late", (), "web", None, "job"), "ann", ((1, "init"),))

    (row,) = rows_of(recorded(process_block(7, "curl"), packets(TALK, pid_option(7)), own(line, late)))

    names = ("client_process", "client_container", "client_script", "client_user", "owner_quality", "owner_source")
    assert [row[name] for name in names] == ["late", "web", "job", "ann", "listener", "portcall"]


def test_a_block_of_somebody_else_under_the_number_for_examples_says_nothing(rows_of):
    theirs = own_data([ProcessLine(7, None, Program("other"), "eve")]).replace(b"portcall", b"somebody", 1)

    (row,) = rows_of(
        recorded(process_block(7, "curl"), made.custom(made.PORTCALL, theirs), packets(TALK, pid_option(7)))
    )

    assert (row["client_process"], row["client_user"]) == ("curl", None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"quality": MatchQuality.AMBIGUOUS, "reason": "ambiguous", "failure": "exact several-owners"}, "ambiguous"),
        ({"quality": MatchQuality.NONE, "reason": "no-owner", "failure": "no-socket"}, "no-owner"),
        ({"quality": MatchQuality.WILDCARD, "reason": "kernel"}, "kernel"),
    ],
)
def test_what_live_did_not_find_is_said_again(rows_of, line, reason):
    ends = {"protocol": 6, "local": HERE[0], "local_port": HERE[1], "remote": THERE[0], "remote_port": THERE[1]}
    end = EndLine(0, **ends, first_ns=SECONDS * 10**9, last_ns=(SECONDS + 1) * 10**9, **line)

    (row,) = rows_of(recorded(packets(TALK), own(end)))

    assert (row["unattributed_reason"], row["owner_search"]) == (reason, line.get("failure"))
    assert row["owner_quality"] == line["quality"].value


def test_packets_of_the_loopback_interface_are_of_two_local_ends(rows_of):
    data = recorded(process_block(7, "curl"), packets(LOOP, pid_option(7), directed=False), names=(b"lo",))

    rows = rows_of(data, "process")

    assert sum(row["packets_out"] for row in rows) == 6


# --- hostile ---


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 7, 9, 100])
@pytest.mark.parametrize("code", [1, 8, 0x8001, 0x8002, 0x8003, 0x8004])
def test_an_option_of_any_length_is_passed_over(rows_of, code, length):
    (row,) = rows_of(pcapng(darwin_block(5, "mail"), packets(TALK, (code, bytes(length)))))

    assert row["client_port"] == HERE[1]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_blocks_that_are_cut_are_said(rows_of, cut, order):
    whole = wireshark_block(7, (NAME, b"curl"), (START, bytes(8)), order=order)[8:-4]
    (row,) = rows_of(
        pcapng(block(0xBAD, whole[:cut], order), packets(TALK, pid_option(7, 0, order), order=order), order=order)
    )

    assert row["client_pid"] == 7


def test_an_entry_of_another_kind_is_passed_over(rows_of):
    data = pcapng(wireshark_block(7, (NAME, b"no"), entry=4), process_block(7, "yes"), packets(TALK, pid_option(7)))

    assert rows_of(data)[0]["client_process"] == "yes"


def test_names_with_escapes_are_kept_as_data_and_cut(rows_of):
    name = "\x1b[31mred\x07\u202e" + "a" * 5000
    (row,) = rows_of(pcapng(process_block(7, name), packets(TALK, pid_option(7))))

    assert row["client_process"] == name[:256]


def test_names_that_are_no_text_can_be_written(rows_of):
    block_of = wireshark_block(7, (NAME, b"caf\xe9\xff"), (PATH, b"/\xff\0hidden"))
    (row,) = rows_of(pcapng(block_of, packets(TALK, pid_option(7))))

    assert json.dumps(row, ensure_ascii=False).encode()
    assert (row["client_process"], row["client_exe"]) == ("caf\ufffd\ufffd", "/\ufffd")


def test_a_hundred_processes_on_a_packet_are_no_harm(rows_of):
    (row,) = rows_of(pcapng(packets(connection(protocol=UDP), *[pid_option(pid) for pid in range(1, 101)])))

    assert row["owner_quality"] == "ambiguous"


def test_an_empty_option_list_of_processes_and_a_comment_without_end(rows_of):
    data = pcapng(packets(TALK, comment(b"PID: 9\nCmd: a" + b"b" * 65000)))

    (row,) = rows_of(data)

    assert (row["client_pid"], len(row["client_process"])) == (9, 256)


def test_sections_of_other_writers_have_no_capture_points(rows_of):
    data = section() + interface((2, b"eth0")) + own(InterfaceLine(0, "blue")) + packets(TALK, comment(PTCPDUMP))

    (row,) = rows_of(data)

    assert (row["interface"], row["namespace"], row["client_process"]) == (None, None, "curl")


def test_a_way_that_is_stated_twice_is_the_first_one(rows_of):
    both = [comment(PTCPDUMP), way_option(OUT), way_option(IN)]
    (row,) = rows_of(pcapng(packets(TALK[:1], *both, directed=False)))

    assert row["client_process"] == "curl"
