"""How captures are read, as one value: which frames count, how they are counted, and what is reported of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from portcall.attribution.attribution import Attribution
from portcall.attribution.page_groupings import PageGroupings
from portcall.decoding.copies import Copies
from portcall.decoding.decoder import Decoder
from portcall.enrichment.geoip import Origins
from portcall.queries.bucket_widths import bucketing_of, notes_of_buckets
from portcall.runs.arguments import check_grouping
from portcall.runs.capture_tracker import CaptureTracker
from portcall.runs.offline import notes_of_timeless, notes_of_times, window_of
from portcall.runs.streaming.early_rows import EarlyRows
from portcall.runs.streaming.stream_options import ALL_STAY, StreamOptions
from portcall.runs.tracker import Shard, Tracker
from portcall.sources.filters import FrameFilter
from portcall.sources.selection import selected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from portcall.decoding.decoder import Layer
    from portcall.inspection.server_names import ServerNames
    from portcall.labels.bucketing import Bucketing
    from portcall.queries.row_tests import RowTest
    from portcall.records.column_values import Columns
    from portcall.records.packets import FrameBatch, Tally, Verdict
    from portcall.records.report import Degradation, Report
    from portcall.sources.selection import TimeWindow


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The options of ``portcall read`` that say what to count, and how to report it."""

    by: str = "app"
    layer: Layer = "outer"
    filter: str | None = None
    local: Sequence[str] = ()
    where: str | None = None
    top: int | None = None
    names: bool = True
    geo: Sequence[str] = ()
    deduplicate: bool = False
    from_: str | None = None
    to: str | None = None
    bucket: str | None = None
    logs: bool = False
    """Whether rows by flow have what logs say of them."""
    page: bool = False
    """Whether reports have what a page shows besides."""
    stream: StreamOptions = ALL_STAY
    """Which conversations leave before the end, and who takes them."""

    def words(self) -> dict[str, Any]:  # Any: what JSON has
        """What of them must be the same for what was counted before to be counted on."""
        return {
            "--by": self.by,
            "--layer": self.layer,
            "--filter": self.filter,
            "--no-names": not self.names,
            "--deduplicate": self.deduplicate,
            "--from": self.from_,
            "--to": self.to,
            "--bucket": self.bucket,
            "--format html": self.page,
        }


@dataclass(slots=True)
class Reading:
    """The options, ready for use: UsageError where one of them says nothing, before any frame is read."""

    options: ReadOptions
    _where: RowTest | None = field(init=False, default=None)
    _completed: Callable[[Columns], Columns] | None = field(init=False, default=None)
    _filter: FrameFilter | None = field(init=False, default=None)
    _window: TimeWindow | None = field(init=False, default=None)
    _bucketing: Bucketing | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        options = self.options
        check_grouping(options.by, names=options.names)
        if options.where:
            from portcall.queries.row_filter import compile_where

            self._where = compile_where(options.where, options.by)
        self._completed = Origins(options.geo).completed_columns if options.geo else None
        self._filter = FrameFilter(options.filter) if options.filter else None
        self._window = window_of(options.from_, options.to)
        self._bucketing = (
            bucketing_of(options.bucket or "auto", "app") if options.page else bucketing_of(options.bucket, options.by)
        )
        self.attribution(None)  # or a network that is none would be told at the first report

    def chosen(self, batches: Iterator[FrameBatch]) -> Iterator[FrameBatch]:
        """The frames that count."""
        batches = selected(batches, self._window.matches) if self._window else batches
        return self._filter.matching(batches) if self._filter else batches

    def tracker(self, shard: Shard | None, before: ServerNames | None = None) -> Tracker:
        """One that was fed nothing yet; ``before`` are the names of what came before it."""
        options, names = self.options, before and before.begun_anew()
        if options.names and not names:
            from portcall.inspection.server_names import ServerNames  # and all dissectors

            names = ServerNames(
                with_details=options.by == "flow" and not options.logs,
                with_questions=options.by == "query",
                with_logs=options.logs,
            )
        copies = Copies(removes=options.deduplicate)
        return Tracker(Decoder(options.layer), names, copies=copies, shard=shard, bucketing=self._bucketing)

    def run(self, before: ServerNames | None = None) -> CaptureTracker:
        """A run that was fed nothing yet, and keeps as much as there is room for."""
        tracker, stream = self.tracker(None, before), self.options.stream
        names = tracker.names
        early = EarlyRows(stream.take_rows, names, self._where, self._completed) if stream.take_rows else None
        return CaptureTracker(self.attribution(names), tracker, stream.expirer(has_no_end=True), early)

    def attribution(self, names: ServerNames | None) -> Attribution | PageGroupings:
        """One that counted nothing yet."""
        by, local, top = self.options.by, self.options.local, self.options.top
        return PageGroupings(by, local, names, top=top) if self.options.page else Attribution(by, local, names)

    def report(
        self,
        attribution: Attribution | PageGroupings,
        tallies: Mapping[Verdict, Tally],
        source: str,
        notes: Sequence[Degradation],
    ) -> Report:
        """What was counted, with what else is to be said of it."""
        options = self.options
        report = attribution.report(tallies, source, where=self._where, top=options.top, completed=self._completed)
        all_notes = [
            *report.degradations,
            *notes_of_buckets(self._bucketing, report.counted_width_ns),
            *notes,
            *notes_of_times(report.window_ns),
            *notes_of_timeless(self._window),
        ]
        return replace(report, degradations=all_notes)

    def is_shown(self, row: dict[str, object]) -> bool:
        """Whether the user asked for such rows."""
        return self._where is None or self._where(row)
