"""What a stream can show: whether it is a terminal, how wide, in which colours and characters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from typing import TextIO

_COLOURS = {"standard": "16", "256": "256", "truecolor": "16 million", "windows": "16"}


@dataclass(frozen=True, slots=True)
class Terminal:
    """What was found out about a stream."""

    is_there: bool
    """Whether it is a terminal at all."""
    width: int
    """Columns that tables use."""
    colours: str | None
    """How many, in words; None for none."""
    encoding: str

    @property
    def is_utf8(self) -> bool:
        """Whether all characters can be shown."""
        return self.encoding.lower().startswith("utf")


def look(stream: TextIO) -> Terminal:
    """What the stream can show, as tables take it: with NO_COLOR, TERM and COLUMNS heeded."""
    from portcall.views.fitting import WIDTH_WITHOUT_TERMINAL, terminal_width

    console = Console(file=stream)
    is_terminal = stream.isatty()
    colours = None if console.no_color or not is_terminal else _COLOURS.get(console.color_system or "")
    return Terminal(
        is_terminal,
        terminal_width(console) if is_terminal else WIDTH_WITHOUT_TERMINAL,
        colours,
        stream.encoding or "utf-8",
    )
