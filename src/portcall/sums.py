"""Sums per key over columns: what a database calls GROUP BY, for chunks that arrive one after another.

A table is a dict of equally long arrays: measures and key columns (SERVICE_AND_HOST or SERVICE_AND_PARTY, or some of
them). Equal keys find each other in a compiled hash table that compares whole keys. Knows nothing of what they mean.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from portcall.kernels.grouping import group
from portcall.model import NEVER, NO_TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

Table = dict[str, NDArray[Any]]  # Any: columns of several types

SERVICE = ("service",)
HOST = ("host_kind", "high_half", "low_half")
SERVICE_AND_HOST = SERVICE + HOST
SERVICE_AND_PARTY = (*SERVICE, "party")

_PENDING_ROWS = 1 << 18  # times about 100 bytes: what may wait before equal keys are joined
_KEYS = {*SERVICE_AND_HOST, *SERVICE_AND_PARTY}
_REDUCTIONS = {  # everything else is added to 0
    "first_ns": (np.minimum, NEVER),
    "last_ns": (np.maximum, NO_TIME),
    "quality": (np.maximum, 0),
    "source": (np.maximum, 0),
}
_SEED = int.from_bytes(os.urandom(8), "big")  # changes no result


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
    """One row per distinct key: measures added, times, ``quality``, ``source`` least or greatest; other keys go."""
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


def grouped(table: Table, keys: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each of n rows the number of its group, the rows with the same key; and for each group its first row."""
    words = np.stack([table[key].astype(np.uint64, copy=False) for key in keys], axis=1)
    groups, members = np.empty((2, len(words)), np.int64)
    slots = np.zeros(1 << (2 * len(words)).bit_length(), np.uint32)
    count = group(words, _SEED, slots, groups, members)
    return groups, members[:count]


def _length(table: Table) -> int:
    return len(table["service"])
