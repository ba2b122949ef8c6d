"""What is in the file: a table for each level of windows, the keys of their rows, and the texts of these.

    names     every text once: which column of a WindowKey it stands in, and when it was first met, in ms since 1970 UTC
    keys      WindowKeys as numbers of names, 0 for null
    ten_seconds, minutes, hours, days
              a row for each window and key: counts, and when its first and last packet came, in ms since it began
    extent    until when a level was made of the finer one, and since when it is kept, in s since 1970 UTC
    watches   when somebody watched; drops: frames that the kernel dropped, by hour
    counters  what was given up, and how often

A file that was not closed is whole: it is in WAL mode, and each window is one transaction.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING
from urllib.parse import quote

from portcall.archive.history_file import APPLICATION_ID, HistoryError
from portcall.archive.levels import LEVELS, Extent
from portcall.records.kept.windows import COUNTED, WindowKey

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
KINDS = WindowKey._fields[:-1]
"""Columns of text; a name's kind is its index here."""
MEASURES = (*COUNTED, "first_ms", "last_ms")
_KEY = (*KINDS, "ends")
_SCHEMA = (
    "CREATE TABLE names(id INTEGER PRIMARY KEY, kind INTEGER, text TEXT, first_ms INTEGER, UNIQUE(kind, text))",
    f"CREATE TABLE keys(id INTEGER PRIMARY KEY, {', '.join(_KEY)}, UNIQUE({', '.join(_KEY)}))",
    *(
        f"CREATE TABLE {level.name}(at INTEGER, key INTEGER, {', '.join(f'{name} INTEGER' for name in MEASURES)}, "
        "PRIMARY KEY(at, key)) WITHOUT ROWID"
        for level in LEVELS
    ),
    "CREATE TABLE extent(level TEXT PRIMARY KEY, made_s INTEGER NOT NULL, kept_s INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE watches(id INTEGER PRIMARY KEY, begin_s INTEGER NOT NULL, end_s INTEGER NOT NULL)",
    "CREATE TABLE drops(hour INTEGER PRIMARY KEY, frames INTEGER NOT NULL)",
    "CREATE TABLE counters(name TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID",
    f"PRAGMA application_id={APPLICATION_ID}",
    f"PRAGMA user_version={VERSION}",
)
_MOVE_AWAY = "Move it away, with its -wal, to begin a new one; 'sqlite3 FILE .recover' may save what is in it"


def opened_to_write(path: Path) -> sqlite3.Connection:
    """The file as who fills it has it: a commit is on the disk when it returns, and readers never wait for it."""
    connection = sqlite3.connect(_uri(path, "rw"), uri=True, timeout=1, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")  # a run that was killed here left nothing
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for line in _SCHEMA:
                connection.execute(line)
        connection.execute("COMMIT")
        _check(path, connection)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA journal_size_limit=4194304")
        connection.execute("PRAGMA secure_delete=ON")
        if (found := connection.execute("PRAGMA quick_check(1)").fetchone()) != ("ok",):
            raise sqlite3.DatabaseError(str(found and found[0]).splitlines()[-1])  # above it stands which file
    except sqlite3.Error as error:
        connection.close()
        raise refusal(path, error) from error
    except HistoryError:
        connection.close()
        raise
    return connection


def opened_to_read(path: Path) -> sqlite3.Connection:
    """The file as it is now; who fills it goes on meanwhile.

    Opened to write, where that may be, though nothing is: only then does the last one that closes it take SQLite's log
    away, which a reader makes too.
    """
    try:
        connection = sqlite3.connect(_uri(path, "rw"), uri=True, timeout=5, isolation_level=None)
        _check(path, connection)
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("BEGIN")
    except sqlite3.Error as error:
        raise refusal(path, error) from error
    return connection


def refusal(path: Path, error: sqlite3.Error) -> HistoryError:
    """What SQLite says of the file, and what to do."""
    said = str(error)
    if isinstance(error, sqlite3.OperationalError):
        if "locked" in said or "busy" in said:
            return HistoryError(path, f"somebody else uses it just now: {said}. Try again")
        if "malformed" not in said:
            return HistoryError(path, f"{said}. Look whether its folder may be written to, and the disk has room")
    return HistoryError(path, f"it is damaged: {said}. {_MOVE_AWAY}")


def extent_of(connection: sqlite3.Connection) -> Extent:
    """What there is of each level."""
    rows = connection.execute("SELECT level, made_s, kept_s FROM extent").fetchall()
    return Extent({name: made for name, made, _ in rows}, {name: kept for name, _, kept in rows})


def _check(path: Path, connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise HistoryError(
            path, f"its layout is {version}, and this portcall knows {VERSION}. Use the one that wrote it"
        )


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(str(path.absolute()))}?mode={mode}"
