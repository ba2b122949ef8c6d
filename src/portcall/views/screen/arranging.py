"""Which rows are shown, and in which order: a picture and what somebody chose in, indexes of rows out.

It is a pure function of both, of how rows stood before and of where the cursor is, so frozen pictures show the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from portcall.records.column_values import Numbers
from portcall.views.screen.lasting_order import first_levels, next_levels, with_row_kept

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.report_rows import Rows
    from portcall.views.screen.lasting_order import Levels
    from portcall.views.screen.pictures import Picture, RowChoice

    Measure = Literal["rate", "total"]


@dataclass(frozen=True)
class TableChoice:
    """What somebody chose by keys."""

    sort: str = "both"
    """The column to sort by: both (ways), out, in, name, or a number of the rows, such as flows."""
    is_reversed: bool = False
    measure: Measure = "rate"
    where: RowChoice | None = None
    where_text: str = ""
    shows_closed: bool = False
    leaves_out_tunnels: bool = False
    shows_ports: bool = False
    shows_addresses: bool = False
    most_rows: int | None = None
    knows_rates: bool = True
    """Whether there are any, now or later."""

    def orders_as(self, other: TableChoice) -> bool:
        """Whether rows stand as they do with another one: only their texts differ."""
        texts = {"shows_ports": False, "shows_addresses": False}
        return self.with_(**texts) == other.with_(**texts)

    def with_(self, **changes: object) -> TableChoice:
        """The same with something else."""
        return replace(self, **changes)  # type: ignore[arg-type] # the fields' own


class Arrangement(NamedTuple):
    """Rows in their order, and what was left out."""

    order: NDArray[np.int64]
    """int64[m]: indexes into the picture's rows."""
    levels: Levels | None
    """What they were sorted by, if it is a number that changes."""
    closed: int = 0
    tunnels: int = 0
    filtered: int = 0


class Cursor(NamedTuple):
    """The row that the cursor is on, and its place among those shown."""

    key: int
    place: int


def arranged(picture: Picture, choice: TableChoice, before: Arrangement | None, cursor: Cursor | None) -> Arrangement:
    """The rows to show. ``before`` is how the same choice arranged the picture before this one, None after a change."""
    kept = np.ones(len(picture), np.bool_)
    counts = []
    hidden_closed = picture.are_closed & (not choice.shows_closed)
    hidden_tunnels = picture.are_tunnels & choice.leaves_out_tunnels
    wanted = _wanted(picture.rows, choice.where)
    for are_hidden in (~wanted, hidden_tunnels, hidden_closed):
        counts.append(int((kept & are_hidden).sum()))
        kept &= ~are_hidden
    order, levels = _ordered(picture, choice, before)
    order = order[kept[order]]
    if cursor:
        rows = np.flatnonzero(picture.keys == np.uint64(cursor.key))
        if len(rows) and kept[rows[0]]:
            order = with_row_kept(order, int(rows[0]), cursor.place)
    filtered, tunnels, closed = counts
    return Arrangement(order[: choice.most_rows], levels, closed, tunnels, filtered)


def measured(picture: Picture, choice: TableChoice) -> NDArray[np.float64] | None:
    """float64[n]: the number that rows are sorted by; None where it is a text."""
    if choice.sort in ("both", "out", "in"):
        ways = picture.rates if choice.measure == "rate" and picture.has_rates else picture.totals
        chosen = {"both": ways.sum(axis=0), "out": ways[0], "in": ways[1]}[choice.sort]
        return np.asarray(chosen, np.float64)
    return None if choice.sort == "name" else _numbers(picture.rows, choice.sort)


def _ordered(
    picture: Picture, choice: TableChoice, before: Arrangement | None
) -> tuple[NDArray[np.int64], Levels | None]:
    measure = measured(picture, choice)
    if measure is None:
        order = np.argsort(_ranks(picture.rows), kind="stable")
        return (order[::-1] if choice.is_reversed else order), None
    if before is None or before.levels is None:
        levels, level = first_levels(picture.keys, measure, picture.taken_s), measure
    else:
        levels = next_levels(before.levels, picture.keys, measure, picture.taken_s)
        level = levels.of(picture.keys)
    order = np.argsort(
        -level, kind="stable"
    )  # of equal ones, as silent rows, those with more bytes stand first already
    return (order[::-1] if choice.is_reversed else order), levels


def _wanted(rows: Rows, where: RowChoice | None) -> NDArray[np.bool_]:
    if where is None:
        return np.ones(len(rows), np.bool_)
    return np.concatenate([*map(where.among, rows.blocks(names=where.names)), np.zeros(0, np.bool_)])


def _numbers(rows: Rows, name: str) -> NDArray[np.float64]:
    arrays = [np.zeros(0)]
    for block in rows.blocks(names=frozenset({name})):
        values = block.by_name.get(name)
        arrays.append(values.values.astype(np.float64) if isinstance(values, Numbers) else np.zeros(len(block)))
    return np.concatenate(arrays)


def _ranks(rows: Rows) -> NDArray[np.int64]:
    """int64[n]: the place of each row's first column in the alphabet; rows without one come last."""
    name = "server_ip" if "server_ip" in rows.names else rows.names[0]
    texts: list[str | None] = []
    for block in rows.blocks(names=frozenset({name})):
        values = block.by_name.get(name)
        plain = [None] * len(block) if values is None else values.plain()
        texts += [None if word is None else str(word) for word in plain]
    places = {text: place for place, text in enumerate(sorted({text for text in texts if text is not None}))}
    return np.array([len(places) if text is None else places[text] for text in texts], np.int64)
