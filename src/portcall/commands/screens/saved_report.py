"""A report that somebody has written from the screen, to a file in the format of its suffix."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.commands.confining import is_confined
from portcall.commands.output import format_of_suffix
from portcall.commands.output_file import UnwritableOutputError, opened, try_output
from portcall.commands.reached_places import place_of_screen
from portcall.errors import PortcallError, UsageError
from portcall.exports import MODULES, PAGES, require, write
from portcall.views.text import counted_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from portcall.records.report import Report

_NAME = "portcall.json"
_FORMATS = ("table", *MODULES, *PAGES)


def writer_for(options: argparse.Namespace) -> Callable[[Report, str], str]:
    """What writes reports from the screen, and knows where it may; to be asked for before that is all it may."""
    places = place_of_screen(options) if is_confined() else None

    def write_there(report: Report, path: str) -> str:
        return write_report(report, path, places)

    return write_there


def first_answer(options: argparse.Namespace) -> str:
    """The file that is proposed: in the current folder, or beside the one of ``-o``."""
    return str(Path(options.output).parent / _NAME) if options.output else _NAME


def write_report(report: Report, path: str, places: Sequence[str] | None = None) -> str:
    """Write it there, and tell that in a sentence; or tell why not. ``places``: the folders that it is confined to."""
    try:
        return _written(report, path)
    except UnwritableOutputError as error:
        if places is None or any(Path(os.path.realpath(path)).is_relative_to(place) for place in places):
            return str(error).removeprefix("-o ")
        where = f"beneath {places[0]}" if places else "nowhere, as it began in /"
        return f"not written: w writes {where}; begin with -o in another folder for that one"
    except PortcallError as error:
        return str(error).removeprefix("-o ")


def _written(report: Report, path: str) -> str:
    if not path:
        raise UsageError("nothing was written: no file was named")
    format_name = format_of_suffix(path, _FORMATS)
    if format_name in PAGES and report.page is None:
        raise UsageError("a page needs more than was counted: begin with --format html")
    if format_name != "table":
        require(format_name)
    try_output(path)
    with opened(path) as stream:
        if format_name == "table":
            from portcall.views.tables import write_table

            write_table(report, stream, most_rows=None)
        else:
            write(report, format_name, stream)
    return f"{counted_text(len(report.rows), 'row')} by {report.by} written to {path}"
