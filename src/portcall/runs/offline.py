"""Captures: source → tracker → attribution → report.

Damage ends one capture, not the run; an interrupt ends the run, not the report.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from portcall.attribution.attribution import Attribution
from portcall.errors import PortcallError
from portcall.records.report import Degradation
from portcall.runs.capture_tracker import CaptureTracker
from portcall.runs.reading import Reading, ReadOptions
from portcall.runs.recorded.captured_owners import CapturedOwners
from portcall.runs.stages.work_ahead import WorkAhead
from portcall.runs.streaming.stream_options import ALL_STAY, StreamOptions
from portcall.sources.capture_set import CaptureSet
from portcall.sources.section_runs import SectionsOverlapError
from portcall.system.processors import processors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.comparison.baselines import Baseline
    from portcall.decoding.decoder import Layer
    from portcall.errors import CaptureError
    from portcall.inspection.server_names import ServerNames
    from portcall.records.report import Report
    from portcall.runs.comparing.expecting import Expecting


class Outcome(NamedTuple):
    """A report, and what kept it from being a report of everything."""

    report: Report
    problems: list[CaptureError]
    """Captures, or ends of captures, that could not be read."""
    interrupted: bool
    names: ServerNames | None = None
    """What the traffic said of servers; None where payloads were not inspected."""

    expecting: Expecting | None = None
    """What was new against what was expected; None where nobody asked."""

    @property
    def noted_report(self) -> Report:
        """The report with a note for each capture that could not be read, and for what ended it early."""
        notes = [Degradation(problem.path, problem.reason, problem.remedy) for problem in self.problems]
        if self.interrupted:
            notes.append(Degradation("interrupted", "this is what was counted until then", "let it read to the end"))
        return replace(self.report, degradations=[*self.report.degradations, *notes])


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
    tls_keys: Sequence[str] = (),
    logs: bool = False,
    checksums: bool = False,
    stream: StreamOptions = ALL_STAY,
    page: bool = False,
    jobs: int | None = None,
    expect: Baseline | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    before_parsing: Callable[[], None] = lambda: None,
) -> Outcome:
    """Attribute saved captures as one capture in time order.

    ``geo`` are databases that tell countries and networks. ``logs``: rows by flow have what logs say of them,
    ``checksums``: without packets whose checksum is wrong.
    ``page``: the report has what a page shows besides, of the same pass; ``bucket`` is then that of its chart.
    ``deduplicate`` counts copies of frames as such.
    ``bucket`` is how wide the buckets of time are that rows are of besides, see ``queries.bucket_widths``.
    ``from_`` and ``to`` are moments, see ``queries.moments``: frames before ``from_``, or from ``to`` on, do not count.
    ``tls_keys`` are files with secrets of TLS sessions, beside those that captures bring.
    ``stream``: which conversations leave before the end, and who takes them.
    ``expect``: what rows by flow are held against.
    ``jobs`` is how many threads read, which changes nothing else; None: one for each processor that we may use.
    ``progress`` is called with bytes read and bytes in all (None for a pipe). ``before_parsing`` is called once,
    when all is ready and no byte of a capture was looked at. CaptureError where nothing can be read at
    all, UsageError where an expression or a network is not one; both before any frame is read.
    """
    reading = Reading(
        ReadOptions(
            by=by,
            layer=layer,
            filter=filter,
            local=local,
            where=where,
            top=top,
            names=names,
            geo=geo,
            deduplicate=deduplicate,
            from_=from_,
            to=to,
            bucket=bucket,
            tls_keys=tls_keys,
            logs=logs,
            checksums=checksums,
            page=page,
            stream=stream,
            expect=expect,
        )
    )

    def tracked(captures: CaptureSet, owners: CapturedOwners) -> tuple[CaptureTracker, bool]:
        book = reading.names()
        expirer = stream.expirer(has_no_end=captures.has_pipe)
        # Logs and questions want more payloads than inspection, and what leaves by a clock must not wait.
        wants_more = logs or (book and book.questions)
        may_count = captures.is_alone and not (reading.chooses_frames or expirer.is_asked or wants_more)
        counter = reading.tracker(
            book, partition=owners.partition, owners=owners.table, is_behind=threads > 1 and may_count
        )
        ahead = (
            WorkAhead(counter, threads, decodes=not reading.chooses_frames, counts=may_count, may_begin=owners.is_quiet)
            if threads > 1
            else None
        )
        captures.ahead = ahead
        early = reading.early_rows(book)
        if book:
            book.rows_leave = bool(early) or (by != "flow" and not page)
        store = None if logs or page else stream.store(by, has_no_end=captures.has_pipe)  # what logs say stays
        kept = Attribution(by, local, book, owners.points, store=store) if store else None
        attribution = reading.attribution(book, owners.points)
        tracker = CaptureTracker(attribution, counter, expirer, early, kept, owners, ahead)
        owners.read_sidecars(captures.paths)
        try:
            for batch in reading.chosen(captures.batches()):
                tracker.feed(batch)
        except KeyboardInterrupt:
            tracker.interrupt()
            return tracker, True
        return tracker, False

    threads = jobs or processors()
    before_parsing()
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
    tallies = tracker.finish()
    notes = [*tracker.shortfalls(), *owners.notes(), *captures.notes]
    report = reading.report(tracker.attribution, tallies, ", ".join(paths), notes)
    report = tracker.early.covered(report) if tracker.early else report
    return Outcome(report, captures.problems, interrupted, tracker.tracker.names, reading.expecting)
