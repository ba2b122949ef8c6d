"""A report that somebody has written from the screen, to a file in the format of its suffix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.commands.output import format_of_suffix
from portcall.commands.output_file import opened, try_output
from portcall.errors import PortcallError, UsageError
from portcall.exports import MODULES, PAGES, require, write
from portcall.views.text import counted_text

if TYPE_CHECKING:
    from portcall.records.report import Report

_FORMATS = ("table", *MODULES, *PAGES)


def write_report(report: Report, path: str) -> str:
    """Write it there, and tell that in a sentence; or tell why not."""
    try:
        return _written(report, path)
    except PortcallError as error:
        return str(error)


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
