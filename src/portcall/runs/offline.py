"""Captures: source → tracker → attribution → report.

Damage ends one capture, not the run; an interrupt ends the run, not the report.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from portcall.attribution.attribution import Attribution
from portcall.decoding.copies import Copies
from portcall.decoding.decoder import Decoder
from portcall.enrichment.geoip import Origins
from portcall.errors import PortcallError, UsageError
from portcall.queries.bucket_widths import bucketing_of, notes_of_buckets
from portcall.records.report import Degradation
from portcall.runs.arguments import check_grouping
from portcall.runs.capture_tracker import CaptureTracker
from portcall.runs.recorded.captured_owners import CapturedOwners
from portcall.runs.stages.work_ahead import WorkAhead
from portcall.runs.streaming.stream_options import ALL_STAY, StreamOptions
from portcall.runs.tracker import Tracker
from portcall.sources.capture_set import CaptureSet
from portcall.sources.filters import FrameFilter
from portcall.sources.section_runs import SectionsOverlapError
from portcall.sources.selection import TimeWindow, selected
from portcall.system.processors import processors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from portcall.attribution.page_groupings import PageGroupings
    from portcall.decoding.decoder import Layer
    from portcall.errors import CaptureError
    from portcall.inspection.server_names import ServerNames
    from portcall.records.packets import FrameBatch
    from portcall.records.report import Report


_TEN_YEARS_NS = 3653 * 86_400 * 1_000_000_000


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
        early = stream.early_rows(book, is_shown, completed)
        if book:
            book.rows_leave = bool(early) or (by != "flow" and not page)
        store = None if logs or page else stream.store(by, has_no_end=captures.has_pipe)  # what logs say stays
        kept = Attribution(by, local, book, owners.points, store=store) if store else None
        attribution = _groupings_of_page(by, local, book, top) if page else Attribution(by, local, book, owners.points)
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


def _groupings_of_page(by: str, local: Sequence[str], names: ServerNames | None, top: int | None) -> PageGroupings:
    from portcall.attribution.page_groupings import PageGroupings

    return PageGroupings(by, local, names, top=top)
