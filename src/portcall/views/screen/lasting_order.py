"""Ranks that last: rows change their order only when a change stays for some seconds.

Each row has a level, which is what it is sorted by. Its value may go up and down; the level follows only as far as the
value went in all of the last seconds: to the least of them where it was above all the time, to the greatest where it
was below. So a burst moves no row, two rows that take turns do not change places, and who grows for good is there
after ``LASTS_S``. Time is handed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LASTS_S = 3.0


class Levels(NamedTuple):
    """What rows are sorted by, and their values of the last seconds: arrays of n rows, in the order of ``keys``."""

    keys: NDArray[np.uint64]
    """Ascending."""
    levels: NDArray[np.float64]
    values: tuple[tuple[float, NDArray[np.float64]], ...]
    """When, and what each row's value was then; oldest first."""

    def of(self, keys: NDArray[np.uint64]) -> NDArray[np.float64]:
        """float64[m]: the level of each of m keys, 0 of those that are not known."""
        return looked_up(self.keys, self.levels, keys)


def first_levels(keys: NDArray[np.uint64], values: NDArray[np.float64], now_s: float) -> Levels:
    """The levels where there was nothing before: the values."""
    order = np.argsort(keys)
    sorted_values = values[order].astype(np.float64)
    return Levels(keys[order], sorted_values, ((now_s, sorted_values),))


def next_levels(before: Levels, keys: NDArray[np.uint64], values: NDArray[np.float64], now_s: float) -> Levels:
    """The levels of these rows now; new ones begin at 0, and rise when they have lasted."""
    order = np.argsort(keys)
    ordered, now = keys[order], values[order].astype(np.float64)
    past = [(then_s, looked_up(before.keys, was, ordered)) for then_s, was in before.values]
    while len(past) > 1 and past[1][0] <= now_s - LASTS_S:  # the oldest one stands for the beginning of these seconds
        del past[0]
    window = np.stack([*(was for _, was in past), now])
    levels = np.clip(looked_up(before.keys, before.levels, ordered), window.min(axis=0), window.max(axis=0))
    return Levels(ordered, levels, (*past, (now_s, now)))


def looked_up(known: NDArray[np.uint64], values: NDArray[np.float64], keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """float64[m]: the value of each of m keys, where ``known`` are ascending; 0 of those that are not among them."""
    if not len(known):
        return np.zeros(len(keys))
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[places] == keys, values[places], 0.0)


def with_row_kept(order: NDArray[np.int64], row: int, place: int) -> NDArray[np.int64]:
    """The same order, but for one row, which stays at its place: nothing moves under a cursor."""
    if not (order == row).any():
        return order
    others = order[order != row]
    return np.insert(others, min(place, len(others)), row)
