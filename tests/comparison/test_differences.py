"""Differences: what is new, gone, grown or shrunk, and rows that add up to both sides, whatever these are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from portcall.comparison.differences import CHANGES, Side, Thresholds, difference
from portcall.comparison.keyed_sums import KeyedSums, grouping_of_both
from portcall.errors import PortcallError, UsageError
from portcall.records.schema import COMPARED_BY, column_names, columns

MIRRORED = {"new": "gone", "gone": "new", "grown": "shrunk", "shrunk": "grown", "same": "same"}
BYTES = st.integers(0, 1 << 40)
ROWS = st.lists(
    st.builds(
        lambda app, host, reason, out, back: {
            "protocol": "tcp",
            "app": app,
            "hostname": host,
            "server_ip": "192.0.2.1",
            "unattributed_reason": None if app else reason,
            "bytes_to_server": out,
            "bytes_to_client": back,
            "packets_to_server": 1,
            "packets_to_client": 2,
        },
        st.sampled_from(["curl", "ssh", None]),
        st.sampled_from(["a.example", "b.example", None]),
        st.sampled_from(["no-owner", "ambiguous"]),
        BYTES,
        BYTES,
    ),
    max_size=12,
)
THRESHOLDS = st.builds(Thresholds, st.floats(1, 100), BYTES, st.just(1))


def side(rows, by="app+host", source="side", **bound):
    sums = KeyedSums(by, "flow", **bound)
    sums.add_rows(rows)
    return Side(source, None, sums)


def changes(before, after, **thresholds):
    rows, _ = difference(side(before), side(after), Thresholds(**thresholds))
    return {(row["app"], row["host"]): row["change"] for row in rows}


def row(app, size, host="a.example"):
    return {
        "protocol": "tcp", "app": app, "hostname": host, "server_ip": "192.0.2.1", "unattributed_reason": None,
        "bytes_to_server": size, "bytes_to_client": 0, "packets_to_server": 1, "packets_to_client": 0,
    }  # fmt: skip


def test_what_only_one_side_has_is_new_or_gone_however_little():
    assert changes([row("curl", 1)], [row("ssh", 1)]) == {("curl", "a.example"): "gone", ("ssh", "a.example"): "new"}


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (10_000, 20_000, "grown"),
        (10_000, 19_999, "same"),
        (20_000, 10_000, "shrunk"),
        (19_999, 10_000, "same"),
        (1_000, 10_999, "same"),
        (1_000, 11_000, "grown"),
        (0, 10_000, "grown"),
    ],
)
def test_grown_and_shrunk_is_what_is_twice_as_much_and_ten_kilobytes_more(before, after, word):
    assert changes([row("curl", before)], [row("curl", after)]) == {("curl", "a.example"): word}


def test_where_rates_are_compared_twice_as_much_in_twice_the_time_is_the_same():
    before, after = [row("curl", 100_000)], [row("curl", 200_000)]

    (told,), _ = difference(side(before), side(after), Thresholds(times_as_long=2))

    assert (told["change"], told["bytes_change"], told["ratio_percent"]) == ("same", 100_000, 100)


def test_what_changed_by_most_bytes_stands_first():
    before = [row("a", 50), row("b", 10_000_000)]
    after = [row("a", 70), row("b", 10_000_100), row("c", 1000)]

    rows, _ = difference(side(before), side(after))

    assert [told["app"] for told in rows] == ["c", "b", "a"]


def test_what_has_no_app_is_told_apart_by_its_reason():
    before = [row(None, 5) | {"unattributed_reason": "no-owner"}]
    after = [row(None, 5) | {"unattributed_reason": "ambiguous"}]

    rows, _ = difference(side(before), side(after))

    assert {(told["change"], told["unattributed_reason"]) for told in rows} == {
        ("gone", "no-owner"),
        ("new", "ambiguous"),
    }


def test_rows_of_a_store_that_have_app_and_host_are_a_side_too():
    stored = {"app": "curl", "host": "a.example", "bytes_out": 1, "bytes_in": 2, "packets_out": 1, "packets_in": 1}
    sums = KeyedSums("app+host", "app")
    sums.add_rows([stored | {"flows": 4}, stored | {"flows": 1, "host": "b.example"}])

    rows, _ = difference(side([row("curl", 3)]), Side("yesterday", None, sums), Thresholds(least_bytes=0))

    assert [(one["host"], one["change"], one["flows_after"]) for one in rows] == [
        ("b.example", "new", 1),
        ("a.example", "same", 4),
    ]


def test_a_conversation_without_a_name_is_with_its_address():
    (told,), _ = difference(side([row("ssh", 1, None)]), side([]))

    assert told["host"] == "192.0.2.1"


@given(rows=ROWS, thresholds=THRESHOLDS, by=st.sampled_from(["app+host", "app", "host"]))
@settings(max_examples=examples(60))
def test_nothing_differs_from_itself(rows, thresholds, by):
    told, _ = difference(side(rows, by), side(rows, by), thresholds)

    assert {one["change"] for one in told} <= {"same"}
    assert all(one["bytes_change"] == 0 for one in told)


@given(before=ROWS, after=ROWS, thresholds=THRESHOLDS, most_keys=st.integers(1, 9))
@settings(max_examples=examples(60))
def test_rows_and_their_changes_add_up_to_both_sides_however_little_room_there_is(before, after, thresholds, most_keys):
    rows, coverage = difference(side(before, most_keys=most_keys), side(after, most_keys=most_keys), thresholds)

    for name, given_rows, totals in (("before", before, coverage.before), ("after", after, coverage.after)):
        size = sum(one["bytes_to_server"] + one["bytes_to_client"] for one in given_rows)
        assert sum(one[f"bytes_{name}"] for one in rows) == totals.bytes == size
        assert sum(getattr(change, f"bytes_{name}") for change in coverage.changes.values()) == size
        assert sum(one[f"flows_{name}"] for one in rows) == totals.flows == len(given_rows)
        assert sum(one[f"packets_{name}"] for one in rows) == totals.packets == 3 * len(given_rows)
    assert sum(change.rows for change in coverage.changes.values()) == len(rows)


@given(before=ROWS, after=ROWS, thresholds=THRESHOLDS)
@settings(max_examples=examples(60))
def test_the_other_way_round_it_is_the_same_with_the_words_swapped(before, after, thresholds):
    there, _ = difference(side(before), side(after), thresholds)
    back, _ = difference(side(after), side(before), thresholds)

    def mirrored(one):
        swapped = {f"{count}_{way}" for count in ("bytes", "flows", "packets") for way in ("before", "after")}
        other = {"before": "after", "after": "before"}
        counts = {name: one[f"{name.split('_')[0]}_{other[name.split('_')[1]]}"] for name in swapped}
        return one | counts | {"change": MIRRORED[one["change"]], "bytes_change": -one["bytes_change"]}

    without_ratio = [{name: value for name, value in one.items() if name != "ratio_percent"} for one in back]
    assert [
        {name: value for name, value in mirrored(one).items() if name != "ratio_percent"} for one in there
    ] == without_ratio


def test_every_row_has_all_columns_and_every_word_is_documented():
    (told,), coverage = difference(side([row("curl", 1)]), side([]))

    assert tuple(told) == column_names("diff")
    assert tuple(coverage.changes) == CHANGES
    assert columns("diff")[0].meaning == f"{', '.join(CHANGES[:-1])} or {CHANGES[-1]}"


@pytest.mark.parametrize("by", COMPARED_BY)
def test_two_captures_may_be_compared_by_anything(by):
    assert grouping_of_both(by, [None, None]) == (by, "flow" if by == "app+host" else by)


@pytest.mark.parametrize(
    ("by", "groupings", "found"),
    [
        (None, [None, "app"], ("app", "app")),
        (None, ["flow", None], ("app+host", "flow")),
        ("host", ["flow", "flow"], ("host", "flow")),
        ("user", ["user", None], ("user", "user")),
    ],
)
def test_a_report_decides_what_it_is_compared_by(by, groupings, found):
    assert grouping_of_both(by, groupings) == found


@pytest.mark.parametrize(
    ("by", "groupings", "why"),
    [
        (None, ["app", "flow"], "one is by app, the other by flow"),
        ("host", ["app", None], "--by host: the report is by app"),
        ("service", ["flow", None], "app\\+host or app or host"),
        (None, ["time", None], "by time cannot be compared"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_what_could(by, groupings, why):
    with pytest.raises(UsageError, match=why):
        grouping_of_both(by, groupings)


def test_more_bytes_than_there_can_be_are_refused():
    with pytest.raises(PortcallError, match="64 bits"):
        difference(side([row("a", (1 << 63) - 1), row("b", 1)]), side([]))
