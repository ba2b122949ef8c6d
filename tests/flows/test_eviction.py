"""Rows that leave a table: nothing is lost with them, and what stays is as if they had never been there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from drawn_packets import batches, random_batch
from examples import examples
from packet_rows import CLIENT, SERVER, first_fragment, later_fragment, packet, packet_rows, reply
from portcall.flows.expiry import Timeouts, are_expired, longest_idle
from portcall.flows.table import FlowTable
from portcall.labels.bucketing import Bucketing
from portcall.records.flows import NEVER, FlowKind
from portcall.records.packets import NO_TIME

LAW = settings(max_examples=examples(60))
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
ALL_TIMES_NS = np.iinfo(np.int64).max
COUNTED = ("packets", "bytes", "payload")


class Leaver:
    """A table that is fed, and what has left it."""

    def __init__(self, width_ns=None):
        self.bucketing = Bucketing(width_ns, None) if width_ns else None
        self.table = FlowTable(bucketing=self.bucketing)
        self.flows, self.cells = [], Counter()
        self.number = 1

    def feed(self, *packets):
        self.table.update(packet_rows(packets), self.number)
        self.number += len(packets)
        return self

    def evict(self, are_leaving=None, before_ns=ALL_TIMES_NS):
        rows = len(self.table)
        leaving = np.ones(rows, np.bool_) if are_leaving is None else are_leaving
        eviction = self.table.leaving(leaving, before_ns)
        cells = eviction.cells(self.table.buckets) if self.bucketing else None
        for indexes, flows in eviction.chunks():
            self.flows += [oracle.row_facts(flow) for flow in flows]
            self._count(flows, cells and cells.of(indexes))
        self.table.evict(eviction)
        return self

    def finish(self):
        cells = self.table.cells()
        for indexes, flows in self.table.indexed_chunks():
            self.flows += [oracle.row_facts(flow) for flow in flows]
            self._count(flows, cells and cells.of(indexes))
        return self

    def _count(self, flows, cells):
        if cells:
            for row, number, counts in zip(cells.rows, cells.numbers, cells.counts, strict=True):
                for name in COUNTED:
                    for side in (0, 1):
                        self.cells[key(oracle.row_facts(flows[row])), int(number), name, side] += int(
                            counts[name][side]
                        )


def key(row):
    return tuple(
        row[name] for name in ("low", "high", "low_port", "high_port", "protocol", "ip_version", "namespace", "kind")
    )


def sums(rows):
    """What rows count together, by the ends of conversations."""
    counted = Counter()
    for row in rows:
        for name in COUNTED:
            for side in (0, 1):
                counted[key(row), name, side] += row[name][side]
    return +counted


def without_fragments(packets):
    return packets[packets["fragmentation"] == 0]


# --- laws


@LAW
@given(batches(), st.integers(1, 9), st.data())
def test_rows_that_left_and_rows_that_stay_count_what_the_whole_counts(packets, batch, data):
    leaver = Leaver()
    for start in range(0, len(packets), batch):
        leaver.table.update(packets[start : start + batch], 1 + start)
        rows = len(leaver.table)
        chosen = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), np.bool_)
        leaver.evict(chosen, data.draw(st.sampled_from([NO_TIME, 2, ALL_TIMES_NS])))
    leaver.finish()

    whole = oracle.flow_rows(packets)
    assert sum_of(leaver.flows) == sum_of(whole)
    flows_alone = without_fragments(packets)
    if len(flows_alone) == len(packets):  # a fragment that comes when its first has left is on no conversation
        assert sums(leaver.flows) == sums(whole)


def sum_of(rows):
    """What rows count in all."""
    return {name: sum(sum(row[name]) for row in rows) for name in COUNTED}


@LAW
@given(batches(), st.data())
def test_rows_that_leave_when_no_more_packets_come_are_those_of_the_whole(packets, data):
    leaver = Leaver()
    leaver.table.update(packets)
    for _ in range(data.draw(st.integers(1, 3))):
        rows = len(leaver.table)
        chosen = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), np.bool_)
        leaver.evict(chosen, NO_TIME)
    leaver.finish()

    conversations = [row for row in leaver.flows if row["kind"] == FlowKind.CONVERSATION]
    whole = [row for row in oracle.flow_rows(packets) if row["kind"] == FlowKind.CONVERSATION]
    assert oracle.canonical(conversations) == oracle.canonical(whole)


@LAW
@given(batches(), st.integers(1, 9), st.data())
def test_what_stays_goes_on_as_if_the_others_had_never_been_there(packets, batch, data):
    gone = data.draw(st.sampled_from([0, 1]))  # all packets of one namespace leave, and stay away
    packets = without_fragments(packets)
    leaver = Leaver()
    for start in range(0, len(packets), batch):
        some = packets[start : start + batch]
        leaver.table.update(some, 1 + start)
        leaver.evict(leaver.table.rows()["namespace"] == gone)
    left = [oracle.row_facts(row) for row in leaver.table.records()]

    expected = [row for row in oracle.flow_rows(packets) if row["namespace"] != gone]
    assert left == expected


@LAW
@given(batches(), st.integers(1, 9), st.sampled_from([1, 2, 10**17]), st.data())
def test_cells_that_left_and_cells_that_stay_are_those_of_the_whole(packets, batch, width_ns, data):
    leaver, whole = Leaver(width_ns), Leaver(width_ns)
    for start in range(0, len(packets), batch):
        for one in (leaver, whole):
            one.table.update(packets[start : start + batch], 1 + start)
        rows = len(leaver.table)
        chosen = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), np.bool_)
        leaver.evict(chosen, data.draw(st.sampled_from([NO_TIME, 2, ALL_TIMES_NS])))
    leaver.finish()
    whole.finish()

    if len(without_fragments(packets)) == len(packets):
        assert +leaver.cells == +whole.cells
    assert by_bucket(leaver.cells) == by_bucket(whole.cells)


def by_bucket(cells):
    """What cells count in all, bucket by bucket."""
    counted = Counter()
    for (_, number, name, _), amount in cells.items():
        counted[number, name] += amount
    return +counted


def test_a_table_of_many_rows_counts_all_whatever_leaves_when():
    random, packets, leaver = np.random.default_rng(7), random_batch(4000, seed=8), Leaver(10**9)
    packets["source_port"] += random.integers(0, 400, len(packets)).astype(np.uint16)
    for start in range(0, len(packets), 100):
        leaver.table.update(packets[start : start + 100], 1 + start)
        leaver.evict(random.random(len(leaver.table)) < 0.3, NO_TIME)
    leaver.finish()

    assert sum_of(leaver.flows) == sum_of(oracle.flow_rows(packets))


def test_columns_of_rows_move_with_them():
    leaver = Leaver()
    column = leaver.table.column(np.dtype(np.uint32))
    leaver.feed(*[packet(target=("10.0.0.2", port)) for port in (1, 2, 3, 4)])
    column[:4] = leaver.table.rows()["high_port"]

    leaver.evict(np.array([True, False, True, False]))

    assert column[:4].tolist() == [2, 4, 0, 0]
    assert leaver.table.rows()["high_port"].tolist() == [2, 4]


# --- what belongs together


def test_a_row_leaves_only_with_the_one_that_it_goes_on_in():
    leaver = Leaver().feed(packet(tcp_flags=ACK), packet(tcp_flags=SYN, tcp_sequence=5))

    leaver.evict(np.array([True, False]))
    assert len(leaver.table) == 2
    leaver.evict(np.array([True, True]))

    assert [row["packets"] for row in leaver.flows] == [(2, 0)]


def test_a_closed_connection_leaves_and_the_next_one_of_its_ends_stays():
    leaver = Leaver().feed(
        packet(tcp_flags=SYN, tcp_sequence=1), packet(tcp_flags=RST), packet(tcp_flags=SYN, tcp_sequence=9), reply()
    )

    leaver.evict(np.array([True, False])).feed(reply()).finish()

    assert [row["packets"] for row in leaver.flows] == [(2, 0), (1, 2)]


def test_packets_of_a_conversation_that_left_begin_another_row():
    leaver = (
        Leaver().feed(packet(tcp_flags=SYN), reply(tcp_flags=SYN | ACK)).evict().feed(packet(tcp_flags=ACK)).finish()
    )

    assert [(row["packets"], row["has_syn"]) for row in leaver.flows] == [((1, 1), 1), ((1, 0), 0)]


def test_fragments_that_waited_leave_with_the_row_of_their_first():
    leaver = Leaver().feed(later_fragment(7, wire=90), first_fragment(7, wire=30)).evict()

    assert [(row["packets"], row["bytes"]) for row in leaver.flows] == [((2, 0), (120, 0))]


def test_a_fragment_whose_first_has_left_is_unmatched():
    leaver = Leaver().feed(first_fragment(7)).evict().feed(later_fragment(7)).finish()

    assert [row["kind"] for row in leaver.flows] == [FlowKind.CONVERSATION, FlowKind.UNMATCHED]


def test_fragments_wait_for_their_first_as_long_as_they_are_told():
    leaver = Leaver().feed(later_fragment(7, ts_ns=10), later_fragment(8, ts_ns=30)).evict(before_ns=20)

    assert [row["packets"] for row in leaver.flows] == [(1, 0)]
    leaver.feed(first_fragment(8, ts_ns=31)).finish()
    assert [row["packets"] for row in leaver.flows] == [(1, 0), (2, 0)]


# --- what expires


def test_idle_is_who_had_no_packet_for_so_long():
    table = Leaver().feed(packet(ts_ns=10), packet(target=("10.0.0.2", 1), ts_ns=15)).table

    assert are_expired(table.rows(), 25, Timeouts(idle_ns=11)).tolist() == [True, False]


def test_active_for_too_long_is_who_began_so_long_ago_whatever_came_since():
    table = Leaver().feed(packet(ts_ns=10), reply(ts_ns=99), packet(target=("10.0.0.2", 1), ts_ns=95)).table

    assert are_expired(table.rows(), 100, Timeouts(active_ns=20)).tolist() == [True, False]


def test_closed_is_who_sent_a_reset_or_a_fin_from_both_ends():
    ports = [("10.0.0.2", port) for port in (1, 2, 3)]
    table = (
        Leaver()
        .feed(
            packet(target=ports[0], tcp_flags=FIN | ACK),
            packet(ports[0], CLIENT, tcp_flags=FIN | ACK),
            packet(target=ports[1], tcp_flags=RST),
            packet(target=ports[2], tcp_flags=FIN | ACK),
        )
        .table
    )

    assert are_expired(table.rows(), 100, Timeouts(closed_ns=10)).tolist() == [True, True, False]


def test_what_has_no_time_never_expires_but_is_the_first_to_go():
    table = Leaver().feed(packet(ts_ns=5), packet(target=SERVER, source=("10.0.0.9", 1), ts_ns=NO_TIME)).table

    assert not are_expired(table.rows(), NEVER, Timeouts(1, 1, 1))[1]
    assert longest_idle(table.rows(), 1).tolist() == [False, True]


def test_memory_of_rows_that_left_is_given_back():
    table, packets = FlowTable(), np.repeat(packet_rows([packet()]), 1 << 16)
    packets["source_port"] = np.arange(1 << 16)
    for namespace in range(4):
        packets["namespace"] = namespace
        table.update(packets)
    before = resident_bytes()
    table.evict(table.leaving(np.arange(len(table)) > 10, 0))

    assert before - resident_bytes() > (1 << 18) * 150


def resident_bytes():
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096
