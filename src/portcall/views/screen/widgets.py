"""What the screen is made of: heading, table, page of text and the line of keys, drawn line by line.

Only the lines in sight are asked for. Their texts are harmless already and are no markup; a style covers a line or a
part of it.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from portcall.views.screen.heading import LINES
from portcall.views.screen.key_help import key_line
from portcall.views.text import columns, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual import events

    from portcall.views.screen.palette import Palette
    from portcall.views.screen.table_lines import TableLines

_WHEEL = 3


def strip_of(parts: Sequence[tuple[str, Style]], width: int, ground: Style) -> Strip:
    """A line of these parts, as wide as there is room."""
    return Strip([Segment(text, style) for text, style in parts if text]).adjust_cell_length(width, ground)


class Lines(Widget):
    """Whole lines, as the heading; ``first`` is the style of the first."""

    def __init__(self, palette: Palette, first: Style, height: int = LINES) -> None:
        super().__init__()
        self._palette, self._first = palette, first
        self.styles.height = height
        self.texts: list[str] = []

    def show(self, texts: list[str]) -> None:
        """Show these lines."""
        if texts != self.texts:
            self.texts = texts
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """One of them."""
        style = self._first if y == 0 else self._palette.normal
        text = self.texts[y] if y < len(self.texts) else ""
        return strip_of([(text, style)], self.size.width, self._palette.normal)


class Table(Widget):
    """The table: a header and the lines in sight."""

    class Opens(Message):
        """A row is to be opened."""

    class Sorts(Message):
        """Rows are to be sorted by a column."""

        def __init__(self, sort: str) -> None:
            super().__init__()
            self.sort = sort

    class Moved(Message):
        """The cursor is elsewhere."""

    def __init__(self, palette: Palette, lines: TableLines) -> None:
        super().__init__()
        self._palette = palette
        self.lines = lines

    def show(self, lines: TableLines) -> None:
        """Show this one from now on."""
        self.lines = lines
        self.lines.resize(self.size.width, self.size.height - 1)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        """Take the room there is now."""
        self.lines.resize(event.size.width, event.size.height - 1)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The header, or a line in sight."""
        width, palette = self.size.width, self._palette
        if y == 0:
            return strip_of([(visible(f"  {self.lines.header()}", width), palette.header)], width, palette.header)
        number = self.lines.top + y - 1
        line = self.lines.line(number)
        if line is None:
            return strip_of([], width, palette.normal)
        style = palette.faint if line.is_faint else palette.normal
        style = palette.cursor if number == self.lines.cursor else style
        return strip_of([(visible(line.text, width), style)], width, style)

    def move(self, lines: int) -> None:
        """Move the cursor: two lines are drawn anew, or all where they moved."""
        before, top = self.lines.cursor, self.lines.top
        self.lines.move(lines)
        self._draw_moved(before, top)

    def _draw_moved(self, before: int | None, top: int) -> None:
        from textual.geometry import Region

        if top != self.lines.top:
            self.refresh()
        else:
            places = [line - top + 1 for line in (before, self.lines.cursor) if line is not None]
            self.refresh(*(Region(0, place, self.size.width, 1) for place in places))
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        """Choose a row, open the one that is chosen, or sort."""
        if event.y == 0:
            column = self.lines.column_at(event.x)
            if column and column.sort:
                self.post_message(self.Sorts(column.sort))
            return
        before, top = self.lines.cursor, self.lines.top
        line = top + event.y - 1
        if line == before:
            self.post_message(self.Opens())
        elif self.lines.place(line):
            self._draw_moved(before, top)

    def on_mouse_scroll_down(self, _: events.MouseScrollDown) -> None:
        """Look further down."""
        self.lines.scroll(_WHEEL)
        self.refresh()

    def on_mouse_scroll_up(self, _: events.MouseScrollUp) -> None:
        """Look further up."""
        self.lines.scroll(-_WHEEL)
        self.refresh()


class TextPage(Widget):
    """A page of text, wrapped, which may be longer than the screen."""

    class Wrapped(Message):
        """Its lines are others."""

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette
        self._paragraphs: list[str] = []
        self._lines: list[str] = []
        self._top = 0

    def show(self, paragraphs: Sequence[str]) -> None:
        """Show these, from the first on."""
        self._paragraphs, self._top = [visible(text) for text in paragraphs], 0
        self._wrap()

    @property
    def place(self) -> str:
        """Which lines are in sight, where not all are."""
        last = min(self._top + self.size.height, len(self._lines))
        return "" if last - self._top == len(self._lines) else f"{self._top + 1}–{last} of {len(self._lines)} lines "

    def on_resize(self, _: events.Resize) -> None:
        """Wrap anew."""
        self._wrap()

    def move(self, lines: int) -> None:
        """Scroll, as far as there is something."""
        self._top = max(0, min(self._top + lines, len(self._lines) - self.size.height))
        self.refresh()

    def on_mouse_scroll_down(self, _: events.MouseScrollDown) -> None:
        """Look further down."""
        self.move(_WHEEL)

    def on_mouse_scroll_up(self, _: events.MouseScrollUp) -> None:
        """Look further up."""
        self.move(-_WHEEL)

    def render_line(self, y: int) -> Strip:
        """A line in sight."""
        number = self._top + y
        text = self._lines[number] if number < len(self._lines) else ""
        style = self._palette.strong if number == 0 else self._palette.normal
        return strip_of([(visible(text, self.size.width), style)], self.size.width, self._palette.normal)

    def _wrap(self) -> None:
        width = max(self.size.width, 20)
        self._lines = []
        for text in self._paragraphs:
            indent = " " * min(len(text) - len(text.lstrip(" ")) or 10, width // 3)
            wrapped = textwrap.wrap(
                text, width, subsequent_indent=indent, break_on_hyphens=False, replace_whitespace=False,
                drop_whitespace=True,
            )  # fmt: skip
            self._lines += wrapped or [""]
        self.move(0)
        self.post_message(self.Wrapped())


class KeyLine(Widget):
    """The last line: a notice, or keys that a click presses too; quit and help are always there."""

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette
        self.styles.height = 1
        self._right = ""
        self._actions: list[tuple[range, str]] = []

    def show(self, right: str) -> None:
        """Where one is, at the right end."""
        if right != self._right:
            self._right = right
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 - there is one
        """The line."""
        width, palette = self.size.width, self._palette
        right = visible(self._right, max(width - 20, 0))
        room = max(width - columns(right) - 1, 0)
        parts: list[tuple[str, Style]] = []
        self._actions, start = [], 0
        for key, words, action in key_line(room):
            parts += [(f" {key}", palette.keys), (f" {words} ", palette.header)]
            end = start + columns(key) + columns(words) + 3
            self._actions.append((range(start, end), action))
            start = end
        parts += [(" " * max(width - start - columns(right), 0), palette.header), (right, palette.header)]
        return strip_of(parts, width, palette.header)

    async def on_click(self, event: events.Click) -> None:
        """Do what the key does."""
        for places, action in self._actions:
            if event.x in places:
                await self.app.run_action(action)
