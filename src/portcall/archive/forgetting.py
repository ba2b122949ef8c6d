"""Forgets: a period, or all of an app or a host, so that nothing of it is left in the file or beside it.

Rows are deleted, wider windows at the edges of a period are made anew of what is left, texts that nothing needs any
more go, and the file is written anew (VACUUM) with its log emptied. Who fills it meanwhile waits, and goes on.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from portcall.archive.history_file import HistoryError, check_readable
from portcall.archive.layout import KINDS, extent_of, opened_to_write, refusal
from portcall.archive.levels import LEVELS
from portcall.archive.store import make_windows, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_FOR_EVER_S = 1 << 40


class Forgotten(NamedTuple):
    """What went."""

    rows: int
    """Of all levels."""
    is_wider: bool = False
    """Whether windows at the edges of a period went as a whole, as no finer ones were kept."""


def forget_period(path: Path, begin_s: int | None, end_s: int | None) -> Forgotten:
    """Forget what windows of ten seconds have that the period touches. HistoryError where that cannot be."""
    with _emptied(path) as connection:
        extent = extent_of(connection)
        begin, end = begin_s or 0, _FOR_EVER_S if end_s is None else end_s
        rows, is_wider = 0, False
        for level in LEVELS:
            first, last = begin // level.width_s, -(-end // level.width_s)
            count = connection.execute(f"DELETE FROM {level.name} WHERE at>=? AND at<?", (first, last)).rowcount
            rows += count
            if level is LEVELS[0]:
                continue
            is_parted = bool(begin % level.width_s) or bool(end_s is not None and end % level.width_s)
            finer = LEVELS[LEVELS.index(level) - 1]
            is_wider |= is_parted and count > 0 and extent.kept.get(finer.name, 0) > begin
            until_s = min(last * level.width_s, extent.made.get(level.name, 0))
            if until_s > first * level.width_s:
                make_windows(connection, level, first * level.width_s, until_s)
        connection.execute(
            "UPDATE names SET first_ms=? WHERE first_ms>=? AND first_ms<?", (end * 1000, begin * 1000, end * 1000)
        )
    return Forgotten(rows, is_wider)


def forget_named(path: Path, name: str, columns: Sequence[str]) -> Forgotten:
    """Forget all rows that have the text in one of these columns of WindowKey. HistoryError where that cannot be."""
    with _emptied(path) as connection:
        found = f"SELECT id FROM names WHERE text=? AND kind IN ({', '.join(str(KINDS.index(one)) for one in columns)})"
        keys = f"SELECT id FROM keys WHERE {' OR '.join(f'{column} IN ({found})' for column in columns)}"
        values = (name,) * len(columns)
        rows = sum(
            connection.execute(f"DELETE FROM {level.name} WHERE key IN ({keys})", values).rowcount for level in LEVELS
        )
    return Forgotten(rows)


@contextmanager
def _emptied(path: Path) -> Iterator[sqlite3.Connection]:
    """A transaction after which the file has only what is left."""
    check_readable(path)
    connection = opened_to_write(path)
    try:
        connection.execute("PRAGMA busy_timeout=10000")
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        sweep(connection)
        connection.execute("COMMIT")
        connection.execute("VACUUM")
        if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise HistoryError(path, "it is forgotten, but its -wal has it as somebody reads it. Forget it again")
    except sqlite3.Error as error:
        raise refusal(path, error) from error
    finally:
        connection.close()
