"""What the screen shows: pictures come in, and the level that one is at is drawn.

Nothing that takes time happens here. Pictures come from other threads by ``arrive``; what must be found out is asked of
the feed, and until it comes the screen says that it is on its way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App
from textual.message import Message

from portcall.errors import UsageError
from portcall.views.screen.heading import LINES, heading
from portcall.views.screen.level_stack import LevelStack, paragraphs
from portcall.views.screen.line_prompt import LinePrompt
from portcall.views.screen.terminal_driver import TerminalOfStderr
from portcall.views.screen.widgets import KeyLine, Lines, Table, TextPage
from portcall.views.text import count_text, note_text, visible

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult
    from textual.driver import Driver

    from portcall.views.screen.level_stack import Level
    from portcall.views.screen.palette import Palette
    from portcall.views.screen.pictures import Explained, Feed, Picture, ScreenFacts

OVER = "over"
_FEW_LINES, _LEAST_LINES = 10, 5


class Arrived(Message):
    """A picture is there."""

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self.picture = picture


class LevelScreen(App[str]):
    """Shows the level that one is at, without keys; ``end`` ends it as OVER."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    AUTO_FOCUS = None
    CSS = """
    Screen { layout: vertical; overflow: hidden; background: ansi_default; color: ansi_default; }
    Table, TextPage { height: 1fr; }
    TextPage { display: none; }
    KeyLine { dock: bottom; }
    """

    def __init__(
        self, facts: ScreenFacts, feed: Feed, palette: Palette, driver_class: type[Driver] = TerminalOfStderr
    ) -> None:
        super().__init__(driver_class=driver_class, ansi_color=True)
        self._facts, self._feed, self._palette = facts, feed, palette
        self._levels = LevelStack(facts, feed)
        self._latest: Picture | None = None
        self._is_frozen = False
        self._notice = ""
        self._heading = Lines(palette, palette.strong)
        self._notice_line = Lines(palette, palette.notice, height=1)
        self._table = Table(palette, self._levels.now.lines)
        self._page = TextPage(palette)
        self._prompt = LinePrompt(palette)
        self._keys = KeyLine(palette)
        self.animation_level = "none"

    def compose(self) -> ComposeResult:
        """The parts of the screen, from above."""
        yield self._heading
        yield self._table
        yield self._page
        yield self._notice_line
        yield self._prompt
        yield self._keys

    def on_mount(self) -> None:
        """Begin with what was asked for on the command line."""
        if self._facts.where:
            self._filter(self._facts.where)
        self._ask()
        self._draw()

    def arrive(self, picture: Picture) -> None:
        """Show this picture, from any thread."""
        self.post_message(Arrived(picture))

    def end(self) -> None:
        """What is counted is over; from any thread."""
        self.call_later(self.exit, OVER)

    def say(self, notice: str) -> None:
        """Tell something in one line, until the next key; from any thread."""
        self.call_later(self._say, notice)

    def on_arrived(self, message: Arrived) -> None:
        """Take it in, unless what is shown is frozen."""
        self._latest = message.picture
        level = self._levels.now
        if level.takes(message.picture) and level.page is None:
            if self._is_frozen and level.lines.picture is not None and _same(level.lines.picture, message.picture):
                return
            level.lines.show(message.picture, level.choice)
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """The heading is cut anew; where there are few lines, rows have them."""
        few = event.size.height < _FEW_LINES
        self._heading.styles.height = 1 if few else LINES
        self._notice_line.display = not few or event.size.height > _LEAST_LINES
        self._draw()

    def on_text_page_wrapped(self, _: TextPage.Wrapped) -> None:
        """The place at the right end of the last line is another."""
        self._draw_place()

    def _choose(self, **changes: object) -> None:
        level = self._levels.now
        level.choice = level.choice.with_(**changes)
        self._notice = ""
        if level.lines.picture is not None and level.page is None:
            level.lines.show(level.lines.picture, level.choice)
        self._draw()

    def _filter(self, text: str) -> None:
        level = self._levels.now
        if not text:
            self._choose(where=None, where_text="")
            return
        try:
            where = self._feed.rows_wanted(text, level.lines.by)
        except UsageError as error:
            self._say(str(error))
            return
        self._choose(where=where, where_text=text)

    def _show_explained(self, level: Level, explained: Explained) -> None:
        """Show it where it was asked for, unless somebody went on."""
        if self._levels.now is level:
            self._levels.show_page(paragraphs(explained))
            self._show_level()

    def _show_level(self) -> None:
        """Show the level that is the last one now; ask for its rows if it is a table."""
        level = self._levels.now
        self._notice = ""
        self._page.display = level.page is not None
        self._table.display = level.page is None
        if level.page is not None:
            self._page.show(level.page)
        else:
            self._table.show(level.lines)
            self._ask()
        self._draw()

    def _ask(self) -> None:
        self._feed.ask(self._levels.now.question)

    def _say(self, notice: str) -> None:
        self._notice = notice
        self._draw_place()

    def _draw(self) -> None:
        level, width = self._levels.now, self.size.width
        lines = level.lines
        if level.page is None:
            self._heading.show(
                heading(
                    self._facts, lines.picture, lines.arrangement, level.choice, is_frozen=self._is_frozen, width=width
                )
            )
        self._table.refresh()
        self._draw_place()

    def _draw_place(self) -> None:
        lines = self._levels.now.lines
        place, notes = self._page.place if self._levels.now.page is not None else "", ""
        if self._levels.now.page is None and len(lines):
            first = lines.top + 1
            last = min(lines.top + lines.page, len(lines))
            place = f"{count_text(first)}–{count_text(last)} of {count_text(len(lines))} "
        elif self._levels.now.page is None:
            notes = "no rows" if lines.picture is not None else "rows are on their way"
        if lines.picture is not None and not self._notice:
            notes = notes or next((note_text(note) for note in lines.picture.report.degradations[-1:]), "")
        self._notice_line.show([visible(self._notice or notes, self.size.width)])
        self._keys.show(place)


def _same(one: Picture, other: Picture) -> bool:
    return (one.question.with_processes, one.question.with_addresses) == (
        other.question.with_processes,
        other.question.with_addresses,
    )
