"""``portcall read CAPTURE…``: the apps that the bytes of captures belong to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from portcall.commands.comparing import expect_option as expect
from portcall.commands.confining import begin_read_helpers, confine_read
from portcall.commands.following.follow_option import add_follow_options, check_follow, is_wanted, run_following
from portcall.commands.options.dissect_option import add_dissect_option, check_dissect, show_dissection
from portcall.commands.options.engine_option import add_engine_options, is_engine_wanted, run_engine
from portcall.commands.options.explain_option import add_explain_option, flow_choice, show_explanations
from portcall.commands.options.stream_option import add_stream_options, rows_as_they_leave, stream_options
from portcall.commands.output import (
    NOTHING_FOUND,
    PARTLY_READ,
    SUCCESS,
    TRAFFIC_FORMATS,
    add_report_options,
    grouping_for,
    output_format,
    positive,
    present,
    say,
)
from portcall.commands.screens.screen_option import add_screen_option, check_screen
from portcall.commands.screens.shown_screen import is_counted_beside, show_read
from portcall.endings import ending_status
from portcall.errors import UsageError
from portcall.exports import LOGS, PAGES
from portcall.records.schema import LIVE_GROUPINGS

if TYPE_CHECKING:
    import argparse

    from portcall.runs.offline import Outcome

_EPILOG = """\
example:
  portcall read capture.pcapng --by host --where 'bytes>1MB'
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    parser.description = "Attribute the traffic of captures to apps. Many files are one capture, in order of time."
    parser.epilog = _EPILOG
    parser.add_argument(
        "captures",
        nargs="+",
        metavar="CAPTURE",
        help="pcap or pcapng, plain or compressed, or a folder of them; - is stdin",
    )
    add_report_options(parser, LIVE_GROUPINGS)
    parser.add_argument(
        "--layer",
        choices=("outer", "inner"),
        default="outer",
        help="transport header of a tunnel that counts (default: %(default)s)",
    )
    parser.add_argument(
        "--deduplicate",
        action="store_true",
        help="count each packet once: copies within 5 ms (VLAN tag, hops and link header aside) become a row",
    )
    parser.add_argument(
        "--from",
        dest="from_",
        metavar="TIME",
        help="count frames from this time on, as 2024-05-01T12:30:05 (UTC)",
    )
    parser.add_argument("--to", metavar="TIME", help="count only frames before this time")
    parser.add_argument(
        "--tls-keys",
        metavar="FILE",
        action="append",
        default=[],
        help="secrets of TLS sessions, as programs write them where SSLKEYLOGFILE says, to read what is inside",
    )
    parser.add_argument(
        "--checksums",
        action="store_true",
        help="with --format zeek: packets with a wrong checksum are a letter of their history, and do not count",
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="threads that read a capture, which changes no row (default: the processors that it may use)",
    )
    add_stream_options(parser, idle="default: none leaves", memory="default: 512MB for a pipe, else none")
    add_dissect_option(parser)
    add_explain_option(parser)
    expect.add_expect_option(parser)
    add_follow_options(parser)
    add_engine_options(parser)
    add_screen_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read, show, and say how it went: 0, 1 where nothing matches, 3 where part could not be read, 130 interrupted.

    With ``--expect`` it is 4 where something is new.

    Another signal that ended it is 128 and its number.
    """
    if is_engine_wanted(options):
        return run_engine(options)
    format_name = output_format(options, TRAFFIC_FORMATS, tries_output=not options.every)
    follows = {f"--{name}": getattr(options, name) for name in ("follow", "checkpoint", "explain")}
    expect.check_expect(options, format_name, follows)
    by = grouping_for(options, format_name)
    if options.checksums and format_name not in LOGS:
        raise UsageError("--checksums is for conn.log: use it with --format zeek or zeek-json")
    check_dissect(options, format_name)
    choice = flow_choice(options, format_name)
    if options.screen:
        check_screen(options, by)
    begin_read_helpers(options)
    if is_wanted(options):
        check_follow(options, format_name)
        return run_following(options, by, format_name)
    leaving = None if choice or options.dissect or options.screen else rows_as_they_leave(options, format_name, by)
    stream = stream_options(options, leaving)
    baseline = expect.baseline_asked_for(options)
    from portcall.runs import offline  # numpy and more
    from portcall.sources.folders import NamedFiles
    from portcall.views.progress import ProgressBar

    with ProgressBar(sys.stderr) as progress:
        outcome = offline.read(
            options.captures,
            by="flow" if choice or (options.screen and is_counted_beside(by, format_name)) else by,
            layer=options.layer,
            filter=options.filter,
            local=options.local,
            where=None if options.screen else options.where,
            top=None if options.screen else options.top,
            names=options.names,
            geo=options.geo,
            deduplicate=options.deduplicate,
            from_=options.from_,
            to=options.to,
            bucket=options.bucket,
            tls_keys=options.tls_keys,
            logs=format_name in LOGS,
            checksums=options.checksums,
            stream=stream,
            page=format_name in PAGES or options.screen,
            jobs=options.jobs,
            expect=baseline,
            progress=progress if sys.stderr.isatty() else None,  # else each window was counted for nobody
            before_parsing=lambda: confine_read(options, format_name, "flow" if choice else by),
        )
    status = SUCCESS
    if options.screen:
        outcome = show_read(outcome, by, options)
    try:
        if choice:
            status = show_explanations(outcome, choice, format_name, options.output)
        elif leaving and leaving.has_begun:
            leaving.finish(outcome.report)
        else:
            present(outcome.noted_report if format_name in PAGES else outcome.report, format_name, options)
        if options.dissect:
            show_dissection(outcome.report, NamedFiles(options.captures).paths)
    finally:
        for problem in outcome.problems:
            say(str(problem))
    expect.say_news(outcome.expecting)
    is_search = bool(options.filter or options.where or options.from_ or options.to)
    status = status or _status(outcome, is_search=is_search and not (leaving and leaving.has_begun))
    return expect.status_with_expect(status, outcome.expecting)


def _status(outcome: Outcome, *, is_search: bool) -> int:
    if outcome.interrupted:
        say("interrupted: this is what was counted until then")
        return ending_status()
    if outcome.problems:
        return PARTLY_READ
    return SUCCESS if outcome.report.rows or not is_search else NOTHING_FOUND
