"""Live capture as one thing: a source, owners and the tracker between them, watched for a time and reported.

Who opens it needs the rights to capture. Only ``watch`` parses packets, so a program that gives its rights up does it
before, as the command does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from portcall.enrichment.geoip import Origins
from portcall.flows.local_networks import networks
from portcall.inspection.server_names import ServerNames
from portcall.labels.bucketing import Bucketing
from portcall.owners import open_owners
from portcall.owners.process_links import losses as links_lost
from portcall.owners.processes import user_name
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.queries.bucket_widths import bucketing_of, notes_of_buckets
from portcall.queries.byte_sizes import size_bytes
from portcall.queries.row_filter import compile_where
from portcall.records.kept.windows import WINDOW_S
from portcall.runs.arguments import check_grouping
from portcall.runs.comparing.expecting import Expecting
from portcall.runs.live import LiveTracker
from portcall.runs.live_loop import INTERVAL_S, settle, watch
from portcall.runs.streaming.early_rows import EarlyRows
from portcall.runs.streaming.settled import groupings
from portcall.runs.streaming.shortfalls import losses
from portcall.runs.streaming.stream_options import ALL_STAY, StreamOptions
from portcall.sources.devices.capture_devices import LiveSpec, best_source
from portcall.sources.devices.ring_size import LEAST_RING_BYTES, MOST_RING_BYTES
from portcall.system.network_namespaces import choose_namespaces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.attribution.window_sums import WindowSums
    from portcall.comparison.baselines import Baseline
    from portcall.owners import BackEnd
    from portcall.records.report import Degradation, Report
    from portcall.runs.following.live_intervals import IntervalTracker


_RECENT_NS = 4_000_000_000
"""How long ago the last packet is of conversations shown while it runs: a little longer than rates look back."""
_EVER_NS = 1 << 62
_MOST_SEEN = 5000
"""Conversations of a part of the table among which those are that people see while it runs."""


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What to capture, and how to report it: the options of the command."""

    interface: Sequence[str] = ()
    netns: Sequence[str] = ()
    filter: str | None = None
    source: str | None = None
    owners: BackEnd | None = None
    by: str = "app"
    local: Sequence[str] = ()
    where: str | None = None
    top: int | None = None
    names: bool = True
    geo: Sequence[str] = ()
    logs: bool = False
    """Whether rows by flow have what logs say of them."""
    bucket: str | None = None
    stream: StreamOptions = ALL_STAY
    """How long conversations stay, in how much memory, and who takes rows by flow as they leave."""
    looks_by: Sequence[str] = ()
    """Groupings that ``look`` will be asked for."""
    ring_size: str | None = None
    """Memory that the kernel fills with packets, as ``64MB``; None: as much as is usual."""
    snap_length: int = 0
    """How much of each frame is to be caught at least; 0: as much as is looked at."""
    page: bool = False
    """Whether reports have what a page shows besides."""
    expect: Baseline | None = None
    """What rows by flow are held against."""
    windows: WindowSums | None = None
    """Takes what comes in each window of time, for a history; then there are no other buckets of time."""

    @property
    def bucketing(self) -> Bucketing | None:
        """The buckets of time to count in; a page has a chart in any case. UsageError for what is no width."""
        return bucketing_of(self.bucket or "auto", "app") if self.page else bucketing_of(self.bucket, self.by)


def check_options(options: LiveOptions) -> None:
    """UsageError for an expression, a grouping or a network that is none, before anything is captured."""
    check_grouping(options.by, names=options.names)
    if options.where:
        compile_where(options.where, options.by)
    networks(options.local)
    options.bucketing  # noqa: B018 - it raises
    _ring_bytes(options)


class LiveRun:
    """An opened live capture; a context, which closes it. UsageError or PortcallError where it cannot be opened."""

    def __init__(self, options: LiveOptions) -> None:
        self.options = options
        self._where = compile_where(options.where, options.by) if options.where else None
        self._completed = Origins(options.geo).completed_columns if options.geo else None
        check_options(options)
        self.expecting = None if options.expect is None else Expecting(options.expect, self._where, self._completed)
        """What is new in the reports that were made; None where nobody asked."""
        self._completed = self.expecting.completed if self.expecting else self._completed
        names = None
        if options.names:
            names = ServerNames(
                with_details=options.by == "flow" and not options.logs,
                with_questions=options.by == "query",
                with_logs=options.logs,
            )
        spec = LiveSpec(
            options.interface,
            options.netns,
            options.filter,
            options.source,
            ring_bytes=_ring_bytes(options),
            snap_length=options.snap_length,
        )
        self.source, self.missing = best_source(spec)
        try:
            self.owners = open_owners(options.owners)
        except BaseException:
            self.source.close()
            raise
        self._known_before = {*self.source.degradations, *self.owners.degradations}
        timeline = SocketTimeline(self.owners.name, user_name)
        self._bucketing, stream = options.bucketing, options.stream
        if names:
            names.rows_leave = bool(stream.take_rows) or (options.by != "flow" and not options.page)
        tracker = LiveTracker(
            timeline,
            names=names,
            name_capture_point=self.source.capture_point,
            bucketing=Bucketing(WINDOW_S * 10**9) if options.windows else self._bucketing,
            windows=options.windows,
            with_histories=options.logs,
            namespaces=None if options.netns else [one.number for one in choose_namespaces(())],
            expirer=stream.live_expirer(),
            groupings=groupings(options, is_by_time=self._bucketing is not None),
            local=options.local,
            store=stream.store(options.by, has_no_end=True) if not options.logs else None,
            early=EarlyRows(
                stream.take_rows, names, self.expecting.leaving if self.expecting else self._where, self._completed
            )
            if stream.take_rows
            else None,
        )
        self._intervals: IntervalTracker | None = None
        self._open: Callable[[], LiveTracker] = lambda: tracker

    def __enter__(self) -> LiveRun:  # noqa: PYI034 - Self is of Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.owners.close()
        self.source.close()

    @property
    def tracker(self) -> LiveTracker:
        """What counts; in intervals that of the open one, so that none is kept here when it is over."""
        return self._open()

    @property
    def name(self) -> str:
        """What captures, and what tells the owners."""
        return f"live ({self.source.name}, owners by {self.owners.name})"

    def watch(
        self,
        is_over: Callable[[], bool],
        on_interval: Callable[[], None] = lambda: None,
        *,
        wakes: Sequence[int] = (),
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Count until it is over. ``wakes`` are files that say: look again."""
        watch(
            self.source,
            self.owners,
            self._intervals or self.tracker,
            is_over=is_over,
            on_interval=on_interval,
            wakes=wakes,
            interval_s=interval_s,
        )

    def settle(self) -> None:
        """Take no more in, and count what is still on its way."""
        settle(self.source, self.owners, self._intervals or self.tracker)
        self.tracker.finish_logs()

    def report(self, tracker: LiveTracker | None = None, dropped_before: int = 0) -> Report:
        """Everything counted so far, or by the ``tracker`` of an interval, with what only the back ends know."""
        options = self.options
        tracker = tracker or self.tracker
        report = tracker.report(
            by=options.by,
            source=self.name,
            local=options.local,
            where=self.expecting.choosing() if self.expecting else self._where,
            top=options.top,
            completed=self._completed,
            page=options.page,
            by_time=self._bucketing is not None,
        )
        dropped = self.source.dropped_by_kernel()
        dropped = None if dropped is None else dropped - dropped_before
        notes = [
            *report.degradations,
            *self.missing,
            *self.source.degradations,
            *self.owners.degradations,
            *links_lost(),
        ]
        return replace(
            report,
            coverage=replace(report.coverage, dropped_by_kernel=dropped),
            degradations=[
                *notes,
                *notes_of_buckets(self._bucketing, report.counted_width_ns),
                *losses(dropped, self.owners.lost, tracker.entries_left_out),
                *(self.tracker.recorder.losses() if self.tracker.recorder else ()),
            ],
        )

    def trackers(self) -> Sequence[LiveTracker]:
        """Those that count, or may still be matched."""
        return self._intervals.trackers if self._intervals else [self.tracker]

    def in_intervals(self, width_ns: int) -> IntervalTracker:
        """Count in intervals from now on, before anything is counted."""
        from portcall.runs.following.live_intervals import IntervalTracker

        self._intervals = intervals = IntervalTracker(self.tracker, width_ns)
        self._open = lambda: intervals.open
        return intervals

    def glance(self, *, keeps_silent: bool = False) -> Report:
        """What people see while it runs: all rows, but by flow only so many, of the last seconds or of all the time."""
        return self.look(self.options.by, None if keeps_silent else _RECENT_NS, _MOST_SEEN)

    def look(self, by: str, recent_ns: int | None = _EVER_NS, most_flows: int | None = None) -> Report:
        """Everything counted so far by one of ``looks_by``, as ``LiveTracker.report`` does; by flow what is in memory.

        Rows are of no bucket of time unless that is all that they are of. Its degradations are those that came while it
        ran.
        """
        report = self.tracker.report(
            by=by,
            source=self.name,
            local=self.options.local,
            completed=self._completed,
            recent_ns=recent_ns,
            most_flows=most_flows,
            by_time=by == "time",
        )
        coverage = replace(report.coverage, dropped_by_kernel=self.source.dropped_by_kernel())
        return replace(report, coverage=coverage, degradations=self._news())

    def _news(self) -> list[Degradation]:
        now = [*self.source.degradations, *self.owners.degradations, *links_lost()]
        return [note for note in now if note not in self._known_before]

    def is_shown(self, row: dict[str, object]) -> bool:
        """Whether the user asked for such rows."""
        return self._where is None or self._where(row)


def _ring_bytes(options: LiveOptions) -> int | None:
    if options.ring_size is None:
        return None
    return size_bytes(options.ring_size, "--ring-size", LEAST_RING_BYTES, MOST_RING_BYTES)
