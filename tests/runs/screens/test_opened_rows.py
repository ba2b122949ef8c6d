"""The conversations of an opened row are those that its bytes are of, on captures that ship."""

from __future__ import annotations

import pytest

from portcall.records.report_rows import Rows
from portcall.runs.screens.opened_rows import conversations_of
from portcall.views.screen.part_sums import part_sums
from portcall.views.screen.pictures import PARTS, Opened, ScreenQuestion
from portcall.views.screen.taking import rows_of
from shown_screens import feed_of


@pytest.fixture(scope="module", params=["office.pcapng", "owners.pcapng", "tunnels.pcap", "fragments.pcap"])
def feed(request):
    return feed_of(request.param)


def bytes_of(row):
    names = ("bytes_out", "bytes_in") if "bytes_out" in row else ("bytes_to_server", "bytes_to_client")
    return sum(row[name] for name in names)


def opened(feed, by):
    """(row, its conversations) of each row of a grouping."""
    flows = rows_of(feed._reports["flow"])
    return [(row, conversations_of(flows, Opened(by, "x", row))) for row in feed._reports[by].rows]


@pytest.mark.parametrize("by", ["app", "service", "process"])
def test_a_row_has_as_many_bytes_as_its_conversations(feed, by):
    if by not in feed.groupings:
        pytest.skip("this capture does not say processes")

    for row, conversations in opened(feed, by):
        assert (row[by], row["unattributed_reason"], sum(map(bytes_of, conversations))) == (
            row[by],
            row["unattributed_reason"],
            bytes_of(row),
        )


def test_a_host_opens_into_all_conversations_that_it_is_an_end_of(feed):
    for row, conversations in opened(feed, "host"):
        if row["host"]:
            assert sum(map(bytes_of, conversations)) >= bytes_of(row)
            ends = [{one["hostname"], one["client_ip"], one["server_ip"]} for one in conversations]
            assert all(row["host"] in names for names in ends)


@pytest.mark.parametrize("part", PARTS[1:-1])
def test_the_parts_of_an_opened_row_have_its_bytes_and_open_into_its_conversations(feed, part):
    (row, conversations), *_ = opened(feed, "app")
    of = Opened("app", "x", row)
    sums = part_sums(conversations, part)

    assert sum(map(bytes_of, sums)) == bytes_of(row)
    for one in sums:
        inner = conversations_of(rows_of(feed._reports["flow"]), Opened("part", "y", {**one, "_part": part, "_of": of}))
        assert sum(map(bytes_of, inner)) == bytes_of(one), one["part"]
        assert len(inner) == one["conversations"]


def test_every_question_has_a_picture(feed):
    (row, _), *_ = opened(feed, "app")

    for by in feed.groupings:
        picture = feed._picture(ScreenQuestion(by, with_addresses=True, with_processes=by == "app"))
        assert len(picture) == len(feed._reports[by].rows)
        assert isinstance(picture.rows, Rows)
    for part in PARTS:
        assert len(feed._picture(ScreenQuestion(part, Opened("app", "x", row)))) >= 1
