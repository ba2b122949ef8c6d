"""``portcall who PORT``: which process has a port, and which sockets a process has."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from portcall.commands.listing import add_list_options, add_namespace_option, say_classic
from portcall.commands.output import (
    NOTHING_FOUND,
    SUCCESS,
    deliver,
    describe,
    output_format,
    say,
    say_degradations,
)

if TYPE_CHECKING:
    import argparse

    from portcall.records.schema import Listing
    from portcall.sockets.query import SocketQuery

_EPILOG = """\
examples:
  portcall who 8080
  portcall who :443/udp
  portcall who 192.168.1.5:54823
  sudo portcall who sshd
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "Name the process that has a port, where it comes from, and its sockets on it.",
        _EPILOG,
    )
    parser.add_argument("query", metavar="PORT", help="a port, PORT/tcp or PORT/udp, ADDRESS:PORT, or a process's name")
    add_list_options(parser, "relation=local and user=root")
    add_namespace_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Name who has it; 0, or 1 where nobody has."""
    format_name = output_format(options)
    from portcall.runs.toolbox import LOCAL, Choice, who
    from portcall.sockets.query import parse_query
    from portcall.views.who import write_held

    query = parse_query(options.query)
    say_classic(_classic(query), options)
    report = who(query, Choice(options.netns, options.where, options.top))
    now_ns = report.window_ns[1] if report.window_ns else 0
    deliver(report, format_name, options.output, partial(write_held, report, now_ns=now_ns))
    if format_name == "table":
        say_degradations(report)
    if any(row["relation"] == LOCAL for row in report.rows):
        return SUCCESS
    if not report.rows_left_out:
        say(_nothing(query, report))
    return NOTHING_FOUND


def _classic(query: SocketQuery) -> str:
    if query.port is None:
        return f"lsof -nP -i -a -c {query.process}"
    address = "" if query.address is None else f"@[{query.address}]" if ":" in query.address else f"@{query.address}"
    return f"lsof -nP -i {query.protocol or ''}{address}:{query.port}"


def _nothing(query: SocketQuery, report: Listing) -> str:
    """One sentence: what was not found, and what else could be looked at."""
    if query.port is None:
        seen, others = report.coverage, ""
        if seen and seen.unseen_holders:
            hidden = f"{seen.unseen_holders} of {seen.sockets} sockets"
            others = f"; {hidden} belong to processes that only root may look at: try it with sudo"
        return f"no process called {query.process!r} has a TCP or UDP socket{others}"
    return (
        f"nothing listens on {query.text}, of the sockets that can be seen from here; those in other network "
        f"namespaces, such as containers', need 'sudo portcall who {query.text} --netns all'"
    )
