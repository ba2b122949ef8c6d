"""Levels of windows: ten seconds, minutes, hours and days, and which of them a question about a period is put to.

Each level is made of the finer one when a window of it is complete, and kept longer. A period is covered by the widest
windows that lie in it, and by finer ones at its edges as long as these are kept. Times are seconds since 1970 UTC; no
clock is read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from portcall.records.kept.windows import WINDOW_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DAY_S = 86_400


class WindowLevel(NamedTuple):
    """Windows of one width."""

    name: str
    """Of their table, too."""
    width_s: int
    kept_s: int
    """How long they are kept at least."""


LEVELS = (
    WindowLevel("ten_seconds", WINDOW_S, 2 * DAY_S),
    WindowLevel("minutes", 60, 30 * DAY_S),
    WindowLevel("hours", 3600, 3 * 365 * DAY_S),
    WindowLevel("days", DAY_S, 20 * 365 * DAY_S),
)
"""The finest first; each width is a multiple of the one before."""


class Extent(NamedTuple):
    """What there is of each level, by its name."""

    made: Mapping[str, int]
    """Until when windows were made of the finer level; of the finest one it does not matter."""
    kept: Mapping[str, int]
    """Since when windows are kept: those before were deleted, at a boundary of the wider level."""


class Piece(NamedTuple):
    """Windows of one level that begin within a time."""

    level: WindowLevel
    begin_s: int
    end_s: int


def pieces(begin_s: int, end_s: int, extent: Extent, widest_s: int = DAY_S) -> list[Piece]:
    """Windows at most so wide that cover the period, each moment once, in order of time.

    At edges whose finer windows are gone, a wider one counts as a whole: then they reach beyond the period.
    """
    levels = [level for level in LEVELS if level.width_s <= widest_s]
    return list(_pieces(levels, begin_s, end_s, extent))


def _pieces(levels: list[WindowLevel], begin_s: int, end_s: int, extent: Extent) -> Iterator[Piece]:
    *finer, level = levels
    if begin_s >= end_s:
        return
    if not finer:
        yield Piece(level, _down(begin_s, level.width_s), _up(end_s, level.width_s))
        return
    kept_s, made_s = extent.kept.get(finer[-1].name, 0), extent.made.get(level.name, 0)
    first_s = (_down if begin_s < kept_s else _up)(begin_s, level.width_s)
    last_s = (_up if end_s < kept_s else _down)(end_s, level.width_s)
    last_s = min(last_s, made_s)
    if first_s >= last_s:
        yield from _pieces(finer, begin_s, end_s, extent)
        return
    yield from _pieces(finer, begin_s, first_s, extent)
    yield Piece(level, first_s, last_s)
    yield from _pieces(finer, last_s, end_s, extent)


class Forgetting(NamedTuple):
    """Windows of a level that are old enough to go."""

    level: WindowLevel
    before_s: int


def due(now_s: int, extent: Extent) -> list[Forgetting]:
    """What is kept no longer, where the wider level has it; at a boundary of that, so none of its windows is parted."""
    found = []
    for level, wider in zip(LEVELS, (*LEVELS[1:], LEVELS[-1]), strict=True):
        before_s = _down(now_s - level.kept_s, wider.width_s)
        if wider is not level:
            before_s = min(before_s, extent.made.get(wider.name, 0))
        if before_s > extent.kept.get(level.name, 0):
            found.append(Forgetting(level, before_s))
    return found


def complete(final_s: int, extent: Extent) -> list[Piece]:
    """Windows that can be made now that everything before ``final_s`` is known, the narrowest first."""
    found = []
    for level in LEVELS[1:]:
        made_s, until_s = extent.made[level.name], _down(final_s, level.width_s)
        if until_s > made_s:
            found.append(Piece(level, made_s, until_s))
    return found


def _down(at_s: int, width_s: int) -> int:
    return at_s // width_s * width_s


def _up(at_s: int, width_s: int) -> int:
    return -(-at_s // width_s) * width_s
