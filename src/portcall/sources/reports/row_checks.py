"""Rows that came back from a file: are they what portcall writes? ValueError, which says what is wrong, where not."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from portcall.records.schema import LISTS, LIVE_GROUPINGS, column_names, columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from portcall.records.columns import Column

    Row = dict[str, Any]  # Any: plain values of several types, see schema

MOST_CHARACTERS = 1 << 14
"""Of a text: names have at most 1024, paths of programs 4096."""
_GREATEST = (1 << 63) - 1


def grouping_of(by: object) -> str:
    """The grouping of a report of traffic that calls it so."""
    if not isinstance(by, str) or by not in (*LIVE_GROUPINGS, *LISTS):
        raise ValueError(f"no report says 'by': {_shown(by)}")
    if by in LISTS:
        raise ValueError(f"this is a list ('by': '{by}'), not a report of traffic")
    return by


def grouping_of_row(row: object) -> str:
    """The grouping of which this is a row, which its first column tells."""
    first = next(iter(row), None) if isinstance(row, dict) else None
    for by in LIVE_GROUPINGS:
        if first == column_names(by)[0]:
            return by
    raise ValueError(f"this is no row of a report: it begins with {_shown(first)}")


def checked(row: object, names: Iterable[str], by: str) -> Row:
    """The row with just these columns, each of which is there with values of its type."""
    if not isinstance(row, dict):
        raise ValueError(f"a row is {_shown(row)}")  # noqa: TRY004 - it is what was read that is wrong
    known = _known(by)
    return {name: _checked(known[name], row.get(name, _MISSING), by) for name in names}


@cache
def _known(by: str) -> dict[str, Column]:
    return {column.name: column for column in columns(by)}


def _checked(column: Column, value: object, by: str) -> object:
    name, wanted = column.name, column.type
    if value is None:
        return None
    if value is _MISSING:
        raise ValueError(f"a row by {by} has no '{name}'")
    if wanted == "integer":
        least = -_GREATEST if column.unit == "ns" else 0  # there are times before 1970
        if type(value) is int and least <= value <= _GREATEST:
            return value
    elif wanted in ("text", "address") and isinstance(value, str) and len(value) <= MOST_CHARACTERS:
        return value
    raise ValueError(f"'{name}' is {_shown(value)}")


def _shown(value: object) -> str:
    """A value as an error shows it."""
    text = repr(value) if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"
    return text if len(text) <= 40 else f"{text[:40]}…"  # noqa: PLR2004 - of a line


_MISSING = object()
