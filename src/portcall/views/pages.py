"""Where lists are drawn: on a terminal by rich, elsewhere as plain lines of a fixed width, without loading it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from portcall.views.text import columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.text import Text

    Lines = list[tuple[str, str]]

_WORD = re.compile(r"\s*\S+\s*")


class Page(Protocol):
    """What is drawn on."""

    @property
    def width(self) -> int:
        """In terminal columns."""

    @property
    def is_terminal(self) -> bool:
        """Whether somebody looks at it."""

    def say(self, words: str, style: str = "", *, is_whole: bool = False) -> None:
        """Write a line of text, wrapped to the width unless it is to stay whole, as a command to copy does."""

    def table(self, lines: Lines) -> None:
        """Write lines that fit, each with its style."""


class TerminalPage:
    """A terminal, or a picture of one, as rich draws it."""

    is_terminal = True

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def width(self) -> int:
        """In terminal columns."""
        return self._console.width

    def say(self, words: str, style: str = "", *, is_whole: bool = False) -> None:
        """Write a line of text."""
        from rich.text import Text

        self._console.print(Text(words, style=style), soft_wrap=is_whole)

    def table(self, lines: Lines) -> None:
        """Write lines that fit."""
        self._console.print(text_of(lines), no_wrap=True, overflow="crop")


class PlainPage:
    """Text in memory, wrapped where rich would wrap it."""

    is_terminal = False

    def __init__(self, width: int) -> None:
        self.width = width
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        """All that was written."""
        return "".join(f"{line.rstrip()}\n" for line in self._lines)

    def say(self, words: str, style: str = "", *, is_whole: bool = False) -> None:
        """Write a line of text; styles are for terminals."""
        del style
        self._lines += [words] if is_whole else _wrapped(words, self.width)

    def table(self, lines: Lines) -> None:
        """Write lines that fit."""
        self._lines += [line for line, _ in lines]


def text_of(lines: Lines) -> Text:
    """The lines as one of rich's texts."""
    from rich.text import Text

    return Text("\n").join(Text(line, style) for line, style in lines)


def _wrapped(text: str, width: int) -> Iterator[str]:
    """The lines of a text without line breaks: as many words as fit, and words that do not fit in pieces."""
    line = ""
    for word in _WORD.findall(text):
        length = columns(word.rstrip())
        if line and columns(line) + length > width:
            yield line
            line = ""
        while length > width and columns(word) > width:  # with what stands behind it, as rich has it
            piece = _beginning(word, width)
            yield piece
            word = word[len(piece) :]  # noqa: PLW2901 - what is left of it
        line += word
    yield line


def _beginning(word: str, width: int) -> str:
    """As many characters as fit, one at least."""
    end = 1
    while end < len(word) and columns(word[: end + 1]) <= width:
        end += 1
    return word[:end]
