"""``portcall live``: sniff, attribute to processes, and say who uses the network."""

from __future__ import annotations

import math
import socket
import time
from contextlib import ExitStack
from dataclasses import fields
from typing import TYPE_CHECKING

from portcall.commands.comparing import expect_option as expect
from portcall.commands.confining import LiveConfinement, begin_live_helpers
from portcall.commands.followed_command import FollowedCommand
from portcall.commands.following.follow_option import add_every_option
from portcall.commands.following.history_option import add_history_options, check_history, window_sums
from portcall.commands.following.live_reports import (
    LiveReports,
    Telling,
    check_live_reports,
    hangup_begins_anew,
    is_service,
)
from portcall.commands.live_loading import load_what_comes_later
from portcall.commands.options.metrics_option import Metrics, add_metrics_option, metrics_address
from portcall.commands.options.recording_options import (
    add_owners_option,
    add_recording_options,
    begin,
    recording_asked_for,
    say_nobody_reads,
    status_of,
    takes_stdout,
    watch_owners,
)
from portcall.commands.options.stream_option import add_stream_options, rows_as_they_leave, stream_options
from portcall.commands.output import (
    INTERRUPTED,
    NOTHING_FOUND,
    SUCCESS,
    TRAFFIC_FORMATS,
    add_report_options,
    did_you_mean_command,
    grouping_for,
    looks_like_capture,
    output_format,
    positive_seconds,
    present,
    say_degradations,
    try_place,
)
from portcall.commands.screens.live_views import groupings_of, view_of
from portcall.commands.screens.screen_option import add_plain_option, is_wanted_live
from portcall.endings import Wishes
from portcall.errors import PortcallError, UsageError
from portcall.exports import LOGS, PAGES
from portcall.records.schema import LIVE_GROUPINGS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from portcall.commands.options.stream_option import RowsAsTheyLeave
    from portcall.commands.screens.live_views import LiveDisplay
    from portcall.records.ownership import Match
    from portcall.records.report import Degradation, Report
    from portcall.runs.live_run import LiveRun

_KILLED = 128
"""Plus the signal's number, as shells say it."""
_EPILOG = """\
examples:
  sudo portcall live --by process
  sudo portcall live -i lo --duration 10 --by flow -o flows.jsonl
  sudo portcall live -- curl https://example.org
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    parser.description = (
        "Attribute traffic to processes as it passes: a table on a terminal, a line a second elsewhere, "
        "and the report at the end. Ctrl-C ends it."
    )
    parser.epilog = _EPILOG
    parser.add_argument(
        "-i", "--interface", metavar="IFACE", action="append", default=[],
        help="where to listen; any: everywhere (default: interfaces with an address, and lo)",
    )  # fmt: skip
    parser.add_argument(
        "--netns", metavar="NAME", action="append", default=[],
        help="network namespace to listen in; all: every one, those that come later within a second",
    )  # fmt: skip
    parser.add_argument("--duration", metavar="S", type=positive_seconds, help="end after S seconds (default: Ctrl-C)")
    parser.add_argument("--source", choices=("ring", "scapy"), help="what captures (default: the best there is)")
    parser.add_argument(
        "--ring-size", metavar="SIZE",
        help="memory that the kernel fills with packets while others are counted, as 256MB: more where packets are "
        "dropped in bursts (default: 32MiB)",
    )  # fmt: skip
    parser.add_argument(
        "--owners", choices=("ebpf", "ebpf-cgroup", "ebpf-tracing", "netlink", "psutil"),
        help="what tells whose sockets are (default: the best there is)",
    )  # fmt: skip
    add_recording_options(parser)
    add_owners_option(parser)
    add_report_options(parser, LIVE_GROUPINGS)
    add_every_option(parser)
    expect.add_expect_option(parser)
    add_history_options(parser)
    add_metrics_option(parser)
    add_stream_options(parser, idle="default: 120", memory="default: 512MB")
    parser.add_argument(
        "--sort", choices=("rate", "total"), default="rate",
        help="what rows are sorted by while it runs: bytes a second now, without silent rows, or bytes so far, "
        "as at the end (default: %(default)s)",
    )  # fmt: skip
    add_plain_option(parser)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="-- COMMAND",
        help="follow only this command and its children, and end with its status",
    )
    parser.set_defaults(run=run, command=[])  # what stands behind --, which cli cuts off


def run(options: argparse.Namespace) -> int:
    """Watch until the end; 0, 1 where nothing matches, 130 ended by a signal, and the status of a command that ended.

    The report is printed in any case.
    """
    if options.words:
        raise UsageError(_stray(options.words))
    if options.owners_only and options.history is None:
        return watch_owners(options)
    format_name = output_format(options, TRAFFIC_FORMATS, tries_output=False)
    expect.check_expect(options, format_name)
    check_history(options, format_name)
    options.by, options.logs = grouping_for(options, format_name), format_name in LOGS
    options.page = format_name in PAGES
    if options.metrics is not None:
        metrics_address(options.metrics)
    check_live_reports(options, format_name)
    from portcall.runs.live_run import LiveOptions, LiveRun
    from portcall.system.privileges import raise_priority
    from portcall.system.remedies import is_root

    recording = recording_asked_for(options)
    options.snap_length = recording.snaplen if recording else 0
    asks = options.idle_timeout or options.active_timeout or options.memory
    leaving = rows_as_they_leave(options, format_name, options.by) if asks and not options.every else None
    options.expect, options.windows = expect.baseline_asked_for(options), window_sums(options)
    options.stream, options.on_screen = stream_options(options, leaving), is_wanted_live(options)
    options.looks_by = groupings_of(options.by) if options.on_screen else ["app"] * (options.metrics is not None)
    wanted = LiveOptions(**{field.name: getattr(options, field.name) for field in fields(LiveOptions)})
    with ExitStack() as stack:
        followed = _begin_helpers(options, stack)
        capture = stack.enter_context(LiveRun(wanted))
        metrics = None if options.metrics is None else stack.enter_context(Metrics(options.metrics))
        if is_root():
            load_what_comes_later(with_screen=options.on_screen)
        raise_priority()
        confinement = LiveConfinement(options, format_name)
        if not options.every:
            try_place(options.output, format_name)
        recorder = begin(capture, recording)
        reports = LiveReports(capture, options, format_name)
        capture.missing += confinement.complete()
        display = view_of(capture, options, reports)
        with Wishes(hangup_begins_anew=hangup_begins_anew(options)) as stop:
            status = _watch(capture, display, stop, options, followed, Telling(metrics, reports))
        report = capture.report()
        reports.finish()
        if not reports.are_of_intervals:
            _deliver(report, format_name, options, display.said, leaving)
    expect.say_news(capture.expecting)
    recorded = PortcallError.exit_status if reports.have_failed else status_of(recorder)
    if recorded is None and stop.is_asked:
        recorded = SUCCESS if stop.is_terminated and is_service(options) else INTERRUPTED
    is_empty = not report.rows and not (leaving and leaving.has_begun)
    ended = NOTHING_FOUND if is_empty and options.where and status is None else SUCCESS
    if recorded is None and status:
        return status  # the command's own
    return expect.status_with_expect(ended if recorded is None else recorded, capture.expecting)


def _begin_helpers(options: argparse.Namespace, stack: ExitStack) -> FollowedCommand | None:
    """Fork them, before anything is open; gives who starts the command that is followed."""
    followed = stack.enter_context(FollowedCommand(options.command)) if options.command else None
    for helper in begin_live_helpers(options):
        stack.callback(helper.close)
    return followed


def _deliver(
    report: Report,
    format_name: str,
    options: argparse.Namespace,
    said: Sequence[Degradation],
    leaving: RowsAsTheyLeave | None,
) -> None:
    """Write the report where it was asked for, behind the rows that are there already."""
    if takes_stdout(options):
        say_degradations(report, said)
    elif leaving and leaving.has_begun:
        leaving.finish(report, said)
    else:
        present(report, format_name, options, said)


def _stray(words: list[str]) -> str:
    """What to say of words that begin no command, since only -- does."""
    if looks_like_capture(words[0]):
        return f"live listens to interfaces, and {words[0]} is a capture. {did_you_mean_command('read', *words)}"
    if words[0] in (name for _, name in socket.if_nameindex()):
        return f"{words[0]} is an interface. {did_you_mean_command('live', '-i', words[0])}"
    return f"{words[0]!r}: only what stands behind -- is a command. {did_you_mean_command('live', '--', *words)}"


def _watch(
    capture: LiveRun,
    display: LiveDisplay,
    stop: Wishes,
    options: argparse.Namespace,
    followed: FollowedCommand | None,
    telling: Telling,
) -> int | None:
    """Watch until the time is over, the command has ended or somebody interrupts; the command's status if it did."""
    ends_s = time.monotonic() + (math.inf if options.duration is None else options.duration)
    recorder = capture.tracker.recorder
    if recorder:
        recorder.files.is_ending = lambda: stop.is_asked
        if not options.on_screen:
            recorder.files.stands_still = lambda: say_nobody_reads(recorder.files.name)
    metrics, reports = telling
    with display:
        if followed:
            followed.begin()
            capture.tracker.follow(_is_of(followed.pid))

        def is_over() -> bool:
            display.turn()
            reports.turn(stop)
            if metrics:
                metrics.turn(time.monotonic())
            has_failed = recorder is not None and recorder.failure is not None
            has_ended = followed is not None and followed.poll() is not None
            return display.is_left or stop.is_asked or has_failed or has_ended or time.monotonic() >= ends_s

        def on_interval() -> None:
            reports.on_interval()
            display.on_interval()
            if metrics:
                metrics.tell(capture.look("app"))

        if metrics:
            metrics.tell(capture.look("app"))
        interval_s = min(1.0, options.duration or 1.0)
        wakes = [stop.descriptor, *display.descriptors, *(one.fileno() for one in (metrics, followed) if one)]
        display.show(lambda: capture.watch(is_over, on_interval, wakes=wakes, interval_s=interval_s), stop.ask)
        capture.settle()
        status = _status_of(followed)
        capture.missing += followed.losses if followed else []
        return status


def _status_of(followed: FollowedCommand | None) -> int | None:
    """The status that a command has ended with, as shells say it; None where there is none, or is to be ended yet."""
    status = followed.poll() if followed else None
    return status if status is None or status >= 0 else _KILLED - status


def _is_of(pid: int) -> Callable[[Match | None], bool]:
    """Whether a match names that process or one below it."""

    def is_wanted(match: Match | None) -> bool:
        owner = match.owner if match else None
        return owner is not None and (owner.pid == pid or pid in [parent for parent, _ in owner.parents])

    return is_wanted
