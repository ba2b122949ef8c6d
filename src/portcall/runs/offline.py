"""Captures: source → tracker → attribution → report.

Damage ends one capture, not the run; an interrupt ends the run, not the report.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.attribution.attribution import Attribution
from portcall.attribution.page_groupings import PageGroupings
from portcall.decoding.copies import Copies
from portcall.decoding.decoder import Decoder
from portcall.enrichment.geoip import Origins
from portcall.errors import PortcallError, UsageError
from portcall.queries.bucket_widths import bucketing_of, notes_of_buckets
from portcall.records.report import Degradation
from portcall.runs.arguments import check_grouping
from portcall.runs.owned_table import OwnedTable, with_capture_points
from portcall.runs.recorded.captured_owners import CapturedOwners
from portcall.runs.stages.work_ahead import WorkAhead
from portcall.runs.streaming.early_rows import EarlyRows
from portcall.runs.streaming.expirer import Expirer, time_of
from portcall.runs.streaming.stream_options import ALL_STAY, StreamOptions
from portcall.runs.tracker import InspectedRows, Tracker, sum_tallies
from portcall.sources.capture_set import CaptureSet
from portcall.sources.filters import FrameFilter
from portcall.sources.section_runs import SectionsOverlapError
from portcall.sources.selection import TimeWindow, selected
from portcall.system.processors import processors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from portcall.decoding.decoder import Layer
    from portcall.errors import CaptureError
    from portcall.inspection.server_names import ServerNames
    from portcall.records.packets import FrameBatch, Tally, Verdict
    from portcall.records.report import Report
    from portcall.runs.owned_table import Part


_ARE_COPIES = "frames are copies of others, as of several interfaces or a mirrored port, and count as well"
_TEN_YEARS_NS = 3653 * 86_400 * 1_000_000_000
_READ_LESS = "read fewer captures at a time, or choose with --filter"


class Outcome(NamedTuple):
    """A report, and what kept it from being a report of everything."""

    report: Report
    problems: list[CaptureError]
    """Captures, or ends of captures, that could not be read."""
    interrupted: bool
    names: ServerNames | None = None
    """What the traffic said of servers; None where payloads were not inspected."""

    @property
    def noted_report(self) -> Report:
        """The report with a note for each capture that could not be read, and for what ended it early."""
        notes = [Degradation(problem.path, problem.reason, problem.remedy) for problem in self.problems]
        if self.interrupted:
            notes.append(Degradation("interrupted", "this is what was counted until then", "let it read to the end"))
        return replace(self.report, degradations=[*self.report.degradations, *notes])


@dataclass(slots=True)
class CaptureTracker:
    """Batches in, flows attributed: when they leave their table, at the latest at the end."""

    attribution: Attribution | PageGroupings
    tracker: Tracker
    expirer: Expirer = field(default_factory=Expirer)
    early: EarlyRows | None = None
    """Hands out rows by flow that leave before the end; None: they are attributed."""
    kept: Attribution | None = None
    """Keeps rows that leave outside of memory."""
    owners: CapturedOwners = None  # type: ignore[assignment]  # those of the tracker, where nobody gives others
    ahead: WorkAhead | None = None
    """Threads that do some of it before a batch is fed; None: nobody does."""
    entries_left_out: int = 0
    _tallies: dict[Verdict, Tally] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.owners = self.owners or CapturedOwners(table=self.tracker.owners)

    def feed(self, batch: FrameBatch) -> None:
        """Count one batch."""
        if batch.turns:
            self.owners.note(batch.turns)
        ahead = self.ahead.of(batch) if self.ahead and not self.owners.changes(batch) else None
        self.tracker.feed(batch, ahead)
        if ahead and ahead.payloads is not None and not ahead.fills:
            return  # more may be counted already, and nothing leaves but for room
        if self.tracker.tables and len(batch.frames):
            frames = batch.frames
            table = self.owners.leavable(self.tracker.tables[-1])
            if isinstance(table, OwnedTable):
                self.expirer.turn(table, time_of(frames["ts_ns"]), len(frames), self._take_owned)
            else:
                self.expirer.turn(table, time_of(frames["ts_ns"]), len(frames), self._take)

    def interrupt(self) -> None:
        """Nothing more is fed; what was counted ahead still counts."""
        if self.ahead:
            self.ahead.close()
            self.ahead.inspect_counted()

    def finish(self) -> dict[Verdict, Tally]:
        """Attribute what is still in the table; gives all frames by verdict."""
        self._attribute()
        return self._tallies

    def tallies(self) -> dict[Verdict, Tally]:
        """The frames by verdict of those tables that were attributed; a copy."""
        return dict(self._tallies)

    def shortfalls(self) -> list[Degradation]:
        """What the bounds of memory cost, and what counts more than once."""
        shortfalls = self.expirer.notes()
        if self.tracker.names and self.tracker.names.left_out:
            reason = f"there was no room for what {self.tracker.names.left_out} conversations called their servers"
            shortfalls.append(Degradation("names", reason, _READ_LESS))
        if self.entries_left_out:
            reason = f"there was no room for {self.entries_left_out} lines of logs"
            shortfalls.append(Degradation("logs", reason, _READ_LESS))
        copies = self.tracker.copies
        if copies and copies.found and not copies.removes:
            shortfalls.append(_note_of(copies))
        return shortfalls

    def _take(self, left: InspectedRows) -> None:
        if self.early:
            self.early.take(left)
        else:
            (self.kept or self.attribution).add(left.flows, found=left.detected, cells=left.cells)

    def _take_owned(self, part: Part) -> None:
        flows = with_capture_points(part.flows) if self.owners.points else part.flows
        if self.early:
            left = InspectedRows(np.zeros(len(flows), np.int64), flows, part.detected, part.cells)
            self.early.take(left, (part.low, part.high), self.owners.points)
        else:
            (self.kept or self.attribution).add(flows, part.low, part.high, part.detected, part.cells)

    def _attribute(self) -> None:
        if self.kept and isinstance(self.attribution, Attribution):
            self.attribution.merge(self.kept)
        for table in self.tracker.tables:
            table.finish()
            cells, buckets = table.flows.cells(), table.flows.buckets
            owned = self.owners.owned(table)
            if owned:
                tallies = self._attribute_owned(owned)
            else:
                tallies = table.flows.tallies()
                for rows, chunk in table.flows.indexed_chunks():
                    self.attribution.add(chunk, found=table.detected(rows), cells=cells.of(rows) if cells else None)
            if buckets:
                self.attribution.add_on_no_flow(buckets)
            self.entries_left_out += table.logs.left_out if table.logs else 0
            for verdict, tally in tallies.items():
                self._tallies[verdict] = sum_tallies(self._tallies.get(verdict), tally)
        self.tracker.tables.clear()

    def _attribute_owned(self, owned: OwnedTable) -> dict[Verdict, Tally]:
        """Attribute rows with owners, as live does; gives the frames that count, by verdict."""
        parts = list(owned.parts(by_time=owned.buckets is not None))
        for part in parts:
            flows = with_capture_points(part.flows) if self.owners.points else part.flows
            self.attribution.add(flows, part.low, part.high, part.detected, part.cells)
        return owned.tallies(parts)


def _note_of(copies: Copies) -> Degradation:
    count = f"{copies.found}" if copies.is_exact else f"about {copies.found}"
    return Degradation("copies", f"{count} {_ARE_COPIES}", "--deduplicate counts each packet once")


def notes_of_times(window_ns: tuple[int, int] | None) -> list[Degradation]:
    """That so long a capture is none: frames of 1970 are of a machine whose clock was not set yet."""
    if window_ns is None or window_ns[1] - window_ns[0] < _TEN_YEARS_NS:
        return []
    first, last = (time.gmtime(ns // 1_000_000_000).tm_year for ns in window_ns)
    reason = f"frames are of {first} to {last}; if they were captured at one time, a clock was wrong or not set"
    return [Degradation("times", reason, "editcap -A and -B keep what is after, and before, a time")]


def notes_of_timeless(window: TimeWindow | None) -> list[Degradation]:
    """That frames without a time lie in no window."""
    if not window or not window.timeless:
        return []
    reason = f"{window.timeless} frames have no time, so --from and --to leave them out"
    return [Degradation("times", reason, "read them without --from and --to")]


def window_of(from_: str | None, to: str | None) -> TimeWindow | None:
    """The time that somebody asked for; UsageError where it is none."""
    if from_ is None and to is None:
        return None
    from portcall.queries.moments import moment_ns

    window = TimeWindow(
        None if from_ is None else moment_ns(from_, "--from"), None if to is None else moment_ns(to, "--to")
    )
    if window.from_ns is not None and window.to_ns is not None and window.from_ns >= window.to_ns:
        raise UsageError(f"--to {to}: not after --from {from_}")
    return window


def read(  # noqa: PLR0913 (the options of the command, all by name)
    paths: Sequence[str],
    *,
    by: str = "app",
    layer: Layer = "outer",
    filter: str | None = None,  # noqa: A002 (the option's name)
    local: Sequence[str] = (),
    where: str | None = None,
    top: int | None = None,
    names: bool = True,
    geo: Sequence[str] = (),
    deduplicate: bool = False,
    from_: str | None = None,
    to: str | None = None,
    bucket: str | None = None,
    logs: bool = False,
    stream: StreamOptions = ALL_STAY,
    page: bool = False,
    jobs: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Outcome:
    """Attribute saved captures as one capture in time order.

    ``geo`` are databases that tell countries and networks. ``logs``: rows by flow have what logs say of them.
    ``page``: the report has what a page shows besides, of the same pass; ``bucket`` is then that of its chart.
    ``deduplicate`` counts copies of frames as such.
    ``bucket`` is how wide the buckets of time are that rows are of besides, see ``queries.bucket_widths``.
    ``from_`` and ``to`` are moments, see ``queries.moments``: frames before ``from_``, or from ``to`` on, do not count.
    ``stream``: which conversations leave before the end, and who takes them.
    ``jobs`` is how many threads read, which changes nothing else; None: one for each processor that we may use.
    ``progress`` is called with bytes read and bytes in all (None for a pipe). CaptureError where nothing can be read at
    all, UsageError where an expression or a network is not one; both before any frame is read.
    """
    check_grouping(by, names=names)
    is_shown = None
    if where:
        from portcall.queries.row_filter import compile_where

        is_shown = compile_where(where, by)
    completed = Origins(geo).completed_columns if geo else None
    frame_filter = FrameFilter(filter) if filter else None
    window = window_of(from_, to)
    bucketing = bucketing_of(bucket or "auto", "app") if page else bucketing_of(bucket, by)

    def counted(captures: CaptureSet) -> Iterator[FrameBatch]:
        batches = selected(captures.batches(), window.matches) if window else captures.batches()
        return frame_filter.matching(batches) if frame_filter else batches

    def tracked(captures: CaptureSet, owners: CapturedOwners) -> tuple[CaptureTracker, bool]:
        book = None
        if names:
            from portcall.inspection.server_names import ServerNames  # and all dissectors

            book = ServerNames(with_details=by == "flow" and not logs, with_questions=by == "query", with_logs=logs)
        copies = Copies(removes=deduplicate)
        expirer = stream.expirer(has_no_end=captures.has_pipe)
        # Logs and questions want more payloads than inspection, and what leaves by a clock must not wait.
        may_count = not (window or frame_filter or expirer.is_asked or (book and (logs or book.questions)))
        counter = Tracker(
            Decoder(layer),
            book,
            copies=copies,
            partition=owners.partition,
            bucketing=bucketing,
            owners=owners.table,
            is_behind=threads > 1 and may_count,
        )
        ahead = WorkAhead(counter, threads, counts=may_count, may_begin=owners.is_quiet) if threads > 1 else None
        captures.ahead = ahead
        early = EarlyRows(stream.take_rows, book, is_shown, completed) if stream.take_rows else None
        if book:
            book.rows_leave = bool(early) or (by != "flow" and not page)
        store = None if logs or page else stream.store(by, has_no_end=captures.has_pipe)  # what logs say stays
        kept = Attribution(by, local, book, owners.points, store=store) if store else None
        attribution = PageGroupings(by, local, book, top=top) if page else Attribution(by, local, book, owners.points)
        tracker = CaptureTracker(attribution, counter, expirer, early, kept, owners, ahead)
        owners.read_sidecars(captures.paths)
        try:
            for batch in counted(captures):
                tracker.feed(batch)
        except KeyboardInterrupt:
            tracker.interrupt()
            return tracker, True
        return tracker, False

    threads = jobs or processors()
    owners = CapturedOwners(local)
    captures = CaptureSet(paths, progress, owners=owners.reader)
    try:
        tracker, interrupted = tracked(captures, owners)
    except SectionsOverlapError:
        owners = CapturedOwners(local)
        captures = CaptureSet(paths, progress, in_runs=True, owners=owners.reader)
        tracker, interrupted = tracked(captures, owners)
    if captures.is_unreadable and not interrupted:
        raise PortcallError(str(captures.problems[0])) from captures.problems[0]
    report = tracker.attribution.report(
        tracker.finish(), ", ".join(paths), where=is_shown, top=top, completed=completed
    )
    notes = (
        notes_of_buckets(bucketing, report.counted_width_ns)
        + tracker.shortfalls()
        + owners.notes()
        + captures.notes
        + notes_of_times(report.window_ns)
        + notes_of_timeless(window)
    )
    report = replace(report, degradations=report.degradations + notes)
    report = tracker.early.covered(report) if tracker.early else report
    return Outcome(report, captures.problems, interrupted, tracker.tracker.names)
