"""``read --follow``, ``--checkpoint FILE``, ``--every S``: captures that grow, and runs that go on where they ended."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from portcall.commands.confining import confine_read
from portcall.commands.options.stream_option import rows_as_they_leave, stream_options
from portcall.commands.output import (
    NOTHING_FOUND,
    PARTLY_READ,
    SUCCESS,
    positive_seconds,
    present,
    say,
)
from portcall.endings import Wishes, ending_status
from portcall.errors import PortcallError, UsageError
from portcall.exports import LOGS, PAGES

if TYPE_CHECKING:
    import argparse

    from portcall.commands.following.interval_outputs import IntervalOutputs
    from portcall.errors import CaptureError
    from portcall.records.report import Report
    from portcall.runs.following.checkpoint import Checkpoint
    from portcall.runs.reading import Reading

    Told = tuple[Report | None, list[CaptureError]]

_SECOND_NS = 1_000_000_000


def add_follow_options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument(
        "--follow",
        action="store_true",
        help="go on as captures grow and more come into the folders, until Ctrl-C or SIGTERM",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="save what was counted to FILE every few seconds, and go on from there when started again",
    )
    add_every_option(parser)


def add_every_option(parser: argparse.ArgumentParser) -> None:
    """Declare the one that ``live`` has too."""
    parser.add_argument(
        "--every",
        metavar="S",
        type=positive_seconds,
        help="report each interval of S seconds by itself, as to -o 'traffic-%%Y%%m%%d-%%H%%M.parquet' (UTC)",
    )


def is_wanted(options: argparse.Namespace) -> bool:
    """Whether any of them is given."""
    return bool(options.follow or options.checkpoint or options.every)


def check_follow(options: argparse.Namespace, format_name: str) -> None:
    """UsageError beside options that they cannot go with, before anything is read."""
    if options.every and not options.follow:
        raise UsageError("--every reports while captures grow: add --follow, or split rows by time with --bucket")
    if options.explain or options.dissect:
        other = "--explain" if options.explain else "--dissect"
        raise UsageError(f"{other} is about captures that are there: leave out --follow and --checkpoint")
    if options.checkpoint and (options.idle_timeout or options.active_timeout or options.memory):
        raise UsageError(
            "a checkpoint holds all conversations: leave out --idle-timeout, --active-timeout and --memory"
        )
    if options.checkpoint and format_name in LOGS:
        raise UsageError(f"--format {format_name} has what was said, which no checkpoint holds: leave out --checkpoint")


def run_following(options: argparse.Namespace, by: str, format_name: str) -> int:
    """Read with these options; the exit status.

    SIGTERM is how a service is ended: where captures are followed, that is a success.
    """
    from portcall.runs.following.checkpoint import Checkpoint
    from portcall.runs.reading import Reading, ReadOptions

    words: dict[str, Any] = {field.name: getattr(options, field.name, None) for field in fields(ReadOptions)}
    leaving = None if options.checkpoint or options.every else rows_as_they_leave(options, format_name, by)
    stream = stream_options(options, leaving)
    reading = Reading(
        ReadOptions(**{**words, "by": by, "logs": format_name in LOGS, "page": format_name in PAGES, "stream": stream})
    )
    command = {
        "CAPTURE": options.captures,
        **reading.options.words(),
        **{f"--{name}": getattr(options, name) for name in ("follow", "every")},
        **({"-o": options.output, "--format": format_name} if options.every else {}),
    }
    with ExitStack() as stack:
        checkpoint, outputs = Checkpoint(options.checkpoint, command) if options.checkpoint else None, None
        if checkpoint:
            stack.callback(checkpoint.close)
        hangup_begins_anew = bool(options.every) and not sys.stderr.isatty()
        wishes = stack.enter_context(Wishes(hangup_begins_anew=hangup_begins_anew))
        confine_read(options, format_name, by)
        if checkpoint and not options.follow:
            report, problems = _resume(options, reading, checkpoint, wishes)
        else:
            outputs = _outputs(options, format_name)
            report, problems = _follow(options, format_name, reading, checkpoint, wishes, outputs)
    has_begun = leaving is not None and leaving.has_begun
    if report and leaving and has_begun:
        leaving.finish(report)
    elif report:
        present(report, format_name, options)
    for problem in problems:
        say(str(problem))
    if checkpoint and checkpoint.failure:
        say(f"{checkpoint.failure}; what was saved before is still there")
    elif checkpoint:
        say(f"--checkpoint {checkpoint.path}: {checkpoint.bytes} bytes hold all that was counted")
    if wishes.is_asked and not (options.follow and wishes.is_terminated):
        return ending_status()
    if status := _status(problems, checkpoint, outputs):
        return status
    is_search = options.filter or options.where or options.from_ or options.to
    return NOTHING_FOUND if report and is_search and not report.rows and not has_begun else SUCCESS


def _status(problems: list[CaptureError], checkpoint: Checkpoint | None, outputs: IntervalOutputs | None) -> int | None:
    """The exit status where something could not be written, or read."""
    if (checkpoint and checkpoint.failure) or (outputs and outputs.teller.has_failed):
        return PortcallError.exit_status
    return PARTLY_READ if problems else None


def _outputs(options: argparse.Namespace, format_name: str) -> IntervalOutputs | None:
    """Where reports of intervals go; None where there are none."""
    if not options.every:
        return None
    from portcall.commands.following.interval_outputs import interval_outputs

    return interval_outputs(options, format_name)


def _follow(
    options: argparse.Namespace,
    format_name: str,
    reading: Reading,
    checkpoint: Checkpoint | None,
    wishes: Wishes,
    outputs: IntervalOutputs | None,
) -> Told:
    from portcall.runs.following.follow_run import FollowRun, Tellings

    every_ns = round(options.every * _SECOND_NS) if options.every else None
    run = FollowRun(options.captures, reading, checkpoint=checkpoint, every_ns=every_ns, outputs=outputs)

    def report_now(report: Report) -> None:
        if options.output and not options.every:
            present(report, format_name, options)
        else:
            _show(report, options.top)

    try:
        with ExitStack() as stack:
            glance = None
            if sys.stderr.isatty():
                from portcall.views.live import LiveView

                name = ", ".join(options.captures)
                view = LiveView(
                    sys.stderr, name, most_rows=options.top, is_shown=reading.is_shown, began_s=time.monotonic()
                )
                stack.enter_context(view)

                def glance(report: Report) -> None:
                    view.show(report, time.monotonic())

            run.follow(wishes, Tellings(glance, report_now))
        return run.finish(), run.problems
    finally:
        run.close()


def _show(report: Report, top: int | None) -> None:
    """What somebody asked for while it runs."""
    from portcall.views.tables import MOST_ROWS, write_table  # rich

    write_table(report, sys.stderr, most_rows=top or MOST_ROWS)


def _resume(options: argparse.Namespace, reading: Reading, checkpoint: Checkpoint, wishes: Wishes) -> Told:
    from portcall.runs.following.resumed_run import ResumedRun
    from portcall.views.progress import ProgressBar

    with ProgressBar(sys.stderr) as progress:
        shown = progress if sys.stderr.isatty() else None
        run = ResumedRun(options.captures, reading, checkpoint, shown)
        run.read(wishes)
    if wishes.is_asked:
        say("interrupted: this is what was counted until then")
    return run.report(), run.problems
