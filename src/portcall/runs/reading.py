"""How captures are read, as one value: which frames count, how they are counted, and what is reported of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from portcall.attribution.attribution import Attribution
from portcall.decoding.copies import Copies
from portcall.decoding.decoder import Decoder
from portcall.enrichment.geoip import Origins
from portcall.errors import UsageError
from portcall.queries.bucket_widths import bucketing_of, notes_of_buckets
from portcall.records.payloads.tls_secrets import MOST_SECRETS
from portcall.records.report import Degradation
from portcall.runs.arguments import check_grouping
from portcall.runs.capture_tracker import CaptureTracker
from portcall.runs.streaming.stream_options import ALL_STAY, StreamOptions
from portcall.runs.tracker import Tracker
from portcall.sources.filters import FrameFilter
from portcall.sources.key_logs import secrets_of
from portcall.sources.selection import TimeWindow, selected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from portcall.attribution.page_groupings import PageGroupings
    from portcall.comparison.baselines import Baseline
    from portcall.decoding.decoder import Layer
    from portcall.inspection.server_names import ServerNames
    from portcall.labels.bucketing import Bucketing
    from portcall.queries.row_tests import RowTest
    from portcall.records.column_values import Columns
    from portcall.records.packets import CapturePoint, FrameBatch, Tally, Verdict
    from portcall.records.payloads.tls_secrets import Secret
    from portcall.records.recorded.claims import ClaimTable
    from portcall.records.report import Report
    from portcall.runs.comparing.expecting import Expecting
    from portcall.runs.inspected_table import Shard
    from portcall.runs.streaming.early_rows import EarlyRows

_TEN_YEARS_NS = 3653 * 86_400 * 1_000_000_000


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
    tls_keys: Sequence[str] = ()
    """Files with secrets of TLS sessions."""
    logs: bool = False
    """Whether rows by flow have what logs say of them."""
    checksums: bool = False
    """Whether packets with a wrong checksum do not count in these."""
    page: bool = False
    """Whether reports have what a page shows besides."""
    stream: StreamOptions = ALL_STAY
    """Which conversations leave before the end, and who takes them."""
    expect: Baseline | None = None
    """What rows by flow are held against."""

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
            "--tls-keys": list(self.tls_keys),
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
    _secrets: list[Secret] | None = field(init=False, default=None)
    """Those of key logs, once they were read: like captures, they are parsed by who is confined."""
    expecting: Expecting | None = field(init=False, default=None)
    """What is new in the reports that were made; None where nobody asked."""

    def __post_init__(self) -> None:
        options = self.options
        check_grouping(options.by, names=options.names)
        if options.where:
            from portcall.queries.row_filter import compile_where

            self._where = compile_where(options.where, options.by)
        self._completed = Origins(options.geo).completed_columns if options.geo else None
        if options.expect is not None:
            from portcall.runs.comparing.expecting import Expecting

            self.expecting = Expecting(options.expect, self._where, self._completed)
            self._completed = self.expecting.completed
        self._filter = FrameFilter(options.filter) if options.filter else None
        if options.tls_keys and not options.names:
            raise UsageError("--tls-keys opens what --no-names skips: leave out one of them")
        self._window = window_of(options.from_, options.to)
        self._bucketing = (
            bucketing_of(options.bucket or "auto", "app") if options.page else bucketing_of(options.bucket, options.by)
        )
        self.attribution(None)  # or a network that is none would be told at the first report

    def chosen(self, batches: Iterator[FrameBatch]) -> Iterator[FrameBatch]:
        """The frames that count."""
        batches = selected(batches, self._window.matches) if self._window else batches
        return self._filter.matching(batches) if self._filter else batches

    @property
    def chooses_frames(self) -> bool:
        """Whether some frames do not count."""
        return bool(self._window or self._filter)

    def names(self, before: ServerNames | None = None) -> ServerNames | None:
        """What collects the names of a run, ``before`` those of what came before it; None where nobody wants any."""
        options = self.options
        if before or not options.names:
            return before and before.begun_anew()
        from portcall.inspection.server_names import ServerNames  # and all dissectors

        names = ServerNames(
            with_details=options.by == "flow" and not options.logs,
            with_questions=options.by == "query",
            with_logs=options.logs,
        )
        if self._secrets is None:
            self._secrets = list(islice(secrets_of(options.tls_keys), MOST_SECRETS))
        names.note_secrets(self._secrets)
        return names

    def tracker(
        self,
        names: ServerNames | None,
        *,
        shard: Shard | None = None,
        partition: Callable[[FrameBatch, NDArray[np.void]], None] | None = None,
        owners: ClaimTable | None = None,
        is_behind: bool = False,
    ) -> Tracker:
        """One that was fed nothing yet; what is asked of it is as ``Tracker`` has it."""
        return Tracker(
            Decoder(self.options.layer),
            names,
            copies=Copies(removes=self.options.deduplicate),
            partition=partition,
            shard=shard,
            bucketing=self._bucketing,
            owners=owners,
            is_behind=is_behind,
            with_histories=self.options.logs,
            judges_sums=self.options.checksums,
        )

    def early_rows(self, names: ServerNames | None) -> EarlyRows | None:
        """What hands out rows by flow as they leave; None where they wait for the end."""
        where = self.expecting.leaving if self.expecting else self._where
        return self.options.stream.early_rows(names, where, self._completed)

    def run(self, before: ServerNames | None = None) -> CaptureTracker:
        """A run that was fed nothing yet, and keeps as much as there is room for."""
        names = self.names(before)
        expirer = self.options.stream.expirer(has_no_end=True)
        return CaptureTracker(self.attribution(names), self.tracker(names), expirer, self.early_rows(names))

    def attribution(
        self, names: ServerNames | None, capture_points: Sequence[CapturePoint] = ()
    ) -> Attribution | PageGroupings:
        """One that counted nothing yet."""
        by, local = self.options.by, self.options.local
        if not self.options.page:
            return Attribution(by, local, names, capture_points)
        from portcall.attribution.page_groupings import PageGroupings

        return PageGroupings(by, local, names, top=self.options.top)

    def report(
        self,
        attribution: Attribution | PageGroupings,
        tallies: Mapping[Verdict, Tally],
        source: str,
        notes: Sequence[Degradation],
    ) -> Report:
        """What was counted, with what else is to be said of it."""
        options = self.options
        where = self.expecting.choosing() if self.expecting else self._where
        report = attribution.report(tallies, source, where=where, top=options.top, completed=self._completed)
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
