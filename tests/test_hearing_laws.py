"""Whether details are wanted or not, what is heard is the same: by the kernel and its openings, or by the dissectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from portcall.decode import Decoder
from portcall.errors import CaptureError
from portcall.flows import FlowTable
from portcall.names import Names
from portcall.sources.captures import open_capture

CAPTURES = sorted((Path(__file__).parents[1] / "captures").glob("*.pcap*"))


def heard(path, *, with_details):
    """(flow, protocol, host names) of each flow; names that the other way need not go on to hear are left out."""
    names = Names(with_details=with_details)
    table = FlowTable(seed=1, listens=True)
    hearing = names.listen_to(table)
    decoder, first_number = Decoder("inner"), 1
    try:
        for batch in open_capture(str(path)).source.batches():
            packets = decoder.decode(batch)
            hearing.hear(batch, packets, table.update(packets, first_number), first_number)
            first_number += len(batch.frames)
    except CaptureError:
        pass  # what could be read counts
    hearing.finish()
    numbers, evidence = hearing.of(np.arange(len(table)))
    rows = table.rows()
    return [
        (
            f"{int(row['protocol'])} {bytes(row['low']).hex()}:{int(row['low_port'])} {bytes(row['high']).hex()}:{int(row['high_port'])}",
            *_said(names.finding(number)),
        )
        for row, number, _ in zip(rows, numbers.tolist(), evidence.tolist(), strict=True)
    ]


def _said(finding):
    """The protocol, and the name that rows would show."""
    return (finding.protocol, finding.names[0] if finding.names else None) if finding else (None, None)


def assert_same(path):
    plain, detailed = heard(path, with_details=False), heard(path, with_details=True)

    assert [(a, b) for a, b in zip(plain, detailed, strict=True) if a != b] == []


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_the_kernel_tells_what_the_dissectors_tell(path):
    assert_same(path)


@pytest.mark.corpus
def test_the_kernel_tells_what_the_dissectors_tell_of_the_corpus(corpus):
    for entry in corpus.entries:
        assert_same(entry.path)
