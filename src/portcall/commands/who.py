"""``portcall who PORT``: which process has a port, and which sockets a process has."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from portcall.commands.confining import confine_looker
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
from portcall.system.remedies import ROOT_OF_THE_HOST, more_rights, with_sudo

if TYPE_CHECKING:
    import argparse
    from typing import TextIO

    from portcall.records.schema import Listing
    from portcall.sockets.query import SocketQuery

_MOST_PORTS = 5
_EPILOG = """\
examples:
  portcall who 8080
  portcall who :443/udp
  portcall who 192.168.1.5:54823
  sudo portcall who ssh
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "Name the process that has a port, where it comes from, and its sockets on it.",
        _EPILOG,
    )
    parser.add_argument(
        "query",
        metavar="PORT",
        nargs="+",
        help="a port, PORT/tcp or PORT/udp, ADDRESS:PORT, a service, a conversation, or a process's name",
    )
    add_list_options(parser, "relation=local and user=root")
    add_namespace_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Name who has it; 0, or 1 where nobody has."""
    format_name = output_format(options, tries_output=False)
    from portcall.runs.toolbox import LOCAL, Choice, who
    from portcall.sockets.query import parse_query

    query = parse_query(" ".join(options.query))
    confine_looker(options, format_name)
    say_classic(_classic(query), options)
    report = who(query, Choice(options.netns, options.where, options.top))
    now_ns = report.window_ns[1] if report.window_ns else 0

    def draw(stream: TextIO) -> None:
        from portcall.views.who import write_held

        write_held(report, stream, now_ns=now_ns)

    deliver(report, format_name, options.output, draw)
    if format_name == "table":
        say_degradations(report)
        if query.is_service and query.process:
            say(_taken_for(query, report))
    if any(row["relation"] == LOCAL for row in report.rows):
        return SUCCESS
    if not report.rows_left_out:
        say(_nothing(query, report))
    return NOTHING_FOUND


def _taken_for(query: SocketQuery, report: Listing) -> str:
    """What a word that may be two things was taken for, and what was found of each."""
    from portcall.sockets.query import PROCESS, SERVICE
    from portcall.views.text import counted_text

    found = {one: sum(one in row["meant_as"] for row in report.rows) for one in (SERVICE, PROCESS)}
    return (
        f"{query.text} is a service, on port {_ports_text(query)}: {counted_text(found[SERVICE], 'socket')}; "
        f"and may be a process: {counted_text(found[PROCESS], 'socket')} of one called so"
    )


def _ports_text(query: SocketQuery) -> str:
    ends = query.meant.ends if query.meant else ()
    ports = [str(port) for end in ends for port in end.ports[:_MOST_PORTS]]
    return ", ".join(ports) + (" …" if any(len(end.ports) > _MOST_PORTS for end in ends) else "")


def _classic(query: SocketQuery) -> str:
    if query.meant is None:
        return f"lsof -nP -i -a -c {shlex.quote(query.text)}"
    if len(query.meant.ends) > 1:
        near, far = (end.text for end in query.meant.ends)
        return f"ss -tunp 'src {near} and dst {far}'"
    (end,) = query.meant.ends
    ports = f"{end.ports[0]}-{end.ports[-1]}" if isinstance(end.ports, range) else ",".join(map(str, end.ports))
    places = [f"@[{address}]" if ":" in address else f"@{address}" for address in end.addresses[:1]]
    where = "".join(places) + (f":{ports}" if ports else "")
    return f"lsof -nP -i {query.meant.transport or ''}{where}"


def _nothing(query: SocketQuery, report: Listing) -> str:
    """One sentence: what was not found, and what else could be looked at."""
    if query.meant is not None:
        return (
            f"nothing listens on {query.text}, of the sockets that can be seen from here; those in other network "
            f"namespaces, such as containers', need '{with_sudo('who', query.text, '--netns', 'all')}'"
        )
    seen, others = report.coverage, ""
    if seen and seen.unseen_holders:
        hidden = f"{seen.unseen_holders} of {seen.sockets} sockets"
        others = f"; {hidden} belong to processes that this user may not look at: {more_rights(ROOT_OF_THE_HOST)}"
    from portcall.queries.endpoints import nearest_service

    near = nearest_service(query.text)
    meant = f". Did you mean the service '{near}'?" if near else ""
    return f"no process called {query.text!r} has a TCP or UDP socket{others}{meant}"
