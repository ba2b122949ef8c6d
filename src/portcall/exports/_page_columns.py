"""Rows of a report as the page has them: columns of numbers, or of words and each row's place among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.records.column_values import Addresses, Columns, Numbers, Words
from portcall.records.report_rows import Rows
from portcall.records.schema import column_names, directions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from portcall.records.column_values import ColumnValues
    from portcall.records.report import Report

    _Piece = tuple[ColumnValues | None, int]  # a column of some rows, None where all are null, and how many they are

_TIMES = ("first_ns", "last_ns")
_NS_PER_US = 1000
_SELDOM_READ = frozenset(
    {
        *(f"{what}_{end}" for what in ("payload", "tcp_flags") for end in ("to_server", "to_client")),
        *(
            f"{end}_{what}"
            for end in ("client", "server")
            for what in ("port_class", "exe", "script", "user", "container")
        ),
        *("payload_out", "payload_in", "tls_server_name", "http_host", "said", *_TIMES),
    }
)
"""What the page leaves out; every other format has it."""


def page_table(report: Report, credited: int) -> dict[str, Any]:  # Any: what JSON has
    """A report's rows. ``credited`` are the bytes of all rows together, those that were left out too."""
    left_out = {*_SELDOM_READ, "bucket_ns", *(["top_host"] if report.by == "host" else [])}
    names = [name for name in column_names(report.by) if name not in left_out]
    gathered: dict[str, list[_Piece]] = {name: [] for name in (*names, *_TIMES, "bucket_ns")}
    for block in blocks_of(report.rows):
        for name, pieces in gathered.items():
            pieces.append((block.by_name.get(name), len(block)))
    columns = [{"name": name, **found} for name in names if (found := _plain(gathered[name]))]
    bytes_of = [_numbers(gathered[f"bytes_{direction}"]) for direction in directions(report.by)]
    return {
        "by": report.by,
        "rows": len(report.rows),
        "rows_left_out": report.rows_left_out,
        "bytes_left_out": credited - sum(map(sum, bytes_of)),
        "columns": [*columns, *_times(report, {name: _numbers(gathered[name]) for name in (*_TIMES, "bucket_ns")})],
    }


def blocks_of(rows: Rows | Sequence[dict[str, Any]], names: Iterable[str] | None = None) -> Iterator[Columns]:
    """Their columns, some rows at once; dictionaries, as somebody may have made them, are one block."""
    if isinstance(rows, Rows):
        yield from rows.blocks(names=None if names is None else frozenset(names))
    else:
        yield Columns.of_rows(rows)


def places_of(values: Words | Addresses, places: dict[Any, int]) -> NDArray[np.int64]:  # Any: text, list or None
    """int64[n]: the place of each row's word; ``places`` gets the words that are new to it. Lists become tuples."""
    if isinstance(values, Words):
        used, codes = np.unique(values.codes, return_inverse=True)
        words = [values.words[code] for code in used.tolist()]
    else:
        words, codes = values.plain(), np.arange(len(values.is_ipv6))
    known = [places.setdefault(tuple(word) if isinstance(word, list) else word, len(places)) for word in words]
    return np.array(known, np.int64)[codes] if known else np.zeros(0, np.int64)


def _times(report: Report, times: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """When each row began, since the window did, and how long it took, in us: numbers that JavaScript holds exactly."""
    begin = report.window_ns[0] if report.window_ns else 0
    since = {
        name: [None if at is None else (at - begin) // _NS_PER_US for at in found] for name, found in times.items()
    }
    if report.by == "time":
        yield {"name": "bucket_us", "numbers": since["bucket_ns"]}
    if any(start is not None for start in since["first_ns"]):
        yield {"name": "start_us", "numbers": since["first_ns"]}
        pairs = zip(times["first_ns"], times["last_ns"], strict=True)
        durations = [None if first is None else (last - first) // _NS_PER_US for first, last in pairs]
        yield {"name": "duration_us", "numbers": durations}


def _numbers(pieces: list[_Piece]) -> list[Any]:  # Any: int or None
    """Of each row, None for null."""
    found: list[Any] = []
    for values, count in pieces:
        found += values.plain() if isinstance(values, Numbers) else [None] * count
    return found


def _plain(pieces: list[_Piece]) -> dict[str, Any] | None:  # Any: what JSON has
    """A column; None where it is null in all rows. Without ``codes`` each row has the word at its own place."""
    if any(isinstance(values, Numbers) for values, _ in pieces):
        numbers = _numbers(pieces)
        return {"numbers": numbers} if any(number is not None for number in numbers) else None
    places: dict[Any, int] = {None: 0}
    codes = [
        places_of(values, places).tolist() if isinstance(values, Words | Addresses) else [0] * count
        for values, count in pieces
    ]
    of_rows = [code for some in codes for code in some]
    if of_rows == list(range(1, len(places))) and of_rows:  # all differ, and stand in order of their rows
        return {"words": list(places)[1:]}
    return {"words": list(places), "codes": of_rows} if len(places) > 1 else None
