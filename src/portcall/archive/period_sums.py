"""Sums over a period of a history: of each key, or by time; SQLite adds up, and who asks knows what keys mean.

Everything is read in one transaction, so it is of one moment though somebody fills the file meanwhile.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.archive.history_file import check_readable
from portcall.archive.layout import KINDS, MEASURES, extent_of, opened_to_read, refusal
from portcall.archive.levels import LEVELS
from portcall.records.kept.windows import COUNTED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from portcall.archive.levels import Extent, Piece

    Sums = tuple[int, ...]
    """A number (of a key, a name or a bucket), COUNTED, and the ms since 1970 UTC of the first and the last packet."""

_KEPT = (
    f"{', '.join(COUNTED)}, at*{{width_ms}}+first_ms AS first_ms, at*{{width_ms}}+last_ms AS last_ms"  # of one table
)
_SUMS = f"{', '.join(f'SUM({name}) AS {name}' for name in COUNTED)}, MIN(first_ms) AS first_ms, MAX(last_ms) AS last_ms"
SINGLE = ("app", "process", "script", "user")
"""Columns of a WindowKey that a group has where all of it has the same."""
RANKED = ("app_source", "owner_quality")
"""Those of which it has the one that is sure of all."""
MOST_SHARES = 10
_MANY_TEXTS = 2000
_IS_OWNERS = "app_source=(SELECT id FROM names WHERE text='process' AND kind=1)"
_GROUPS = {
    **{name: f"{name}, unattributed_reason" for name in ("app", "process")},
    "user": f"user, CASE WHEN {_IS_OWNERS} THEN 0 ELSE process END, "
    f"CASE WHEN {_IS_OWNERS} THEN 0 ELSE unattributed_reason END",
}
"""What tells the rows of a grouping apart; of the others that is the name, or the reason where there is none."""


class Watched(NamedTuple):
    """How much of a period somebody watched."""

    seconds: int
    dropped: int
    """Frames that the kernel dropped meanwhile, in all hours that the period touches."""


class Group(NamedTuple):
    """A row of a grouping; names are their numbers, 0 for none."""

    identity: tuple[int, ...]
    """Its name first."""
    measures: tuple[int, ...]
    """COUNTED, and ms since 1970 UTC of the first and the last packet."""
    single: list[int]
    """SINGLE, 0 where there are several; of owners' groupings alone, as the next."""
    ranked: list[list[int]]
    """All that it has of RANKED."""
    top_host: int
    """0 for groups that are hosts."""
    services: list[int]
    """Those of most bytes, these first."""

    def numbers(self) -> Iterator[int]:
        """All that it names."""
        yield from self.identity
        yield from self.single
        for some in (*self.ranked, [self.top_host], self.services):
            yield from some


class PeriodSums:
    """A history as it is now; a context, which closes it. HistoryError where it cannot be read."""

    _from = "sums"

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
            # One question each: SQLite looks at all rows for both at once.
            first, last = (self._rows(f"SELECT {end}(at) FROM {level.name}")[0][0] for end in ("MIN", "MAX"))
            if first is None:
                continue
            end_s = (last + 1) * level.width_s if end_s is None else end_s
            if begin_s is None or (first + 1) * level.width_s <= begin_s:
                begin_s = first * level.width_s
        return None if begin_s is None or end_s is None else (begin_s, end_s)

    def texts(self, numbers: Collection[int]) -> dict[int, str | None]:
        """The text of each of these numbers; of 0 there is none."""
        line = "SELECT id, text FROM names"
        if len(numbers) < _MANY_TEXTS:
            return {0: None, **dict(self._rows(f"{line} WHERE id IN ({', '.join(map(str, numbers))})"))}
        return {0: None, **dict(self._rows(line))}

    def first_met_ms(self, column: str) -> dict[str, int]:
        """When each text of a column of WindowKey was met first."""
        return dict(self._rows("SELECT text, first_ms FROM names WHERE kind=?", KINDS.index(column)))

    def gather(self, pieces: Iterable[Piece]) -> None:
        """Sum each key, for what is asked next; once."""
        line, values = _windows("key AS number", pieces)
        self._rows(
            "CREATE TEMP TABLE sums AS SELECT keys.*, found.* FROM "
            f"(SELECT number, {_SUMS} FROM ({line}) GROUP BY number) AS found JOIN keys ON keys.id=number",
            *values,
        )

    def choose(self, columns: Sequence[str], holds: Callable[[Mapping[str, str | None]], bool]) -> None:
        """Leave only keys of which it holds, of these columns, in what is asked next but for ``covered``."""
        names = ", ".join(columns)
        distinct = self._rows(f"SELECT DISTINCT {names} FROM sums")
        texts = self.texts({number for numbers in distinct for number in numbers})
        found = [one for one in distinct if holds(dict(zip(columns, map(texts.get, one), strict=True)))]
        self._rows(f"CREATE TEMP TABLE wanted({names})")
        self._connection.executemany(f"INSERT INTO wanted VALUES({', '.join('?' * len(columns))})", found)
        self._rows(f"CREATE TEMP TABLE chosen AS SELECT * FROM sums WHERE ({names}) IN (SELECT {names} FROM wanted)")
        self._from = "chosen"

    def groups(self, by: str, *, ends: int, is_once: bool) -> list[Group]:
        """The rows of a grouping by a column of WindowKey; of rows that count there, once or with both ends."""
        group = _GROUPS.get(by, f"{by}, CASE WHEN {by} THEN 0 ELSE unattributed_reason END")
        only = f" WHERE ends&{ends}" if is_once else ""
        told = [f"MIN({name}), MAX({name})" for name in SINGLE] if by in _GROUPS else []
        lists = [f"group_concat(DISTINCT {name})" for name in RANKED] if by in _GROUPS else []
        wanted = ", ".join([group, _credited(ends), *told, *lists])
        rows = self._rows(f"SELECT {wanted} FROM {self._from}{only} GROUP BY {group}")
        width = len(group.split(", "))
        top = {} if by == "host" else self._top_hosts(group, only)
        services = self._shares(group, "service", only)
        measures = width + len(MEASURES)
        singles = measures + 2 * len(told)
        return [
            Group(
                row[:width],
                row[width:measures],
                [row[at] if row[at] == row[at + 1] else 0 for at in range(measures, singles, 2)],
                [[int(word) for word in words.split(",")] for words in row[singles:]],
                top.get(row[:width], 0),
                services.get(row[:width], []),
            )
            for row in rows
        ]

    def keyed(self, columns: Sequence[str], *, ends: int, is_once: bool) -> list[Sums]:
        """Sums by several columns of WindowKey: the numbers of their texts, COUNTED, and the times of packets in ms.

        ``ends`` and ``is_once`` as for ``groups``.
        """
        names = ", ".join(columns)
        only = f" WHERE ends&{ends}" if is_once else ""
        return self._rows(f"SELECT {names}, {_credited(ends)} FROM {self._from}{only} GROUP BY {names}")

    def _top_hosts(self, group: str, only: str) -> dict[tuple[int, ...], int]:
        """The host with most bytes of each group: MAX makes SQLite take the other columns from that row."""
        groups = (
            f"SELECT {group}, host, SUM(bytes_out+bytes_in) AS octets FROM {self._from}{only} GROUP BY {group}, host"
        )
        places = ", ".join(str(place + 1) for place in range(len(group.split(", "))))
        rows = self._rows(f"SELECT *, MAX(octets) FROM ({groups} HAVING host) GROUP BY {places}")
        return {row[:-3]: row[-3] for row in rows}

    def _shares(self, group: str, column: str, only: str) -> dict[tuple[int, ...], list[int]]:
        """What each group has most of: numbers of a column, at most ten, most bytes first."""
        width = len(group.split(", "))
        found: dict[tuple[int, ...], list[int]] = {}
        for row in self._rows(
            f"SELECT {group}, {column} FROM {self._from}{only} GROUP BY {group}, {column} HAVING {column} "
            "ORDER BY SUM(bytes_out+bytes_in) DESC"
        ):
            shares = found.setdefault(row[:width], [])
            if len(shares) < MOST_SHARES:
                shares.append(row[width])
        return found

    def count_groups(self, by: str) -> int:
        """How many rows the grouping has, whatever is chosen."""
        group = _GROUPS.get(by, f"{by}, CASE WHEN {by} THEN 0 ELSE unattributed_reason END")
        ((count,),) = self._rows(f"SELECT count(*) FROM (SELECT 1 FROM sums GROUP BY {group})")
        return int(count)

    def covered(self) -> list[tuple[int, int, int, int]]:
        """Reason's number, whether it is of the first end, packets and bytes, of all that was gathered."""
        return self._rows(
            "SELECT unattributed_reason, ends&1, SUM(packets_out+packets_in), SUM(bytes_out+bytes_in) "
            "FROM sums GROUP BY 1, 2"
        )

    def window_ms(self) -> tuple[int, int] | None:
        """When the first and the last packet came."""
        ((first, last),) = self._rows("SELECT MIN(first_ms), MAX(last_ms) FROM sums")
        return None if first is None else (first, last)

    def by_time(self, pieces: Iterable[Piece], width_s: int) -> list[Sums]:
        """Sums of each bucket so wide, a multiple of the windows, by its number; each conversation counts once."""
        ((has_second,),) = self._rows("SELECT EXISTS(SELECT 1 FROM keys WHERE NOT ends&1)")
        where = f"key IN (SELECT id FROM {self._from} WHERE ends&1)" if has_second or self._from != "sums" else "1"
        line, values = _windows(f"(at*{{width_s}})/{width_s} AS number", pieces, where)
        return self._rows(f"SELECT number, {_SUMS} FROM ({line}) GROUP BY number", *values)

    def by_app_and_time(self, pieces: Iterable[Piece], width_s: int) -> list[Sums]:
        """The same of each app: the number of the bucket, shifted by 32, and that of the app's name."""
        line, values = _windows(
            f"((at*{{width_s}})/{width_s})<<32|(SELECT app FROM keys WHERE id=key) AS number", pieces
        )
        return self._rows(f"SELECT number, {_SUMS} FROM ({line}) GROUP BY number", *values)

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

    def _rows(self, line: str, *values: object) -> list[Any]:  # Any: tuples of what the columns have
        try:
            return self._connection.execute(line, values).fetchall()
        except sqlite3.Error as error:
            raise refusal(self.path, error) from error


def _credited(ends: int) -> str:
    """MEASURES of a group; conversations only where their end counts there."""
    flows = f"SUM(CASE WHEN ends&{ends} THEN flows ELSE 0 END)"
    return ", ".join([flows, *(f"SUM({name})" for name in COUNTED[1:]), "MIN(first_ms)", "MAX(last_ms)"])


def _windows(group: str, pieces: Iterable[Piece], where: str = "1") -> tuple[str, list[int]]:
    """All windows of the pieces as one table, of which ``group`` is a column, and the values that it wants."""
    parts: list[str] = []
    values: list[int] = []
    for level, begin_s, end_s in pieces:
        width = {"width_s": level.width_s, "width_ms": level.width_s * 1000}
        kept = _KEPT.format(**width)
        parts.append(f"SELECT {group.format(**width)}, {kept} FROM {level.name} WHERE at>=? AND at<? AND {where}")
        values += [begin_s // level.width_s, end_s // level.width_s]
    nothing = f"SELECT 0 AS number, {', '.join(f'0 AS {name}' for name in MEASURES)} WHERE 0"
    return " UNION ALL ".join(parts or [nothing]), values
