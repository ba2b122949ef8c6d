"""``Partial.from_bytes``: bytes behind a line that says that this build wrote them; what they are is used."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from byte_pieces import BytePieces
from capture_seeds import frames
from portcall.attribution.attribution import Attribution
from portcall.errors import PortcallError
from portcall.exports import json_envelope
from portcall.inspection.server_names import ServerNames
from portcall.labels.bucketing import Bucketing
from portcall.records.packets import FRAME, FrameBatch
from portcall.runs.capture_tracker import CaptureTracker
from portcall.runs.inspected_table import Shard
from portcall.runs.partial import Partial
from portcall.runs.partial_bytes import build
from portcall.runs.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 24_000
_LINE = b"portcall partial " + build().encode() + b"\n"
_AS_IT_IS, _MERGES = 1, 2


def seeds() -> Iterator[bytes]:
    """Partials of a few frames, with and without what is optional."""
    import numpy as np

    for at in range(0, len(frames()), 40):
        with_names, with_buckets = at // 40 % 3 > 0, at // 40 % 2 > 0
        names = ServerNames(with_details=True, with_questions=with_buckets) if with_names else None
        bucketing = Bucketing(1_000_000_000, None) if with_buckets else None
        tracker = Tracker(names=names, shard=Shard.LATER, bucketing=bucketing)
        for seed in frames()[at : at + 4]:
            row = np.zeros(1, FRAME)
            row["captured"] = row["wire"] = len(seed.content)
            row["link"], row["ts_ns"] = seed.link, seed.ts_ns
            tracker.feed(FrameBatch(row, np.frombuffer(seed.content, np.uint8), 1))
        whole = Partial.of(tracker).to_bytes()
        if len(whole) < MOST_BYTES:
            yield bytes([_MERGES * (at // 40 % 2)]) + whole.partition(b"\n")[2]


def examine(data: bytes) -> None:
    """They are refused with a sentence, or are a partial that merges, can be written and attributed."""
    pieces = BytePieces(data)
    flags = pieces.number()
    content = pieces.rest()
    try:
        partial = Partial.from_bytes(content if flags & _AS_IT_IS else _LINE + content)
        again = Partial.from_bytes(partial.to_bytes())
        if flags & _MERGES:
            again.shard = Shard.LATER
            partial.merge(again)
    except PortcallError as error:
        str(error).encode("utf-8", "surrogateescape")
        return
    tracker = partial.tracker()
    attribution = Attribution("flow", (), tracker.names)
    run = CaptureTracker(attribution, tracker)
    json_envelope.write(attribution.report(run.finish(), "fuzzing"), io.StringIO())
