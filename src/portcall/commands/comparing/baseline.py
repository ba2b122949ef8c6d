"""``portcall baseline CAPTURE… -o FILE``: learn who talks to whom, for ``--expect`` to hold traffic against."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from portcall.commands.comparing.diff import add_history_option
from portcall.commands.confining import confine_sides
from portcall.commands.output import PARTLY_READ, SUCCESS, describe, say
from portcall.commands.output_file import try_output
from portcall.system.privileges import become_writer

if TYPE_CHECKING:
    import argparse

_EPILOG = """\
examples:
  portcall baseline monday.pcapng tuesday.pcapng -o office.json
  portcall baseline wednesday.pcapng -o office.json --add --network 10.0.0.0/8
  portcall baseline history:30d.. -o office.json
  portcall read thursday.pcapng --expect office.json --where expected=new
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "Learn from captures, or from what 'live --history' kept, who talks to whom: apps (where owners are known), "
        "servers and ports. "
        "'read' and 'live' then say with --expect FILE what is new.",
        _EPILOG,
    )
    parser.add_argument(
        "captures", nargs="+", metavar="CAPTURE",
        help="pcap or pcapng, a folder of them, a report by flow as json, jsonl or parquet, history:PERIOD; - is stdin",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="write the baseline to FILE, as JSON")
    parser.add_argument("--add", action="store_true", help="keep what FILE expects already, and learn more")
    parser.add_argument(
        "--network", metavar="CIDR", action="append", default=[],
        help="learn an address in this network as the network, so that all of it is expected at that port",
    )  # fmt: skip
    parser.add_argument(
        "--exact-names", action="store_true",
        help="learn names as they are (default: the registered domain, with all names below it)",
    )  # fmt: skip
    parser.add_argument("--filter", metavar="EXPR", help="learn only from packets that match, in tcpdump's syntax")
    parser.add_argument(
        "--local", metavar="CIDR", action="append", default=[], help="network whose addresses are local"
    )
    add_history_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Learn, and write it; 0, 1 where there is nothing to learn, 3 where part could not be read, 130 interrupted."""
    try_output(options.output)
    confine_sides(options.captures, options)
    from portcall.comparison.baselines import Baseline
    from portcall.runs.comparing.baseline_file import read_baseline, write_baseline
    from portcall.runs.comparing.learned import learn
    from portcall.views.progress import ProgressBar
    from portcall.views.text import count_text, counted_text

    baseline = read_baseline(options.output, "-o") if options.add else Baseline()
    before = len(baseline.expected)
    with ProgressBar(sys.stderr) as progress:
        lesson = learn(
            options.captures,
            within=options.network,
            exact_names=options.exact_names,
            filter=options.filter,
            local=options.local,
            history=options.history,
            progress=progress if sys.stderr.isatty() else None,
        )
    baseline.merge(lesson.baseline)
    become_writer()
    write_baseline(baseline, options.output)
    for problem in lesson.problems:
        say(str(problem))
    expected, learned = len(baseline.expected), counted_text(lesson.conversations, "conversation")
    more = f", {count_text(expected - before)} of them learned now" if options.add else ""
    say(f"{options.output}: {counted_text(expected, 'expectation')}{more}, from {learned}")
    return PARTLY_READ if lesson.problems else SUCCESS
