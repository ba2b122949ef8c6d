"""Conversations that leave their table when they are over say what they would have said at the end, names included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from portcall.attribution.attribution import Attribution
from portcall.labels.bucketing import Bucketing
from shard_runs import Options, batches_of, tracked

CAPTURES = Path(__file__).parents[2] / "captures"
NAMES = ("office.pcapng", "dns.pcap", "fragments.pcap", "reuse.pcap", "tunnels.pcap", "ssh.pcap", "cooked.pcapng")
IDENTITY = ("low", "high", "low_port", "high_port", "protocol", "namespace", "first_frame")


def identity(flow):
    return tuple(flow[name].tobytes() for name in IDENTITY)


def whole_table(name, options):
    tracker = tracked(batches_of(CAPTURES / name), options)
    return tracker, tracker.tables[0]


def added(attribution, table):
    """Rows, in no order, of all that was attributed and all that is in the table."""
    table.finish()
    cells = table.flows.cells()
    for rows, flows in table.flows.indexed_chunks():
        attribution.add(flows, found=table.detected(rows), cells=cells.of(rows) if cells else None)
    return sorted(map(repr, attribution.rows({})))


def read_letting_go(name, options, by, frames_at_once, leaves):
    """The rows of a capture of which each conversation may leave as soon as it has all its packets."""
    tracker, whole = whole_table(name, options)
    final = {identity(flow): flow["packets"].tolist() for flow in whole.flows.rows()}
    tracker = tracked((), options)
    attribution = Attribution(by, (), tracker.names)

    def take(left):
        attribution.add(left.flows, found=left.detected, cells=left.cells)

    for batch in batches_of(CAPTURES / name):
        for start in range(0, len(batch.frames), frames_at_once):
            tracker.feed(batch._replace(frames=batch.frames[start : start + frames_at_once]))
            table = tracker.tables[0]
            rows = table.flows.rows()
            are_over = np.array([final.get(identity(flow)) == flow["packets"].tolist() for flow in rows], np.bool_)
            table.evict(are_over & leaves(len(rows)), np.iinfo(np.int64).min, take)
    return added(attribution, tracker.tables[0])


@settings(max_examples=examples(20), deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from([7, 50, 1000]), st.sampled_from(["flow", "app", "host"]), st.data())
def test_rows_are_those_of_the_whole_whenever_conversations_leave(name, frames_at_once, by, data):
    random = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    tracker, whole = whole_table(name, Options())
    expected = added(Attribution(by, (), tracker.names), whole)

    assert read_letting_go(name, Options(), by, frames_at_once, lambda rows: random.random(rows) < 0.5) == expected


@pytest.mark.parametrize("name", NAMES)
def test_buckets_of_time_are_those_of_the_whole(name):
    options = Options(bucketing=Bucketing(5 * 10**6))
    tracker, whole = whole_table(name, options)
    expected = added(Attribution("flow", (), tracker.names), whole)

    assert read_letting_go(name, options, "flow", 50, lambda rows: np.ones(rows, np.bool_)) == expected


@pytest.mark.parametrize("name", ["dns.pcap", "office.pcapng"])
def test_questions_leave_with_the_conversations_that_asked_them(name):
    options = Options(with_questions=True)
    tracker, whole = whole_table(name, options)
    expected = added(Attribution("query", (), tracker.names), whole)

    assert read_letting_go(name, options, "query", 7, lambda rows: np.ones(rows, np.bool_)) == expected
