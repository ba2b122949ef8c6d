"""Reading one range, by what one machine reads with: frames → tracker → partial → parts, and the receipt.

A range has no memory of others. What one task holds is bounded by its range: a row of the flow table and what is held
of payloads that others may need (64 MB at the most).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial as bound
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.engines.partial_parts import Edges, parts_of
from portcall.engines.ranges import plan
from portcall.engines.receipts import Receipt
from portcall.engines.time_windows import FileTimes
from portcall.errors import CaptureError
from portcall.records.packets import NO_TIME
from portcall.runs.inspected_table import Shard
from portcall.runs.partial import Partial
from portcall.runs.partial_bytes import build
from portcall.runs.reading import Reading, ReadOptions
from portcall.runs.recorded.captured_owners import CapturedOwners
from portcall.sources.captures import first_ns, open_capture
from portcall.sources.lakes.capture_parts import CapturePart
from portcall.sources.merging import MOST_OPEN, Merge, Waiting
from portcall.sources.section_runs import SectionsOverlapError, SectionTimes, runs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.engines.ranges import CaptureRange
    from portcall.records.packets import FrameBatch
    from portcall.runs.tracker import Tracker

BUCKETS = 64


@dataclass(frozen=True)
class RangeOptions:
    """How every range of a job is read."""

    layer: str = "outer"
    names: bool = True
    idle_ns: int = 0
    """After a longer silence a conversation is another one; 0: no silence ends any."""
    filter: str | None = None
    bucket: str | None = None
    """How wide the bins of time are, from 1970 on, that rows are of besides; None: rows are of whole conversations."""
    by: str = "flow"
    buckets: int = BUCKETS
    """In how many parts, by their addresses, conversations go on to be merged."""

    def reading(self) -> Reading:
        """The same for a run of one machine. UsageError where one of them says nothing."""
        layer: Any = self.layer  # Any: one of two words, which its reader checks
        return Reading(ReadOptions(by=self.by, layer=layer, filter=self.filter, names=self.names, bucket=self.bucket))


class ReadRange(NamedTuple):
    """What a range gave."""

    parts: Iterator[tuple[int, bytes]]
    """The bytes of each part, by bucket."""
    receipt: Receipt


def read_partial(one: CaptureRange, options: RangeOptions) -> ReadRange:
    """The parts of a range, and the receipt; what cannot be read is said in that."""
    try:
        return _read(one, options, in_runs=False)
    except SectionsOverlapError:
        return _read(one, options, in_runs=True)


def whole_of(paths: list[str], options: RangeOptions) -> Partial:
    """The partial of captures that one machine reads as one: what ranges must come to."""
    (one,), _ = plan(paths, 0)
    return whole_of_ranges(one, options)


def whole_of_ranges(one: CaptureRange, options: RangeOptions) -> Partial:
    """The partial of a range of which no part leaves."""
    try:
        return _tracked(one, options, in_runs=False)[0]
    except SectionsOverlapError:
        return _tracked(one, options, in_runs=True)[0]


def batches_of(one: CaptureRange, options: RangeOptions) -> Iterator[FrameBatch]:
    """The frames of a range that count, each file as far as it can be read."""
    return options.reading().chosen(_Reader(one, CapturedOwners(), in_runs=True).batches())


def _read(one: CaptureRange, options: RangeOptions, *, in_runs: bool) -> ReadRange:
    partial, reader, times = _tracked(one, options, in_runs=in_runs)
    edges = None
    if one.lets_leave and times.first_ns is not None:
        edges = Edges(None if one.is_first else times.first_ns, None if one.is_last else times.last_ns)
    receipt = Receipt(
        one,
        build(),
        partial.frames,
        sum(tally.bytes for tally in partial.flows.tallies().values()),
        times.first_ns,
        times.last_ns,
        tuple(reader.files),
        *reader.place(),
        reader.tells_others or bool(partial.state and partial.state.names.key_log),
        tuple((problem.path, problem.offset, problem.reason, problem.remedy) for problem in reader.problems),
        tuple((note.feature, note.reason, note.remedy) for note in reader.notes),
    )
    parts = ((bucket, part.to_bytes()) for bucket, part in parts_of(partial, edges, options.buckets))
    return ReadRange(parts, receipt)


def _tracked(one: CaptureRange, options: RangeOptions, *, in_runs: bool) -> tuple[Partial, _Reader, _Times]:
    reading, times = options.reading(), _Times()
    owners = CapturedOwners()
    owners.read_sidecars(one.paths)
    shard = Shard.FIRST if one.is_first else Shard.LATER
    tracker: Tracker = reading.tracker(reading.names(), shard=shard, owners=owners.table)
    tracker.idle_ns = options.idle_ns
    reader = _Reader(one, owners, in_runs=in_runs)
    for batch in reading.chosen(times.noted(reader.batches())):
        if batch.turns:
            reader.tells_others = True
        tracker.feed(batch)
    return Partial.of(tracker), reader, times


@dataclass
class _Times:
    """Between which times frames are."""

    first_ns: int | None = None
    last_ns: int | None = None

    def noted(self, batches: Iterator[FrameBatch]) -> Iterator[FrameBatch]:
        for batch in batches:
            known = batch.frames["ts_ns"][batch.frames["ts_ns"] != NO_TIME]
            if len(known):
                first_ns, last_ns = int(known.min()), int(known.max())
                self.first_ns = first_ns if self.first_ns is None else min(first_ns, self.first_ns)
                self.last_ns = last_ns if self.last_ns is None else max(last_ns, self.last_ns)
            yield batch


@dataclass
class _Reader:
    """The frames of one range, in order of time as one machine has them."""

    range: CaptureRange
    owners: CapturedOwners
    in_runs: bool
    files: list[FileTimes] = field(default_factory=list)
    problems: list[CaptureError] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)  # Any: Degradation
    tells_others: bool = False
    _part: CapturePart | None = None

    def batches(self) -> Iterator[FrameBatch]:
        one = self.range
        if one.is_part:
            yield from self._of_part()
            return
        waiting = list(self._waiting())
        batches = waiting[0].begin() if len(waiting) == 1 else Merge(waiting, MOST_OPEN).batches()
        yield from _within(batches, one.from_ns, one.to_ns)

    def place(self) -> tuple[int, int | None, int | None]:
        """Where a part of a file begins, ends, and should end."""
        return self._part.read()[:3] if self._part else (0, None, None)

    def _of_part(self) -> Iterator[FrameBatch]:
        path = self.range.paths[0]
        try:
            self._part = CapturePart(path, self.range.start, self.range.stop, self.owners.reader)
        except CaptureError as problem:
            self.problems.append(problem)
            return
        try:
            yield from self._timed(path, self._part.batches())
        except CaptureError as problem:
            if self._part.read().wanted_exit is None:  # else it is read once more
                self.problems.append(problem)
        self.tells_others |= self._part.read().tells_others

    def _waiting(self) -> Iterator[Waiting]:
        for path in self.range.paths:
            try:
                if self.in_runs:
                    for run in runs_of(path):
                        yield Waiting(run.first_ns, bound(self._of_path, path, run.start, run.stop))
                else:
                    yield Waiting(first_ns(path), bound(self._of_path, path))
            except CaptureError as problem:
                self.problems.append(problem)

    def _of_path(self, path: str, start: int = 0, stop: int | None = None) -> Iterator[FrameBatch]:
        try:
            capture = open_capture(path, start, stop, self.owners.reader)
        except CaptureError as problem:
            self.problems.append(problem)
            return
        sections = SectionTimes()
        try:
            for batch in self._timed(path, capture.source.batches()):
                if not self.in_runs and len(batch.frames) and sections.goes_back(batch, capture.section_at()):
                    raise SectionsOverlapError(path)
                yield batch
        except CaptureError as problem:
            self.problems.append(problem)
        self.notes += capture.notes()

    def _timed(self, path: str, batches: Iterator[FrameBatch]) -> Iterator[FrameBatch]:
        """The same, and a line of the receipt when they are over, or nobody wants more."""
        begun_ns = reached_ns = None
        try:
            for batch in batches:
                known = batch.frames["ts_ns"][batch.frames["ts_ns"] != NO_TIME]
                if len(known):
                    begun_ns = int(known[0]) if begun_ns is None else begun_ns
                    reached_ns = int(known.max()) if reached_ns is None else max(int(known.max()), reached_ns)
                yield batch
        finally:
            self.files.append(FileTimes(path, begun_ns, reached_ns))


def _within(batches: Iterator[FrameBatch], from_ns: int | None, to_ns: int | None) -> Iterator[FrameBatch]:
    """The frames of a window, each at the latest time up to it: that is how captures are merged."""
    if from_ns is None and to_ns is None:
        yield from batches
        return
    reached_ns = NO_TIME
    for batch in batches:
        if not len(batch.frames):
            yield batch
            continue
        times = np.maximum.accumulate(np.maximum(batch.frames["ts_ns"], reached_ns))
        reached_ns = int(times[-1])
        start = 0 if from_ns is None else int(np.searchsorted(times, from_ns))
        stop = len(times) if to_ns is None else int(np.searchsorted(times, to_ns))
        if start < stop:
            yield batch.some(slice(start, stop))
        if to_ns is not None and reached_ns >= to_ns:
            return
