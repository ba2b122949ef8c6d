"""Rows of a history as columns: groups of numbers → what a report has of an app, a process, a user, a host, a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.archive.period_sums import RANKED, SINGLE
from portcall.attribution.principals import QUALITIES
from portcall.labels.service_keys import SOURCES
from portcall.records.column_values import Columns, Numbers, Words
from portcall.records.kept.windows import COUNTED, CountedIn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from portcall.archive.period_sums import Group
    from portcall.records.column_values import ColumnValues

    Texts = Mapping[int, str | None]

ENDS = {
    "app": CountedIn.APP,
    "process": CountedIn.PROCESS,
    "user": CountedIn.USER,
    "host": CountedIn.HOST,
    "service": CountedIn.FIRST,
    "time": CountedIn.FIRST,
}
"""Grouping → which bit of a key's ``ends`` says that its conversations count."""
CREDITED_ONCE = ("service", "time")
"""Groupings of which the other rows do not count at all."""
_OF_OWNERS = ("app", "process", "user")
_ORDERS = {"app_source": SOURCES, "owner_quality": QUALITIES}
"""The surest first."""
_NS_PER_MS = 1_000_000


def group_columns(by: str, groups: Sequence[Group], texts: Texts) -> Columns:
    """The columns of rows of one grouping, in no order."""
    names = [texts[one.identity[0]] for one in groups]
    columns: dict[str, ColumnValues] = _counted([one.measures for one in groups])
    reasons = [one.identity[-1] if by in _OF_OWNERS or not one.identity[0] else 0 for one in groups]
    columns["unattributed_reason"] = Words.each(map(texts.get, reasons))
    columns["top_host"] = Words.each(names if by == "host" else [texts[one.top_host] for one in groups])
    columns["services"] = Words.each([texts[number] for number in one.services] for one in groups)
    if by in _OF_OWNERS:
        for place, column in enumerate(SINGLE):
            columns[column] = Words.each(texts[one.single[place]] for one in groups)
        for place, column in enumerate(RANKED):
            columns[column] = Words.each(_weakest(column, one.ranked[place], texts) for one in groups)
    columns[by] = Words.each(names)
    return Columns(len(groups), columns)


def keyed_columns(names: Sequence[str], sums: Sequence[tuple[int, ...]], texts: Texts) -> Columns:
    """The columns of sums by several columns of a WindowKey."""
    width = len(names)
    columns: dict[str, ColumnValues] = _counted([one[width:] for one in sums])
    for place, name in enumerate(names):
        columns[name] = Words.each([texts[one[place]] for one in sums])
    return Columns(len(sums), columns)


def time_columns(rows: Iterable[tuple[int, tuple[int, ...]]]) -> Columns:
    """The columns of rows by time: when each bucket begins, in s, and COUNTED with first and last in ms."""
    begins, measures = [], []
    for begins_s, counts in rows:
        begins.append(begins_s)
        measures.append(counts)
    columns = _counted(measures)
    columns["bucket_ns"] = Numbers(np.array(begins, np.int64) * 10**9)
    nothing = np.zeros(len(begins), np.int64)
    columns["services"], columns["unattributed_reason"] = Words(nothing, [[]]), Words(nothing, [None])
    return Columns(len(begins), columns)


def merged(rows: Iterable[tuple[int, tuple[int, ...]]]) -> dict[int, tuple[int, ...]]:
    """Measures under one number each."""
    found: dict[int, tuple[int, ...]] = {}
    for number, counts in rows:
        known = found.get(number)
        if known is None:
            found[number] = counts
        else:
            added = (a + b for a, b in zip(known[:-2], counts[:-2], strict=True))
            found[number] = (*added, min(known[-2], counts[-2]), max(known[-1], counts[-1]))
    return found


def _counted(measures: Sequence[tuple[int, ...]]) -> dict[str, ColumnValues]:
    table = np.array(measures, np.int64).reshape(len(measures), len(COUNTED) + 2).T
    return {
        **{name: Numbers(table[place]) for place, name in enumerate(COUNTED)},
        "first_ns": Numbers(table[-2] * _NS_PER_MS),
        "last_ns": Numbers(table[-1] * _NS_PER_MS),
    }


def _weakest(column: str, numbers: Sequence[int], texts: Texts) -> str | None:
    """What is sure of all."""
    known = [text for text in map(texts.get, numbers) if text is not None]
    return max(known, key=_ORDERS[column].index, default=None) if len(known) != 1 else known[0]
