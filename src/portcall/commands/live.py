"""``portcall live``: sniff, attribute to processes, and say who uses the network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING

from portcall.commands.metrics_option import Metrics, add_metrics_option, metrics_address
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
from portcall.commands.recording_options import (
    add_owners_option,
    add_recording_options,
    begin,
    recording_asked_for,
    status_of,
    takes_stdout,
    watch_owners,
)
from portcall.commands.stream_option import add_stream_options, rows_as_they_leave, stream_options
from portcall.endings import Stop
from portcall.errors import PortcallError, UsageError
from portcall.exports import LOGS, MODULES, PAGES, TRAFFIC_ONLY
from portcall.isolation import original_environment
from portcall.records.schema import LIVE_GROUPINGS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from portcall.records.ownership import Match
    from portcall.runs.live_run import LiveRun
    from portcall.views.live import LiveView

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
    add_metrics_option(parser)
    add_stream_options(parser, idle="default: 120", memory="default: 512MB")
    parser.add_argument(
        "--sort", choices=("rate", "total"), default="rate",
        help="what rows are sorted by while it runs: bytes a second now, without silent rows, or bytes so far, "
        "as at the end (default: %(default)s)",
    )  # fmt: skip
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
    if options.owners_only:
        return watch_owners(options)
    format_name = output_format(options, TRAFFIC_FORMATS, tries_output=False)
    options.by, options.logs = grouping_for(options, format_name), format_name in LOGS
    options.page = format_name in PAGES
    if options.metrics is not None:
        metrics_address(options.metrics)
    from portcall.runs.live_run import LiveOptions, LiveRun
    from portcall.system.privileges import become_invoking_user, has_invoking_user, raise_priority

    recording = recording_asked_for(options)
    options.snap_length = recording.snaplen if recording else 0
    asks = options.idle_timeout or options.active_timeout or options.memory
    leaving = rows_as_they_leave(options, format_name, options.by) if asks else None
    options.stream, options.counts_by_app = stream_options(options, leaving), options.metrics is not None
    wanted = LiveOptions(**{field.name: getattr(options, field.name) for field in fields(LiveOptions)})
    with LiveRun(wanted) as capture, ExitStack() as stack:
        metrics = None if options.metrics is None else stack.enter_context(Metrics(options.metrics))
        if has_invoking_user(os.environ):
            _load_what_comes_later()
        priority = raise_priority()
        become_invoking_user(os.environ)
        try_place(options.output, format_name)
        recorder = begin(capture, recording)
        view = _view(capture, options)
        with Stop() as stop:
            status = _watch(capture, view, stop, options, priority, metrics)
        report = capture.report()
        if takes_stdout(options):
            say_degradations(report, view.said)
        elif leaving and leaving.has_begun:
            leaving.finish(report, view.said)
        else:
            present(report, format_name, options, view.said)
    recorded = status_of(recorder)
    if recorded is not None:
        return recorded
    if stop.is_asked:
        return INTERRUPTED
    if status is not None:
        return status
    is_empty = not report.rows and not (leaving and leaving.has_begun)
    return NOTHING_FOUND if is_empty and options.where else SUCCESS


def _stray(words: list[str]) -> str:
    """What to say of words that begin no command, since only -- does."""
    if looks_like_capture(words[0]):
        return f"live listens to interfaces, and {words[0]} is a capture. {did_you_mean_command('read', *words)}"
    if words[0] in (name for _, name in socket.if_nameindex()):
        return f"{words[0]} is an interface. {did_you_mean_command('live', '-i', words[0])}"
    return f"{words[0]!r}: only what stands behind -- is a command. {did_you_mean_command('live', '--', *words)}"


def _view(capture: LiveRun, options: argparse.Namespace) -> LiveView:
    from portcall.views.live import LiveView

    return LiveView(
        sys.stderr,
        capture.name,
        sort=options.sort,
        most_rows=options.top,
        is_shown=capture.is_shown,
        began_s=time.monotonic(),
    )


def _watch(
    capture: LiveRun,
    view: LiveView,
    stop: Stop,
    options: argparse.Namespace,
    priority: int | None,
    metrics: Metrics | None,
) -> int | None:
    """Watch until the time is over, the command has ended or somebody interrupts; the command's status if it did."""
    began = time.monotonic()
    if capture.tracker.recorder:
        capture.tracker.recorder.files.is_ending = lambda: stop.is_asked
    with view:
        process = _start(options.command, priority)
        if process:
            capture.tracker.follow(_is_of(process.pid))

        def is_over() -> bool:
            if metrics:
                metrics.turn(time.monotonic())
            timed_out = options.duration is not None and time.monotonic() - began >= options.duration
            has_failed = capture.tracker.recorder and capture.tracker.recorder.failure
            return (
                stop.is_asked or timed_out or bool(has_failed) or (process is not None and process.poll() is not None)
            )

        def on_interval() -> None:
            view.show(capture.glance(keeps_silent=options.sort == "total"), time.monotonic())
            if metrics:
                metrics.tell(capture.report_by_app())

        if metrics:
            metrics.tell(capture.report_by_app())
        interval_s = min(1.0, options.duration or 1.0)
        wakes = [stop.descriptor, *([metrics.fileno()] if metrics else [])]
        capture.watch(is_over, on_interval, wakes=wakes, interval_s=interval_s)
        capture.settle()
        if process is None:
            return None
        status = process.poll()
        if status is None:
            process.terminate()
            process.wait()
            return None
        return status if status >= 0 else _KILLED - status


_LATER = (
    *("rich.live", "numpy.ma", "hashlib", "hmac", "uuid", "hpack"),
    *("cryptography.x509.oid", "cryptography.exceptions", "cryptography.hazmat.primitives.ciphers.aead"),
    *("cryptography.hazmat.primitives.ciphers.algorithms", "cryptography.hazmat.primitives.ciphers.modes"),
)
"""Packages that are imported where they are used, which is then."""


def _load_what_comes_later() -> None:
    """Import what is needed then: the invoking user may not be allowed to read where it is installed."""
    for name in (
        "runs.live_loop",
        "inspection.server_names",
        "exports._row_writer",
        "enrichment.reverse_dns",
        "inspection.logs.conversation_logs",
        "views.live",
        "views.tables",
        *(
            f"exports.{module}"
            for module in (*MODULES.values(), *LOGS.values(), *TRAFFIC_ONLY.values(), *PAGES.values())
        ),
    ):
        import_module(f"portcall.{name}")
    for name in _LATER:
        import_module(name)
    import_module("portcall.views.live").rehearse()
    import_module("portcall.exports.html_page").assets()
    import_module("portcall.dissectors").find_dissectors()
    import_module("portcall.labels.port_services").service_id_of("dns")  # the lists, which are read at a first question
    import_module("portcall.labels.port_services").ranks_of(6)
    for name in ("www.example.com", "www.example.xn--p1ai"):
        import_module("portcall.labels.hostnames").app_of_hostname(name)


def _start(command: list[str], priority: int | None) -> subprocess.Popen[bytes] | None:
    if not command:
        return None

    def lower_priority() -> None:
        if priority is not None:
            os.setpriority(os.PRIO_PROCESS, 0, priority)

    try:
        return subprocess.Popen(  # noqa: S603 - asked for
            command,
            env=original_environment(),
            preexec_fn=lower_priority,  # noqa: PLW1509 - there is one thread
        )
    except OSError as error:
        raise PortcallError(f"{command[0]}: {error.strerror}") from error


def _is_of(pid: int) -> Callable[[Match | None], bool]:
    """Whether a match names that process or one below it."""

    def is_wanted(match: Match | None) -> bool:
        owner = match.owner if match else None
        return owner is not None and (owner.pid == pid or pid in [parent for parent, _ in owner.parents])

    return is_wanted
