"""``portcall diff``: two sides, read one after the other and added up, so that only sums are in memory together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike, fspath
from typing import TYPE_CHECKING, NamedTuple

from portcall.comparison.differences import DEFAULT_LEAST_BYTES, DEFAULT_RATIO, Side, Thresholds, difference
from portcall.comparison.keyed_sums import MOST_KEYS, KeyedSums, grouping_of_both
from portcall.errors import PortcallError, UsageError
from portcall.queries.byte_sizes import size_bytes
from portcall.queries.row_choice import chooser
from portcall.records.report import Degradation, Report
from portcall.records.schema import COMPARED_BY, Listing
from portcall.runs import arguments as given
from portcall.runs import offline
from portcall.runs.comparing.kept_period import PREFIX, KeptPeriod, kept_period
from portcall.sources.reports.described_report import WrittenReport
from portcall.sources.reports.written_report import written_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.errors import CaptureError

    Progress = Callable[[int, int | None], None]

_MOST_BYTES = 1 << 62
_MOST_RATIO = 1_000_000
_UNEVEN = 2
"""So many times as long is one side when people are told."""
_MANY_TIMES = 1000


@dataclass(frozen=True, slots=True)
class DiffOptions:
    """The options of ``portcall diff``."""

    by: str | None = None
    ratio: float = DEFAULT_RATIO
    least: str | None = None
    """Bytes that something must have grown or shrunk by, as ``10kB``."""
    filter: str | None = None
    local: Sequence[str] = ()
    names: bool = True
    rates: bool = False
    """Whether bytes a second are compared, instead of totals."""
    where: str | None = None
    top: int | None = None
    history: str | None = None
    """Of which periods are meant; None is the user's own."""

    @property
    def thresholds(self) -> Thresholds:
        """From where on something has changed; UsageError for what is no ratio or no size."""
        if not 1 <= self.ratio <= _MOST_RATIO:
            raise UsageError(f"--ratio {self.ratio}: must be from 1 to {_MOST_RATIO}")
        least = DEFAULT_LEAST_BYTES
        if self.least is not None:
            least = 0 if self.least == "0" else size_bytes(self.least, "--least", 0, _MOST_BYTES)
        return Thresholds(self.ratio, least)


class Compared(NamedTuple):
    """What changed, and what kept it from being told of everything."""

    listing: Listing
    problems: list[CaptureError]
    interrupted: bool


def compare(
    before: str | Report, after: str | Report, options: DiffOptions, progress: Progress | None = None
) -> Compared:
    """What changed between two captures, reports or periods, each a word of the command or a report at hand.

    UsageError where they cannot be compared, before anything is read; PortcallError where a side cannot be read at all.
    """
    thresholds = options.thresholds
    choose = chooser(options.where, "diff", options.top)
    if (before, after) == ("-", "-"):
        raise UsageError("stdin can be one side only: name a file for the other")
    sides = [_known(side, options.history) for side in (before, after)]
    by, grouping = grouping_of_both(
        options.by, [side.by if isinstance(side, WrittenReport | Report) else None for side in sides]
    )
    _check(sides, options)
    problems: list[CaptureError] = []
    notes: list[Degradation] = []
    summed: list[Side] = []
    interrupted = False
    for side in sides:
        if isinstance(side, str):
            outcome = _read(side, grouping, options, progress)
            problems += outcome.problems
            interrupted = interrupted or outcome.interrupted
            summed.append(_of_report(outcome.report, by, grouping)._replace(source=side))
            notes += outcome.report.degradations
        elif isinstance(side, Report):
            summed.append(_of_report(side, by, grouping))
            notes += _notes_of_report(side.source, side.rows_left_out, is_by_time=bool(side.bucket_width_ns))
        elif isinstance(side, KeptPeriod):
            one, lacks = _of_period(side, by, grouping)
            summed.append(one)
            notes += lacks
        else:
            summed.append(_of_file(side, by, grouping))
            notes += _notes_of_file(side)
        notes += _notes_of_bound(summed[-1])
    first, second = summed
    times_as_long = _times_as_long(first, second)
    if options.rates:
        if not times_as_long:
            raise PortcallError("--rates: one side does not say how long it took. Compare totals: leave out --rates")
        thresholds = thresholds._replace(times_as_long=times_as_long)
    elif max(times_as_long, 1 / (times_as_long or 1)) > _UNEVEN:
        notes.append(_note_of_lengths(times_as_long))
    rows, coverage = difference(first, second, thresholds)
    chosen = choose(rows)
    listing = Listing(
        "diff",
        f"{first.source} → {second.source}",
        chosen,
        compared=coverage,
        degradations=list(dict.fromkeys(notes)),
        rows_left_out=len(rows) - len(chosen),
    )
    return Compared(listing, problems, interrupted)


def diff(  # noqa: PLR0913 (the options of the command, all by name)
    before: str | PathLike[str] | Report,
    after: str | PathLike[str] | Report,
    *,
    by: str | None = None,
    ratio: float = DEFAULT_RATIO,
    least: str | None = None,
    filter: str | None = None,  # noqa: A002 (the option's name)
    local: given.Texts = (),
    names: bool = True,
    rates: bool = False,
    where: str | None = None,
    top: int | None = None,
    history: str | PathLike[str] | None = None,
) -> Listing:
    """What changed between two captures, reports or periods: a row for each app and host, or what else ``by`` says.

    Each is a path of a capture or of a report as json, jsonl or parquet, or a ``Report``, or a period of ``history``
    (None: the user's own), as ``history:14d..7d``.
    """
    if not isinstance(ratio, int | float) or isinstance(ratio, bool):
        raise given.refused("ratio", ratio, "must be a number of at least 1")
    options = DiffOptions(
        by=given.one_of_or_none("by", by, COMPARED_BY),
        ratio=ratio,
        least=given.optional_text("least", least),
        filter=given.optional_text("filter", filter),
        local=given.texts("local", local),
        names=given.flag("names", names),
        rates=given.flag("rates", rates),
        where=given.optional_text("where", where),
        top=given.optional_count("top", top),
        history=given.optional_text("history", None if history is None else fspath(history)),
    )
    first, second = (
        side if isinstance(side, Report) else given.paths(name, fspath(side) if isinstance(side, PathLike) else side)[0]
        for name, side in (("before", before), ("after", after))
    )
    compared = compare(first, second, options)
    if compared.interrupted:
        raise KeyboardInterrupt
    problems = [Degradation(problem.path, problem.reason, problem.remedy) for problem in compared.problems]
    return replace(compared.listing, degradations=[*compared.listing.degradations, *problems])


def _known(side: str | Report, history: str | None) -> str | Report | WrittenReport | KeptPeriod:
    """What a word names; a text is a capture."""
    return side if isinstance(side, Report) else kept_period(side, history) or written_report(side) or side


def _check(sides: Sequence[str | Report | WrittenReport | KeptPeriod], options: DiffOptions) -> None:
    """UsageError for options that are about none of the sides."""
    if not any(isinstance(side, str) for side in sides) and (options.filter or options.local or not options.names):
        raise UsageError("--filter, --local and --no-names are about captures, and neither side is one")
    if options.history is not None and not any(isinstance(side, KeptPeriod) for side in sides):
        raise UsageError(f"--history {options.history}: name a period of it as a side, like {PREFIX}7d..")


def _of_report(report: Report, by: str, grouping: str) -> Side:
    sums = KeyedSums(by, grouping)
    sums.add_rows(report.rows)
    return Side(report.source, report.window_ns, sums)


def _of_file(report: WrittenReport, by: str, grouping: str) -> Side:
    sums = KeyedSums(by, grouping)
    for columns in report.blocks(sums.names):
        sums.add(columns)
    return Side(report.path, report.window_ns, sums)


def _of_period(period: KeptPeriod, by: str, grouping: str) -> tuple[Side, list[Degradation]]:
    """Its sums are by the columns themselves, where those of a capture are by flow."""
    sums = KeyedSums(by, by)
    kept = period.sums((*sums.key_columns, "unattributed_reason"), grouping)
    sums.add(kept.columns)
    return Side(period.source, kept.window_ns, sums), kept.notes


def _read(path: str, grouping: str, options: DiffOptions, progress: Progress | None) -> offline.Outcome:
    return offline.read(
        [path], by=grouping, filter=options.filter, local=options.local, names=options.names, progress=progress
    )


def _notes_of_file(report: WrittenReport) -> list[Degradation]:
    if report.rows_left_out is None:
        reason = f"{report.path} has rows only, so nobody can tell whether --where or --top left some out"
        return [Degradation("rows", reason, "write it with --format json or parquet")]
    return _notes_of_report(report.path, report.rows_left_out, is_by_time=report.is_by_time)


def _notes_of_report(source: str, rows_left_out: int, *, is_by_time: bool) -> list[Degradation]:
    notes = []
    if rows_left_out:
        reason = f"--where or --top left {rows_left_out} rows out of {source}; what they had may seem new or gone"
        notes.append(Degradation("rows", reason, "write the report without them"))
    if is_by_time:
        reason = f"{source} is split by time: a conversation counts once in each bucket"
        notes.append(Degradation("connections", reason, "write the report without --bucket"))
    return notes


def _notes_of_bound(side: Side) -> list[Degradation]:
    further = side.sums.rows_of_further_keys
    if not further:
        return []
    reason = f"{side.source} has more than {MOST_KEYS} of what is compared: {further} rows are together in one"
    return [Degradation("rows", reason, "compare with --by app")]


def _times_as_long(first: Side, second: Side) -> float:
    """How many times as long as the first side the second is; 0 where nobody can tell."""
    lengths_ns = [side.window_ns[1] - side.window_ns[0] for side in (first, second) if side.window_ns]
    return lengths_ns[1] / lengths_ns[0] if len(lengths_ns) == len((first, second)) and min(lengths_ns) > 0 else 0


def _note_of_lengths(times_as_long: float) -> Degradation:
    longer, times = ("second", times_as_long) if times_as_long > 1 else ("first", 1 / times_as_long)
    told = f"{times:.3g}" if times < _MANY_TIMES else f"{times:,.0f}".replace(",", " ")
    reason = f"the {longer} side is {told} times as long as the other, and totals are compared"
    return Degradation("times", reason, "compare bytes a second: --rates")
