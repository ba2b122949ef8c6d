"""What ``live`` reports while it runs: each interval with ``--every``, and at once on SIGUSR1."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from portcall.commands.comparing.expect_option import say_fresh
from portcall.commands.following.history_option import begun_history
from portcall.commands.output import present, say
from portcall.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from portcall.commands.options.metrics_option import Metrics
    from portcall.endings import Wishes
    from portcall.runs.following.live_intervals import Ended
    from portcall.runs.live_run import LiveRun

_SECOND_NS = 1_000_000_000


def check_live_reports(options: argparse.Namespace, format_name: str) -> None:
    """UsageError beside options that count the whole run, and for formats that have no place for intervals."""
    if not options.every:
        return
    from portcall.commands.following.interval_outputs import check_intervals

    check_intervals(options, format_name)
    for name, given in (("--metrics", options.metrics), ("-w", options.write), ("--", options.command)):
        if given:
            raise UsageError(f"{name} is about the whole run, and --every begins anew: leave out one of them")


class LiveReports:
    """Reports of one run, to be asked often whether one is due."""

    def __init__(self, capture: LiveRun, options: argparse.Namespace, format_name: str) -> None:
        """UsageError or PortcallError where reports of intervals have nowhere to go."""
        self._capture, self._options, self._format_name = capture, options, format_name
        self._intervals = self._outputs = None
        self._dropped = 0
        self.refuse: Callable[[str], None] | None = None
        """Says that there is no place for a report; None where stderr has one."""
        if options.every:
            from portcall.commands.following.interval_outputs import interval_outputs

            self._outputs = interval_outputs(options, format_name)
            self._intervals = capture.in_intervals(round(options.every * _SECOND_NS))
            say(f"{capture.name}: reports of each {options.every:g} s")
        self._history = begun_history(options, capture)

    @property
    def are_of_intervals(self) -> bool:
        """Whether all that is counted is reported by them."""
        return self._intervals is not None

    @property
    def have_failed(self) -> bool:
        """Whether a file did not take its report, which then was printed, or the history not all of its windows."""
        is_unwritten = self._outputs is not None and self._outputs.teller.has_failed
        return is_unwritten or (self._history is not None and self._history.has_failed)

    @property
    def leave_room_for_a_view(self) -> bool:
        """Whether people see how it goes meanwhile: a service's log has its reports, and not a line a second."""
        return not self._intervals or sys.stderr.isatty()

    def turn(self, wishes: Wishes) -> None:
        """Do what somebody asked for by a signal."""
        wishes.heard()
        if wishes.wants_new_file() and self._intervals:
            self._intervals.end_interval()
        if wishes.wants_report():
            has_file = self._options.output and not self._options.every
            if self.refuse and not has_file:
                self.refuse("SIGUSR1 asks for a report: w writes one to a file, and -o FILE says to which")
                return
            report = self._capture.report()
            if has_file:
                present(report, self._format_name, self._options)
            else:
                from portcall.views.tables import MOST_ROWS, write_table  # rich

                write_table(report, sys.stderr, most_rows=self._options.top or MOST_ROWS)

    def on_interval(self) -> None:
        """Write the reports that are due, and the windows of a history."""
        if self._intervals:
            self._write(self._intervals.settled())
        if self._history:
            self._history.turn()

    def finish(self) -> None:
        """Write all that are left."""
        if self._intervals:
            self._write(self._intervals.finish())
        if self._history:
            self._history.finish()

    def _write(self, due: Iterable[Ended]) -> None:
        for ended in due:
            report = self._capture.report(ended.tracker, self._dropped)
            say_fresh(self._capture.expecting)
            self._dropped += report.coverage.dropped_by_kernel or 0
            if self._history:
                self._history.keeper.take_over(ended.tracker)
            if self._outputs:
                self._outputs.prepare(report, ended.begins_ns)
                self._outputs.publish()


class Telling(NamedTuple):
    """Who hears of a run besides those who watch it."""

    metrics: Metrics | None
    reports: LiveReports


def is_service(options: argparse.Namespace) -> bool:
    """Whether it runs until somebody ends it with SIGTERM, which is then no interruption."""
    return any(given is not None for given in (options.every, options.metrics, options.history))


def hangup_begins_anew(options: argparse.Namespace) -> bool:
    """Whether SIGHUP asks for a new file: where there are several, and no terminal that could have closed."""
    return bool(options.every) and not any(map(os.isatty, (0, 1, 2)))
