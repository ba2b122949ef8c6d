"""Rows of a report come as columns: all, or those that somebody asks for."""

from __future__ import annotations

from made_conversations import GET, answered, connection, inspected_in

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
