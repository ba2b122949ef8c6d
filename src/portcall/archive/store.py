"""The file as it is filled: what changed of some windows in one transaction, with all that follows from it.

Rows of the last windows may still change, as owners are found late; so what comes is added, and may be less than
nothing. When everything before some time is final, wider windows are made of narrower ones. What is too old, or has no
room, goes. The time is an argument.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from portcall.archive.history_file import WriterLock, made_ready
from portcall.archive.layout import KINDS, MEASURES, extent_of, opened_to_write, refusal
from portcall.archive.levels import LEVELS, Extent, WindowLevel, complete, due
from portcall.records.kept.windows import COUNTED, WINDOW_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from portcall.records.kept.windows import Counts, Rows, WindowKey

SIZE_BYTES = 500_000_000
"""How large it may become, unless somebody says so."""
_MOST_IDS = 1 << 16
_MOST_TEXT = 300  # a host's name has 253 at the most
_LEAST_KEPT_S, _MOST_TRIES = 3600, 16
_ADDED = ", ".join(f"{name}={name}+excluded.{name}" for name in COUNTED)
_MERGED = f"{_ADDED}, first_ms=min(first_ms, excluded.first_ms), last_ms=max(last_ms, excluded.last_ms)"
_SUMS = ", ".join(f"SUM({name})" for name in COUNTED)
_PLACES = ", ".join("?" * (2 + len(MEASURES)))
_NS_PER_MS, _MS_PER_S = 1_000_000, 1000


class HistoryStore:
    """The file of one run that fills it; nobody else may meanwhile. HistoryError where that cannot be."""

    def __init__(self, path: Path, *, makes_folder: bool, most_bytes: int = SIZE_BYTES) -> None:
        self.path, self._most_bytes = path, most_bytes
        made_ready(path, makes_folder=makes_folder)
        self._lock = WriterLock(path)
        try:
            self._connection = opened_to_write(path)
        except BaseException:
            self._lock.close()
            raise
        self._ids: dict[WindowKey, int] = {}
        self._version = -1
        self._watch: int | None = None

    def close(self) -> None:
        """Let others fill it."""
        self._connection.close()
        self._lock.close()

    def write(self, changes: Mapping[int, Rows], *, final_s: int, now_s: int, dropped: int = 0) -> None:
        """Add to windows, by when they begin in s; all before ``final_s`` are final. All of it is written, or nothing.

        ``dropped`` are the frames that the kernel dropped since the last time. HistoryError where it cannot be.
        """
        run = self._connection.execute
        try:
            run("BEGIN IMMEDIATE")
            self._look_for_changes()
            extent = extent_of(self._connection)
            for begin_s, rows in sorted(changes.items()):
                self._add(begin_s, rows, extent)
            self._note(now_s, dropped)
            if changes and not extent.made:
                extent = self._begin(min(changes))
            if extent.made:
                for level, begin_s, end_s in complete(final_s, extent):
                    make_windows(self._connection, level, begin_s, end_s)
                    run("UPDATE extent SET made_s=? WHERE level=?", (end_s, level.name))
                for level, before_s in due(now_s, extent_of(self._connection)):
                    self._let_go(level, before_s)
                self._make_room(now_s)
            run("COMMIT")
        except sqlite3.Error as error:
            self._ids.clear()
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise refusal(self.path, error) from error

    def count(self, what: str, more: int) -> None:
        """Add to a counter of what was given up. sqlite3.Error where it cannot be."""
        self._connection.execute(
            "INSERT INTO counters VALUES(?, ?) ON CONFLICT DO UPDATE SET count=count+excluded.count", (what, more)
        )

    def _look_for_changes(self) -> None:
        """Forget the numbers of keys where somebody else changed the file."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version != self._version or len(self._ids) > _MOST_IDS:
            self._ids.clear()
        self._version = version

    def _begin(self, begin_s: int) -> Extent:
        rows = [(level.name, begin_s // level.width_s * level.width_s, 0) for level in LEVELS]
        self._connection.executemany("INSERT INTO extent VALUES(?, ?, ?)", rows)
        return extent_of(self._connection)

    def _note(self, now_s: int, dropped: int) -> None:
        """That somebody watches, and what was dropped."""
        run = self._connection.execute
        if self._watch is None or not run("UPDATE watches SET end_s=? WHERE id=?", (now_s, self._watch)).rowcount:
            self._watch = run("INSERT INTO watches(begin_s, end_s) VALUES(?, ?)", (now_s - WINDOW_S, now_s)).lastrowid
        if dropped:
            run("INSERT INTO drops VALUES(?, ?) ON CONFLICT DO UPDATE SET frames=frames+excluded.frames",
                (now_s // 3600, dropped))  # fmt: skip

    def _add(self, begin_s: int, rows: Rows, extent: Extent) -> None:
        """Add to one window, and to the wider ones that were made of it already."""
        for level in LEVELS:
            if level is not LEVELS[0] and begin_s >= extent.made.get(level.name, begin_s):
                continue
            at = begin_s // level.width_s
            values = [
                (at, self._id(key, counts), *counts[:-2], *_times(counts, at * level.width_s))
                for key, counts in rows.items()
            ]
            self._connection.executemany(
                f"INSERT INTO {level.name} VALUES({_PLACES}) ON CONFLICT DO UPDATE SET {_MERGED}",
                values,
            )
            self._connection.execute(
                f"DELETE FROM {level.name} WHERE at=? AND packets_out<=0 AND packets_in<=0",
                (at,),
            )

    def _id(self, key: WindowKey, counts: Counts) -> int:
        known = self._ids.get(key)
        if known is not None:
            return known
        run = self._connection.execute
        met_ms = counts[-2] // _NS_PER_MS
        numbers = []
        for kind in range(len(KINDS)):
            text = key[kind]
            if text is None:
                numbers.append(0)
                continue
            (number,) = run(
                "INSERT INTO names(kind, text, first_ms) VALUES(?, ?, ?) "
                "ON CONFLICT DO UPDATE SET first_ms=min(first_ms, excluded.first_ms) RETURNING id",
                (kind, str(text)[:_MOST_TEXT], met_ms),
            ).fetchone()
            numbers.append(number)
        values = (*numbers, int(key.ends))
        where = " AND ".join(f"{name}=?" for name in (*KINDS, "ends"))
        found = run(f"SELECT id FROM keys WHERE {where}", values).fetchone()
        if not found:
            found = run(
                f"INSERT INTO keys VALUES(NULL, {', '.join('?' * len(values))}) RETURNING id", values
            ).fetchone()
        self._ids[key] = int(found[0])
        return self._ids[key]

    def _let_go(self, level: WindowLevel, before_s: int) -> int:
        """Delete windows; how many rows they were."""
        run = self._connection.execute
        run("UPDATE extent SET kept_s=? WHERE level=?", (before_s, level.name))
        return run(f"DELETE FROM {level.name} WHERE at<?", (before_s // level.width_s,)).rowcount

    def _make_room(self, now_s: int) -> None:
        """Let the oldest go while the file is too large, a quarter of a level at a time."""
        for _ in range(_MOST_TRIES):
            if self._used_bytes() <= self._most_bytes:
                return
            choice = self._oldest(now_s, least_s=_LEAST_KEPT_S) or self._oldest(now_s, least_s=0)
            if not choice:
                return
            self.count("rows given up for room", self._let_go(*choice))
            sweep(self._connection)
            self._ids.clear()

    def _used_bytes(self) -> int:
        run = self._connection.execute
        measures = ("page_count", "freelist_count", "page_size")
        pages, free, size = (run(f"PRAGMA {name}").fetchone()[0] for name in measures)
        return int((pages - free) * size)

    def _oldest(self, now_s: int, *, least_s: int) -> tuple[WindowLevel, int] | None:
        """A quarter of the finest level that reaches back for so long at least.

        Windows of which nothing wider was made yet stay, but where that leaves no choice.
        """
        extent = extent_of(self._connection)
        for level, wider in zip(LEVELS, (*LEVELS[1:], LEVELS[-1]), strict=True):
            (oldest,) = self._connection.execute(f"SELECT MIN(at) FROM {level.name}").fetchone()
            step_s = wider.width_s if least_s else level.width_s
            end_s = extent.made[wider.name] if least_s and wider is not level else now_s // step_s * step_s
            begin_s = end_s if oldest is None else oldest * level.width_s
            before_s = -(-(begin_s + max((end_s - begin_s) // 4, 1)) // step_s) * step_s
            if end_s - begin_s > max(least_s, step_s) and before_s <= end_s:
                return level, before_s
        return None


def make_windows(connection: sqlite3.Connection, level: WindowLevel, begin_s: int, end_s: int) -> None:
    """Make the windows of a level that begin within a time of the finer level's."""
    finer = LEVELS[LEVELS.index(level) - 1]
    times, width_ms = level.width_s // finer.width_s, finer.width_s * _MS_PER_S
    connection.execute(
        f"INSERT INTO {level.name} SELECT at/{times}, key, {_SUMS}, MIN(first_ms+at%{times}*{width_ms}), "
        f"MAX(last_ms+at%{times}*{width_ms}) FROM {finer.name} WHERE at>=? AND at<? GROUP BY at/{times}, key "
        f"ON CONFLICT DO UPDATE SET {_MERGED}",
        (begin_s // finer.width_s, end_s // finer.width_s),
    )


def sweep(connection: sqlite3.Connection) -> None:
    """Delete keys that no row has, and texts that no key has."""
    used = " UNION ".join(f"SELECT key FROM {level.name}" for level in LEVELS)
    connection.execute(f"DELETE FROM keys WHERE id NOT IN ({used})")
    texts = " UNION ".join(f"SELECT {kind} FROM keys" for kind in KINDS)
    connection.execute(f"DELETE FROM names WHERE id NOT IN ({texts})")


def _times(counts: Counts, begin_s: int) -> tuple[int, int]:
    """When its first and last packet came, in whole ms since a window began: not later, and not earlier."""
    begin_ns = begin_s * _MS_PER_S * _NS_PER_MS
    return (counts[-2] - begin_ns) // _NS_PER_MS, -(-(counts[-1] - begin_ns) // _NS_PER_MS)
