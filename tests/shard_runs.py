"""Reading a part of a capture, and merging parts, by functions that another process can be asked to run."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portcall.attribution.attribution import Attribution
from portcall.decoding.copies import Copies
from portcall.decoding.decoder import Decoder
from portcall.errors import CaptureError
from portcall.inspection.server_names import ServerNames
from portcall.owners.recorded.inside import OwnersOfCapture
from portcall.runs.capture_tracker import CaptureTracker
from portcall.runs.inspected_table import Shard
from portcall.runs.partial import Partial
from portcall.runs.tracker import Tracker
from portcall.sources.captures import open_capture

if TYPE_CHECKING:
    from portcall.labels.bucketing import Bucketing


@dataclass(frozen=True)
class Options:
    """How a shard is read."""

    layer: str = "outer"
    with_details: bool = True
    names: bool = True
    with_questions: bool = False
    bucketing: Bucketing | None = None


AS_USUAL = Options()


def batches_of(path, owners=None):
    """The batches of a capture, as far as it can be read, each with its own buffer; ``owners`` are its ClaimTable."""
    batches = []
    reader = None if owners is None else lambda: OwnersOfCapture(owners)
    with suppress(CaptureError):
        batches.extend(
            batch._replace(frames=batch.frames.copy(), buffer=batch.buffer.copy())
            for batch in open_capture(str(path), owners=reader).source.batches()
        )
    return batches


def shard_of(batches, start, stop):
    """Frames start … stop - 1 of some batches; with what the capture says beside its frames before them."""
    at, frames = 0, sum(len(batch.frames) for batch in batches)
    for batch in batches:
        first, last = (min(max(place - at, 0), len(batch.frames)) for place in (start, stop))
        if at < stop or at == frames:
            yield batch.some(slice(first, last))
        at += len(batch.frames)


def tracked(batches, options=AS_USUAL, shard=None, owners=None):
    """A tracker that was fed these."""
    names = None
    if options.names:
        names = ServerNames(with_details=options.with_details, with_questions=options.with_questions)
    tracker = Tracker(
        Decoder(options.layer),
        names,
        copies=Copies(removes=False),
        shard=shard,
        bucketing=options.bucketing,
        owners=owners,
    )
    for batch in batches:
        tracker.feed(batch)
    return tracker


def read_shard(path, start, stop, options=AS_USUAL):
    """The bytes of the partial of these frames of a capture."""
    return partial_of(batches_of(path), start, stop, options).to_bytes()


def partial_of(batches, start, stop, options=AS_USUAL, owners=None):
    """The partial of these frames of some batches, by way of its bytes."""
    tracker = tracked(shard_of(batches, start, stop), options, Shard.LATER if start else Shard.FIRST, owners)
    return Partial.from_bytes(Partial.of(tracker).to_bytes())


def merged(partials):
    """All in one, the last two first."""
    *others, partial = partials
    for earlier in reversed(others):
        earlier.merge(partial)
        partial = Partial.from_bytes(earlier.to_bytes())
    return partial


def merge_bytes(one, later):
    """The bytes of two partials in one."""
    partial = Partial.from_bytes(one)
    partial.merge(Partial.from_bytes(later))
    return partial.to_bytes()


def rows_of(tracker, by):
    """The rows of a tracker that is fed no more."""
    attribution = Attribution(by, (), tracker.names)
    run = CaptureTracker(attribution, tracker)
    return attribution.rows(run.finish())
