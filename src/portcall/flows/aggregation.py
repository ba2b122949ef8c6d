"""Sums per key: what a database calls GROUP BY, for rows that arrive chunk after chunk.

Rows are records of 64-bit words: first the words of their key, then measures. Equal keys find each other in a compiled
hash table that compares whole keys, and only its sums are kept. Knows nothing of what they mean.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.kernels.aggregate import SumTable, group

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

_FEW_SUMS = 1 << 16
_SEED = int.from_bytes(os.urandom(8), "big")  # changes no result


class Layout(NamedTuple):
    """How many words of a row are what, in this order."""

    key: int
    added: int
    least: int = 0
    """Of these the least is kept, as signed numbers."""
    greatest: int = 0


SERVICE = ("service",)
HOST = ("host_kind", "high_half", "low_half")
BUCKET = ("bucket",)

CREDIT = np.dtype(
    [
        # The key; what a grouping does not tell apart is 0.
        ("service", "i8"),  # service key, see ``service_keys``
        ("principal", "i8"),  # number of whom the end belongs to, see ``principals``
        ("host_kind", "u8"),  # of the remote end: HostKind
        ("high_half", "u8"),  # its address, or 0
        ("low_half", "u8"),  # the rest of its address, or the number of its name
        ("bucket", "i8"),  # number of the bucket of time, 0 where nobody asked for any
        # What is added.
        ("flows", "i8"),
        ("packets_out", "u8"),
        ("packets_in", "u8"),
        ("bytes_out", "u8"),  # on the wire, link headers included
        ("bytes_in", "u8"),
        ("payload_out", "u8"),
        ("payload_in", "u8"),
        # The least, then the greatest.
        ("first_ns", "i8"),  # NEVER where there is none
        ("last_ns", "i8"),  # NO_TIME where there is none
        # Number of the owner's quality, the worst is the greatest; by app without owners, of what the app rests on.
        ("quality", "i8"),
    ]
)
"""What one end of a conversation is credited with, and sums of that. 128 bytes."""
CREDITS = Layout(key=6, added=7, least=1, greatest=2)

HOST_CREDIT = np.dtype(
    [
        ("row", "i8"),  # number of the report's row: a service key or a principal
        ("host_kind", "u8"),
        ("high_half", "u8"),
        ("low_half", "u8"),
        ("bucket", "i8"),
        ("bytes", "u8"),
    ]
)
"""What a row of the report exchanged with one remote host. 48 bytes."""
HOST_CREDITS = Layout(key=5, added=1)


class Sums:
    """Running sums per key of rows with this dtype.

    With ``bound``, of more than twice as many keys only that many are kept, those of most ``bytes``.
    """

    def __init__(self, dtype: np.dtype[Any], layout: Layout, bound: int | None = None) -> None:
        self.missing_bytes = 0
        """No key has more bytes than its row says, plus this; a key without a row has at most this. 0 = exact."""
        self._bound = bound
        self._room = self._sums = np.empty(0, dtype)
        self._slots = np.zeros(0, np.uint32)
        self._table = SumTable(*layout, _SEED)

    @property
    def rows(self) -> NDArray[np.void]:
        """One row per key, in the order of their first appearance; good until rows are added."""
        return self._sums[: self._table.count]

    def add(self, rows: NDArray[np.void]) -> None:
        """Count rows in; keys may repeat."""
        self.with_room(len(rows)).add(_words(rows))

    def with_room(self, rows: int) -> SumTable:
        """The table that holds the sums, with room for so many more, to be added by a kernel."""
        kept, room = self.rows, self._table.room
        if self._bound and len(kept) > 2 * self._bound:
            kept = self._greatest(self._bound)
        wanted = len(kept) + rows
        if wanted > room or len(kept) < len(self.rows):
            # Four times as many at least, or most rows would move again and again; untouched room takes no memory.
            self._begin(kept, max(room if wanted <= room else self._most(4 * room, rows), _power_of_two(wanted)))
        return self._table

    def _most(self, room: int, rows: int) -> int:
        """So much room, or what is ever wanted where that is less: slots take memory, used or not."""
        return min(room, _power_of_two(2 * self._bound + rows)) if self._bound else room

    def merge(self, other: Sums, key: str | None = None, numbers: NDArray[np.int64] | None = None) -> None:
        """Count in all that another one has counted; ``numbers`` are what its numbers in one key column are here."""
        self.missing_bytes += other.missing_bytes
        rows = other.rows.copy()
        if numbers is not None:
            rows[key] = numbers[rows[key]]
        self.add(rows)

    def renumber(self, key: str, numbered: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        """Go on with other numbers in one key column, some of which may now be equal."""
        rows = self.rows.copy()
        rows[key] = numbered(rows[key])
        self._begin(rows[:0], 1)
        self.add(rows)

    def _greatest(self, bound: int) -> NDArray[np.void]:
        order = np.argpartition(self.rows["bytes"], len(self.rows) - bound)
        surplus, kept = np.split(order, [len(self.rows) - bound])
        self.missing_bytes += int(self.rows["bytes"][surplus].max())
        return self.rows[np.sort(kept)]

    def _begin(self, rows: NDArray[np.void], room: int) -> None:
        """Go on with these sums, and room for so many, a power of two."""
        if room == len(self._sums):
            self._slots[:] = 0
        else:
            self._slots = np.zeros(2 * room, np.uint32)
        if room > len(self._room):
            # Many that have a bound take all the room that they may ever want, and never move again.
            self._room = np.empty(room + (2 * (self._bound or 0) if room > _FEW_SUMS else 0), rows.dtype)
        self._sums = self._room[:room]
        if not np.may_share_memory(rows, self._sums):
            self._sums[: len(rows)] = rows
        self._table.begin(_words(self._sums), self._slots, len(rows))


def summed(rows: NDArray[np.void], layout: Layout) -> NDArray[np.void]:
    """One row per distinct key, in the order of their first appearance."""
    sums = Sums(rows.dtype, layout)
    sums.add(rows)
    return sums.rows


def grouped(
    table: Mapping[str, NDArray[Any]] | NDArray[np.void], keys: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each of n rows the number of its group, the rows with the same key; and for each group its first row."""
    words = np.stack([table[key].astype(np.uint64, copy=False) for key in keys], axis=1)
    groups, members = np.empty((2, len(words)), np.int64)
    slots = np.zeros(1 << (2 * len(words)).bit_length(), np.uint32)
    count = group(words, _SEED, slots, groups, members)
    return groups, members[:count]


def _power_of_two(count: int) -> int:
    """The least that is not less."""
    return 1 << (count - 1).bit_length()


def _words(rows: NDArray[np.void]) -> NDArray[np.uint64]:
    return rows.view(np.uint64).reshape(len(rows), rows.dtype.itemsize // 8)
