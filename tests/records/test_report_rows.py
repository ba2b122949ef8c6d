"""Rows of a report come as columns: all, or those that somebody asks for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from made_conversations import GET, answered, connection, inspected_in
from portcall.queries.row_filter import compile_where
from portcall.records.column_values import Words
from portcall.records.report_rows import in_order

ENDS = frozenset({"client_ip", "server_port"})


def test_columns_that_are_asked_for_are_those_of_the_whole():
    rows = inspected_in([*connection([GET]), *answered("www.example.com")])

    asked_for = [row for columns in rows.blocks(names=ENDS) for row in columns.rows(sorted(ENDS))]

    assert asked_for == [{name: row[name] for name in sorted(ENDS)} for row in rows]


def test_what_counts_do_not_tell_is_made_only_where_it_is_asked_for():
    rows = inspected_in(connection([GET]))

    (counted,), (whole,) = rows.blocks(names=ENDS), rows.blocks(names=ENDS | {"hostname"})

    assert "hostname" not in counted.by_name
    assert whole.by_name["hostname"].plain() == ["www.example.com"]


MEASURES = st.integers(0, 3) | st.integers(0, 2**40) | st.integers(-(2**62), 2**63 - 1)


@given(
    st.lists(st.tuples(MEASURES, st.integers(0, 2)), max_size=30), st.none() | st.integers(0, 40), st.integers(0, 30)
)
def test_rows_are_in_order_of_bytes_then_text_then_place(rows, most, cut):
    words = ["udp", "icmp", None]
    measure = np.array([bytes_ for bytes_, _ in rows], np.int64)
    texts = [Words(np.array([code for _, code in part], np.int64), words) for part in (rows[:cut], rows[cut:])]

    order = in_order(texts, measure, most)

    expected = sorted(range(len(rows)), key=lambda at: (-rows[at][0], str(words[rows[at][1]]), at))
    assert order.tolist() == expected[:most]


def test_only_what_a_test_reads_is_made_for_it():
    rows = inspected_in([*connection([GET]), *answered("www.example.com")])
    wanted = compile_where("bytes_to_server > 300 and not packets < 4 or server_port = 53", "flow")
    made = set()

    def are_wanted(columns):
        made.update(columns.by_name)
        return wanted.among(columns)

    few = rows.where(are_wanted, wanted.names)

    assert wanted.names == {"bytes_to_server", "server_port", "packets_to_server", "packets_to_client"}
    assert list(few) == [row for row in rows if wanted(row)]
    assert wanted.names < made
    assert "hostname" not in made
