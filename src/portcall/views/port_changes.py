"""Listening sockets as they appear and go: a table that refreshes in place on a terminal, elsewhere a line a change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from portcall.views.socket_tables import columns_of, port_line
from portcall.views.text import counted_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import TextIO

    from rich.live import Live

    from portcall.views.pages import Lines

    Row = dict[str, Any]  # Any: plain values of several types, see schema
    Marked = Sequence[tuple[str, Row]]

MOST_ROWS = 200
"""Rows drawn on a terminal; a taller one is rare."""

_STYLES = {"+": "green", "-": "red", "": ""}
_CHANGES = {"+": "appeared", "-": "gone", "": "there"}


class PortChanges:
    """A context manager that shows look after look."""

    def __init__(self, stream: TextIO, *, is_json: bool = False) -> None:
        self._stream = stream
        self._is_json = is_json
        self._live: Live | None = None
        self._drawn: tuple[str, Lines] | None = None

    def __enter__(self) -> PortChanges:  # noqa: PYI034 - Self is of Python 3.11
        if self._stream.isatty() and not self._is_json:
            from rich.console import Console
            from rich.live import Live

            # Names come from others: rich must not read markup or emoji in them.
            console = Console(file=self._stream, markup=False, emoji=False, highlight=False)
            self._live = Live(console=console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, there: Marked, changes: Marked) -> None:
        """Show what is there, each with its mark, or of it only the changes."""
        if self._live:
            self._draw(self._live, there)
            return
        for mark, row in changes:
            line = json.dumps({"change": _CHANGES[mark], **row}) if self._is_json else f"{mark or ' '} {port_line(row)}"
            self._stream.write(line + "\n")
        if changes:
            self._stream.flush()

    def _draw(self, live: Live, there: Marked) -> None:
        from rich.console import Group

        from portcall.views.fitting import TableColumn, fitting_table
        from portcall.views.pages import text_of

        rows = [{**row, "mark": mark} for mark, row in there[:MOST_ROWS]]
        mark = TableColumn("", 1, lambda row: row["mark"], 1)
        first, *others = columns_of("ports", is_plain=False)
        table = fitting_table((first, mark, *others), rows, live.console.width, lambda row: _STYLES[row["mark"]])
        here = counted_text(sum(mark != "-" for mark, _ in there), "listening socket")
        if (here, table) != self._drawn:
            self._drawn = here, table
            live.update(Group(f"{here}; + appeared, - gone; Ctrl-C ends it", text_of(table)), refresh=True)
