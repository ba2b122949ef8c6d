"""Counting may be reported, saved and gone on with at any frame, and the rows are those of one run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import portcall
from examples import examples
from made_conversations import answered, batch_of, connection
from portcall.errors import PortcallError
from portcall.runs.following.counting import Counting
from portcall.runs.reading import Reading, ReadOptions
from shard_runs import batches_of, shard_of

CAPTURES = Path(__file__).parents[3] / "captures"
NAMES = ("office.pcapng", "dns.pcap", "fragments.pcap", "ssh.pcap")


@cache
def one_run(name, by):
    return portcall.read(str(CAPTURES / name), by=by)


@cache
def frames_of(name):
    return batches_of(CAPTURES / name)


@settings(max_examples=examples(12))
@pytest.mark.parametrize("by", ["app", "flow", "query"])
@given(data=st.data())
def test_cut_by_kills_and_looked_at_meanwhile_the_report_is_that_of_one_run(by, data):
    name = data.draw(st.sampled_from(NAMES))
    frames = sum(len(batch.frames) for batch in frames_of(name))
    cuts = sorted(data.draw(st.sets(st.integers(1, frames - 1), max_size=3)))
    looks = data.draw(st.booleans())
    reading = Reading(ReadOptions(by=by))

    saved = None
    for start, stop in zip([0, *cuts], [*cuts, frames], strict=True):
        counting = Counting(reading, is_saved=True, before=saved)
        for batch in shard_of(frames_of(name), start, stop):
            counting.feed(batch)
            if looks:
                counting.saved()
        saved = counting.saved()
        report = counting.last_report("x")
        assert counting.frames == stop

    assert report.coverage == one_run(name, by).coverage
    assert report.to_dicts() == one_run(name, by).to_dicts()


@pytest.mark.parametrize("by", ["app", "flow", "host", "query", "time"])
def test_a_look_while_it_counts_changes_nothing_and_shows_all_so_far(by):
    counting = Counting(Reading(ReadOptions(by=by)))
    for batch in frames_of("office.pcapng"):
        counting.feed(batch)
        looked = counting.report("x")
        assert looked.coverage.frames == counting.frames
        len(looked.to_dicts())

    report = counting.last_report("x")

    assert report.coverage == one_run("office.pcapng", by).coverage
    assert report.to_dicts() == one_run("office.pcapng", by).to_dicts()


@pytest.mark.parametrize("is_saved", [True, False])
def test_one_that_begins_anew_knows_the_names_that_resolvers_gave(is_saved):
    counting = Counting(Reading(ReadOptions(by="flow")), is_saved=is_saved)
    told = batch_of([*answered("files.example.org"), *connection([b"hello"])])
    counting.feed(told._replace(frames=told.frames[:2]))
    counting.last_report("x")

    anew = counting.begun_anew()
    anew.feed(told._replace(frames=told.frames[2:]))
    (row,) = anew.last_report("x").to_dicts()

    assert (row["hostname"], row["hostname_source"]) == ("files.example.org", "dns")


def test_bytes_of_nothing_are_refused():
    with pytest.raises(PortcallError, match="no partial result"):
        Counting(Reading(ReadOptions()), is_saved=True, before=b"nothing")
