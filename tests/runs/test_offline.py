"""The wiring: many captures are one, damage ends one of them, and bounds cost rows but no byte."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP

import capture_catalogue
from capture_bytes import enhanced, interface, name_resolution, pcap_header, pcap_record, read_frames, secrets, section
from dissectors.test_secrets import conversation
from dissectors.tls_handshakes import certificate_files
from frame_bytes import IP4, ethernet, ipv4, ports, udp
from portcall.attribution.attribution import Attribution
from portcall.errors import PortcallError, UsageError
from portcall.records.schema import GROUPINGS, directions
from portcall.runs import offline
from portcall.runs.tracker import Tracker
from portcall.sources.captures import open_capture

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
CATALOGUE = capture_catalogue.read(CAPTURES)
WITH_FRAMES = [name for name, entry in CATALOGUE.items() if entry["frames"]]
WITHOUT_FRAMES = ["broken/empty.pcap", "broken/not-a-capture.txt"]
DAMAGED = [
    "broken/bad-length.pcap",
    "broken/block-claims-4-gigabytes.pcapng",
    "broken/cut-in-a-frame.pcap",
    "broken/cut-in-a-header.pcap",
    "broken/damaged.pcap.gz",
]


def read(*names, **options):
    return offline.read([str(CAPTURES / name) for name in names], **options)


def between(port):
    """The IP header from the end with this port: a client above 1023."""
    ends = ("10.0.0.1", "192.0.2.1")
    return IP(src=ends[port < 1024], dst=ends[port >= 1024])


def totals(report):
    out, into = directions(report.by)
    return tuple(sum(row[f"{what}_{way}"] for row in report for way in (out, into)) for what in ("packets", "bytes"))


@pytest.fixture
def written(tmp_path):
    """Write a pcap of raw-IP frames, each (seconds, content); gives its path."""

    def write(name, *frames):
        path = tmp_path / name
        records = (pcap_record(content, seconds=seconds) for seconds, content in frames)
        path.write_bytes(pcap_header(link=101) + b"".join(records))
        return str(path)

    return write


@pytest.mark.parametrize("name", WITH_FRAMES)
def test_every_frame_of_our_captures_is_counted(name):
    assert read(name).report.coverage.frames == CATALOGUE[name]["frames"]


@pytest.mark.parametrize("by", GROUPINGS)
@pytest.mark.parametrize("name", WITH_FRAMES)
def test_every_byte_of_our_captures_is_in_a_row(name, by):
    report = read(name, by=by).report

    wire = sum(frame.wire for frame in read_frames(CAPTURES / name)[0])
    assert report.coverage.bytes == wire
    assert totals(report)[1] == wire + report.coverage.bytes_credited_twice


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_a_problem_and_what_came_before_it_counts(name):
    outcome = read(name)

    assert [problem.path for problem in outcome.problems] == [str(CAPTURES / name)]
    assert outcome.report.coverage.frames == CATALOGUE[name]["frames"] > 0


@pytest.mark.parametrize("name", WITHOUT_FRAMES)
def test_where_nothing_can_be_read_there_is_no_report(name):
    with pytest.raises(PortcallError, match=name):
        read(name)


def test_damage_of_one_capture_does_not_end_the_others():
    outcome = read("dns.pcap", "broken/cut-in-a-frame.pcap", "broken/not-a-capture.txt", "ssh.pcap")

    frames = sum(CATALOGUE[name]["frames"] for name in ("dns.pcap", "broken/cut-in-a-frame.pcap", "ssh.pcap"))
    assert outcome.report.coverage.frames == frames
    assert len(outcome.problems) == 2


def test_conversations_span_captures_whatever_their_order_on_the_command_line(written):
    answer = turned(ipv4(ports(5678, 1234) + udp()[4:]))
    late, early = written("late.pcap", (20, answer)), written("early.pcap", (10, IP4))

    [row] = offline.read([late, early], by="flow").report

    assert (row["packets_to_server"], row["packets_to_client"]) == (1, 1)
    assert (row["first_ns"], row["last_ns"]) == (10 * 10**9, 20 * 10**9)


@pytest.mark.parametrize("files", [1, 2])
@pytest.mark.parametrize("by", ["flow", "app"])
def test_the_two_ways_of_a_link_in_two_captures_are_conversations_as_after_mergecap(tmp_path, by, files):
    """Of each way a file, as taps write them, or one behind the other: two connections of the same ends."""
    sent = [("S", 1), ("SA", 2), ("A", 1), ("FA", 1), ("FA", 2), ("A", 1)]
    ways = {1: b"", 2: b""}
    for start in (0, 10):
        for i, (flags, way) in enumerate(sent):
            source, target = (40000, 80) if way == 1 else (80, 40000)
            header = TCP(sport=source, dport=target, flags=flags, seq=1000 * (start + 1) + (i > 1))
            ways[way] += pcap_record(bytes(between(source) / header), seconds=start + i)
    paths = [tmp_path / str(way) for way in ways]
    captures = [pcap_header(link=101) + records for records in ways.values()]
    if files == 1:
        paths, captures = paths[:1], [b"".join(captures)]
    for path, content in zip(paths, captures, strict=True):
        path.write_bytes(content)

    rows = offline.read(list(map(str, paths)), by=by).report.rows

    if by == "flow":
        assert [(row["packets_to_server"], row["packets_to_client"], row["state"]) for row in rows] == [
            (4, 2, "SF")
        ] * 2
    else:
        assert [row["flows"] for row in rows] == [2]


COOKED = {"in": 0, "out": 4}


@pytest.fixture
def forwarded(tmp_path):
    """A conversation that a machine forwards, captured at all its interfaces (``-i any``): each packet thrice."""
    path = tmp_path / "forwarded.pcap"
    sent = [(40000, "S", 1), (80, "SA", 1), (40000, "A", 2), (40000, "FA", 2), (80, "FA", 2), (40000, "A", 3)]
    records = []
    for i, (port, flags, sequence) in enumerate(sent):
        header = between(port) / TCP(sport=port, dport=40080 - port, flags=flags, seq=sequence)
        header.id = 1 + i
        for copy, way in enumerate(("in", "in", "out")):
            cooked = struct.pack(">HHH8sH", COOKED[way], 1, 6, bytes([2, 0, 0, 0, 0, copy]), 0x0800)
            records.append(pcap_record(cooked + bytes(header), seconds=i, fraction=copy * 5))
    path.write_bytes(pcap_header(link=113) + b"".join(records))
    return str(path)


@pytest.mark.parametrize("by", GROUPINGS)
@pytest.mark.parametrize("deduplicate", [True, False])
def test_copies_are_counted_and_nothing_is_credited_twice(forwarded, by, deduplicate):
    report = offline.read([forwarded], by=by, deduplicate=deduplicate).report

    assert report.coverage.bytes_credited_twice == 0
    assert totals(report) == (18, report.coverage.bytes) == (18, 18 * 56)
    assert report.coverage.verdicts["duplicate"] == (12 if deduplicate else 0)
    copies = [row for row in report if row["unattributed_reason"] == "duplicate"]
    assert [sum(totals_of(row)) for row in copies] == ([12 + 12 * 56] if deduplicate and by != "time" else [])
    notes = [note.reason for note in report.degradations if note.feature == "copies"]
    assert [note.split(" frames")[0] for note in notes] == ([] if deduplicate else ["12"])


def totals_of(row):
    return [value for name, value in row.items() if name.startswith(("packets_", "bytes_"))]


@pytest.mark.parametrize("deduplicate", [True, False])
def test_the_far_end_of_what_is_forwarded_is_the_host(forwarded, deduplicate):
    rows = offline.read([forwarded], deduplicate=deduplicate).report.rows

    assert [row["top_host"] for row in rows if row["app"]] == ["192.0.2.1"]


def test_each_packet_counts_once_when_copies_do_not(forwarded):
    [row] = [row for row in offline.read([forwarded], by="flow", deduplicate=True).report if row["app"]]

    assert (row["packets_to_server"], row["packets_to_client"], row["state"]) == (4, 2, "SF")


def test_without_copies_there_is_no_word_of_them():
    for name in ("office.pcapng", "dns.pcap", "ssh.pcap"):
        report = read(name, deduplicate=True).report

        assert report.coverage.verdicts["duplicate"] == 0
        assert "copies" not in [note.feature for note in read(name).report.degradations]


def test_a_file_that_was_copied_holds_copies(tmp_path):
    """Two names of one file are read once; its copy is read, and every packet of it is a copy."""
    again = tmp_path / "again.pcap"
    again.write_bytes((CAPTURES / "ssh.pcap").read_bytes())

    report = offline.read([str(CAPTURES / "ssh.pcap"), str(again)], by="flow", deduplicate=True).report

    once = read("ssh.pcap", by="flow").report
    told = ("client_ip", "client_port", "packets_to_server", "packets_to_client", "bytes_to_client", "state", "said")
    assert [[row[name] for name in told] for row in report if row["app"] == "ssh"] == [
        [row[name] for name in told] for row in once if row["app"] == "ssh"
    ]
    assert report.coverage.verdicts["duplicate"] > 0.9 * once.coverage.frames


def test_zeros_at_the_end_of_a_capture_are_a_note_and_no_frames(written):
    path = written("zeros.pcap", (10, IP4), (11, IP4))
    with Path(path).open("ab") as file:
        file.write(bytes(4096))

    outcome = offline.read([path])

    assert (outcome.report.coverage.frames, outcome.problems) == (2, [])
    assert outcome.report.window_ns == (10 * 10**9, 11 * 10**9)
    assert "4 096 bytes of zeros at its end" in " ".join(note.reason for note in outcome.report.degradations)


def turned(packet):
    """An IPv4 packet with its addresses exchanged."""
    return packet[:12] + packet[16:20] + packet[12:16] + packet[20:]


@pytest.mark.parametrize(("later_s", "is_said"), [(0, False), (9 * 365 * 86_400, False), (1_700_000_000, True)])
def test_frames_of_1970_among_later_ones_are_said(written, later_s, is_said):
    """A clock that is set while the capture runs makes its duration decades."""
    report = offline.read([written("clock.pcap", (5, IP4), (5 + later_s, IP4))]).report

    notes = [note.reason for note in report.degradations if note.feature == "times"]
    assert [note.split(";")[0] for note in notes] == ["frames are of 1970 to 2023"] * is_said


def test_between_equal_ports_the_sender_of_the_earliest_capture_is_the_client(written):
    packet = ipv4(udp(source=50_000, target=50_000))
    late, early = written("late.pcap", (20, packet)), written("early.pcap", (10, turned(packet)))

    [row] = offline.read([late, early], by="flow").report

    assert row["client_ip"] == "10.0.0.2"


def test_a_filter_counts_what_matches_only():
    everything, dns = read("office.pcapng").report, read("office.pcapng", filter="udp port 53").report

    assert 0 < dns.coverage.frames < everything.coverage.frames
    assert {row["app"] for row in dns} == {"dns"}


def test_where_leaves_rows_out_that_still_count():
    everything, some = read("office.pcapng").report, read("office.pcapng", where="app=dns").report

    assert [row["app"] for row in some] == ["dns"]
    assert some.coverage == everything.coverage
    assert len(some) + some.rows_left_out == len(everything)


def test_top_keeps_the_rows_with_most_bytes():
    everything, top = read("office.pcapng").report, read("office.pcapng", top=2).report

    assert top.rows == everything.rows[:2]
    assert top.rows_left_out == len(everything) - 2


@pytest.mark.parametrize(
    "wrong", [{"where": "bytes >"}, {"filter": "tcp port"}, {"local": ["not a network"]}, {"by": "color"}]
)
def test_a_wrong_question_is_refused_before_anything_is_read(wrong):
    with pytest.raises(UsageError):
        offline.read(["/nowhere/at/all.pcap"], **wrong)


def test_progress_is_told_up_to_the_size_of_all_captures():
    told = []

    read("dns.pcap", "ssh.pcap", progress=lambda done, total: told.append((done, total)))

    size = sum((CAPTURES / name).stat().st_size for name in ("dns.pcap", "ssh.pcap"))
    assert told[-1] == (size, size)
    assert told == sorted(told)


def test_an_interrupt_ends_the_run_and_not_the_report():
    def interrupt(*_):
        raise KeyboardInterrupt

    outcome = read("dns.pcap", "ssh.pcap", progress=interrupt)

    assert outcome.interrupted
    assert 0 < outcome.report.coverage.frames < CATALOGUE["dns.pcap"]["frames"] + CATALOGUE["ssh.pcap"]["frames"]


def test_the_inner_layer_counts_what_is_in_tunnels():
    outer, inner = (read("tunnels.pcap", by="flow", layer=layer).report for layer in ("outer", "inner"))

    assert totals(outer) == totals(inner)
    assert {row["server_port"] for row in outer} != {row["server_port"] for row in inner}


def test_more_conversations_than_fit_are_more_rows_and_the_same_bytes(written):
    """The bound leaves room for one batch: with 1 row, a table is full as soon as it has two."""
    frames = [(second, ipv4(udp(source=port))) for second in range(3) for port in range(2000, 5500)]
    path = written("many.pcap", *frames)
    tracker = offline.CaptureTracker(Attribution("flow"), Tracker(max_flows=1))

    for batch in open_capture(path).source.batches():
        tracker.feed(batch)
    report = tracker.attribution.report(tracker.finish(), path)

    assert totals(report) == (len(frames), sum(len(content) for _, content in frames))
    assert len(report) > 3500
    assert [shortfall.feature for shortfall in tracker.shortfalls()] == ["flows"]


def test_a_capture_within_the_bound_has_no_shortfall():
    assert "flows" not in [degradation.feature for degradation in read("office.pcapng").report.degradations]


def test_frames_on_no_flow_are_rows_with_their_reason(tmp_path):
    path = tmp_path / "odd.pcap"
    contents = [ethernet(0x0806, bytes(46)), ethernet(0x0800, b"\x55" * 46), ethernet(0x0800, IP4)]
    cut = pcap_record(ethernet(0x0800, IP4)[:30], wire=90)
    path.write_bytes(pcap_header() + b"".join(map(pcap_record, contents)) + cut)

    report = offline.read([str(path)], by="app").report

    assert {row["unattributed_reason"] for row in report} == {"not-ip", "malformed", "truncated", "no-owner"}
    assert totals(report) == (4, sum(map(len, contents)) + 90)


def test_a_name_that_the_capture_gives_an_address_names_the_server(tmp_path):
    path = tmp_path / "named.pcapng"
    asked = enhanced(ipv4(udp(source=40000, target=9)))
    path.write_bytes(section() + interface(link=101) + asked + name_resolution((bytes([10, 0, 0, 2]), b"nas.example")))

    [row] = offline.read([str(path)], by="flow").report

    assert (row["hostname"], row["hostname_source"]) == ("nas.example", "capture")


@pytest.mark.parametrize(
    ("server_name", "options", "told"),
    [
        (b"outside.example", {"by": "flow"}, {"tls_server_name": "outside.example", "http_host": "inside.example"}),
        (None, {"by": "host"}, {"host": "inside.example"}),
        (None, {"by": "host", "filter": "tcp"}, {"host": "inside.example"}),
    ],
)
def test_secrets_that_a_capture_brings_show_who_is_asked_inside_tls(tmp_path, server_name, options, told):
    path = tmp_path / "opened.pcapng"
    suite = "TLS_AES_128_GCM_SHA256"
    client, server, key_log = conversation(certificate_files(tmp_path), suite, server_name=server_name)
    path.write_bytes(section() + interface(link=101) + secrets(key_log) + b"".join(frames_of(client, server)))

    [row] = offline.read([str(path)], **options).report

    assert {column: row[column] for column in told} == told


def frames_of(client, server):
    """The blocks of a conversation over TLS, as its ends have said it."""
    hello = 5 + int.from_bytes(client[3:5], "big")
    sent = [(40000, 443, 1, client[:hello]), (443, 40000, 1, server), (40000, 443, 1 + hello, client[hello:])]
    return [
        enhanced(bytes(between(source) / TCP(sport=source, dport=target, flags="PA", seq=sequence) / data))
        for source, target, sequence, data in sent
    ]


def test_a_file_of_secrets_tells_what_those_in_the_capture_tell(tmp_path):
    plain, opened, keys = (tmp_path / name for name in ("plain.pcapng", "opened.pcapng", "keys.txt"))
    client, server, key_log = conversation(certificate_files(tmp_path), "TLS_AES_128_GCM_SHA256")
    frames = b"".join(frames_of(client, server))
    plain.write_bytes(section() + interface(link=101) + frames)
    opened.write_bytes(section() + interface(link=101) + secrets(key_log) + frames)
    keys.write_bytes(key_log)

    told = [
        list(offline.read([str(path)], by="flow", **options).report)
        for path, options in ((plain, {"tls_keys": [str(keys)]}), (opened, {}), (plain, {}))
    ]

    assert told[0] == told[1] != told[2]
    assert told[0][0]["http_host"] == "inside.example"


def test_secrets_are_of_no_use_where_payloads_are_not_inspected(tmp_path):
    with pytest.raises(UsageError, match="--no-names"):
        offline.read([str(CAPTURES / "ssh.pcap")], names=False, tls_keys=[str(tmp_path / "keys.txt")])


def test_what_ftp_announces_is_its_data_however_late(tmp_path):
    path = tmp_path / "transfers.pcapng"
    sent = [(21, b"220 FTP\r\n"), (40000, b"USER me\r\n"), *[(40000, b"NOOP\r\n"), (21, b"200 Ok\r\n")] * 40]
    sent += [(21, b"229 Entering Extended Passive Mode (|||1021|)\r\n")]
    sequences, frames = {21: 1, 40000: 1}, []
    for port, data in sent:
        header = TCP(sport=port, dport=21 + 40000 - port, flags="PA", seq=sequences[port])
        frames.append(enhanced(bytes(between(port) / header / data), ticks=len(frames)))
        sequences[port] += len(data)
    transfer = bytes(between(1021) / TCP(sport=1021, dport=40001, flags="PA", seq=1) / bytes(range(200)))
    frames.append(enhanced(transfer, ticks=len(frames)))
    path.write_bytes(section() + interface(link=101) + b"".join(frames))

    control, data = offline.read([str(path)], by="flow").report

    assert (control["application_protocol"], data["application_protocol"]) == ("ftp", "ftp-data")
    assert (data["app"], data["evidence_frame"]) == ("ftp", len(sent))


def test_a_capture_of_nothing_but_later_fragments_has_a_row(written):
    path = written("fragments.pcap", (1, ipv4(bytes(40), fragment=5)))

    [row] = offline.read([path], by="flow").report

    assert row["unattributed_reason"] == "fragment-without-first"
