"""``portcall update-data``: which files names come from, and files of one's own in their place."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.commands.listing import add_list_options, say_classic
from portcall.commands.output import SUCCESS, deliver, describe, output_format, say
from portcall.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from typing import TextIO

    from portcall.records.schema import Listing

_EPILOG = """\
examples:
  portcall update-data
  portcall update-data ~/Downloads/public_suffix_list.dat
  portcall update-data --remove public_suffix_list.dat
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "List the files that names come from, with version, source and date, or put your own in their place. A FILE is "
        "told by its name, and checked. Nothing is fetched. Root's count for all that is run with rights.",
        _EPILOG,
    )
    parser.add_argument("files", metavar="FILE", nargs="*", help="your own, called like the shipped one")
    parser.add_argument(
        "--remove", metavar="NAME", action="append", default=[], help="take the shipped one again"
    )  # fmt: skip
    add_list_options(parser, "state=own")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check and replace what is named, then list them all."""
    format_name = output_format(options)
    from portcall.configuration.own_data import own_folder
    from portcall.runs.examinations.data_report import data_listing

    say_classic("wget; cp", options)
    folder = own_folder()
    _replace(folder, options.files, options.remove)
    listing = data_listing(folder, where=options.where, top=options.top)
    deliver(listing, format_name, options.output, partial(_write_table, listing))
    return SUCCESS


def _replace(folder: Path, files: list[str], removed: list[str]) -> None:
    """All of it is checked before any of it is done."""
    from portcall.configuration.data_checks import check
    from portcall.configuration.own_data import NAMES, put, read_data, remove
    from portcall.records.schema import did_you_mean

    for name in [*(Path(file).name for file in files), *removed]:
        if name not in NAMES:
            raise UsageError(f"{name}: no file of data is called so{did_you_mean(name, NAMES)}")
    texts = [(Path(file), read_data(Path(file))) for file in files]
    counts = [check(path, path.name, text) for path, text in texts]
    try:
        for (path, text), count in zip(texts, counts, strict=True):
            put(folder, path.name, text, str(path.absolute()))
            say(f"{path.name}: {count:,} entries, now {folder / path.name}")
        for name in removed:
            say(f"{name}: {'the shipped one again' if remove(folder, name) else 'there was none of yours'}")
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: {error.strerror}") from error


def _write_table(listing: Listing, stream: TextIO) -> None:
    from portcall.views.fitting import TableColumn
    from portcall.views.lists import Sheet, write_list

    columns = (
        TableColumn("file", 0, lambda row: row["file"], 30),
        TableColumn("state", 1, lambda row: row["state"], 10),
        TableColumn("version", 1, lambda row: row["version"] or "-", 20),
        TableColumn("date", 2, lambda row: row["date"] or "-", 10),
        TableColumn("holds", 3, lambda row: row["holds"], 40),
        TableColumn("source", 2, lambda row: row["source"], 200, wraps=True),
    )
    write_list(listing, stream, lambda _: Sheet(columns, listing.rows))
