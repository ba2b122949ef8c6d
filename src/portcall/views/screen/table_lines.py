"""A table of which only the visible lines are made: what stands in each line, and where the cursor is.

Lines are rows in their order, and processes below the apps that were unfolded. Texts are made for the lines in sight
once, and kept until the picture, the choice or the width is another one; to move the cursor makes none anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.views.screen.arranging import Cursor, TableChoice, arranged
from portcall.views.screen.cells import Shown, cell_texts, fitting_columns, padded, table_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from portcall.views.screen.arranging import Arrangement
    from portcall.views.screen.cells import Row, ScreenColumn
    from portcall.views.screen.pictures import Picture

_GAP_TEXT = "  "


class Line(NamedTuple):
    """A line of the table: its text, and whether nobody owns what it tells of."""

    text: str
    is_faint: bool


class TableLines:
    """The state of one table on the screen. ``port_of`` is as a feed has it."""

    def __init__(self, by: str, port_of: Callable[[str], str | None]) -> None:
        self.by = by
        self._port_of = port_of
        self.choice = TableChoice()
        self.picture: Picture | None = None
        self.arrangement: Arrangement | None = None
        self.cursor: int | None = None
        """The line that it is on; None before somebody moved it."""
        self.top = 0
        """The first line in sight."""
        self._lines: NDArray[np.int64] = np.zeros(0, np.int64)  # index of a row; of a process -1 - its index
        self._unfolded: set[int] = set()
        self._size = (80, 20)
        self._made: dict[int, Line] = {}
        self._fitting: list[tuple[ScreenColumn, int]] = []

    def __len__(self) -> int:
        """How many lines there are, in sight or not."""
        return len(self._lines)

    def resize(self, width: int, height: int) -> None:
        """Take so much room, without the header."""
        self._size = (width, max(height, 1))
        self._forget()
        self._keep_in_sight()

    def show(self, picture: Picture, choice: TableChoice) -> None:
        """Show this picture now. What somebody chose anew is in order at once, else rows wait until a rank lasts."""
        if picture is self.picture and choice.orders_as(self.choice):
            self.choice = choice
            self._forget()
            return
        same = choice == self.choice and self.picture is not None and picture.question.by == self.picture.question.by
        on, place = self._key_at_cursor(), self.cursor
        cursor = None
        if on is not None and self.arrangement is not None and self.picture is not None:
            cursor = Cursor(on[0], int(np.flatnonzero(self._keys_in_order() == np.uint64(on[0]))[0])) if same else None
        self.arrangement = arranged(picture, choice, self.arrangement if same else None, cursor)
        self.picture, self.choice = picture, choice
        self._lay_out()
        if on is not None and place is not None:
            found = self._line_of(*on)
            self.cursor = min(place, len(self) - 1) if found is None else found
            self.top += self.cursor - place  # the line under the cursor stays where it is
            if len(self) == 0:
                self.cursor = None
        self._keep_in_sight()

    def move(self, lines: int) -> None:
        """Move the cursor; the first time it appears at the first line in sight."""
        if len(self):
            at = self.top if self.cursor is None else self.cursor + lines
            self.cursor = min(max(at, 0), len(self) - 1)
            self._keep_in_sight()

    def place(self, line: int) -> bool:
        """Put the cursor on a line; False where there is none."""
        if not 0 <= line < len(self):
            return False
        self.cursor = line
        self._keep_in_sight()
        return True

    def scroll(self, lines: int) -> None:
        """Move what is in sight, not the cursor."""
        self.top = min(max(self.top + lines, 0), max(len(self) - self._size[1], 0))

    @property
    def page(self) -> int:
        """How many lines are in sight."""
        return self._size[1]

    def chosen(self) -> tuple[str, Row, int] | None:
        """The grouping, row and number of the row at the cursor, else of the first one; None where there is none."""
        if self.picture is None or not len(self):
            return None
        index = int(self._lines[self.cursor or 0])
        if index < 0:
            processes = self.picture.processes
            assert processes is not None  # noqa: S101 - or there would be no such line
            return "process", processes.rows[-1 - index], -index
        return self.by, self.picture.rows[index], index + 1

    def unfold(self) -> bool:
        """Unfold or fold the row at the cursor; whether any is unfolded then."""
        on = self._key_at_cursor()
        if on is not None:
            self._unfolded ^= {on[0]}
            self._lay_out()
            self.cursor = self._line_of(on[0], None)
            self._keep_in_sight()
        return bool(self._unfolded)

    def header(self) -> str:
        """The titles, the one that rows are sorted by with an arrow."""
        self._fit()
        return self._joined([self._title(column, width) for column, width in self._fitting])

    def column_at(self, place: int) -> ScreenColumn | None:
        """The column whose title stands at that place of the header."""
        start = 2
        for column, width in self._fitting:
            if start <= place < start + width + len(_GAP_TEXT):
                return column
            start += width + len(_GAP_TEXT)
        return None

    def sorts(self) -> list[str]:
        """By what rows can be sorted, in the order of columns."""
        columns = table_columns(self.by, self.choice)
        return list(dict.fromkeys(["both", *(column.sort for column in columns if column.sort)]))

    def line(self, number: int) -> Line | None:
        """What stands in a line; None behind the last."""
        if not 0 <= number < len(self):
            return None
        if number not in self._made:
            self._make(number)
        mark = "▸ " if number == self.cursor else "  "
        text, is_faint = self._made[number]
        return Line(mark + text, is_faint)

    def _make(self, number: int) -> None:
        """Make the texts of the lines in sight, together, of which one was asked for."""
        assert self.picture is not None  # noqa: S101 - or there were no lines
        self._fit()
        first = min(self.top, number)
        numbers = list(range(first, min(max(first + self._size[1], number + 1), len(self))))
        wanted = self._lines[numbers]
        if len(self._made) > 4 * self._size[1]:
            self._made.clear()
        for picture, are_meant in ((self.picture, wanted >= 0), (self.picture.processes, wanted < 0)):
            if picture is None or not are_meant.any():
                continue
            indexes = np.where(wanted[are_meant] >= 0, wanted[are_meant], -1 - wanted[are_meant])
            places = np.array(numbers)[are_meant].tolist()
            for place, index, row in zip(places, indexes.tolist(), picture.rows.taken(indexes), strict=True):
                self._made[place] = self._line_of_row(picture, index, row)

    def _line_of_row(self, picture: Picture, index: int, row: Row) -> Line:
        assert self.picture is not None  # noqa: S101 - as above
        coverage = picture.report.coverage
        key = int(picture.keys[index])
        is_process = picture is not self.picture
        shown = Shown(
            row,
            (float(picture.rates[0, index]), float(picture.rates[1, index])),
            (int(picture.totals[0, index]), int(picture.totals[1, index])),
            coverage.bytes + coverage.bytes_credited_twice,
            picture.history(key),
            self.choice,
            self._port_of,
            self.picture.addresses,
            depth=int(is_process),
            mark="▾" if key in self._unfolded and not is_process else " ",
        )
        return Line(self._joined(cell_texts(shown, self._fitting)), bool(row.get("unattributed_reason")))

    def _joined(self, texts: list[str]) -> str:
        return _GAP_TEXT.join(texts)

    def _title(self, column: ScreenColumn, width: int) -> str:
        arrow = "▴" if self.choice.is_reversed else "▾"
        is_sorted = column.sort is not None and column.sort == self.choice.sort
        title = f"{column.title}{arrow}" if is_sorted else column.title
        return padded(title, width, is_number=column.is_number)

    def _fit(self) -> None:
        if not self._fitting:
            self._fitting = fitting_columns(table_columns(self.by, self.choice), self._size[0] - 2)

    def _forget(self) -> None:
        self._made.clear()
        self._fitting = []

    def _lay_out(self) -> None:
        """Put processes below the apps that are unfolded: in the order of their numbers, which stays."""
        assert self.picture is not None  # noqa: S101 - there is one by now
        assert self.arrangement is not None  # noqa: S101 - the same
        self._forget()
        order = self.arrangement.order
        processes = self.picture.processes
        if self._unfolded and processes is not None:
            pieces = []
            keys = self.picture.keys[order]
            start = 0
            for place in np.flatnonzero(np.isin(keys, np.array([*self._unfolded], np.uint64))).tolist():
                row = self.picture.rows[int(order[place])]
                pieces += [order[start : place + 1], -1 - _processes_of(processes, row["app"])]
                start = place + 1
            order = np.concatenate([*pieces, order[start:]])
        self._lines = order

    def _keys_in_order(self) -> NDArray[np.uint64]:
        assert self.picture is not None  # noqa: S101 - as above
        assert self.arrangement is not None  # noqa: S101 - as above
        return self.picture.keys[self.arrangement.order]

    def _key_at_cursor(self) -> tuple[int, int | None] | None:
        """The key of the row at the cursor, and of the process below it, if the cursor is on one."""
        if self.picture is None or self.cursor is None or self.cursor >= len(self):
            return None
        index = int(self._lines[self.cursor])
        if index >= 0:
            return int(self.picture.keys[index]), None
        above = self._lines[: self.cursor]
        parent = int(above[above >= 0][-1])
        assert self.picture.processes is not None  # noqa: S101 - or there would be no such line
        return int(self.picture.keys[parent]), int(self.picture.processes.keys[-1 - index])

    def _line_of(self, key: int, process: int | None) -> int | None:
        assert self.picture is not None  # noqa: S101 - as above
        is_row = self._lines >= 0
        found = np.flatnonzero(is_row & (self.picture.keys[np.where(is_row, self._lines, 0)] == np.uint64(key)))
        if not len(found):
            return None
        line = int(found[0])
        while process is not None and line + 1 < len(self) and self._lines[line + 1] < 0:
            line += 1
            assert self.picture.processes is not None  # noqa: S101 - as above
            if int(self.picture.processes.keys[-1 - int(self._lines[line])]) == process:
                return line
        return int(found[0])

    def _keep_in_sight(self) -> None:
        height = self._size[1]
        if self.cursor is not None:
            self.cursor = min(self.cursor, max(len(self) - 1, 0))
            self.top = min(max(self.top, self.cursor - height + 1), self.cursor)
        self.top = min(max(self.top, 0), max(len(self) - height, 0))


def _processes_of(processes: Picture, app: str | None) -> NDArray[np.int64]:
    """int64[m]: the indexes of an app's processes, in the order of their ids."""
    found = []
    for index, row in enumerate(processes.rows):
        if app is not None and row["process"] == app:
            found.append((row["pid"] or 0, index))
    return np.array([index for _, index in sorted(found)], np.int64)
