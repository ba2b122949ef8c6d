"""Partitions: compared with what a packet at a time would be given, for packets and takeovers of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from portcall.kernels.live.turns import HIGH_ASKS, IS_ECHO, MOST_DATAGRAMS, TURN_BITS
from portcall.ownership.owner_bounds import OwnerBounds
from portcall.records.ownership import ECHO_REQUESTS, ICMP_PROTOCOLS
from portcall.records.packets import FRAME, PACKET, CapturePoint, Fragmentation, FrameBatch, Verdict
from portcall.records.sightings import OWNER_CHANGE
from portcall.runs import partitions as runs_partitions
from portcall.runs.echoes import ROLES
from portcall.runs.partitions import Partitions

SECOND_NS = 1_000_000_000
TCP, UDP, ICMP, GRE = 6, 17, 1, 47
PORTS, IDENTIFIERS, INTERFACES, NAMESPACE = (0, 53, 443, 65535), (7, 443), (2, 5, 70_000), 4026531840
TURNS = (1 << TURN_BITS) - 1

MOST_CHANGES = OwnerBounds().most_takeovers


def named(_namespace, interface):
    return CapturePoint(f"if{interface}")


def packet(time_ns, protocol, ports, *, kind=8, identifier=7, interface=2, swapped=False, fragment=(0, 0)):
    """One decoded packet, and the frame it is of: 8 bytes of ICMP where it has no ports."""
    row, frame = np.zeros(1, PACKET), np.zeros(1, FRAME)
    row["ts_ns"], row["protocol"] = time_ns, protocol
    row["source_port"], row["target_port"] = ports if protocol in (TCP, UDP) else (0, 0)
    row["verdict"] = Verdict.OK if protocol in (TCP, UDP) else Verdict.NO_PORTS
    row["source"][0, 15], row["target"][0, 15] = (9, 1) if swapped else (1, 9)
    row["payload_offset"], frame["captured"], frame["interface"] = 8, 8, interface
    row["fragmentation"], row["datagram"] = fragment
    if fragment[0] == Fragmentation.LATER:
        row["source_port"] = row["target_port"] = 0
        row["verdict"] = Verdict.LATER_FRAGMENT
    return row, frame, bytes([kind, 0, 0, 0]) + identifier.to_bytes(2, "big") + bytes(2)


def batch_of(*packets):
    rows, frames, pieces = zip(*packets, strict=True)
    frames = np.concatenate(frames)
    frames["offset"] = 8 * np.arange(len(frames))
    return FrameBatch(frames, np.frombuffer(b"".join(pieces), np.uint8), 1, NAMESPACE), np.concatenate(rows)


def change(time_ns, protocol, port):
    return np.array([(time_ns, NAMESPACE, port, protocol, 0)], OWNER_CHANGE)


def written(split, *sent):
    batch, rows = batch_of(*sent)
    split.write(batch, rows)
    return rows["namespace"].tolist()


def naive_turns(row, content, changes):
    """One packet after another, over all takeovers of the run."""
    protocol = int(row["protocol"])
    past = [(one["protocol"], one["local_port"]) for one in changes if one["time_ns"] <= row["ts_ns"]]
    if row["verdict"] != Verdict.NO_PORTS:
        alike = [
            port for other, port in past if port and other not in ICMP_PROTOCOLS and (other == TCP) == (protocol == TCP)
        ]
        return alike.count(row["source_port"]) + alike.count(row["target_port"])
    role = ROLES[content[0]] if protocol in ICMP_PROTOCOLS else 0
    if not role:
        return past.count((protocol, 0))
    identifier = int.from_bytes(content[4:6], "big")
    takeovers = sum(other in ICMP_PROTOCOLS and port == identifier for other, port in past) % 4
    asker, other = (bytes(row[end]) for end in (("source", "target") if role == 1 else ("target", "source")))
    return IS_ECHO | identifier | takeovers << 16 | (HIGH_ASKS if asker > other else 0)


packets = st.builds(
    packet,
    st.integers(0, 4 * SECOND_NS),
    st.sampled_from([TCP, UDP, ICMP, 58, GRE]),
    st.tuples(st.sampled_from(PORTS[1:]), st.sampled_from(PORTS)),
    kind=st.sampled_from([0, 3, 8, *ECHO_REQUESTS, 129]),
    identifier=st.sampled_from(IDENTIFIERS),
    interface=st.sampled_from(INTERFACES),
    swapped=st.booleans(),
)
changes = st.builds(
    change,
    st.integers(0, 4 * SECOND_NS),
    st.sampled_from([TCP, UDP, ICMP, 58, GRE]),
    st.sampled_from((*PORTS, *IDENTIFIERS)),
).filter(lambda one: one["local_port"][0] or one["protocol"][0] not in (TCP, UDP))


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(st.lists(changes, max_size=4), st.lists(packets, min_size=1, max_size=8)), max_size=6))
def test_each_packet_gets_the_turns_and_the_interface_that_it_would_get_alone(turns):
    split, so_far, points = Partitions(named), np.zeros(0, OWNER_CHANGE), {}
    for news, fed in turns:
        late_ns = split.last_ns - SECOND_NS  # what is older than this may not be told apart any more
        told = [one for one in news if one["time_ns"][0] >= late_ns]
        sent = [one for one in fed if one[0]["ts_ns"][0] >= late_ns] or [packet(split.last_ns, TCP, (1, 2))]
        so_far = np.concatenate([so_far, *told])
        split.note(np.concatenate([so_far[:0], *told]))

        partitions = written(split, *sent)

        for (row, frame, content), partition in zip(sent, partitions, strict=True):
            assert partition & TURNS == naive_turns(row[0], content, so_far)
            assert points.setdefault(frame["interface"][0], partition >> TURN_BITS) == partition >> TURN_BITS
    assert len(set(points.values())) == len(points)


def test_what_is_decoded_is_gone_over_once_a_batch_and_once_more_for_each_new_interface(monkeypatch):
    calls = []

    class Counted(runs_partitions.TurnWriter):
        def write(self, *wishes):
            calls.append("write")
            return super().write(*wishes)

        def learn(self, *wishes):
            calls.append("learn")
            super().learn(*wishes)

    monkeypatch.setattr(runs_partitions, "TurnWriter", Counted)
    split = Partitions(named)
    split.note(change(0, UDP, 53))
    mixed = [packet(i, UDP, (53, 443), interface=INTERFACES[i % 3]) for i in range(3000)]

    written(split, *mixed)
    first = list(calls)
    calls.clear()
    for _ in range(10):
        written(split, *mixed)

    assert first == ["write", "learn"] * 3 + ["write"]
    assert calls == ["write"] * 10


def test_takeovers_that_nobody_sends_packets_after_are_bounded_and_still_count():
    bounds = OwnerBounds()
    split = Partitions(named, bounds=bounds)
    for start in range(0, 4 * MOST_CHANGES, MOST_CHANGES // 4):
        many = np.zeros(MOST_CHANGES // 4, OWNER_CHANGE)
        many["time_ns"], many["protocol"], many["local_port"] = start + np.arange(len(many)), UDP, 53
        split.note(many)
        assert len(split._changes) <= MOST_CHANGES

    (partition,) = written(split, packet(5 * MOST_CHANGES, UDP, (53, 443)))

    assert partition & TURNS == 4 * MOST_CHANGES
    assert MOST_CHANGES < bounds.takeovers_hurried < 4 * MOST_CHANGES


def test_later_fragments_go_where_their_first_went():
    split = Partitions(named)
    split.note(change(1, UDP, 53))

    first, later, stranger = written(
        split,
        packet(5, UDP, (53, 443), fragment=(Fragmentation.FIRST, 99)),
        packet(6, UDP, (0, 0), fragment=(Fragmentation.LATER, 99)),
        packet(7, UDP, (0, 0), fragment=(Fragmentation.LATER, 98)),
    )

    assert (first & TURNS, later & TURNS, stranger & TURNS) == (1, 1, 0)


@pytest.mark.parametrize("others", [0, MOST_DATAGRAMS - 1, 20 * MOST_DATAGRAMS])
def test_the_latest_fragmented_datagrams_are_remembered_and_not_all(others):
    split = Partitions(named)
    split.note(change(1, UDP, 53))
    row, frame, content = packet(5, UDP, (53, 443), fragment=(Fragmentation.FIRST, 1))
    rows, frames = np.repeat(row, others + 1), np.repeat(frame, others + 1)
    rows["datagram"] = np.arange(1, others + 2)
    rows["namespace"] = 0

    for start in range(0, others + 1, 1000):
        here = slice(start, start + 1000)
        split.write(FrameBatch(frames[here], np.frombuffer(content, np.uint8), 1, NAMESPACE), rows[here])
    (later,) = written(split, packet(6, UDP, (0, 0), fragment=(Fragmentation.LATER, 1)))

    assert (later & TURNS) == (1 if others < MOST_DATAGRAMS else 0)


def test_more_interfaces_than_are_remembered_are_asked_for_again():
    asked = []

    def name(_, interface):
        asked.append(interface)
        return CapturePoint("veth")

    split = Partitions(name)
    row, frame, content = packet(1, UDP, (53, 443))
    count = (1 << 16) + 10
    rows, frames = np.repeat(row, count), np.repeat(frame, count)
    frames["interface"] = np.arange(count)

    for start in range(0, count, 4096):
        here = slice(start, start + 4096)
        split.write(FrameBatch(frames[here], np.frombuffer(content, np.uint8), 1, NAMESPACE), rows[here])

    assert asked == list(range(count))
    assert set((rows["namespace"] >> TURN_BITS).tolist()) == {0}


def test_frames_that_are_not_those_of_the_packets_are_refused():
    batch, rows = batch_of(packet(1, UDP, (53, 443)), packet(2, UDP, (53, 443)))

    with pytest.raises(ValueError, match="a frame for each packet"):
        Partitions(named).write(batch._replace(frames=batch.frames[:1]), rows)
