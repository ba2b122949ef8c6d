"""``portcall diff A B``: what changed between two captures, reports or periods of a history."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import TYPE_CHECKING

from portcall.commands.confining import confine_sides
from portcall.commands.output import (
    NOTHING_FOUND,
    PARTLY_READ,
    SUCCESS,
    add_output_options,
    deliver,
    describe,
    output_format,
    positive,
    say,
)
from portcall.endings import ending_status
from portcall.records.schema import COMPARED_BY
from portcall.system.privileges import become_writer

if TYPE_CHECKING:
    import argparse
    from typing import TextIO

_EPILOG = """\
examples:
  portcall diff monday.pcapng tuesday.pcapng --where 'change=new'
  portcall diff before.json after.json --by app --ratio 1.5 --least 1MB
  portcall diff history:14d..7d history:7d..
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "Show what changed between two captures, reports that 'read' and 'live' wrote as json, jsonl or parquet, or "
        "periods that 'live --history' kept: what is new, gone, grown or shrunk, what changed by most bytes first.",
        _EPILOG,
    )
    parser.add_argument(
        "before", metavar="A", help="capture (or a folder of them), report, or history:PERIOD; - is stdin"
    )
    parser.add_argument("after", metavar="B", help="the same, of what came later")
    parser.add_argument(
        "--by", choices=COMPARED_BY,
        help="one row per … (default: app+host, or what the reports are by)",
    )  # fmt: skip
    parser.add_argument(
        "--ratio", metavar="N", type=float, default=2.0,
        help="grown and shrunk is what has N times the bytes of the other side (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--least", metavar="SIZE", help="and differs by SIZE at least, as 1MB; 0: by however little (default: 10kB)"
    )
    parser.add_argument(
        "--rates", action="store_true", help="compare bytes a second: for sides of which one is longer than the other"
    )
    add_output_options(parser)
    parser.add_argument("--filter", metavar="EXPR", help="count only packets that match, in tcpdump's syntax")
    parser.add_argument("--where", metavar="EXPR", help="show only rows that match, such as 'change=new'")
    parser.add_argument(
        "--local", metavar="CIDR", action="append", default=[], help="network whose addresses are local"
    )
    add_history_option(parser)
    parser.add_argument("--no-names", dest="names", action="store_false", help="skip payload inspection (faster)")
    parser.add_argument("--top", metavar="N", type=positive, help="show only the N rows that changed most")
    parser.set_defaults(run=run)


def add_history_option(parser: argparse.ArgumentParser) -> None:
    """Declare of which file a period is."""
    parser.add_argument(
        "--history", metavar="FILE", help="what history:PERIOD is of (default: yours, in the state folder)"
    )


def run(options: argparse.Namespace) -> int:
    """Compare and show; 0, 1 where a search finds nothing, 3 where part could not be read, 130 interrupted."""
    format_name = output_format(options)
    confine_sides([options.before, options.after], options, format_name)
    from portcall.runs.comparing.compared import DiffOptions, compare
    from portcall.views.progress import ProgressBar

    wanted = DiffOptions(**{field.name: getattr(options, field.name) for field in fields(DiffOptions)})
    with ProgressBar(sys.stderr) as progress:
        compared = compare(options.before, options.after, wanted, progress if sys.stderr.isatty() else None)

    def draw(stream: TextIO) -> None:
        from portcall.views.changed_rows import write_changes

        write_changes(compared.listing, stream, shows_same=options.where is not None, most_rows=options.top)

    become_writer()
    try:
        deliver(compared.listing, format_name, options.output, draw)
    finally:
        for problem in compared.problems:
            say(str(problem))
    if compared.interrupted:
        say("interrupted: this is what was counted until then")
        return ending_status()
    if compared.problems:
        return PARTLY_READ
    return SUCCESS if compared.listing.rows or not options.where else NOTHING_FOUND
