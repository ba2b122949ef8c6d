"""A progress bar on stderr, for work that lasts: nothing is shown, or imported, in the first second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TextIO

    from rich.progress import Progress

PATIENCE_S = 1.0
"""How long people wait without asking themselves what happens."""


class ProgressBar:
    """A context manager that is called with what is done and, where it is known, what there is in all.

    ``counted`` says whether these are bytes, ``doing`` is the word before the bar. ``clock`` gives seconds; nothing is
    drawn unless ``stream`` is a terminal.
    """

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        *,
        doing: str = "reading",
        counted: Literal["bytes", "things"] = "bytes",
    ) -> None:
        self._stream = stream
        self._doing = doing
        self._counted = counted
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._began_s = clock()
        self._bar: Progress | None = None

    def __call__(self, done: int, total: int | None) -> None:
        """Show how far the work is."""
        if self._bar is None:
            if not self._is_terminal or self._clock() - self._began_s < PATIENCE_S:
                return
            self._bar = _new_bar(self._stream, self._doing, self._counted)
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def __enter__(self) -> ProgressBar:  # noqa: PYI034 - Self is of Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _new_bar(stream: TextIO, doing: str, counted: str) -> Progress:
    from rich import progress  # most captures are read before a bar is worth it
    from rich.console import Console

    bar = progress.Progress(
        progress.TextColumn(doing),
        progress.BarColumn(),
        progress.DownloadColumn() if counted == "bytes" else progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(compact=True),
        console=Console(file=stream),
        transient=True,
    )
    bar.add_task(doing, total=None)
    bar.start()
    return bar
