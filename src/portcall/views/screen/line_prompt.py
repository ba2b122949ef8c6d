"""One line that asks for a text: a filter, or where to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message
from textual.widget import Widget

from portcall.views.screen.widgets import strip_of
from portcall.views.text import columns, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.strip import Strip

    from portcall.views.screen.palette import Palette

_MOST_CHARACTERS = 4096


class LinePrompt(Widget):
    """Takes what is typed; Enter is an answer, Esc is none.

    It never has the focus: keys that were pressed before it came would be behind those that were pressed after.
    """

    class Answered(Message):
        """Somebody answered a question; None for no answer."""

        def __init__(self, question: str, answer: str | None) -> None:
            super().__init__()
            self.question, self.answer = question, answer

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette
        self.styles.height = 1
        self.display = False
        self._question, self._text, self._at = "", "", 0

    def ask(self, question: str, text: str) -> None:
        """Ask, with an answer to begin with."""
        self._question, self._text, self._at = question, text, len(text)
        self.display = True
        self.refresh()

    def take(self, key: str, character: str | None) -> None:
        """Take a key: every letter is part of the answer, whatever it does elsewhere."""
        if key in ("enter", "escape"):
            self._answer(self._text if key == "enter" else None)
        elif key in _EDITS:
            self._text, self._at = _EDITS[key](self._text, self._at)
        elif character is not None and character.isprintable():
            self._insert(character)
        self.refresh()

    def paste(self, text: str) -> None:
        """Take the first line of what was pasted."""
        self._insert("".join(letter for letter in text.partition("\n")[0] if letter.isprintable()))
        self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 - there is one
        """The question and the answer, its end in sight, with a mark where typing goes on."""
        width, palette = self.size.width, self._palette
        before, at, after = self._text[: self._at], self._text[self._at : self._at + 1], self._text[self._at + 1 :]
        question = f"{self._question}: "
        room = max(width - columns(question) - 2, 1)
        while columns(before) > room:
            before = before[1:]
        after = visible(after, max(room - columns(before), 0))
        parts = [(question, palette.keys), (before, palette.header), (at or " ", palette.cursor)]
        return strip_of([*parts, (after, palette.header)], width, palette.header)

    def _insert(self, text: str) -> None:
        text = text[: _MOST_CHARACTERS - len(self._text)]
        self._text = self._text[: self._at] + text + self._text[self._at :]
        self._at += len(text)

    def _answer(self, answer: str | None) -> None:
        self.display = False
        self.post_message(self.Answered(self._question, answer))


_EDITS: dict[str, Callable[[str, int], tuple[str, int]]] = {
    "backspace": lambda text, at: (text[: max(at - 1, 0)] + text[at:], max(at - 1, 0)),
    "delete": lambda text, at: (text[:at] + text[at + 1 :], at),
    "left": lambda text, at: (text, max(at - 1, 0)),
    "right": lambda text, at: (text, min(at + 1, len(text))),
    "home": lambda text, _: (text, 0),
    "end": lambda text, _: (text, len(text)),
    "ctrl+a": lambda text, _: (text, 0),
    "ctrl+e": lambda text, _: (text, len(text)),
    "ctrl+u": lambda text, at: (text[at:], 0),
    "ctrl+w": lambda text, at: (
        text[:at].rstrip().rpartition(" ")[0] + text[at:],
        len(text[:at].rstrip().rpartition(" ")[0]),
    ),
}
