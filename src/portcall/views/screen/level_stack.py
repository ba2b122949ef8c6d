"""Where one is on the screen: tables and pages, each above the one that it was opened from.

Every level has its own table with its own cursor, so going back finds what was left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.views.screen.arranging import TableChoice
from portcall.views.screen.pictures import PARTS, Opened, ScreenQuestion
from portcall.views.screen.table_lines import TableLines
from portcall.views.tables import flow_end, name_or_reason
from portcall.views.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.records.column_values import Row
    from portcall.views.screen.arranging import Measure
    from portcall.views.screen.pictures import Explained, Feed, Picture, ScreenFacts

_TITLE_WIDTH = 32


class Level:
    """A table, and what is chosen in it; or a page of text above one."""

    def __init__(self, question: ScreenQuestion, choice: TableChoice, feed: Feed) -> None:
        self.question, self.choice = question, choice
        self.lines = TableLines(_rows_by(question), feed.port_of)
        self.lines.choice = choice
        self.page: Sequence[str] | None = None
        """Paragraphs that are shown instead of the table."""

    def takes(self, picture: Picture) -> bool:
        """Whether a picture is of this level."""
        asked = picture.question
        return (asked.by, asked.opened) == (self.question.by, self.question.opened)


class LevelStack:
    """The levels, the first one always there."""

    def __init__(self, facts: ScreenFacts, feed: Feed) -> None:
        self._facts, self._feed = facts, feed
        measure: Measure = "rate" if facts.is_live and facts.sorts_by_rate else "total"
        choice = TableChoice(
            measure=measure,
            shows_closed=not facts.is_live,
            most_rows=facts.most_rows,
            knows_rates=facts.is_live,
        )
        self._all = [Level(ScreenQuestion(facts.by), choice, feed)]
        self._of_groupings: dict[str, Level] = {facts.by: self._all[0]}

    @property
    def now(self) -> Level:
        """The one that is seen."""
        return self._all[-1]

    @property
    def grouping(self) -> str:
        """What the first table is grouped by."""
        return self._all[0].question.by

    def group_by_next(self) -> None:
        """Show the next grouping, as it was left, if it was seen before."""
        groupings = self._facts.groupings
        by = groupings[(groupings.index(self._all[0].question.by) + 1) % len(groupings)]
        if by not in self._of_groupings:
            kept = self.now.choice.with_(sort="both", is_reversed=False, where=None, where_text="")
            self._of_groupings[by] = Level(ScreenQuestion(by, with_addresses=kept.shows_addresses), kept, self._feed)
        self._all = [self._of_groupings[by]]

    def show_part(self, step: int) -> None:
        """Of an opened row, show the next of PARTS."""
        level = self.now
        part = PARTS[(PARTS.index(level.question.by) + step) % len(PARTS)]
        choice = level.choice.with_(sort="both", is_reversed=False, where=None, where_text="")
        self._all[-1] = Level(ScreenQuestion(part, level.question.opened), choice, self._feed)

    def open(self, explain: Callable[[Row, int], None]) -> bool:
        """Open the row at the cursor, a conversation by ``explain``; False where no other level is there then."""
        level = self.now
        chosen = level.lines.chosen()
        if chosen is None:
            return False
        by, row, number = chosen
        if by == "flow":
            explain(row, number)
            return False
        if by == "query":
            return False
        question = _opened(by, row, level.question)
        if question is None:
            return False
        kept = level.choice.with_(sort="both", is_reversed=False, where=None, where_text="", most_rows=None)
        self._all.append(Level(question, kept, self._feed))
        return True

    def show_page(self, paragraphs: Sequence[str]) -> None:
        """Show a text above the level."""
        level = Level(self.now.question, self.now.choice, self._feed)
        level.page = paragraphs
        self._all.append(level)

    def back(self) -> bool:
        """Go back; False at the first level."""
        if len(self._all) == 1:
            return False
        self._all.pop()
        return True


def _rows_by(question: ScreenQuestion) -> str:
    if question.opened is None:
        return question.by
    return "flow" if question.by == "conversations" else question.by


def _opened(by: str, row: Row, question: ScreenQuestion) -> ScreenQuestion | None:
    if by in PARTS:  # of an opened row: its conversations, but fewer
        if question.by == "evidence" or question.opened is None:
            return None
        title = f"{question.opened.title} > {visible(row['part'], _TITLE_WIDTH)}"
        inner = {**row, "_part": question.by, "_of": question.opened}
        return ScreenQuestion("conversations", Opened("part", title, inner))
    title = flow_end("server", row) if by == "flow" else name_or_reason(by, row)
    title = f"{title} {row['pid']}" if by == "process" and row["pid"] else title
    return ScreenQuestion("conversations", Opened(by, visible(title, _TITLE_WIDTH), row))


def paragraphs(explained: Explained) -> list[str]:
    """Headings at the left, sentences beside them."""
    return [
        f"{'' if place else heading:10}{sentence}" if heading else sentence
        for heading, sentences in explained
        for place, sentence in enumerate(sentences)
    ]
