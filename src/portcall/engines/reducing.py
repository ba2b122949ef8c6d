"""Parts of ranges that belong together, merged in the order of their ranges, and the rows that they come to.

Names may be told anywhere: what resolvers answered is merged first, over all ranges of a sensor, and is given to who
makes rows. So there are two phases, and the second reads no capture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.attribution.attribution import Attribution
from portcall.engines.state_parts import nothing_of_state
from portcall.flows.table import FlowTable
from portcall.runs.capture_tracker import CaptureTracker
from portcall.runs.inspected_table import Shard
from portcall.runs.partial import Partial

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from portcall.records.report import Report


def merge(parts: Iterable[tuple[int, bytes]], frames_before: Mapping[int, int]) -> Partial:
    """One partial of parts of one bucket, given with the numbers of their ranges.

    ``frames_before`` is how many frames go before each range. ValueError without any part. Frames keep their numbers in
    the whole, though not every range has a part in every bucket.
    """
    whole: Partial | None = None
    for number, data in sorted(parts):
        part = Partial.from_bytes(data)
        part.shard = Shard.LATER
        if whole is None:
            whole = _nothing_like(part)
        whole.frames = frames_before[number]
        whole.merge(part)
    if whole is None:
        raise ValueError("nothing to merge")
    return whole


def names_of(rest: Partial, telling: Partial | None) -> Partial:
    """What is on no row of a sensor, with what conversations tell of others that no single range understands."""
    if telling and telling.state and rest.state:
        for table in telling.tracker().tables:
            table.finish()
        rest.state.names.dns_cache.merge(telling.state.names.dns_cache)
    return rest


def report_of(part: Partial, names: Partial | None, by: str = "flow", source: str = "") -> Report:
    """The rows of a part that nothing more is merged with, named by what was told in all of its sensor."""
    if part.state and names and names.state:
        part.state.names.dns_cache = names.state.names.dns_cache
        part.state.names.key_log = names.state.names.key_log
    tracker = part.tracker()
    attribution = Attribution(by, (), tracker.names)
    tallies = CaptureTracker(attribution, tracker).finish()
    return attribution.report(tallies, source)


def _nothing_like(part: Partial) -> Partial:
    """A partial that was read with the same options, of no frame."""
    whole = part.flows
    flows = FlowTable(
        inspects=part.state is not None,
        bucketing=whole.buckets.bucketing if whole.buckets else None,
        idle_ns=whole.idle_ns,
    )
    state = nothing_of_state(part.state) if part.state else None
    return Partial(Shard.FIRST, 0, part.layer, flows, state)
