"""What must hold for every capture, whatever is in it: frames, bytes, the naive oracle, and Zeek's words for states."""

from __future__ import annotations

import contextlib
import itertools
import json

import numpy as np
import pytest
from zeek_states import Comparison, compare_states

import oracle
from examples import DEEPER
from portcall.decoding.decoder import Decoder
from portcall.errors import CaptureError
from portcall.flows.table import FlowTable
from portcall.records.packets import PACKET
from portcall.records.schema import GROUPINGS, directions
from portcall.sources.captures import open_capture
from shard_runs import batches_of, merged, partial_of, rows_of, tracked

LAYERS = ("outer", "inner")
AGREEMENT_WITH_ZEEK = 0.95
SHARDS = (1, 2, 3)
BATCHES = (1, 7, 1000, 1 << 16)
"""Packets in a batch: one by one, off every boundary, and all at once."""


def decoded(path, layer):
    """PACKET[n] of all frames of a capture; at damage, of those before it."""
    decoder, batches = Decoder(layer), [np.zeros(0, PACKET)]
    with contextlib.suppress(CaptureError):
        batches.extend(decoder.decode(batch).copy() for batch in open_capture(path).source.batches())
    return np.concatenate(batches)


def table_of(packets, batch):
    table = FlowTable()
    for start in range(0, len(packets), batch):
        table.update(packets[start : start + batch], start + 1)
    return table


def some(corpus, layer):
    """A third of the captures, another one for each layer; in ``make deep`` all: there are twenty reports of each."""
    return corpus.entries if DEEPER > 1 else corpus.entries[LAYERS.index(layer) :: 3]


def reports(corpus, by, layer):
    for entry in some(corpus, layer):
        report = corpus.report(entry, by, layer)
        if report is not None:
            yield entry, report


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("by", GROUPINGS)
def test_every_frame_has_one_verdict_in_every_grouping(corpus, by, layer):
    wrong = [
        entry.name
        for entry, report in reports(corpus, by, layer)
        if sum(report.coverage.verdicts.values()) != report.coverage.frames
    ]

    assert not wrong


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("by", GROUPINGS)
def test_rows_credit_every_byte_once_and_what_is_credited_twice_is_counted(corpus, by, layer):
    out, into = directions(by)
    wrong = {}

    for entry, report in reports(corpus, by, layer):
        credited = sum(row[f"bytes_{out}"] + row[f"bytes_{into}"] for row in report)
        if credited != report.coverage.bytes + report.coverage.bytes_credited_twice:
            wrong[entry.name] = (credited, report.coverage)

    assert not wrong


@pytest.mark.parametrize("by", ["service", "flow"])
def test_services_and_flows_credit_nothing_twice(corpus, by):
    assert not [entry.name for entry, report in reports(corpus, by, "outer") if report.coverage.bytes_credited_twice]


@pytest.mark.parametrize("by", ["service", "flow"])
def test_rows_credit_every_frame_once(corpus, by):
    out, into = directions(by)
    wrong = [
        entry.name
        for entry, report in reports(corpus, by, "outer")
        if sum(row[f"packets_{out}"] + row[f"packets_{into}"] for row in report) != report.coverage.frames
    ]

    assert not wrong


@pytest.mark.parametrize("by", ["app", "flow"])
def test_every_row_has_an_app_or_a_reason_and_never_both(corpus, by):
    wrong = [
        (entry.name, row)
        for entry, report in reports(corpus, by, "outer")
        for row in report
        if (row["app"] is None) == (row["unattributed_reason"] is None)
    ]

    assert not wrong


@pytest.mark.parametrize("layer", LAYERS)
def test_every_capture_has_the_same_coverage_in_every_grouping(corpus, layer):
    for entry in some(corpus, layer):
        seen = {by: corpus.report(entry, by, layer) for by in GROUPINGS}
        facts = {
            (report.coverage.frames, report.coverage.bytes, tuple(report.coverage.verdicts.items()), report.window_ns)
            for report in seen.values()
            if report
        }

        assert len(facts) <= 1, entry.name


@pytest.mark.parametrize("layer", LAYERS)
def test_the_engine_has_the_rows_of_the_naive_oracle_in_any_batch_size(corpus, layer):
    """Among them what the corpus's own oracle leaves out: later fragments whose first is missing."""
    differing, unmatched_fragments = [], 0

    for entry in corpus.entries:
        packets = decoded(entry.path, layer)
        expected = oracle.canonical(oracle.flow_rows(packets))
        unmatched_fragments += sum(row["kind"] for row in expected) > 0
        for batch in BATCHES:
            rows = [oracle.row_facts(row) for row in table_of(packets, batch).records()]
            if oracle.canonical(rows) != expected:
                differing.append((entry.name, batch))

    assert not differing
    assert unmatched_fragments > 0


def test_a_capture_in_three_shards_has_the_rows_of_the_whole(corpus):
    differing = []

    for entry in corpus.entries if DEEPER > 1 else corpus.entries[::2]:
        batches = batches_of(entry.path)
        frames = sum(len(batch.frames) for batch in batches)
        if frames >= len(SHARDS):
            edges = [frames * part // len(SHARDS) for part in (0, *SHARDS)]
            shards = [partial_of(batches, *ends) for ends in itertools.pairwise(edges)]
            if rows_of(merged(shards).tracker(), "flow") != rows_of(tracked(batches), "flow"):
                differing.append(entry.name)

    assert not differing


def test_the_engine_tallies_verdicts_as_the_naive_oracle_does(corpus):
    for entry in corpus.entries:
        packets = decoded(entry.path, "inner")
        tallies = {
            verdict: (tally.frames, tally.bytes, tally.first_ns, tally.last_ns)
            for verdict, tally in table_of(packets, 1000).tallies().items()
        }

        assert tallies == oracle.verdict_tallies(packets), entry.name


def test_states_are_zeeks_in_most_comparable_rows(corpus, score):
    result = Comparison()

    for entry in corpus.entries:
        logged = corpus.folder / "oracles_zeek" / f"{entry.name}.json"
        if logged.exists():
            views = [corpus.flow_rows(entry, layer) for layer in LAYERS]
            compare_states(json.loads(logged.read_text()), views, result)

    score.append(f"Zeek's conn_state: {len(result.same)} rows the same, {len(result.different)} different")
    score += [f"    {line}" for line in result.different]
    score += [f"    left out, {reason}: {len(rows)} rows" for reason, rows in sorted(result.left_out.items())]
    assert result.agreement >= AGREEMENT_WITH_ZEEK, "\n".join(result.different)
