"""``--expect FILE`` of read and live: what is new against a baseline, and the exit status that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.commands.output import NOTHING_FOUND, PARTLY_READ, SUCCESS, say
from portcall.errors import UsageError
from portcall.exports import LOGS, PAGES, TRAFFIC_ONLY

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from portcall.comparison.baselines import Baseline
    from portcall.comparison.servers import Server
    from portcall.records.report import Report
    from portcall.runs.comparing.expecting import Expecting

SOMETHING_NEW = 4
_MOST_TOLD = 20


def add_expect_option(parser: argparse.ArgumentParser) -> None:
    """Declare it."""
    parser.add_argument(
        "--expect",
        metavar="FILE",
        help="mark each conversation as known, new or unknown against a baseline; exit status 4 where one is new",
    )


def baseline_asked_for(options: argparse.Namespace) -> Baseline | None:
    """The baseline in the file that was named. PortcallError where there is none."""
    if options.expect is None:
        return None
    from portcall.runs.comparing.baseline_file import read_baseline

    return read_baseline(options.expect, "--expect")


def check_expect(options: argparse.Namespace, format_name: str, others: Mapping[str, object] | None = None) -> None:
    """UsageError where ``--expect`` goes with nothing that was asked for; ``others`` are options and their values."""
    if options.expect is None:
        return
    if options.by not in ("app", "flow"):
        raise UsageError(f"--expect judges conversations, and has rows by flow, not by {options.by}. Leave --by out")
    if format_name in (*LOGS, *TRAFFIC_ONLY, *PAGES):
        raise UsageError(f"--format {format_name} has no room for what --expect says. Use --format jsonl")
    for name, value in (others or {}).items():
        if value:
            raise UsageError(f"--expect does not go with {name}: leave out one of them")


def say_fresh(expecting: Expecting | None, report: Report | None = None) -> None:
    """Tell people at once of what is new while it runs: in a look at it, or in the report of an interval."""
    if expecting:
        for server in expecting.keep() if report is None else expecting.fresh(report.rows):
            say(f"new: {server_text(server)}")


def say_news(expecting: Expecting | None) -> None:
    """Tell people how many conversations are expected, and whom those are with that are new."""
    if expecting is None:
        return
    tally = expecting.tally
    for server, count in list(tally.news.items())[:_MOST_TOLD]:
        say(f"new: {server_text(server)}" + (f" ({count} conversations)" if count > 1 else ""))
    more = len(tally.news) - _MOST_TOLD
    if more > 0:
        say(f"new: and {more} more; --where expected=new lists them")
    say("conversations: " + ", ".join(f"{tally.counts[word]} {word}" for word in ("new", "unknown", "known")))


def server_text(server: Server) -> str:
    """Whom a conversation is with: ``curl talks to evil.example (192.0.2.66), port 443``."""
    host = f"{server.name} ({server.address})" if server.name else server.address
    port = f"port {server.port}" if server.port.isdecimal() else server.port
    return f"{server.app + ' talks to ' if server.app else ''}{host}, {port}"


def status_with_expect(status: int, expecting: Expecting | None) -> int:
    """The exit status: what is new is certain, so it goes before 3, which says that there may be more; 130 stays.

    A search that finds nothing is no failure where somebody asks for news.
    """
    if expecting is None or status not in (SUCCESS, NOTHING_FOUND, PARTLY_READ):
        return status
    if expecting.tally.counts["new"]:
        return SOMETHING_NEW
    return PARTLY_READ if status == PARTLY_READ else SUCCESS
