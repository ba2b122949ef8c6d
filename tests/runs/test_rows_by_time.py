"""Rows by time: however rows are split into buckets, they add up to the rows of all the time, and to the capture."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.utils import PcapReader

import capture_catalogue
from capture_bytes import enhanced, interface, pcap_header, pcap_record, section, simple
from frame_bytes import ethernet, ipv4, udp
from portcall.attribution.attribution import Attribution
from portcall.cli import main
from portcall.errors import UsageError
from portcall.labels.bucketing import AUTO, Bucketing
from portcall.records.schema import GROUPINGS, directions
from portcall.runs import offline
from portcall.runs.tracker import Tracker
from portcall.sources.captures import open_capture
from shard_runs import batches_of

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
WITH_FRAMES = [name for name, entry in capture_catalogue.read(CAPTURES).items() if entry["frames"]]
SPLIT = [by for by in GROUPINGS if by not in ("time", "query")]  # questions are not counted by time
MS = 10**6
SUMMED = ("packets", "bytes", "payload")


@cache
def read(*names, **options):
    return offline.read([str(CAPTURES / name) for name in names], **options).report


def ways(report):
    return [f"{what}_{way}" for what in SUMMED for way in directions(report.by)]


def added_up(report, key):
    """Counts and times of all rows with the same key."""
    sums, times = defaultdict(Counter), defaultdict(list)
    for row in report:
        sums[key(row)].update({name: row[name] for name in ways(report)})
        times[key(row)] += [row[name] for name in ("first_ns", "last_ns") if row[name] is not None]
    spans = {one: (min(found, default=None), max(found, default=None)) for one, found in times.items()}
    return {one: (dict(counts), spans[one]) for one, counts in sums.items()}


def who(row):
    """What tells a row from the others of all the time."""
    names = ("app", "service", "host", "protocol", "client_ip", "client_port", "server_ip", "server_port", "syn_ns")
    return (*(row.get(name) for name in names), row["unattributed_reason"], row.get("evidence_frame"), row.get("state"))


def naive(name, width_ns):
    """Bucket → frames and bytes, of the records of a capture."""
    counts = defaultdict(lambda: (0, 0))
    for batch in batches_of(CAPTURES / name):
        for time_ns, wire in zip(batch.frames["ts_ns"].tolist(), batch.frames["wire"].tolist(), strict=True):
            frames, octets = counts[time_ns // width_ns * width_ns]
            counts[time_ns // width_ns * width_ns] = frames + 1, octets + wire
    return dict(counts)


@pytest.mark.parametrize("name", WITH_FRAMES)
def test_by_time_there_are_the_frames_and_bytes_of_each_bucket(name):
    report = read(name, by="time", bucket="50ms", names=False)

    assert {
        row["bucket_ns"]: (row["packets_out"] + row["packets_in"], row["bytes_out"] + row["bytes_in"]) for row in report
    } == naive(name, 50 * MS)
    assert report.coverage.bytes_credited_twice == 0


@pytest.mark.parametrize("by", SPLIT)
@pytest.mark.parametrize("name", WITH_FRAMES)
def test_the_buckets_of_a_row_add_up_to_it(name, by):
    whole, split = read(name, by=by), read(name, by=by, bucket="10ms")

    assert added_up(split, who) == added_up(whole, who)
    assert split.coverage == whole.coverage
    assert all(row["bucket_ns"] <= row["first_ns"] <= row["last_ns"] < row["bucket_ns"] + 10 * MS for row in split)
    keys = [(who(row), row["bucket_ns"], row.get("first_ns") if by == "flow" else 0) for row in split]
    assert len(set(keys)) == len(keys)


def test_conversations_by_time_are_those_that_scapy_counts():
    expected = defaultdict(Counter)
    with PcapReader(str(CAPTURES / "office.pcapng")) as reader:
        packets = list(reader)
    for packet in packets:
        if IP in packet and (TCP in packet or UDP in packet):
            ports, number = packet[TCP if TCP in packet else UDP], int(packet.time * 10**6) * 1000 // (100 * MS)
            ends = frozenset([(packet[IP].src, ports.sport), (packet[IP].dst, ports.dport)])
            expected[ends, number * 100 * MS][packet[IP].src, ports.sport] += packet.wirelen

    found = defaultdict(Counter)
    for row in read("office.pcapng", by="flow", bucket="100ms"):
        if row["protocol"] in ("tcp", "udp") and ":" not in row["client_ip"]:
            client, server = ((row[f"{end}_ip"], row[f"{end}_port"]) for end in ("client", "server"))
            counts = found[frozenset([client, server]), row["bucket_ns"]]
            counts.update({client: row["bytes_to_server"], server: row["bytes_to_client"]})

    assert {key: +counts for key, counts in found.items()} == expected


@pytest.mark.parametrize("by", SPLIT)
def test_rows_stand_in_order_of_time_and_the_greatest_of_a_bucket_first(by):
    report = read("office.pcapng", by=by, bucket="1s")

    order = [(row["bucket_ns"], -sum(row[f"bytes_{way}"] for way in directions(by))) for row in report]
    assert order == sorted(order)


def test_top_leaves_the_rows_of_most_bytes_in_order_of_time():
    every = list(read("office.pcapng", bucket="1s"))
    both = sorted((row["bytes_out"] + row["bytes_in"] for row in every), reverse=True)

    report = read("office.pcapng", bucket="1s", top=5)

    assert sorted((row["bytes_out"] + row["bytes_in"] for row in report), reverse=True) == both[:5]
    assert [row["bucket_ns"] for row in report] == sorted(row["bucket_ns"] for row in report)
    assert report.rows_left_out == len(every) - 5


def test_where_and_filters_choose_among_rows_by_time():
    every = list(read("office.pcapng", bucket="1s"))
    second = sorted({row["bucket_ns"] for row in every})[1]

    chosen = read("office.pcapng", bucket="1s", where=f"bucket_ns >= {second} and app != null")
    only_dns = read("office.pcapng", by="time", bucket="1s", filter="port 53")

    assert list(chosen) == [row for row in every if row["bucket_ns"] >= second and row["app"]]
    assert sum(row["packets_out"] + row["packets_in"] for row in only_dns) == only_dns.coverage.frames > 0


def test_a_window_of_time_has_the_buckets_within_it():
    every = list(read("office.pcapng", by="time", bucket="1s"))
    start, end = (f"{every[at]['bucket_ns'] // 10**9}" for at in (1, 3))

    within = list(read("office.pcapng", by="time", bucket="1s", from_=start, to=end))

    counted = ("bucket_ns", "first_ns", "last_ns", "flows")
    assert [[row[name] for name in counted] for row in within] == [
        [row[name] for name in counted] for row in every[1:3]
    ]


def test_by_time_alone_chooses_a_width_that_people_count_in():
    report = read("office.pcapng", by="time")

    assert report.bucket_width_ns == 10 * MS
    assert 30 < len(report) <= AUTO.most
    assert list(report) == list(read("office.pcapng", by="time", bucket="auto"))


def test_without_an_option_there_is_no_bucket():
    report = read("office.pcapng")

    assert report.bucket_width_ns is None
    assert {row["bucket_ns"] for row in report} == {None}


def test_frames_without_a_time_are_a_row_without_a_bucket(tmp_path):
    path = tmp_path / "timeless.pcapng"
    frames = [simple(ethernet(0x0800, ipv4(udp()))), enhanced(ethernet(0x0800, ipv4(udp())), ticks=7 * 10**6)]
    path.write_bytes(section() + interface() + b"".join([*frames, simple(ethernet(0x0806, bytes(46)))]))

    by = {by: offline.read([str(path)], by=by, bucket="1s", names=False).report for by in ("time", "app")}

    assert [(row["bucket_ns"], row["flows"], row["packets_out"] + row["packets_in"]) for row in by["time"]] == [
        (None, 1, 2),
        (7 * 10**9, 1, 1),
    ]
    assert [(row["bucket_ns"], row["unattributed_reason"]) for row in by["app"]] == [
        (None, "no-owner"),
        (None, "not-ip"),
        (7 * 10**9, "no-owner"),
    ]


@pytest.mark.parametrize("bucketing", [Bucketing(10**9), AUTO], ids=["1s", "auto"])
@pytest.mark.parametrize("by", [*SPLIT, "time"])
def test_more_conversations_than_fit_have_buckets_as_wide_as_the_last(tmp_path, by, bucketing):
    """The bound leaves room for one batch: with 1 row, a table is full as soon as it has two."""
    path = tmp_path / "many.pcap"
    frames = [(second, ipv4(udp(source=port))) for second in (0, 1, 700) for port in range(2000, 6000)]
    path.write_bytes(pcap_header(link=101) + b"".join(pcap_record(one, seconds=second) for second, one in frames))
    tracker = offline.CaptureTracker(Attribution(by), Tracker(max_flows=1, bucketing=bucketing))

    for batch in open_capture(str(path)).source.batches():
        tracker.feed(batch)
    report = tracker.attribution.report(tracker.finish(), str(path))

    assert sum(tracker.expirer.pushed_out.values()) > 2000
    assert report.bucket_width_ns == (5 * 10**9 if bucketing.most else 10**9)
    counted = Counter()
    for row in report:
        counted[row["bucket_ns"]] += sum(row[f"packets_{way}"] for way in directions(by))
    assert counted == {0: 8000, 700 * 10**9: 4000} if bucketing.most else {0: 4000, 10**9: 4000, 700 * 10**9: 4000}


@pytest.mark.parametrize("bucket", ["", "1", "0s", "-1s", "1.5s", "1 s", "1S", "autos", "9999999d"])
def test_what_is_no_width_is_refused_before_anything_is_read(bucket):
    with pytest.raises(UsageError, match="no width of time"):
        offline.read(["/nonexistent"], bucket=bucket)


@pytest.mark.parametrize("by", [*SPLIT, "time"])
def test_every_text_format_has_the_rows_as_the_report_has_them(capsys, by):
    report = read("tunnels.pcap", by=by, bucket="100ms")
    words = ["read", str(CAPTURES / "tunnels.pcap"), "--by", by, "--bucket", "100ms", "--format"]

    texts = {}
    for name in ("json", "jsonl", "csv"):
        main([*words, name])
        texts[name] = capsys.readouterr().out

    envelope = json.loads(texts["json"])
    assert (envelope["rows"], envelope["bucket_width_ns"]) == (report.to_dicts(), 100 * MS)
    assert [json.loads(line) for line in texts["jsonl"].splitlines()] == report.to_dicts()
    assert [int(row["bucket_ns"]) for row in csv.DictReader(io.StringIO(texts["csv"]))] == [
        row["bucket_ns"] for row in report
    ]


def test_a_table_says_when_and_how_wide(capsys):
    main(["read", str(CAPTURES / "office.pcapng"), "--bucket", "1s", "--top", "2"])

    totals, _, _, *rows = capsys.readouterr().out.splitlines()
    assert "in buckets of 1 s" in totals
    assert [row.split()[:2] for row in rows[:2]] == [["2026-11-22", "17:24:00"]] * 2


def test_questions_are_not_counted_by_time():
    with pytest.raises(UsageError, match="not counted by time"):
        offline.read(["/nonexistent"], by="query", bucket="1s")


@pytest.mark.parametrize("name", ["zeek", "prometheus"])
def test_formats_without_room_for_buckets_refuse_them(tmp_path, capsys, name):
    words = ["read", str(CAPTURES / "office.pcapng"), "--bucket", "1s", "--format", name, "-o", str(tmp_path / "out")]

    assert main(words) == 2
    assert "no room for buckets" in capsys.readouterr().err


def test_conversations_are_explained_as_wholes():
    assert main(["read", str(CAPTURES / "office.pcapng"), "--explain", "ssh", "--bucket", "1s"]) == 2
