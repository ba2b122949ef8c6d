"""Rows that are no traffic, for people: a heading, a table that fits, and what they should know about it.

All text passes ``visible``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from portcall.views.fitting import TableColumn, fitting_table, write_page
from portcall.views.text import count_text, note_text, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from portcall.records.schema import Listing
    from portcall.views.pages import Page

    Row = dict[str, Any]  # Any: plain values of several types, see schema

MOST_ROWS = 1000
"""Rows that a terminal gets unless ``--top`` says otherwise; files and pipes get all."""


def _plain(_: Row) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is shown of a list."""

    columns: Sequence[TableColumn]
    rows: Sequence[Row]
    heading: str = ""
    style: Callable[[Row], str] = _plain
    """rich's name of how a row looks."""
    footnotes: Sequence[str] = ()
    """Lines that no line break may part, such as commands to copy."""


def write_list(
    listing: Listing,
    stream: TextIO,
    sheet_of: Callable[[bool], Sheet],
    *,
    most_rows: int | None = None,
    width: int | None = None,
) -> None:
    """Write a list for people; ``sheet_of`` is told whether only ASCII can be shown."""
    write_page(stream, partial(_render, listing, sheet_of, most_rows), width)


def _render(
    listing: Listing,
    sheet_of: Callable[[bool], Sheet],
    most_rows: int | None,
    page: Page,
    is_plain: bool,  # noqa: FBT001 - a partial
) -> None:
    sheet = sheet_of(is_plain)
    rows = sheet.rows[: most_rows or (MOST_ROWS if page.is_terminal else None)]
    if sheet.heading:
        page.say(visible(sheet.heading))
        if rows:
            page.say("")
    if rows:
        page.table(fitting_table(sheet.columns, rows, page.width, sheet.style))
    hidden = len(sheet.rows) - len(rows) + listing.rows_left_out
    if hidden:
        page.say(f"and {count_text(hidden)} more")
    for footnote in sheet.footnotes:
        page.say(visible(footnote), is_whole=True)
    for degradation in listing.degradations:
        page.say(visible(note_text(degradation)), style="yellow")
