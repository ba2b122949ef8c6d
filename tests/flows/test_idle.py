"""A silence that is too long ends a conversation, to the nanosecond, and however its packets are cut into shards."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from portcall.flows.table import FlowTable
from portcall.records.packets import NO_TIME, PACKET

IDLE_NS = 1000
SYN, ACK, FIN = 2, 16, 1


def packets_of(sent):
    """PACKET[n] of (time, client port, flags, sequence)."""
    packets = np.zeros(len(sent), PACKET)
    for packet, (ts_ns, port, flags, sequence) in zip(packets, sent, strict=True):
        packet["ts_ns"], packet["source_port"], packet["target_port"] = ts_ns, port, 443
        packet["tcp_flags"], packet["tcp_sequence"], packet["protocol"] = flags, sequence, 6
        packet["source"][-1], packet["target"][-1], packet["ip_version"], packet["wire"] = 1, 2, 4, 60
    return packets


def naive(sent):
    """(first, last, packets) of each conversation: what a loop over packets with a dictionary says."""
    latest, rows = {}, []
    for ts_ns, port, flags, sequence in sent:
        row = latest.get(port)
        opens = flags & (SYN | ACK) == SYN
        is_other = row is not None and opens and row["syn"] is not None and row["syn"] != sequence
        is_after_end = row is not None and opens and row["syn"] is None and row["ended"]
        if row is None or is_other or is_after_end or ts_ns - row["last"] > IDLE_NS:
            row = latest[port] = {"first": ts_ns, "last": ts_ns, "packets": 0, "syn": None, "ended": False}
            rows.append(row)
        row["last"], row["packets"] = ts_ns, row["packets"] + 1
        row["syn"] = sequence if opens else row["syn"]
        row["ended"] |= bool(flags & FIN)
    return sorted((row["first"], row["last"], row["packets"]) for row in rows)


def rows_of(table):
    records = table.records()
    return sorted(
        zip(
            *(records[name].tolist() for name in ("first_ns", "last_ns")),
            records["packets"].sum(1).tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize(("more_ns", "rows"), [(0, 1), (1, 2)])
def test_a_silence_of_just_that_long_ends_nothing(more_ns, rows):
    sent = [(5, 1, ACK, 0), (5 + IDLE_NS + more_ns, 1, ACK, 0)]
    whole, first, later = (FlowTable(idle_ns=IDLE_NS) for _ in range(3))
    whole.update(packets_of(sent))
    first.update(packets_of(sent[:1]))
    later.update(packets_of(sent[1:]))

    first.merge(later, 1)

    assert len(rows_of(whole)) == rows
    assert rows_of(first) == rows_of(whole) == naive(sent)


def test_packets_without_a_time_end_nothing():
    table = FlowTable(idle_ns=IDLE_NS)

    table.update(packets_of([(NO_TIME, 1, ACK, 0), (5, 1, ACK, 0), (NO_TIME, 1, ACK, 0)]))

    assert len(table) == 1


SENT = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 500, IDLE_NS, IDLE_NS + 1, 3 * IDLE_NS]),
        st.integers(1, 3),
        st.sampled_from([ACK, ACK, SYN, ACK | FIN]),
        st.integers(1, 2),
    ),
    min_size=1,
    max_size=24,
)


@settings(max_examples=examples(60))
@given(SENT, st.data())
def test_shards_in_any_grouping_have_the_conversations_of_a_naive_loop(gaps, data):
    times = np.cumsum([gap for gap, *_ in gaps]).tolist()
    sent = [(ts_ns, *rest) for ts_ns, (_, *rest) in zip(times, gaps, strict=True)]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent)), max_size=4)) | {0, len(sent)})
    tables = []
    for start, stop in pairwise(cuts):
        tables.append((FlowTable(idle_ns=IDLE_NS), stop - start))
        tables[-1][0].update(packets_of(sent[start:stop]))

    while len(tables) > 1:
        at = data.draw(st.integers(0, len(tables) - 2))
        (one, frames), (later, more) = tables[at], tables.pop(at + 1)
        one.merge(later, frames)
        tables[at] = one, frames + more

    assert rows_of(tables[0][0]) == naive(sent)
