"""Tests of rows: what ``--where`` is made of. Each holds for a row, or for many rows at once, as columns.

A comparison reads one column, or two that make one (both ways together), and tests its value. Of columns each word of
the dictionary is tested once, and numbers all at once. Null equals only null.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from fractions import Fraction

    import numpy as np
    from numpy.typing import NDArray

    from portcall.records.column_values import Columns, ColumnValues

    Row = Mapping[str, Any]  # Any: plain values of several types, see schema

SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne
}  # fmt: skip
"""What numbers may be compared by."""
_ROUNDED_UP = frozenset({"<", ">="})
_LEAST, _GREATEST = -(1 << 63), (1 << 63) - 1  # of the numbers in columns


class RowTest(Protocol):
    """Whether rows are wanted."""

    def __call__(self, row: Row) -> bool:
        """Whether it holds for one row."""

    def among(self, columns: Columns) -> NDArray[np.bool_]:
        """bool[n]: whether it holds, for each row."""

    @property
    def names(self) -> frozenset[str]:
        """The columns that it reads."""


class ValueTest(Protocol):
    """Whether a value is wanted."""

    def __call__(self, value: Any) -> bool:  # Any: a plain value
        """Whether it holds for one value."""


@dataclass(frozen=True, slots=True)
class Every:
    """Whether all of them hold."""

    tests: tuple[RowTest, ...]

    def __call__(self, row: Row) -> bool:
        """Whether they hold for one row."""
        return all(test(row) for test in self.tests)

    @property
    def names(self) -> frozenset[str]:
        """The columns that they read."""
        return frozenset[str]().union(*(test.names for test in self.tests))

    def among(self, columns: Columns) -> NDArray[np.bool_]:
        """bool[n]: whether they hold, for each row."""
        import numpy as np

        return np.asarray(np.logical_and.reduce([test.among(columns) for test in self.tests]))


@dataclass(frozen=True, slots=True)
class Some:
    """Whether any of them holds."""

    tests: tuple[RowTest, ...]

    def __call__(self, row: Row) -> bool:
        """Whether one holds for one row."""
        return any(test(row) for test in self.tests)

    @property
    def names(self) -> frozenset[str]:
        """The columns that they read."""
        return frozenset[str]().union(*(test.names for test in self.tests))

    def among(self, columns: Columns) -> NDArray[np.bool_]:
        """bool[n]: whether one holds, for each row."""
        import numpy as np

        return np.asarray(np.logical_or.reduce([test.among(columns) for test in self.tests]))


@dataclass(frozen=True, slots=True)
class Failing:
    """Whether it does not hold."""

    test: RowTest

    def __call__(self, row: Row) -> bool:
        """Whether it fails for one row."""
        return not self.test(row)

    @property
    def names(self) -> frozenset[str]:
        """The columns that it reads."""
        return self.test.names

    def among(self, columns: Columns) -> NDArray[np.bool_]:
        """bool[n]: whether it fails, for each row."""
        return ~self.test.among(columns)


@dataclass(frozen=True, slots=True)
class Read:
    """The value of a column, or what two columns of numbers make together, null where either is."""

    name: str
    combine: Callable[[Any, Any], Any] | None = None  # Any: int, or arrays of them
    other: str = ""

    def of(self, row: Row) -> Any:  # Any: a plain value
        """The value in one row."""
        value = row[self.name]
        if self.combine is None:
            return value
        other = row[self.other]
        return None if value is None or other is None else self.combine(value, other)

    def among(self, columns: Columns) -> ColumnValues | None:
        """The values in all rows; None where all are null."""
        from portcall.records.column_values import Numbers

        values, other = columns.by_name.get(self.name), columns.by_name.get(self.other)
        if self.combine is None:
            return values
        if not isinstance(values, Numbers) or not isinstance(other, Numbers):
            return None
        known = [one.is_known for one in (values, other) if one.is_known is not None]
        both_known = None if not known else known[0] & known[-1]
        return Numbers(self.combine(values.values, other.values), both_known)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether a value of the row is as it should be."""

    read: Read
    test: ValueTest

    def __call__(self, row: Row) -> bool:
        """Whether it is in one row."""
        return self.test(self.read.of(row))

    @property
    def names(self) -> frozenset[str]:
        """The columns that it reads."""
        return frozenset({self.read.name, self.read.other} - {""})

    def among(self, columns: Columns) -> NDArray[np.bool_]:
        """bool[n]: whether it is, for each row."""
        import numpy as np

        from portcall.records.column_values import Numbers, Words

        values = self.read.among(columns)
        if values is None:
            return np.full(len(columns), self.test(None))
        if isinstance(values, Words):
            return np.fromiter(map(self.test, values.words), np.bool_, len(values.words))[values.codes]
        if not isinstance(values, Numbers):  # addresses
            return np.fromiter(map(self.test, values.plain()), np.bool_, len(columns))
        if isinstance(self.test, NumberTest):
            holds = self.test.among(values.values)
        else:
            holds = np.full(len(columns), self.test(0))  # of null, which a number is not
        return holds if values.is_known is None else np.where(values.is_known, holds, self.test(None))


@dataclass(frozen=True, slots=True)
class NullTest:
    """Whether a value is null or an empty list; or whether it is not."""

    is_null: bool

    def __call__(self, value: Any) -> bool:  # Any: a plain value
        """Whether it holds for one value."""
        return (value in (None, [])) == self.is_null


@dataclass(frozen=True, slots=True)
class TextTest:
    """Whether a text holds, or any of a list; or whether none does."""

    holds: Callable[[str], bool]
    is_negated: bool

    def __call__(self, value: Any) -> bool:  # Any: a plain value
        """Whether it holds for one value."""
        texts = value if isinstance(value, list) else [] if value is None else [value]
        return any(self.holds(text) for text in texts) != self.is_negated


@dataclass(frozen=True, slots=True)
class NumberTest:
    """Whether a number, or any of a list, compares so with another one."""

    compare: Callable[[Any, int], Any]  # Any: int, or an array of them
    number: int
    of_null: bool

    def __call__(self, value: Any) -> bool:  # Any: a plain value
        """Whether it holds for one value."""
        if isinstance(value, list):
            return self.of_null != any(bool(self.compare(one, self.number)) != self.of_null for one in value)
        return self.of_null if value is None else bool(self.compare(value, self.number))

    def among(self, values: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: whether it holds, for each of some numbers."""
        import numpy as np

        if not _LEAST <= self.number <= _GREATEST:
            return np.full(len(values), self(0))
        return np.asarray(self.compare(values, self.number), np.bool_)


def number_test(sign: str, number: int | Fraction) -> NumberTest:
    """The test by one of SIGNS; whole numbers compare with a fraction as with the next whole one on its other side."""
    rounded = math.ceil(number) if sign in _ROUNDED_UP else math.floor(number)
    of_null = sign == "!="
    if rounded != number and sign in ("=", "!="):
        return NumberTest(_of_every_number if of_null else _of_no_number, rounded, of_null)
    return NumberTest(SIGNS[sign], rounded, of_null)


def _of_every_number(value: Any, _number: int) -> Any:  # Any: int, or an array of them
    """What no whole number equals, every one differs from."""
    return value == value  # noqa: PLR0124 - an array of as many


def _of_no_number(value: Any, _number: int) -> Any:  # Any: as above
    """And none equals."""
    return value != value  # noqa: PLR0124 - as above
