"""``portcall baseline``: who talks to whom, learned from captures, from reports by flow and from a history."""

from __future__ import annotations

import ipaddress
from os import PathLike, fspath
from typing import TYPE_CHECKING, NamedTuple

from portcall.comparison.baselines import Baseline, Learned
from portcall.comparison.learning import KEPT_COLUMNS, LEARNED_COLUMNS, Learner
from portcall.errors import PortcallError, UsageError
from portcall.records.report_rows import Rows
from portcall.runs import arguments as given
from portcall.runs import offline
from portcall.runs.comparing.baseline_file import read_baseline, write_baseline
from portcall.runs.comparing.kept_period import PREFIX, kept_period
from portcall.sources.reports.described_report import refusal
from portcall.sources.reports.written_report import written_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.comparison.baselines import Network
    from portcall.errors import CaptureError
    from portcall.runs.comparing.kept_period import KeptPeriod
    from portcall.sources.reports.described_report import WrittenReport

    Progress = Callable[[int, int | None], None]


class Lesson(NamedTuple):
    """What was learned, and what kept it from being all of it."""

    baseline: Baseline
    conversations: int
    problems: list[CaptureError]


def learn(  # noqa: PLR0913 (the options of the command, all by name)
    paths: Sequence[str],
    *,
    within: Sequence[str] = (),
    exact_names: bool = False,
    filter: str | None = None,  # noqa: A002 (the option's name)
    local: Sequence[str] = (),
    history: str | None = None,
    progress: Progress | None = None,
) -> Lesson:
    """Learn from files and periods of a history; captures among them are one capture, in order of time.

    KeyboardInterrupt where it was interrupted: half of what is usual is no baseline. PortcallError where nothing is to
    be learned, UsageError for what is no network.
    """
    learner = Learner(list(map(_network, within)), exact_names=exact_names)
    periods = {path: period for path in paths if (period := kept_period(path, history))}
    if history is not None and not periods:
        raise UsageError(f"--history {history}: name a period of it to learn from, like {PREFIX}30d..")
    reports = {path: report for path in paths if path not in periods and (report := written_report(path))}
    captures = [path for path in paths if path not in reports and path not in periods]
    problems: list[CaptureError] = []
    for period in periods.values():
        _learn_period(learner, period)
    for report in reports.values():
        _learn_report(learner, report)
    if captures:
        before = learner.conversations
        outcome = offline.read(captures, by="flow", filter=filter, local=local, progress=progress)
        if outcome.interrupted:
            raise KeyboardInterrupt
        if isinstance(outcome.report.rows, Rows):
            for columns in outcome.report.rows.blocks(names=LEARNED_COLUMNS):
                learner.add(columns)
        learner.baseline.learned.append(
            Learned(", ".join(captures), outcome.report.window_ns, learner.conversations - before)
        )
        problems = outcome.problems
    if not learner.conversations and not learner.baseline.expected:
        raise PortcallError(f"{', '.join(paths)}: no conversation to learn from")
    return Lesson(learner.baseline, learner.conversations, problems)


def baseline(  # noqa: PLR0913 (the options of the command, all by name)
    paths: given.Texts,
    *,
    output: str | PathLike[str] | None = None,
    add: bool = False,
    network: given.Texts = (),
    exact_names: bool = False,
    filter: str | None = None,  # noqa: A002 (the option's name)
    local: given.Texts = (),
    history: str | PathLike[str] | None = None,
) -> Baseline:
    """Learn from captures, or reports by flow, who talks to whom: what ``read`` and ``live`` take as ``expect``.

    ``history:30d..`` among the paths is a period of ``history`` (None: the user's own).

    ``output`` is where to write it too, behind what is there already with ``add``.
    """
    if given.flag("add", add) and output is None:
        raise given.refused("add", add, "is about a file: say which, with output")
    former = read_baseline(fspath(output), "output") if add and output is not None else Baseline()
    lesson = learn(
        given.paths("paths", paths),
        within=given.texts("network", network),
        exact_names=given.flag("exact_names", exact_names),
        filter=given.optional_text("filter", filter),
        local=given.texts("local", local),
        history=given.optional_text("history", None if history is None else fspath(history)),
    )
    former.merge(lesson.baseline)
    if output is not None:
        write_baseline(former, fspath(output))
    return former


def _learn_report(learner: Learner, report: WrittenReport) -> None:
    if report.by != "flow":
        raise refusal(report.path, None, f"this report is by {report.by}, and what is usual is learned by flow")
    before = learner.conversations
    for columns in report.blocks(LEARNED_COLUMNS):
        learner.add(columns)
    learner.baseline.learned.append(Learned(report.path, report.window_ns, learner.conversations - before))


def _learn_period(learner: Learner, period: KeptPeriod) -> None:
    before = learner.conversations
    kept = period.sums(KEPT_COLUMNS, "flow")
    learner.add_sums(kept.columns)
    learner.baseline.learned.append(Learned(period.source, kept.window_ns, learner.conversations - before))


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise UsageError(f"--network {text}: {error}. Write it like 192.0.2.0/24 or 2001:db8::/32") from error
