"""``portcall history``: who used the network in the past, as ``live --history`` kept it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.commands.confining import confine_reader
from portcall.commands.output import (
    FORMATS,
    NOTHING_FOUND,
    SUCCESS,
    add_output_options,
    deliver,
    describe,
    output_format,
    positive,
    say,
)
from portcall.errors import UsageError
from portcall.exports import PAGES
from portcall.system.privileges import become_writer

if TYPE_CHECKING:
    import argparse
    from typing import TextIO

    from portcall.records.report import Report
    from portcall.runs.keeping.past import PastOptions

_GROUPINGS = ("app", "host", "process", "user", "service", "hour", "day", "month")
_NEW = ("app", "host")
"""What is listed of what is new, where nobody says which."""
_NAMED = {"app": ("app", "process"), "host": ("host",), "process": ("process",), "user": ("user",)}
"""Word before = in ``--forget`` → the columns that have what is behind it."""
_EPILOG = """\
examples:
  portcall history --from 7d
  portcall history --by day --where app=firefox
  portcall history --new --from 1d
  portcall history --forget 2024-05-01..2024-05-02
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "Say who used the network in the past, as 'live --history' kept it: by app, host, process, user, "
        "or by hour, day or month (UTC).",
        _EPILOG,
    )
    parser.add_argument("file", metavar="FILE", nargs="?", help="the file (default: yours, in the state folder)")
    parser.add_argument("--by", choices=_GROUPINGS, help="one row per … (default: app)")
    parser.add_argument("--from", dest="from_", metavar="TIME", help="from then on: 2024-05-01T12:30 (UTC), or 7d ago")
    parser.add_argument("--to", metavar="TIME", help="before then")
    parser.add_argument(
        "--where", metavar="EXPR",
        help="count only what has such names, and show only rows with such counts: 'app=curl and bytes>1MB'",
    )  # fmt: skip
    parser.add_argument("--top", metavar="N", type=positive, help="show only the N rows with most bytes")
    parser.add_argument(
        "--new", action="store_true", help="only what was met in the period for the first time: apps and hosts"
    )
    parser.add_argument(
        "--forget", metavar="PERIOD|APP|HOST",
        help="delete for good: 2024-05-01..2024-05-02, ..30d, all, the name of an app or a host, or app=NAME",
    )  # fmt: skip
    add_output_options(parser, (*FORMATS, *PAGES))
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Report, or forget; 0, or 1 where a search finds nothing."""
    forgets = options.forget is not None
    format_name = "table" if forgets else output_format(options, (*FORMATS, *PAGES))
    from portcall.runs.keeping import past

    options.file = str(past.place_of(options.file))  # while it can be told who the user is
    confine_reader([], output=None if forgets else options.output, format_name=format_name, history=Path(options.file))
    if forgets:
        return _forget(options)

    groupings = _NEW if options.new and options.by is None else (options.by or _GROUPINGS[0],)
    if len(groupings) > 1 and format_name != "table":
        raise UsageError(f"--new: {format_name} has room for one list. Add --by app or --by host")
    asked = past.PastOptions(
        period=past.period_of(options.from_, options.to, int(time.time())),
        where=options.where,
        top=options.top,
        is_new=options.new,
        page=format_name in PAGES,
    )
    for by in groupings:
        past.check(asked._replace(by=by))
    reports = [past.report_of(past.place_of(options.file), asked._replace(by=by)) for by in groupings]

    def draw(stream: TextIO) -> None:
        for report in reports:
            _draw(report, stream, asked, is_first=report is reports[0])

    become_writer()
    deliver(reports[0], format_name, options.output, draw)
    is_search = options.where or options.from_ or options.to or options.new
    return NOTHING_FOUND if is_search and not any(map(len, reports)) else SUCCESS


def _draw(report: Report, stream: TextIO, asked: PastOptions, *, is_first: bool) -> None:
    from portcall.views.tables import MOST_ROWS, write_table  # rich

    if not is_first:
        stream.write("\n")
    write_table(report, stream, most_rows=asked.top or MOST_ROWS)


def _forget(options: argparse.Namespace) -> int:
    """Delete what the word means: a period, or a name."""
    for name in ("by", "from_", "to", "where", "top", "new", "format", "output"):
        if getattr(options, name):
            raise UsageError(f"--forget says by itself what goes: leave out --{name.strip('_')}")
    from portcall.archive.forgetting import forget_named, forget_period
    from portcall.queries.periods import period_s
    from portcall.runs.keeping.past import place_of

    path, word = place_of(options.file), options.forget
    period = period_s(word, "--forget", int(time.time()))
    if period is not None:
        gone = forget_period(path, *period)
    else:
        kind, sign, name = word.partition("=")
        known = sign and kind in _NAMED
        gone = forget_named(path, name if known else word, _NAMED[kind] if known else ("app", "process", "host"))
    if not gone.rows:
        say(f"--forget {word}: nothing of it is there. 'portcall history' says what is, by app or --by host")
        return NOTHING_FOUND
    say(f"forgotten: {gone.rows} rows of {path}")
    if gone.is_wider:
        say("some whole hours or days went, as nothing finer was kept so long ago")
    return SUCCESS
