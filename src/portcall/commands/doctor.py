"""``portcall doctor``: what works on this machine, what does not, and the command that mends it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from portcall.commands.listing import add_list_options, say_classic
from portcall.commands.output import NOTHING_FOUND, SUCCESS, deliver, describe, output_format
from portcall.views.text import visible

if TYPE_CHECKING:
    import argparse
    from typing import TextIO

    from portcall.records.schema import Listing

_STYLES = {"works": "", "works less well": "yellow", "missing": "red"}
_EPILOG = """\
examples:
  portcall doctor
  sudo portcall doctor capture bpf owners

exit status: 0 if nothing is missing that 'portcall read' needs, else 1
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "Try for real what portcall needs on this machine, and say which command mends the rest. "
        "Rights are those of whoever runs it: with sudo more works.",
        _EPILOG,
    )
    parser.add_argument("subjects", metavar="SUBJECT", nargs="*", help="try only these, such as kernels or capture")
    add_list_options(parser, "state!=works")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Try, and show: 0, or 1 where something is missing that reading captures needs."""
    format_name = output_format(options)
    from portcall.runs.examinations.doctor_report import tried

    outcome = tried(
        options.subjects,
        where=options.where,
        top=options.top,
        on_trial=lambda examination: say_classic(examination.classic, options),
    )
    deliver(outcome.listing, format_name, options.output, partial(_write_table, outcome.listing))
    return NOTHING_FOUND if outcome.is_broken else SUCCESS


def _write_table(listing: Listing, stream: TextIO) -> None:
    from portcall.views.fitting import TableColumn
    from portcall.views.lists import Sheet, write_list

    rows = listing.rows
    remedies = [f"to mend {row['subject']}: {row['remedy']}" for row in rows if row["remedy"]]
    columns = (
        TableColumn("subject", 0, lambda row: row["subject"], 20),
        TableColumn("state", 1, lambda row: row["state"], 20),
        TableColumn("detail", 2, lambda row: row["detail"], 1000, wraps=True),
    )
    sheet = Sheet(columns, rows, style=lambda row: _STYLES[row["state"]], footnotes=["", *remedies] if remedies else [])
    try:
        write_list(listing, stream, lambda _: sheet)
    except ImportError:  # no rich for a terminal: that is what the table says, so it is not needed for it
        texts = [*("  ".join((row["subject"], row["state"], row["detail"])) for row in rows), *remedies]
        stream.writelines(f"{visible(text)}\n" for text in texts)
