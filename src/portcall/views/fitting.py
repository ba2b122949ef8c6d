"""Tables that fit: columns that there is no room for go, the least important first, and text never wraps.

Cells are made harmless by ``visible`` and measured once; a table is written into memory and then at once.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portcall.views.pages import PlainPage, TerminalPage, text_of
from portcall.views.text import columns, terminal_columns, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from rich.console import Console

    from portcall.views.pages import Lines, Page

    Row = dict[str, Any]  # Any: plain values of several types, see schema

WIDTH_WITHOUT_TERMINAL = 100

_GAP = 2
_ASKED_WIDTH = 32
_LEAST_NAME_WIDTH = 8
_LEAST_WRAPPED_WIDTH = 16


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column of the table; when room gets short the highest rank goes first."""

    title: str
    rank: float
    text: Callable[[Row], str]
    most: int | None = None
    """Terminal columns that its texts take at the most; None for numbers, which are never cut."""
    is_needed: bool = True
    """Whether it stays where all its texts are empty."""
    least: int | None = None
    """Terminal columns to which it may be cut where others would have to go; None: it goes."""
    wraps: bool = False
    """Whether it, the last one, goes on below where there is no room, instead of being dropped."""


if TYPE_CHECKING:
    Cells = dict[TableColumn, list[str]]


def asked_columns(end: str, title: str = "") -> tuple[TableColumn, ...]:
    """What --geo and --resolve tell of the address at an end; who asked for it wants it before most else."""

    def column(heading: str, rank: float, name: str) -> TableColumn:
        return TableColumn(heading, rank, lambda row: row.get(f"{end}_{name}") or "", _ASKED_WIDTH, is_needed=False)

    return (
        column("reverse DNS", 1.4, "reverse_name"),
        column(f"{title}country", 1.2, "country"),
        column(f"{title}network", 1.3, "network"),
    )


def write_fitting(stream: TextIO, draw: Callable[[Console, bool], None], width: int | None = None) -> None:
    """Write what is drawn: as wide as the terminal and in colour, elsewhere 100 columns of plain text.

    ``draw`` gets the console and whether the stream can only take ASCII.
    """
    from rich.console import Console

    is_terminal = stream.isatty()
    # Rendered into memory and written at once: rich answers a closed pipe by leaving the program by itself.
    buffer = io.StringIO()
    terminal = Console(file=stream)
    console = Console(
        file=buffer,
        width=width or (terminal_width(terminal) if is_terminal else WIDTH_WITHOUT_TERMINAL),
        force_terminal=is_terminal,
        no_color=terminal.no_color,
        color_system="auto" if is_terminal else None,
        highlight=False,
    )
    draw(console, takes_only_ascii(stream))
    text = buffer.getvalue()
    if not is_terminal:
        text = "".join(line.rstrip() + "\n" for line in text.splitlines())
    _write(stream, text)


def write_page(stream: TextIO, draw: Callable[[Page, bool], None], width: int | None = None) -> None:
    """The same of what is drawn on a page, for which rich is loaded only where a terminal shows it."""
    if stream.isatty():
        write_fitting(stream, lambda console, is_plain: draw(TerminalPage(console), is_plain), width)
        return
    page = PlainPage(width or WIDTH_WITHOUT_TERMINAL)
    draw(page, takes_only_ascii(stream))
    _write(stream, page.text)


def takes_only_ascii(stream: TextIO) -> bool:
    """Whether the stream's encoding is none of Unicode's."""
    return not (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")


def _write(stream: TextIO, text: str) -> None:
    stream.write(text.encode("ascii", "backslashreplace").decode() if takes_only_ascii(stream) else text)


def terminal_width(console: Console) -> int:
    """How wide a terminal is, by COLUMNS if that is set; rich takes every dumb one for 80 columns."""
    return terminal_columns() if console.is_dumb_terminal else console.width


def fitting_table(choice: Sequence[TableColumn], rows: Sequence[Row], width: int, style: Callable[[Row], str]) -> Lines:
    """A header and the rows in as many columns as fit into the width; the first stays always, and is cut if it must be.

    Lines of text, each with its style: rich's own tables take a millisecond for every row.
    """
    cells = {column: _harmless([column.text(row) for row in rows], column.most) for column in choice}
    cells = {column: texts for column, texts in cells.items() if column.is_needed or any(texts)}
    widths = {column: max(map(columns, [column.title, *texts])) for column, texts in cells.items()}
    fitting = _fitting(widths, width)
    last = fitting[-1]
    for column, share in _shares(fitting, widths, width).items():
        if share < widths[column] and not column.wraps:
            cells[column], widths[column] = _harmless(cells[column], share), share
    styles = ["bold", *map(style, rows)]
    if last.wraps:
        room = max(width - sum(widths[column] + _GAP for column in fitting[:-1]), _LEAST_WRAPPED_WIDTH)
        if widths[last] > room:
            cells, styles = _wrapped({column: cells[column] for column in fitting}, room, styles)
            widths[last] = room
    padded = [_padded([column.title, *cells[column]], widths[column], column) for column in fitting]
    lines = map((" " * _GAP).join, zip(*padded, strict=True))
    return list(zip(lines, styles, strict=True))


def print_lines(console: Console, lines: Lines) -> None:
    """Print them: at once where nobody sees styles, since rich takes its time for each line."""
    if console.is_terminal:
        console.print(text_of(lines), no_wrap=True, overflow="crop")
    else:
        console.file.writelines(f"{line}\n" for line, _ in lines)


def _harmless(texts: list[str], most: int | None) -> list[str]:
    together = "".join(texts)  # asked once, for all of them: nearly always there is nothing to do
    if together.isascii() and together.isprintable() and (most is None or max(map(len, texts), default=0) <= most):
        return texts
    return [visible(text, most) for text in texts]


def _wrapped(cells: Cells, width: int, styles: list[str]) -> tuple[Cells, list[str]]:
    """The cells where the last column goes on in lines below, empty elsewhere, in pieces of that width; and styles."""
    import textwrap

    *others, last = cells
    wrapped: Cells = {column: [] for column in cells}
    more_styles = styles[:1]  # of the header
    for number, text in enumerate(cells[last]):
        # Full-width characters may stand out by as much as they are wider: they are rare in sentences of ours.
        pieces = textwrap.wrap(text, width, break_on_hyphens=False) or [""]
        wrapped[last] += pieces
        for column in others:
            wrapped[column] += [cells[column][number]] + [""] * (len(pieces) - 1)
        more_styles += styles[number + 1 : number + 2] * len(pieces)
    return wrapped, more_styles


def _padded(texts: list[str], width: int, column: TableColumn) -> list[str]:
    gaps = (" " * (width - columns(text)) for text in texts)
    if column.most is None:
        return [gap + text for gap, text in zip(gaps, texts, strict=True)]
    return [text + gap for gap, text in zip(gaps, texts, strict=True)]


def _fitting(widths: dict[TableColumn, int], width: int) -> list[TableColumn]:
    """The columns that there is room for, cut as far as they may be; the first stays always."""
    name, *others = widths
    least = {column: _least(column, widths[column], is_first=column is name, width=width) for column in widths}
    while others and sum(least[column] + _GAP for column in (name, *others)) - _GAP > width:
        last = max(column.rank for column in others)
        others = [column for column in others if column.rank < last]
    return [name, *others]


def _shares(fitting: list[TableColumn], widths: dict[TableColumn, int], width: int) -> dict[TableColumn, int]:
    """How wide each column may be; room that is left when all are cut goes to the first ones."""
    name = fitting[0]
    shares = {column: _least(column, widths[column], is_first=column is name, width=width) for column in fitting}
    spare = width - sum(share + _GAP for share in shares.values()) + _GAP
    if len(fitting) == 1:
        return {name: min(widths[name], width)}
    for column in fitting:
        more = max(min(widths[column] - shares[column], spare), 0)
        shares[column] += more
        spare -= more
    return shares


def _least(column: TableColumn, known: int, *, is_first: bool, width: int) -> int:
    """How wide a column is at the least; the first may be cut to a third of the width."""
    if column.wraps:
        return min(known, _LEAST_WRAPPED_WIDTH)
    if is_first:
        return min(known, max(_LEAST_NAME_WIDTH, width // 3))
    return min(known, column.least or known)
