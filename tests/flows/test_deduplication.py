"""Rows of conversations that passed several interfaces: one is kept of each."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from portcall.flows.deduplication import deduplicate
from portcall.records.flows import FLOW

SYN = st.tuples(st.just(1), st.integers(0, 1))
PLAIN = st.just((0, 0))
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 1), st.one_of(SYN, PLAIN), st.integers(0, 5), st.integers(0, 5), st.booleans()
    ),
    max_size=12,
)


def flow(port, *, network=0, syn=(0, 0), sent=(1, 1), owned=False):
    row = np.zeros((), FLOW)
    row["low_port"], (row["has_syn"], row["syn_sequence"]) = port, syn
    for name, factor in (("packets", 1), ("bytes", 100), ("payload", 50), ("tcp_flags", 1)):
        row[name] = np.array(sent) * factor
    return row, network, owned


def deduplicated(*rows):
    flows = np.zeros(len(rows), FLOW)
    for i, (row, _, _) in enumerate(rows):
        flows[i] = row
    networks, owned = ([row[at] for row in rows] for at in (1, 2))
    return deduplicate(flows, np.array(networks, np.uint32), np.array(owned, np.bool_))


def test_rows_of_one_conversation_are_one():
    result = deduplicated(flow(1), flow(2), flow(1))

    assert (result.kept.tolist(), result.duplicates.tolist(), result.shared.tolist()) == ([0, 1], [2], [0])


def test_another_syn_is_another_conversation():
    result = deduplicated(flow(1, syn=(1, 5)), flow(1, syn=(1, 6)), flow(1))

    assert result.kept.tolist() == [0, 1, 2]


def test_another_network_is_another_conversation():
    assert deduplicated(flow(1), flow(1, network=1)).kept.tolist() == [0, 1]


def test_a_row_with_an_owner_is_kept_before_one_with_more_bytes():
    assert deduplicated(flow(1, sent=(9, 9)), flow(1, owned=True)).kept.tolist() == [1]


def test_the_row_with_most_bytes_is_kept_where_nobody_or_everybody_is_known():
    assert deduplicated(flow(1), flow(1, sent=(1, 9)), flow(1, sent=(2, 2))).kept.tolist() == [1]


def test_each_direction_counts_where_most_of_it_passed():
    (row,) = deduplicated(flow(1, sent=(9, 0)), flow(1, sent=(2, 4))).flows

    assert (row["packets"].tolist(), row["payload"].tolist(), row["tcp_flags"].tolist()) == ([9, 4], [450, 200], [9, 4])


@given(ROWS)
def test_as_many_rows_are_left_as_there_are_conversations(drawn):
    rows = [flow(port, network=network, syn=syn, sent=(a, b), owned=owned) for port, network, syn, a, b, owned in drawn]

    result = deduplicated(*rows)

    expected = {}
    for port, network, syn, a, b, _ in drawn:
        most = expected.get((port, network, syn), (0, 0))
        expected[port, network, syn] = max(most[0], a), max(most[1], b)
    assert len(result.kept) == len(result.flows) == len(expected)
    assert sorted(result.kept.tolist() + result.duplicates.tolist()) == list(range(len(rows)))
    assert sorted(map(tuple, result.flows["packets"].tolist())) == sorted(expected.values())
