"""Sums per key over columns: what a database calls GROUP BY, for chunks that arrive one after another.

A table is a dict of equally long arrays: measures and key columns (SERVICE_AND_ADDRESS or SERVICE_AND_PARTY, or some of
them). Equal keys find each other through a hash, and what that leaves over is sorted, so the result is exact on any
input, and hostile input only costs time. Knows nothing of what the keys mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from portcall.model import NEVER, NO_TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

Table = dict[str, NDArray[Any]]  # Any: columns of several types

SERVICE = ("service",)
ADDRESS = ("is_ipv6", "high_half", "low_half")
SERVICE_AND_ADDRESS = SERVICE + ADDRESS
SERVICE_AND_PARTY = (*SERVICE, "party")

_PENDING_ROWS = 1 << 18  # times about 100 bytes: what may wait before equal keys are joined
_KEYS = {*SERVICE_AND_ADDRESS, *SERVICE_AND_PARTY}
_REDUCTIONS = {  # everything else is added to 0
    "first_ns": (np.minimum, NEVER),
    "last_ns": (np.maximum, NO_TIME),
    "quality": (np.maximum, 0),
}
_MOST_ROUNDS = 8  # of hashing; after four, honest input has nothing left over
_MULTIPLIERS = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)  # of splitmix64


class Sums:
    """Running sums per key. With ``bound``, of so many keys only those of most ``bytes`` are kept."""

    def __init__(self, keys: Sequence[str], bound: int | None = None) -> None:
        self.keys = tuple(keys)
        self.missing_bytes = 0
        """No key has more bytes than its row says, plus this; a key without a row has at most this. 0 = exact."""
        self._bound = bound
        self._pieces: list[Table] = []
        self._rows = 0
        self._joined_rows = 0
        self._is_joined = True

    def add(self, table: Table) -> None:
        """Count rows in; keys may repeat. The arrays are kept and must not change afterwards."""
        self._pieces.append(table)
        self._rows += _length(table)
        self._is_joined = False
        if self._rows > max(_PENDING_ROWS, 2 * self._joined_rows):
            self.joined()

    def merge(self, other: Sums, key: str = "service", numbers: NDArray[np.int64] | None = None) -> None:
        """Count in all that another one has counted; ``numbers`` are what its numbers in one key column are here."""
        self.missing_bytes += other.missing_bytes
        for piece in other._pieces:
            self.add(piece if numbers is None else {**piece, key: numbers[piece[key]]})

    def joined(self) -> Table | None:
        """One row per key, in no order; None where nothing was added."""
        if self._pieces and not self._is_joined:
            pieces, self._pieces = self._pieces, []
            whole = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
            self._pieces = [self._bounded(reduce_equal(whole, self.keys))]
            self._joined_rows = self._rows = _length(self._pieces[0])
            self._is_joined = True
        return self._pieces[0] if self._pieces else None

    def _bounded(self, table: Table) -> Table:
        surplus = _length(table) - (self._bound or _length(table))
        if surplus <= 0:
            return table
        order = np.argpartition(table["bytes"], surplus)
        self.missing_bytes += int(table["bytes"][order[:surplus]].max())
        kept = np.zeros(len(order), np.bool_)
        kept[order[surplus:]] = True
        return {name: column[kept] for name, column in table.items()}


def reduce_equal(table: Table, keys: Sequence[str]) -> Table:
    """One row per distinct key: measures added, times and ``quality`` least or greatest; columns of other keys go."""
    groups, members = grouped(table, keys)
    reduced: Table = {}
    for name, column in table.items():
        if name in keys:
            reduced[name] = column[members]
        elif name not in _KEYS:
            reduction, start = _REDUCTIONS.get(name, (np.add, 0))
            reduced[name] = np.full(len(members), start, column.dtype)
            reduction.at(reduced[name], groups, column)
    return reduced


def grouped(table: Table, keys: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each of n rows the number of its group, the rows with the same key; and for each group one of its rows.

    Each row writes its number into a slot, chosen by a hash, and finds there the number of a row that may have its key.
    Those that find another key try again with another hash. This takes a quarter of the time of a sort.
    """
    columns = {key: table[key] for key in keys}
    words, left_columns = _words(columns), columns
    left = np.arange(len(words))
    slot_bits = max(1, len(words).bit_length())
    slots = np.zeros(1 << slot_bits, np.uint32)
    found = np.zeros(len(words), np.intp)
    for _ in range(_MOST_ROUNDS):
        wanted = (words >> np.uint64(64 - slot_bits)).astype(np.intp)
        slots[wanted] = left
        met = slots[wanted].astype(np.intp)
        is_equal = np.ones(len(left), np.bool_)
        for key, column in columns.items():
            is_equal &= left_columns[key] == column[met]
        found[left] = met
        again = np.flatnonzero(~is_equal)
        left, words = left[again], words[again] * _MULTIPLIERS[0]
        left_columns = {key: column[again] for key, column in left_columns.items()}
        if not len(left):
            break
    else:
        found[left] = left[_first_equals(left_columns)]
    is_member = found == np.arange(len(found))
    return (np.cumsum(is_member) - 1)[found], np.flatnonzero(is_member)


def _first_equals(columns: Table) -> NDArray[np.intp]:
    """For each row one that has its key, the same for all of them: by a sort, which nobody can make quadratic."""
    order = np.lexsort(list(columns.values()))
    differs = np.ones(len(order), np.bool_)
    differs[1:] = False
    for column in columns.values():
        differs[1:] |= column[order[1:]] != column[order[:-1]]
    first = np.zeros(len(order), np.intp)
    first[order] = order[np.flatnonzero(differs)[np.cumsum(differs) - 1]]
    return first


def _words(columns: Table) -> NDArray[np.uint64]:
    """uint64[n]: a hash of the columns, whose upper bits depend on all of them."""
    mixed = np.zeros(len(columns["service"]), np.uint64)
    for column in columns.values():
        mixed ^= column.astype(np.uint64, copy=False)
        mixed *= _MULTIPLIERS[0]
        mixed ^= mixed >> np.uint64(29)
    mixed *= _MULTIPLIERS[1]
    return mixed


def _length(table: Table) -> int:
    return len(table["service"])
