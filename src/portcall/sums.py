"""Sums per key over columns: what a database calls GROUP BY, for chunks that arrive one after another.

A table is a dict of equally long arrays: key columns (KEYS or a part of them) and measures. Equal keys are brought
together by one sort on a 64-bit word, the service above a hash of the address; where two different keys share a word
the sort is done again on the keys themselves, so the result is exact on any input, and hostile input only costs time.
Knows nothing of what the keys mean, except that services are small numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Table = dict[str, NDArray[Any]]  # Any: columns of several types

SERVICE = ("service",)
ADDRESS = ("is_ipv6", "high_half", "low_half")
SERVICE_AND_ADDRESS = SERVICE + ADDRESS

_SERVICE_BITS = 27  # of a service key: 3 for its kind, 24 for its number
_PENDING_ROWS = 1 << 18  # times about 100 bytes: what may wait before equal keys are joined
_REDUCTIONS = {"first_ns": np.minimum, "last_ns": np.maximum}  # everything else is added


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

    def merge(self, other: Sums) -> None:
        """Count in all that another one has counted."""
        self.missing_bytes += other.missing_bytes
        for piece in other._pieces:
            self.add(piece)

    def joined(self) -> Table | None:
        """One row per key, ordered by service; None where nothing was added."""
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
    """One row per distinct key, ordered by the first key: measures added, ``first_ns`` least, ``last_ns`` greatest."""
    if not _length(table):
        return table
    order, starts = _runs(table, keys)
    firsts = order[starts]
    return {
        name: column[firsts] if name in keys else _REDUCTIONS.get(name, np.add).reduceat(column[order], starts)
        for name, column in table.items()
        if name in keys or name not in SERVICE_AND_ADDRESS
    }


def _runs(table: Table, keys: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """An order that brings equal keys together, and where in it each run of equal keys begins."""
    if tuple(keys) == SERVICE:
        order = np.argsort(table["service"], kind="stable")
        return order, _starts(table, keys, order)
    words = _words(table)
    order = np.argsort(words)
    starts = _starts(table, keys, order)
    sorted_words = words[order]
    if len(starts) > 1 + np.count_nonzero(sorted_words[1:] != sorted_words[:-1]):
        order = np.lexsort([table[key] for key in reversed(keys)])
        starts = _starts(table, keys, order)
    return order, starts


def _starts(table: Table, keys: Sequence[str], order: NDArray[np.intp]) -> NDArray[np.intp]:
    differs = np.zeros(len(order), np.bool_)
    differs[0] = True
    for key in keys:
        column = table[key][order]
        differs[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(differs)


def _words(table: Table) -> NDArray[np.uint64]:
    """uint64[n]: the service in the upper bits, a multiplicative hash of the address (splitmix64's constants) below."""
    mixed = table["high_half"] * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= table["low_half"]
    mixed += table["is_ipv6"]
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed >>= np.uint64(_SERVICE_BITS)
    mixed |= table["service"].astype(np.uint64) << np.uint64(64 - _SERVICE_BITS)
    return np.asarray(mixed)


def _length(table: Table) -> int:
    return len(table["service"])
