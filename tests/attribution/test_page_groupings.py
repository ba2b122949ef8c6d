"""What a page is counted from: every grouping adds up, and conversations that there is no room for are let go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import portcall
from examples import examples
from flow_builder import flow, tallies_of
from portcall.attribution import page_groupings
from portcall.attribution.attribution import Attribution
from portcall.attribution.greatest_flows import GreatestFlows
from portcall.attribution.page_groupings import PageGroupings

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
SIZES = st.lists(st.integers(1, 50), min_size=1, max_size=60)


def flows_of(sizes):
    flows = np.repeat(flow("192.168.1.5 40000", "93.184.216.34 443"), len(sizes))
    flows["high_port"] = 40000 + np.arange(len(sizes))  # of the client, whose address is the higher one
    flows["bytes"][:, 0] = sizes
    flows["bytes"][:, 1] = 0
    return flows


def bytes_of(rows):
    return [row["bytes_to_server"] + row["bytes_to_client"] for row in rows]


def chunks(flows, at):
    return [some for some in np.split(flows, sorted({min(one, len(flows)) for one in at})) if len(some)]


@settings(max_examples=examples(40))
@given(SIZES, st.lists(st.integers(1, 60), max_size=8), st.integers(1, 12))
def test_the_greatest_are_those_of_all_however_they_came(sizes, cuts, most):
    flows, greatest = flows_of(sizes), GreatestFlows(most)
    for some in chunks(flows, cuts):
        greatest.add(some, None, None, None)

    kept, everything = Attribution("flow"), Attribution("flow")
    greatest.hand_to(kept)
    everything.add(flows)

    assert bytes_of(kept.rows({}))[:most] == bytes_of(everything.rows({}))[:most]
    assert len(kept.rows({})) + greatest.left_out == len(flows)
    assert len(kept.rows({})) <= 2 * most


@pytest.mark.parametrize("by", ["app", "host", "flow"])
def test_a_page_with_room_for_few_conversations_adds_up_all_the_same(monkeypatch, by):
    monkeypatch.setattr(page_groupings, "MOST_CONVERSATIONS", 5)
    flows = flows_of(range(1, 101))
    groupings = PageGroupings(by)
    for some in np.split(flows, 10):
        groupings.add(some)

    report = groupings.report(tallies_of(flows), "many")
    reports = {one.by: one for one in (report, *report.page.groupings)}

    assert bytes_of(reports["flow"]) == [100, 99, 98, 97, 96]
    assert reports["flow"].rows_left_out == 95
    assert {one.coverage.bytes_attributed for one in reports.values()} == {int(flows["bytes"].sum())}


def test_pages_of_two_parts_merge_to_that_of_the_whole():
    flows = flows_of(range(1, 21))
    whole, first, second = (PageGroupings("app") for _ in range(3))
    registry = [one._groups["app"]._names for one in (whole, first, second)]
    whole.add(flows)
    first.add(flows[:7])
    second.add(flows[7:])

    first.merge(second)

    tallies = tallies_of(flows)
    one, other = (groupings.report(tallies, "a capture") for groupings in (whole, first))
    assert registry == [None] * 3
    assert one == other
    assert one.page.over_time == other.page.over_time


@pytest.mark.parametrize(("capture", "knows"), [("owners.pcapng", True), ("office.pcapng", False)])
def test_a_page_has_processes_where_the_capture_names_owners(capture, knows):
    report = portcall.read(str(CAPTURES / capture), page=True)

    groupings = {one.by: one for one in report.page.groupings}
    assert ("process" in groupings) is knows
    if knows:
        of_processes = sum(row["bytes_out"] + row["bytes_in"] for row in groupings["process"].rows)
        assert of_processes == report.coverage.bytes + groupings["process"].coverage.bytes_credited_twice
