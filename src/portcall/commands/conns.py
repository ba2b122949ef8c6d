"""``portcall conns``: who talks with whom now."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from portcall.commands.confining import confine_looker
from portcall.commands.listing import add_list_options, add_namespace_option, say_classic
from portcall.commands.output import (
    NOTHING_FOUND,
    SUCCESS,
    add_address_options,
    deliver,
    describe,
    output_format,
)
from portcall.errors import UsageError
from portcall.records.schema import COUNTS
from portcall.sockets.state_words import state_of

if TYPE_CHECKING:
    from typing import TextIO

_EPILOG = """\
examples:
  portcall conns --state established --where 'service=https'
  portcall conns 192.168.1.5:443
  sudo portcall conns firefox --by host
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "List the conversations of this machine that exist now: both ends, who opened it, state, process.",
        _EPILOG,
    )
    parser.add_argument(
        "query",
        metavar="END",
        nargs="*",
        help="only those with this end, as 'who' takes it, or of this process (default: all)",
    )
    parser.add_argument("--by", choices=tuple(COUNTS), help="count conversations by … instead of listing them")
    parser.add_argument(
        "--state", metavar="STATE", type=_state, action="append", default=[],
        help="only those in this state, such as established or time-wait",
    )  # fmt: skip
    parser.add_argument("--explain-states", action="store_true", help="say what each state that is shown means")
    add_list_options(parser, "service=https and bytes>1MB")
    add_namespace_option(parser)
    add_address_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List or count; 0, or 1 where a search finds nothing."""
    format_name = output_format(options, tries_output=False)
    from portcall.runs.toolbox import Choice, conversations
    from portcall.sockets.query import parse_query

    shown = [one.lower().replace("estab", "established") for one in options.state] or ["connected"]
    say_classic(f"ss -tunp {' '.join(f'state {one}' for one in shown)}", options)
    query = parse_query(" ".join(options.query)) if options.query else None
    choice = Choice(options.netns, options.where, options.top)
    confine_looker(options, format_name)
    report = conversations(
        choice, query=query, states=options.state, by=options.by, geo=options.geo, resolve=options.resolve
    )

    def draw(stream: TextIO) -> None:
        from portcall.views.socket_tables import write_sockets  # rich

        write_sockets(report, stream, most_rows=options.top, explain_states=options.explain_states)

    deliver(report, format_name, options.output, draw)
    is_search = options.where or options.state or query
    return SUCCESS if report.rows or not is_search else NOTHING_FOUND


def _state(word: str) -> str:
    """The state that a word means, for argparse."""
    try:
        return state_of(word)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
