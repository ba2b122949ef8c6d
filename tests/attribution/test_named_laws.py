"""Laws that hold whatever the traffic says: every byte is credited."""

from __future__ import annotations

import struct
import tracemalloc
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

import capture_damage
from portcall.attribution.attribution import Attribution
from portcall.decoding.decoder import Decoder
from portcall.flows.table import FlowTable
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.inspection.server_names import ServerNames
from portcall.records.ownership import Match, MatchQuality, Owner, Program
from portcall.records.packets import FRAME, FrameBatch
from portcall.records.schema import GROUPINGS, directions
from portcall.runs import offline
from portcall.sources.captures import open_capture

CAPTURES = Path(__file__).parents[2] / "captures"
READABLE = sorted([*CAPTURES.glob("*.pcap*"), *CAPTURES.glob("broken/*.pcap*")])
READABLE = [path for path in READABLE if path.name not in ("empty.pcap", "damaged.pcap.gz")]
OFFICE = CAPTURES / "office.pcapng"


@pytest.mark.parametrize("local", [(), ("0.0.0.0/0", "::/0")], ids=["inferred", "all local"])
@pytest.mark.parametrize(
    ("by", "names"), [(by, names) for by in GROUPINGS for names in (True, False) if names or by != "query"]
)
@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.name)
def test_every_byte_is_credited_and_every_frame_has_a_verdict(path, by, local, names):
    report = offline.read([str(path)], by=by, local=local, names=names).report

    coverage = report.coverage
    credited = sum(row[f"bytes_{way}"] for row in report.rows for way in directions(by))
    assert credited == coverage.bytes + coverage.bytes_credited_twice
    assert coverage.frames == sum(coverage.verdicts.values())
    assert coverage.bytes_credited_twice == 0 or by in ("app", "host")


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.name)
def test_names_change_what_conversations_are_called_and_none_of_their_numbers(path):
    named, plain = (offline.read([str(path)], by="flow", names=names).report.rows for names in (True, False))

    assert sorted(map(_numbers, named)) == sorted(map(_numbers, plain))


@pytest.mark.parametrize("by", GROUPINGS)
def test_a_capture_of_nothing_but_later_fragments_has_its_row(tmp_path, by):
    fragment = Ether() / IP(src="10.0.0.1", dst="192.0.2.1", proto=17, frag=100) / bytes(40)
    capture_damage._write_pcap(tmp_path / "fragments.pcap", [bytes(fragment)])

    (row,) = offline.read([str(tmp_path / "fragments.pcap")], by=by).report.rows

    assert row["unattributed_reason"] == (None if by == "time" else "fragment-without-first")


def _numbers(row):
    return tuple(
        str(value) for name, value in row.items() if name.endswith(("_ip", "_port", "_server", "_client", "_ns"))
    )


@pytest.fixture(scope="module")
def batches():
    """The office capture's batches, each with a buffer of its own."""
    read = open_capture(str(OFFICE)).source.batches()
    return [batch._replace(frames=batch.frames.copy(), buffer=batch.buffer.copy()) for batch in read]


def inspected(batches, names, first_number=1):
    """A flow table, and what was heard in it."""
    table, decoder = FlowTable(seed=1, max_flows=4096, inspects=True), Decoder("outer")
    inspector = names.inspector_for(table)
    for batch in batches:
        packets = decoder.decode(batch)
        inspector.inspect(batch, packets, table.update(packets, first_number), first_number)
        first_number += len(batch.frames)
    inspector.finish()
    return table, inspector


def flood(first, count, sent):
    """A batch of so many conversations that say this and no more."""
    header = bytes(12) + b"\x08\0"
    frames = []
    for number in range(first, first + count):
        tcp = struct.pack(">HHIIBBHHH", 1024 + number % 60000, 9999, 7, 0, 0x50, 0x18, 1000, 0, 0) + sent
        lengths = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 7, 0, 64, 6, 0)
        frames.append(header + lengths + struct.pack(">I", 0x0A000000 + number // 60000) + b"\xc0\0\2\1" + tcp)
    rows = np.zeros(count, FRAME)
    rows["captured"] = rows["wire"] = len(frames[0])
    rows["offset"], rows["link"] = np.arange(count) * len(frames[0]), 1
    return FrameBatch(rows, np.frombuffer(b"".join(frames), np.uint8), first + 1)


def test_conversations_that_say_one_byte_each_are_held_within_the_bound():
    names = ServerNames(bounds=InspectionBounds(most_held_bytes=1 << 20))
    table, decoder = FlowTable(seed=1, max_flows=1 << 14, inspects=True), Decoder("outer")
    listener = names.inspector_for(table)
    listener.of(np.zeros(0, np.int64))  # what the library itself takes once is not the conversations'

    tracemalloc.start()
    for first in range(0, 6000, 1000):
        batch = flood(first, 1000, b"\x16")
        packets = decoder.decode(batch)
        listener.inspect(batch, packets, table.update(packets, first + 1), first + 1)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(table) == 6000
    assert 0 < len(listener._conversations) < 1000
    assert 0 < names.bounds.given_up <= 6000 - len(listener._conversations)
    assert held < 4 << 20


CURL = Owner(41, 1_000, Program("curl", "/usr/bin/curl"), "anna")
NGINX = Owner(80, 500, Program("nginx"))
MATCHES = [
    Match(CURL, MatchQuality.EXACT, "sock_diag"),
    Match(NGINX, MatchQuality.WILDCARD, "psutil"),
    Match(None, MatchQuality.NONE, "sock_diag", "no-owner"),
    Match(None, MatchQuality.AMBIGUOUS, "sock_diag", "ambiguous"),
    Match(Owner(0, None, Program("[kernel]")), MatchQuality.WILDCARD, "sock_diag", "kernel"),
]
NO_OWNER = MATCHES[2]
ATTRIBUTING = ("app", "process", "flow")


def owned_report(batches, by, whose):
    """A report with names, and with the owners and local ends of each flow as ``whose(row)`` says, low end first."""
    names = ServerNames(with_details=by == "flow")
    table, inspector = inspected(batches, names)
    attribution = Attribution(by, (), names)
    for rows, chunk in table.indexed_chunks():
        flows = chunk.copy()
        low, high = zip(*map(whose, rows.tolist()), strict=True)
        flows["local"] = [(one is not None) | (other is not None) << 1 for one, other in zip(low, high, strict=True)]
        attribution.add(flows, low, high, inspector.of(rows))
    return attribution.report(table.tallies(), "test")


def drawn(seed, most_local):
    """Owners for every row, the same whatever is asked: of so many ends at the most, the others are not local."""

    def whose(row):
        random = Random(f"{seed} {row}")
        ends = [random.choice(MATCHES), random.choice([None, *MATCHES]) if most_local > 1 else None]
        random.shuffle(ends)
        return ends

    return whose


@pytest.mark.parametrize("seed", range(6))
def test_groupings_by_owner_agree_on_what_is_attributed_whatever_names_say(batches, seed):
    app, process, flow = (owned_report(batches, by, drawn(seed, 1)).coverage for by in ATTRIBUTING)

    assert app == process == flow
    assert 0 < app.bytes_attributed < app.bytes


@pytest.mark.parametrize("seed", range(6))
def test_apps_and_processes_agree_where_both_ends_are_local_too(batches, seed):
    app, process = (owned_report(batches, by, drawn(seed, 2)).coverage for by in ("app", "process"))

    assert app == process
    assert app.bytes_credited_twice > 0


@pytest.mark.parametrize("by", ATTRIBUTING)
def test_without_owners_only_what_has_no_sockets_is_attributed(batches, by):
    icmp = sum(
        row["bytes_to_server"] + row["bytes_to_client"]
        for row in offline.read([str(OFFICE)], by="flow").report.rows
        if row["protocol"] in ("icmp", "icmp6")
    )

    report = owned_report(batches, by, lambda _: (NO_OWNER, None))

    assert report.coverage.bytes_attributed == icmp == 1326
    assert {row["app_source"] for row in report.rows if row["unattributed_reason"] is None} == {"protocol"}


@pytest.mark.parametrize("by", ATTRIBUTING)
def test_the_reasons_of_a_report_are_the_same_bytes_in_every_grouping_by_owner(batches, by):
    reasons = {
        one: bytes_by_reason(owned_report(batches, one, drawn(7, 1)).rows, directions(one)) for one in ("app", by)
    }

    assert reasons["app"] == reasons[by]
    assert set(reasons[by]) >= {None, "no-owner", "ambiguous", "kernel"}


def bytes_by_reason(rows, ways):
    counted = Counter()
    for row in rows:
        counted[row["unattributed_reason"]] += sum(row[f"bytes_{way}"] for way in ways)
    return counted
