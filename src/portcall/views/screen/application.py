"""The keys of the screen: each is answered at once, from the picture that is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding

from portcall.views.screen.key_help import KEYS, help_lines
from portcall.views.screen.level_screen import LevelScreen
from portcall.views.screen.pictures import PARTS

if TYPE_CHECKING:
    from textual import events

    from portcall.views.screen.line_prompt import LinePrompt
    from portcall.views.screen.pictures import Explained, Row
    from portcall.views.screen.widgets import Table

QUIT, INTERRUPTED = "quit", "interrupted"
_FILTER, _WRITE = "filter", "write the report to"


class ScreenApplication(LevelScreen):
    """Runs until ``q``, Ctrl-C or ``end``; gives QUIT, INTERRUPTED or OVER."""

    BINDINGS: ClassVar[Any] = [  # Any: as App has them
        *(
            Binding(one, key.action, key.words, show=False, priority=one.endswith("tab"))
            for key in KEYS
            for one in key.keys.split(",")
        ),
        Binding("ctrl+c,ctrl+q", "interrupt", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False),
    ]

    def on_key(self, event: events.Key) -> None:
        """While something is asked, keys are the answer and do nothing else."""
        if self._prompt.display:
            event.prevent_default()
            self._prompt.take(event.key, event.character)

    def on_paste(self, event: events.Paste) -> None:
        """What is pasted is part of the answer, if something is asked."""
        if self._prompt.display:
            self._prompt.paste(event.text)

    def on_table_opens(self, _: Table.Opens) -> None:
        """The mouse opens."""
        self.action_open()

    def on_table_sorts(self, message: Table.Sorts) -> None:
        """The mouse sorts; a second click on the same title reverses."""
        choice = self._levels.now.choice
        self._choose(sort=message.sort, is_reversed=choice.sort == message.sort and not choice.is_reversed)

    def on_table_moved(self, _: Table.Moved) -> None:
        """Only the place at the right end of the last line is another."""
        self._notice = ""
        self._draw_place()

    def on_line_prompt_answered(self, message: LinePrompt.Answered) -> None:
        """Filter, or write."""
        if message.answer is None:
            return
        if message.question == _FILTER:
            self._filter(message.answer.strip())
        else:
            self._say("it is being written")
            self._feed.write(message.answer.strip(), self._levels.grouping, self.say)

    async def action_quit(self) -> None:
        """Quit, and print the report."""
        self.exit(QUIT)

    def action_interrupt(self) -> None:
        """As Ctrl-C does elsewhere."""
        self.exit(INTERRUPTED)

    def action_help(self) -> None:
        """Show the keys, or go back from them."""
        if self._levels.now.page is not None:
            self._levels.back()
        else:
            self._levels.show_page(help_lines())
        self._show_level()

    def action_filter(self) -> None:
        """Ask for a filter."""
        if self._levels.now.page is None and self._levels.now.lines.by not in PARTS:
            self._prompt.ask(_FILTER, self._levels.now.choice.where_text)
        else:
            self._say("there are no rows to filter here")

    def action_write(self) -> None:
        """Ask where to write."""
        self._prompt.ask(_WRITE, self._facts.writes_to)

    def action_open(self) -> None:
        """Open the row at the cursor."""
        level = self._levels.now

        def explain(row: Row, number: int) -> None:
            def show(explained: Explained) -> None:
                self.call_later(self._show_explained, level, explained)

            self._feed.explain(row, number, show)

        if level.page is None and self._levels.open(explain):
            self._show_level()

    async def action_back(self) -> None:
        """Go back; at the first table let go of the filter and the cursor."""
        if self._levels.back():
            self._show_level()
            return
        level = self._levels.now
        level.lines.cursor = None
        self._choose(where=None, where_text="")

    def action_move(self, lines: int) -> None:
        """Move the cursor, or what is in sight of a page."""
        if self._levels.now.page is not None:
            self._page.move(lines)
            self._draw_place()
        else:
            self._table.move(lines)

    def action_page(self, pages: int) -> None:
        """The same by a page."""
        self.action_move(pages * max(self._table.size.height - 2 or self._page.size.height - 1, 1))

    def action_first(self) -> None:
        """To the first line."""
        self.action_move(-len(self._levels.now.lines) - 1_000_000)

    def action_last(self) -> None:
        """To the last line."""
        if self._levels.now.lines.cursor is None:
            self.action_move(0)
        self.action_move(len(self._levels.now.lines) + 1_000_000)

    def action_part(self, step: int) -> None:
        """Of an opened row the next of its parts."""
        level = self._levels.now
        if level.question.opened is not None and level.page is None and not self._prompt.display:
            self._levels.show_part(step)
            self._show_level()

    def action_sort(self) -> None:
        """Sort by the next column."""
        lines, choice = self._levels.now.lines, self._levels.now.choice
        sorts = lines.sorts()
        place = sorts.index(choice.sort) if choice.sort in sorts else -1
        self._choose(sort=sorts[(place + 1) % len(sorts)], is_reversed=False)

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._choose(is_reversed=not self._levels.now.choice.is_reversed)

    def action_group(self) -> None:
        """Group by what comes next."""
        if len(self._facts.groupings) > 1 and self._levels.now.page is None:
            self._levels.group_by_next()
            self._show_level()

    def action_measure(self) -> None:
        """Rates or totals first."""
        picture = self._levels.now.lines.picture
        if picture is not None and not picture.has_rates:
            self._say("there are no rates: nothing comes in any more" if not self._facts.is_live else "no rates yet")
        self._choose(measure="total" if self._levels.now.choice.measure == "rate" else "rate")

    def action_ports(self) -> None:
        """Ports or names."""
        self._choose(shows_ports=not self._levels.now.choice.shows_ports)

    def action_addresses(self) -> None:
        """Addresses or names."""
        level = self._levels.now
        self._choose(shows_addresses=not level.choice.shows_addresses)
        level.question = replace(level.question, with_addresses=level.choice.shows_addresses)
        self._ask()

    def action_closed(self) -> None:
        """Show what is closed, or not."""
        self._choose(shows_closed=not self._levels.now.choice.shows_closed)

    def action_tunnels(self) -> None:
        """Leave tunnels' outer packets out, or not."""
        self._choose(leaves_out_tunnels=not self._levels.now.choice.leaves_out_tunnels)

    def action_freeze(self) -> None:
        """Freeze what is shown, or go on."""
        self._is_frozen = not self._is_frozen
        level = self._levels.now
        if not self._is_frozen and self._latest is not None and level.takes(self._latest) and level.page is None:
            level.lines.show(self._latest, level.choice)
        self._draw()

    def action_unfold(self) -> None:
        """Unfold an app's processes, or fold them."""
        level = self._levels.now
        if level.page is not None:
            return
        if level.lines.by != "app" or "process" not in self._facts.groupings:
            words = "only apps unfold" if level.lines.by != "app" else "nothing here tells processes"
            self._say(words)
            return
        if level.lines.cursor is None:
            level.lines.move(0)
        is_any = level.lines.unfold()
        if is_any != level.question.with_processes:
            level.question = replace(level.question, with_processes=is_any)
            self._ask()
        self._draw()


def run_screen(application: ScreenApplication) -> str:
    """Show it until it ends; how it did. The terminal is then as it was."""
    result = application.run()
    return INTERRUPTED if result is None else result
