"""``portcall check HOST PORT…``: is it open, closed or filtered, and who says so?"""

from __future__ import annotations

import math
import shlex
import sys
from typing import TYPE_CHECKING

from portcall.commands.confining import confine_asker
from portcall.commands.listing import add_list_options, say_classic
from portcall.commands.output import (
    NOTHING_FOUND,
    SUCCESS,
    deliver,
    describe,
    output_format,
    positive,
    positive_seconds,
    say,
)
from portcall.endings import ending_status

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import TextIO

    from portcall.runs.check import HostPort

_MOST_SHOWN = 3
_EPILOG = """\
examples:
  portcall check example.org 22,80,https 8000-8010 53/udp
  portcall check localhost:8080 [::1]:8080

verdicts: open, closed (the host refuses), filtered (nothing came, or something on the way refuses: then who),
open-or-filtered (UDP without an answer), no-route, unresolved
exit status: 0 if at least one port is open, as nc -z has it; 1 if none is
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "Test whether ports of a host are open, closed or filtered, for each of its addresses. TCP "
        "connects and says nothing; UDP asks what the usual service of the port answers, else sends an empty datagram.",
        _EPILOG,
    )
    parser.add_argument("host", metavar="HOST", help="name or address, also with a port; without one, this machine")
    parser.add_argument(
        "ports",
        metavar="PORT",
        nargs="*",
        help="number, range A-B or service name; also 53/udp, HOST:PORT; or a list with commas",
    )
    parser.add_argument("--udp", action="store_true", help="UDP for ports that do not say it themselves (default: TCP)")
    versions = parser.add_mutually_exclusive_group()
    versions.add_argument("-4", dest="ip_version", action="store_const", const=4, help="only IPv4 addresses")
    versions.add_argument("-6", dest="ip_version", action="store_const", const=6, help="only IPv6 addresses")
    parser.add_argument("--banner", action="store_true", help="also wait for the first bytes that the service says")
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=positive_seconds,
        default=4.0,
        help="wait S seconds for each answer (default: %(default)g)",
    )
    parser.add_argument(
        "--concurrency", metavar="N", type=positive, default=64, help="ask N ports at a time (default: %(default)s)"
    )
    parser.add_argument("--yes", action="store_true", help="do ask more than 100 ports")
    add_list_options(parser, "verdict=open or said_by!=null")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask, and show what was learnt: 0 if a port is open, 1 if none is, 130 when interrupted."""
    format_name = output_format(options, tries_output=False)
    from portcall.probes.scanner import Manner
    from portcall.runs.check import CheckOptions, check, ports_asked
    from portcall.views.progress import ProgressBar

    asked = ports_asked([options.host, *options.ports], udp=options.udp, yes=options.yes)
    confine_asker(options, format_name)
    say_classic(_classic(options, asked), options)
    manner = Manner(options.timeout, options.concurrency, options.banner)
    with ProgressBar(sys.stderr, doing="asking", counted="things") as progress:
        outcome = check(asked, CheckOptions(options.ip_version, manner, options.where, options.top), progress)
    listing = outcome.listing

    def draw(stream: TextIO) -> None:
        from portcall.views.checks import write_checks  # rich

        write_checks(listing, stream, most_rows=options.top)

    deliver(listing, format_name, options.output, draw)
    if outcome.is_interrupted:
        say("interrupted: this is what was learnt until then")
        return ending_status()
    return SUCCESS if outcome.is_open else NOTHING_FOUND


def _classic(options: argparse.Namespace, asked: Sequence[HostPort]) -> str:
    version, timeout = f" -{options.ip_version}" if options.ip_version else "", math.ceil(options.timeout)
    flags = {"tcp": "-zv", "udp": "-zuv"}
    shown = [
        f"nc {flags[one.protocol]} -w {timeout}{version} {shlex.quote(one.host)} {one.port}"
        for one in asked[:_MOST_SHOWN]
    ]
    return "; ".join(shown) + (f"; and so on for {len(asked) - len(shown)} more" if len(asked) > len(shown) else "")
