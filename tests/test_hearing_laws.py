"""Whether details are wanted or not, the same is heard: by the kernel and its openings, or by the dissectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from portcall.decode import Decoder
from portcall.errors import CaptureError
from portcall.flows import FlowTable
from portcall.model import NO_TIME
from portcall.names import Names
from portcall.sources.captures import open_capture

CAPTURES = sorted((Path(__file__).parents[1] / "captures").glob("*.pcap*"))


def heard(path, *, with_details):
    """(ends, protocol, first name, names that resolvers gave either end for the other) of each flow."""
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
    numbers, _ = hearing.of(np.arange(len(table)))
    return [
        (
            tuple(row[end].tobytes() for end in ("low", "high", "low_port", "high_port")),
            *_said(names.finding(number)),
            *(_told(names, row[client], row[server]) for client, server in (("low", "high"), ("high", "low"))),
        )
        for row, number in zip(table.rows(), numbers.tolist(), strict=True)
    ]


def _said(finding):
    """The protocol, and the name that rows would show."""
    return (finding.protocol, finding.names[0] if finding.names else None) if finding else (None, None)


def _told(names, client, server):
    """Each name with when it was told first and until when it held, whoever told it first."""
    return sorted(names._timeline.told_before(client.tobytes(), server.tobytes(), NO_TIME))


def assert_same(path):
    plain, detailed = heard(path, with_details=False), heard(path, with_details=True)

    assert [pair for pair in zip(plain, detailed, strict=True) if pair[0] != pair[1]] == []


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_the_kernel_tells_what_the_dissectors_tell(path):
    assert_same(path)


def test_both_hear_something():
    office = next(path for path in CAPTURES if path.name == "office.pcapng")

    for with_details in (False, True):
        rows = heard(office, with_details=with_details)
        assert any(name for _, _, name, *_ in rows)
        assert any(told for *_, told, _ in rows) or any(told for *_, told in rows)
