"""Every trusted capture of the corpus, flow by flow: keys, packets, bytes and times, by its own comparison script."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from pathlib import Path

import pytest
from corpus_reports import compared_rows

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXCEPTIONS = tomllib.loads(Path(__file__).with_name("exceptions.toml").read_text()).get("exception", [])
MAX_EXCEPTIONS = 10
LAYER_OF_VIEW = {"outer+frag": "outer", "inner+frag": "inner"}
TOLERANCE_SECONDS = 2e-6  # compare.py's own


def compared(corpus, compare, view, protocols):
    """(entry, compare.py's result) of every capture."""
    options = Namespace(
        protos=protocols, bytes="frame", times=True, tol=TOLERANCE_SECONDS, labels=False, strict_labels=False
    )
    for entry in corpus.entries:
        rows = compared_rows(corpus.flow_rows(entry, LAYER_OF_VIEW[view]))
        yield entry, compare.compare(entry.oracle, rows, options, view)


def described(compare, entry, result):
    """What differs in one capture, for people."""
    lines = [f"{entry.name}: {result['ok']} of {result['expected']} flows"]
    for kind in ("missing", "extra"):
        lines += [f"    {kind} {compare.fmtk(key)}" for key in result[kind][:3]]
    lines += [f"    wrong {compare.fmtk(key)}: {why}" for key, why in result["wrong"][:3]]
    return "\n".join(lines)


def excepted(view):
    return {exception["capture"] for exception in EXCEPTIONS if view in exception["views"]}


@pytest.mark.parametrize("protocols", ["tcp,udp", "all"])
@pytest.mark.parametrize("view", LAYER_OF_VIEW)
def test_every_trusted_capture_is_exact_but_for_the_written_exceptions(corpus, compare, score, view, protocols):
    exact, differing, count = Counter(), {}, Counter(entry.is_trusted for entry in corpus.entries)

    for entry, result in compared(corpus, compare, view, protocols):
        exact[entry.is_trusted] += result["exact"]
        if entry.is_trusted and not result["exact"]:
            differing[entry.name] = described(compare, entry, result)

    score.append(
        f"{view}, {protocols}: {exact[True]} of {count[True]} trusted captures exact, "
        f"{exact[False]} of {count[False]} doubtful ones"
    )
    unexpected = [text for name, text in differing.items() if name not in excepted(view)]
    assert not unexpected, "\n".join([f"{len(unexpected)} captures", *unexpected])


@pytest.mark.parametrize("view", LAYER_OF_VIEW)
def test_an_exception_is_a_trusted_capture_that_differs(corpus, compare, view):
    differing = {
        entry.name
        for entry, result in compared(corpus, compare, view, "all")
        if entry.is_trusted and not result["exact"]
    }

    assert excepted(view) - differing == set()


def test_exceptions_are_few_and_each_has_its_reason():
    names = {exception["capture"] for exception in EXCEPTIONS}

    assert len(names) <= MAX_EXCEPTIONS
    assert all(set(exception["views"]) <= set(LAYER_OF_VIEW) for exception in EXCEPTIONS)
    assert all(len(exception["reason"].split()) > 5 for exception in EXCEPTIONS)


ZEROS = {"tcpdump__bgp_vpn_rt-oobr.pcap"}
"""Captures that end in zeros, however few, which are padding here and frames of 1970 without bytes for tshark."""


def test_every_trusted_capture_has_the_frames_that_tshark_reads(corpus):
    differing = {}

    for entry in corpus.entries:
        report = corpus.report(entry, "flow")
        frames = report.coverage.frames if report else 0
        if entry.is_trusted and frames != entry.oracle["packets"] and entry.name not in ZEROS:
            differing[entry.name] = (frames, entry.oracle["packets"])

    assert not differing
