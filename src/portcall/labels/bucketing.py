"""Buckets of time: how wide they are, and which one a moment is in.

Buckets of a width begin at its multiples since 1970 UTC, so those of several shards, captures and machines are the
same. ``auto`` begins with a microsecond and becomes wider, each time by a whole number, until there are few enough from
the first frame to the last: the width follows from the frames, whatever their order. Time is counted in eras of 104
days, those without a frame left out, so that frames of a clock that was not set yet do not make buckets of months.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.records.packets import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_AUTO_BUCKETS = 500
"""Where the width is chosen; widths differ by six at most, so of a capture of some length there are 80 or more."""
WIDEST_NS = 1 << 62
_SECOND_NS = 10**9
_DAY_NS = 86_400 * _SECOND_NS
_ROUND_NS = (
    *(digit * 10**power for power in range(3, 9) for digit in (1, 5)),
    *(seconds * _SECOND_NS for seconds in (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 6 * 3600)),
    *(_DAY_NS * 10**power for power in range(5)),
)
"""Widths that people count in, each a multiple of the one before."""


class Bucketing(NamedTuple):
    """What buckets of time somebody asked for."""

    width_ns: int
    most: int | None = None
    """From the first to the last; more of them become wider. None: they stay as they are, as long as memory lasts."""


AUTO = Bucketing(_ROUND_NS[0], MOST_AUTO_BUCKETS)


def next_width(width_ns: int) -> int | None:
    """The next width that people count in and that buckets fill exactly, else the double; None where there is none."""
    wider = next((one for one in _ROUND_NS if one > width_ns and one % width_ns == 0), 2 * width_ns)
    return wider if wider <= WIDEST_NS else None


def bucket_numbers(times_ns: NDArray[np.int64], width_ns: int) -> NDArray[np.int64]:
    """int64[n]: which bucket each moment is in; NO_TIME for none."""
    return np.where(times_ns == NO_TIME, NO_TIME, times_ns // width_ns)


def bucket_starts(numbers: NDArray[np.int64], width_ns: int) -> NDArray[np.int64]:
    """int64[n]: the first moment of each bucket that a number can say, NO_TIME for none."""
    first = (NO_TIME + 1) // width_ns
    whole = np.where((numbers == NO_TIME) | (numbers <= first), 0, numbers) * width_ns
    cut = first * width_ns if first * width_ns > NO_TIME else NO_TIME + 1
    return np.where(numbers == NO_TIME, NO_TIME, np.where(numbers <= first, cut, whole))
