"""The rows of a report: their order, and where their columns come from.

A million conversations are a million numbers until somebody asks for them. Then some thousand rows at once become
columns, which exports write and filters read; a row by itself becomes a dictionary.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np

from portcall.records.column_values import Numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from portcall.records.column_values import Columns, Row, Words


ROWS_AT_ONCE = 1 << 14
"""So many rows, and the columns made of them, stay in the processor's last cache."""


_WORD_BITS = 64


class RowPart(Protocol):
    """Rows that have their columns from one place."""

    def __len__(self) -> int:
        """How many rows."""

    def take(self, rows: NDArray[np.int64], names: frozenset[str] | None = None) -> Columns:
        """The columns of some of them; if ``names`` are given, these at least, where there are such."""


class Rows(Sequence[Any]):  # Any: Row, a dictionary of plain values
    """Rows in their order. ``names`` are those of all columns, ``order`` the indexes of rows in ``parts`` together."""

    def __init__(
        self,
        names: Sequence[str],
        parts: Sequence[RowPart],
        order: NDArray[np.int64],
        complete: Callable[[Columns], Columns] | None = None,
        former: NDArray[np.int64] | None = None,
    ) -> None:
        """``complete`` adds columns to those that the parts have; ``former`` is the order in which they stood once."""
        self.names = names
        self._parts = parts
        self._order = order
        self._complete = complete
        self._former = order if former is None else former

    def __len__(self) -> int:
        """How many rows."""
        return len(self._order)

    @property
    def of_all(self) -> int:
        """How many rows their parts have, these among them."""
        return sum(map(len, self._parts))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Rows: ...
    def __getitem__(self, index: int | slice) -> Row | Rows:
        """One row, or some of them."""
        if isinstance(index, slice):
            return Rows(self.names, self._parts, self._order[index], self._complete)
        at = range(len(self))[index]
        return next(iter(self[at : at + 1]))

    def __iter__(self) -> Iterator[Row]:
        """Each as a dictionary."""
        for columns in self.blocks():
            yield from columns.rows(self.names)

    def __eq__(self, other: object) -> bool:
        """Whether the other are the same rows in the same order."""
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def blocks(self, rows: int = ROWS_AT_ONCE, names: frozenset[str] | None = None) -> Iterator[Columns]:
        """Their columns, at most so many rows at once; if ``names`` are given, no others need be there."""
        starts = np.cumsum([0, *map(len, self._parts)])
        for start in range(0, len(self), rows):
            order = self._order[start : start + rows]
            of_part = np.searchsorted(starts, order, "right") - 1
            changes = np.flatnonzero(np.diff(of_part)) + 1
            for part, some in zip(of_part[[0, *changes]].tolist(), np.split(order, changes), strict=True):
                columns = self._parts[part].take(some - starts[part], names)
                yield self._complete(columns) if self._complete else columns

    def taken(self, indexes: NDArray[np.int64]) -> Rows:
        """Some of them, in the order of these indexes, int64[m]."""
        return Rows(self.names, self._parts, self._order[indexes], self._complete)

    def followed_by(self, part: RowPart) -> Rows:
        """These rows, and behind them all of another part."""
        more = np.arange(len(part)) + self.of_all
        return Rows(self.names, [*self._parts, part], np.concatenate([self._order, more]), self._complete)

    def where(self, are_wanted: Callable[[Columns], NDArray[np.bool_]], names: frozenset[str] | None = None) -> Rows:
        """Those that are wanted: bool[n] of n rows. ``names`` are the columns that it asks for, None for all."""
        needed = None if self._complete else names  # what is added may depend on any column
        holds = np.concatenate([*map(are_wanted, self.blocks(names=needed)), np.zeros(0, np.bool_)])
        return Rows(self.names, self._parts, self._order[holds], self._complete)

    def sorted_by(self, measure: Callable[[RowPart], NDArray[np.int64]]) -> Rows:
        """The same rows, those of the least measure first, equal ones as they were; int64[n] of all rows of a part."""
        values = np.concatenate([*map(measure, self._parts), np.zeros(0, np.int64)])
        order = self._order[np.argsort(values[self._order], kind="stable")]
        return Rows(self.names, self._parts, order, self._complete, self._order)

    def foremost(self, rows: int | None) -> Rows:
        """Those that stood first before they were sorted, as they stand now."""
        return (
            self[:]
            if rows is None
            else Rows(self.names, self._parts, self._order[np.isin(self._order, self._former[:rows])], self._complete)
        )

    def ordered_by(self, name: str) -> Rows:
        """The same rows, the least number in this column first; those without one come before all others."""
        values = [
            np.where(True if of.is_known is None else of.is_known, of.values, np.iinfo(np.int64).min)
            for of in (
                columns.by_name[name] for columns in self.blocks(names=None if self._complete else frozenset({name}))
            )
            if isinstance(of, Numbers)
        ]
        order = np.argsort(np.concatenate([*values, np.zeros(0, np.int64)]), kind="stable")
        return Rows(self.names, self._parts, self._order[order], self._complete)

    def completed(self, complete: Callable[[Columns], Columns]) -> Rows:
        """The same rows with more columns: ``complete`` gets what there is, and gives that and its own."""
        former = self._complete
        both = complete if former is None else lambda columns: complete(former(columns))
        return Rows(self.names, self._parts, self._order, both)


def in_order(texts: Sequence[Words], measure: NDArray[np.int64], most: int | None = None) -> NDArray[np.int64]:
    """int64[n]: the indexes of rows, the greatest ``measure`` first, equal ones by their text, equal ones as they were.

    ``texts`` are those of one part after the other; ``most`` is how many of the first are wanted, if not all.
    """
    ranks = {word: rank for rank, word in enumerate(sorted({str(word) for some in texts for word in some.words}))}
    of_words = [np.array([ranks[str(word)] for word in some.words], np.int64) for some in texts]
    of_rows = [rank[some.codes] for rank, some in zip(of_words, texts, strict=True)]
    rank = np.concatenate([*of_rows, np.zeros(0, np.int64)])
    if most is None or most >= len(measure):
        return _ordered(rank, measure)
    if not most:
        return np.zeros(0, np.int64)
    least = np.partition(measure, len(measure) - most)[len(measure) - most]
    foremost = np.flatnonzero(measure >= least)
    return foremost[_ordered(rank[foremost], measure[foremost])][:most]


def _ordered(rank: NDArray[np.int64], measure: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[n]: the indexes, the greatest ``measure`` first, then the least ``rank``, then the least index.

    Where all three of a row have room in one number, numbers are sorted, in a fourth of the time.
    """
    if not len(measure):
        return np.zeros(0, np.int64)
    greatest = int(measure.max())
    bits = [int(most).bit_length() for most in (greatest, rank.max(), len(measure) - 1)]
    if sum(bits) >= _WORD_BITS or measure.min() < 0:
        return np.lexsort((rank, -measure))
    keys = (greatest - measure) << (bits[1] + bits[2]) | rank << bits[2]
    keys |= np.arange(len(measure))
    keys.sort()
    keys &= (1 << bits[2]) - 1
    return keys
