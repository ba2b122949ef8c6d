"""Rows that are no traffic, as a table: every column as wide as its texts, the last with what is left of the line.

All text passes ``visible``. Columns in which nothing stands are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from portcall.views.tables import write_rendered
from portcall.views.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

    from rich.console import Console

_GAP = 2
_MOST_WIDTH = 60  # of any column but the last, which wraps


def write_list(
    stream: TextIO,
    rows: Sequence[Mapping[str, str]],
    *,
    heading: str | None = None,
    colours: Mapping[str, str] | None = None,
    footnotes: Sequence[str] = (),
    width: int | None = None,
) -> None:
    """Write the rows for people, after a heading; ``colours``: words in which cells that say so are shown.

    ``footnotes`` are lines that no line break may part, such as commands to copy.
    """

    def render(console: Console, _: bool) -> None:  # noqa: FBT001 - as it is called
        if heading:
            console.print(Text(visible(heading)), end="\n\n" if rows else "\n")
        if rows:
            console.print(_table(rows, colours or {}))
        for number, footnote in enumerate(footnotes):
            console.print(Text(("" if number else "\n") + visible(footnote)), soft_wrap=True)

    write_rendered(stream, render, width)


def _table(rows: Sequence[Mapping[str, str]], colours: Mapping[str, str]) -> Table:
    titles = [title for title in rows[0] if any(row[title] for row in rows)]
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for title in titles:
        is_last = title == titles[-1]
        table.add_column(Text(title), no_wrap=not is_last, overflow="fold" if is_last else "ellipsis")
    for row in rows:
        texts = [visible(row[title], None if title == titles[-1] else _MOST_WIDTH) for title in titles]
        table.add_row(*(Text(text, style=colours.get(text, "")) for text in texts))
    return table
