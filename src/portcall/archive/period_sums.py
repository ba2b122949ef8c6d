"""Sums over a period of a history: of each key, or by time; SQLite adds up, and who asks knows what keys mean.

Everything is read in one transaction, so it is of one moment though somebody fills the file meanwhile.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.archive.history_file import check_readable
from portcall.archive.layout import KINDS, extent_of, opened_to_read, refusal
from portcall.archive.levels import LEVELS
from portcall.records.kept.windows import COUNTED, WindowKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from portcall.archive.levels import Extent, Piece

    Sums = tuple[int, ...]
    """A number (of a key, a name or a bucket), COUNTED, and the ms since 1970 UTC of the first and the last packet."""

_KEPT = (
    f"{', '.join(COUNTED)}, at*{{width_ms}}+first_ms AS first_ms, at*{{width_ms}}+last_ms AS last_ms"  # of one table
)
_SUMS = f"{', '.join(f'SUM({name})' for name in COUNTED)}, MIN(first_ms), MAX(last_ms)"


class Watched(NamedTuple):
    """How much of a period somebody watched."""

    seconds: int
    dropped: int
    """Frames that the kernel dropped meanwhile, in all hours that the period touches."""


class PeriodSums:
    """A history as it is now; a context, which closes it. HistoryError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        check_readable(path)
        self.path = path
        self._connection = opened_to_read(path)
        try:
            self.extent: Extent = extent_of(self._connection)
        except sqlite3.Error as error:
            raise refusal(path, error) from error

    def __enter__(self) -> PeriodSums:  # noqa: PYI034 - Self is of Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def span_s(self) -> tuple[int, int] | None:
        """When the first window of all begins and the last one ends, as far as is known; None for none."""
        begin_s = end_s = None
        for level in LEVELS:
            ((first, last),) = self._rows(f"SELECT MIN(at), MAX(at) FROM {level.name}")
            if first is None:
                continue
            end_s = (last + 1) * level.width_s if end_s is None else end_s
            if begin_s is None or (first + 1) * level.width_s <= begin_s:
                begin_s = first * level.width_s
        return None if begin_s is None or end_s is None else (begin_s, end_s)

    def keys(self) -> dict[int, WindowKey]:
        """What each number of a key means."""
        texts: dict[int, Any] = dict(self._rows("SELECT id, text FROM names"))
        texts[0] = None
        return {
            number: WindowKey._make([*(texts.get(name) for name in names), ends])
            for number, *names, ends in self._rows(f"SELECT id, {', '.join(KINDS)}, ends FROM keys")
        }

    def first_met_ms(self, column: str) -> dict[str, int]:
        """When each text of a column of WindowKey was met first."""
        return dict(self._rows("SELECT text, first_ms FROM names WHERE kind=?", KINDS.index(column)))

    def by_key(self, pieces: Iterable[Piece]) -> list[Sums]:
        """Sums of each key."""
        return self._summed("key", pieces, "key", None)

    def by_time(self, pieces: Iterable[Piece], width_s: int, ends: int, keys: Collection[int] | None) -> list[Sums]:
        """Sums of each bucket so wide, a multiple of the windows, by its number; of rows that count at these ends.

        ``keys`` are those that count; None: all.
        """
        return self._summed(
            f"(at*{{width_s}})/{width_s}", pieces, f"key IN (SELECT id FROM keys WHERE ends&{ends})", keys
        )

    def by_key_and_time(self, pieces: Iterable[Piece], width_s: int) -> list[Sums]:
        """Sums of each app in each bucket: the number of the bucket, shifted by 32, and that of the app's name."""
        bucket = f"((at*{{width_s}})/{width_s})<<32|(SELECT app FROM keys WHERE id=key)"
        return self._summed(bucket, pieces, "key", None)

    def app_names(self) -> dict[int, str]:
        """The texts of apps by their number."""
        return dict(self._rows("SELECT id, text FROM names WHERE kind=?", KINDS.index("app")))

    def watched(self, begin_s: int, end_s: int) -> Watched:
        """How much of a period somebody watched, and what was dropped."""
        ((seconds,),) = self._rows(
            "SELECT SUM(min(end_s, ?)-max(begin_s, ?)) FROM watches WHERE begin_s<? AND end_s>?",
            *(end_s, begin_s, end_s, begin_s),
        )
        ((dropped,),) = self._rows(
            "SELECT SUM(frames) FROM drops WHERE hour>=? AND hour<=?", begin_s // 3600, (end_s - 1) // 3600
        )
        return Watched(seconds or 0, dropped or 0)

    def counters(self) -> dict[str, int]:
        """What was given up."""
        return dict(self._rows("SELECT name, count FROM counters"))

    def _summed(self, group: str, pieces: Iterable[Piece], where: str, keys: Collection[int] | None) -> list[Sums]:
        parts: list[str] = []
        values: list[object] = []
        for level, begin_s, end_s in pieces:
            width = {"width_s": level.width_s, "width_ms": level.width_s * 1000}
            chosen = "" if keys is None else " AND key IN (SELECT value FROM json_each(?))"
            parts.append(
                f"SELECT {group.format(**width)} AS number, {_KEPT.format(**width)} FROM {level.name} "
                f"WHERE at>=? AND at<? AND {where}{chosen}"
            )
            values += [
                begin_s // level.width_s,
                end_s // level.width_s,
                *([] if keys is None else [json.dumps([*keys])]),
            ]
        if not parts:
            return []
        return self._rows(f"SELECT number, {_SUMS} FROM ({' UNION ALL '.join(parts)}) GROUP BY number", *values)

    def _rows(self, line: str, *values: object) -> list[Any]:  # Any: tuples of what the columns have
        try:
            return self._connection.execute(line, values).fetchall()
        except sqlite3.Error as error:
            raise refusal(self.path, error) from error
