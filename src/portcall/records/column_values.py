"""The values of columns, as a report holds them: numbers, words of a dictionary, addresses.

A row becomes a dictionary of plain values when somebody asks for one; sorting, filters and exports work on columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.kernels.row_texts import ADDRESS, MOST_CHARACTERS, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Row = dict[str, Any]  # Any: plain values of several types, see schema


_MAPPED = 0xFFFF
"""Stands before an IPv4 address in the low half of the IPv6 address that maps it (RFC 4291 §2.5.5.2)."""


class Numbers(NamedTuple):
    """Whole numbers, each of which may be null."""

    values: NDArray[np.int64]
    """int64[n]"""
    is_known: NDArray[np.bool_] | None = None
    """bool[n]; None where all are known."""

    def take(self, rows: NDArray[np.int64]) -> Numbers:
        """Those of some rows."""
        return Numbers(self.values[rows], None if self.is_known is None else self.is_known[rows])

    def plain(self) -> list[Any]:  # Any: int or None, as in other columns
        """As Python has them."""
        values: list[Any] = self.values.tolist()
        if self.is_known is None:
            return values
        return [value if known else None for value, known in zip(values, self.is_known.tolist(), strict=True)]


class Words(NamedTuple):
    """Texts, lists and other values as places in a dictionary, which may have fewer than there are rows."""

    codes: NDArray[np.int64]
    """int64[n]: indexes in ``words``."""
    words: Sequence[Any]  # Any: str, list of str or None

    @staticmethod
    def each(words: Iterable[Any]) -> Words:
        """One a row, none looked up."""
        listed = list(words)
        return Words(np.arange(len(listed)), listed)

    def take(self, rows: NDArray[np.int64]) -> Words:
        """Those of some rows."""
        return Words(self.codes[rows], self.words)

    def plain(self) -> list[Any]:  # Any: as above
        """As Python has them."""
        return list(map(self.words.__getitem__, self.codes.tolist()))


class Addresses(NamedTuple):
    """IP addresses: two 64-bit halves (IPv4 in the low 32 bits), and the version."""

    high_half: NDArray[np.uint64]
    low_half: NDArray[np.uint64]
    is_ipv6: NDArray[np.bool_]

    def where(self, condition: NDArray[np.bool_], other: Addresses) -> Addresses:
        """These addresses where the condition holds, the other ones elsewhere."""
        return Addresses(
            np.where(condition, self.high_half, other.high_half),
            np.where(condition, self.low_half, other.low_half),
            np.where(condition, self.is_ipv6, other.is_ipv6),
        )

    def are(self, address: str) -> NDArray[np.bool_]:
        """bool[n]: whether each is this one, without a zone; an IPv4 address is also the IPv6 address that maps it."""
        from socket import AF_INET, AF_INET6, inet_pton

        is_ipv6 = ":" in address
        number = int.from_bytes(inet_pton(AF_INET6 if is_ipv6 else AF_INET, address), "big")
        low = self.low_half == np.uint64(number & (1 << 64) - 1)
        if is_ipv6:
            return np.asarray(low & self.is_ipv6 & (self.high_half == np.uint64(number >> 64)))
        is_mapped = (self.low_half == np.uint64(_MAPPED << 32 | number)) & (self.high_half == 0) & self.is_ipv6
        return np.asarray((low & ~self.is_ipv6) | is_mapped)

    def take(self, rows: NDArray[np.int64]) -> Addresses:
        """Those of some rows."""
        return Addresses(self.high_half[rows], self.low_half[rows], self.is_ipv6[rows])

    def plain(self) -> list[Any]:  # Any: str, as in other columns
        """As people write them (RFC 5952)."""
        count = len(self.is_ipv6)
        halves = np.stack([self.high_half, self.low_half]).view(np.int64)
        marks = np.stack([self.is_ipv6, self.is_ipv6]).view(np.uint8)
        kinds, columns = np.full(1, ADDRESS, np.uint8), np.zeros(1, np.uint32)
        no_words, line_end = np.zeros(1, np.int64), np.array([0, 0, 1], np.int64)
        out = np.empty((count + 1) * (MOST_CHARACTERS[ADDRESS] + 1), np.uint8)
        size = write_rows(kinds, columns, halves, marks, 0, count, b"", no_words, b"\n", line_end, b"", out)
        return str(out[:size].data, "ascii").split("\n")[:-1]


ColumnValues = Numbers | Words | Addresses


@dataclass(frozen=True, slots=True)
class Columns:
    """Some rows as columns; a column that is not there is null in every row."""

    count: int
    """Of rows."""
    by_name: Mapping[str, ColumnValues]

    def __len__(self) -> int:
        """How many rows."""
        return self.count

    def take(self, rows: NDArray[np.int64], names: frozenset[str] | None = None) -> Columns:
        """Some rows; of all columns unless ``names`` are given."""
        wanted = self.by_name if names is None else names & self.by_name.keys()
        return Columns(len(rows), {name: self.by_name[name].take(rows) for name in wanted})

    def plain(self, name: str) -> Iterable[Any]:  # Any: as above
        """The plain values of a column; None for each row where it is not there."""
        return self.by_name[name].plain() if name in self.by_name else repeat(None, self.count)

    def rows(self, names: Sequence[str]) -> Iterator[Row]:
        """Every row as a dictionary of these names."""
        for values in zip(*map(self.plain, names), strict=True):
            yield dict(zip(names, values, strict=True))

    @staticmethod
    def of_rows(rows: Sequence[Mapping[str, Any]]) -> Columns:
        """Columns of dictionaries, each of which may lack what is null. Whole numbers become Numbers."""
        names = dict.fromkeys(name for row in rows for name in row)
        return Columns(len(rows), {name: of_values([row.get(name) for row in rows]) for name in names})


@lru_cache(maxsize=1 << 16)
def address_text(is_ipv6: bool, high_half: int, low_half: int) -> str:  # noqa: FBT001 - one row of Addresses
    """An address as people write it (RFC 5952)."""
    from socket import AF_INET, AF_INET6, inet_ntop  # 3 ms, and most reports write addresses by the thousand, in C

    if is_ipv6:
        return inet_ntop(AF_INET6, high_half.to_bytes(8, "big") + low_half.to_bytes(8, "big"))
    return inet_ntop(AF_INET, (low_half & 0xFFFFFFFF).to_bytes(4, "big"))


def of_values(values: list[Any]) -> ColumnValues:  # Any: plain values of several types
    """A column of plain values: Numbers where they are whole numbers, else Words."""
    if all(value is None or type(value) is int for value in values) and any(value is not None for value in values):
        is_known = np.array([value is not None for value in values])
        return Numbers(np.array([value or 0 for value in values], np.int64), is_known)
    return Words.each(values)
