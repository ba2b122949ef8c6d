"""``portcall conns``: who talks with whom now."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

from portcall.commands.listing import add_list_options, add_namespace_option, say_classic
from portcall.commands.output import (
    NOTHING_FOUND,
    SUCCESS,
    add_address_options,
    deliver,
    describe,
    output_format,
    with_reverse_names,
)
from portcall.records.schema import COUNTS, did_you_mean
from portcall.records.sockets import LISTENING, STATES

_EPILOG = """\
examples:
  portcall conns --state established --where 'service=https'
  portcall conns 192.168.1.5:443
  sudo portcall conns firefox --by host
"""
_LONG_WORDS = {"established": "ESTAB", "syn-received": "SYN-RECV"}
_STATE_OF_WORD = {**_LONG_WORDS, **{state.lower(): state for state in STATES if state not in LISTENING}}


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
    format_name = output_format(options)
    from portcall.runs.toolbox import Choice, conversations
    from portcall.sockets.query import parse_query
    from portcall.views.socket_tables import write_sockets

    states = [state.lower().replace("estab", "established") for state in options.state] or ["connected"]
    say_classic(f"ss -tunp {' '.join(f'state {state}' for state in states)}", options)
    query = parse_query(" ".join(options.query)) if options.query else None
    choice = Choice(options.netns, options.where, options.top)
    report = conversations(choice, query=query, states=options.state, by=options.by, geo=options.geo)
    if options.resolve:
        report = replace(report, rows=with_reverse_names(report.rows))
    draw = partial(write_sockets, report, most_rows=options.top, explain_states=options.explain_states)
    deliver(report, format_name, options.output, draw)
    is_search = options.where or options.state or query
    return SUCCESS if report.rows or not is_search else NOTHING_FOUND


def _state(word: str) -> str:
    """The state that a word means, in any case, with - or _."""
    known = word.lower().replace("_", "-")
    if known not in _STATE_OF_WORD:
        raise argparse.ArgumentTypeError(f"no state '{word}'{did_you_mean(known, tuple(_STATE_OF_WORD))}")
    return _STATE_OF_WORD[known]
