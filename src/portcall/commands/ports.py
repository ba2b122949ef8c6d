"""``portcall ports``: who listens where, and who can reach it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from portcall.commands.confining import confine_looker
from portcall.commands.listing import add_list_options, add_namespace_option, say_classic
from portcall.commands.output import (
    NOTHING_FOUND,
    SUCCESS,
    deliver,
    describe,
    output_format,
    positive_seconds,
    say_degradations,
)
from portcall.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from typing import TextIO

    from portcall.runs.toolbox import Choice

_EPILOG = """\
examples:
  portcall ports --where 'outside=yes'
  sudo portcall ports --watch
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "List the TCP and UDP ports that processes of this machine listen on, and who can reach each.",
        _EPILOG,
    )
    add_list_options(parser, "outside=yes and port<1024")
    add_namespace_option(parser)
    parser.add_argument("--watch", action="store_true", help="go on, and mark what appears and goes; Ctrl-C ends it")
    parser.add_argument(
        "--interval", metavar="S", type=positive_seconds, default=1.0,
        help="with --watch, look again after S seconds (default: %(default)s)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List, or watch until interrupted; 0, or 1 where a search finds nothing."""
    format_name = output_format(options, tries_output=False)
    from portcall.runs.toolbox import Choice, ports

    choice = Choice(options.netns, options.where, options.top)
    confine_looker(options, format_name)
    say_classic("ss -tulpn", options)
    if options.watch:
        if format_name not in ("table", "jsonl") or options.output:
            raise UsageError("--watch goes on for ever: it prints a table or jsonl, and not into a file")
        _watch(choice, options.interval, is_json=format_name == "jsonl")
    report = ports(choice)

    def draw(stream: TextIO) -> None:
        from portcall.views.socket_tables import write_sockets  # rich

        write_sockets(report, stream, most_rows=options.top)

    deliver(report, format_name, options.output, draw)
    return SUCCESS if report.rows or not options.where else NOTHING_FOUND


def _watch(choice: Choice, interval_s: float, *, is_json: bool) -> None:
    """Until interrupted. Looking costs little: who holds sockets is asked only when one has come or gone."""
    from portcall.owners.socket_listing import listening_cookies
    from portcall.runs.toolbox import ports
    from portcall.sockets.changes import PortWatch
    from portcall.views.port_changes import PortChanges

    before = listening_cookies(choice.namespaces)
    report = ports(choice)
    say_degradations(report)
    watch = PortWatch(report.rows)
    with PortChanges(sys.stdout, is_json=is_json) as view:
        view.show(watch.marked(time.monotonic()), [("", row) for row in report.rows])
        while True:
            time.sleep(interval_s)
            now = listening_cookies(choice.namespaces)
            changes = []
            if now is None or now != before:
                changes = watch.update(ports(choice).rows, time.monotonic())
            before = now
            view.show(watch.marked(time.monotonic()), changes)
