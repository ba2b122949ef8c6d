"""Rows by flow held against a baseline while a report is made: the column ``expected``, and what was new.

What is judged is what ``--where`` leaves; ``--top`` leaves out of sight only. Names and owners may come later than the
first packet, so what counts is said of the final rows: those that left, and those of the last report.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.comparison.judging import NEW, Judge
from portcall.comparison.servers import servers_of
from portcall.records.column_values import Columns, Words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from portcall.comparison.baselines import Baseline
    from portcall.comparison.servers import Server
    from portcall.queries.row_tests import RowTest

    Complete = Callable[[Columns], Columns]
    Row = dict[str, Any]  # Any: plain values of several types, see schema

MOST_NEWS = 10_000
"""Servers remembered by name; further ones are only counted."""


@dataclass(slots=True)
class JudgedCounts:
    """How many conversations are known, new and unknown, and whom the new ones are with."""

    counts: Counter[str] = field(default_factory=Counter)
    news: dict[Server, int] = field(default_factory=dict)
    """Server → conversations, in the order they were met."""

    def add(self, judged: Iterable[tuple[str | None, Server | None]]) -> None:
        """Count in some conversations."""
        for word, server in judged:
            if word is None or server is None:
                continue
            self.counts[word] += 1
            if word == NEW and (server in self.news or len(self.news) < MOST_NEWS):
                self.news[server] = self.news.get(server, 0) + 1

    def take(self, other: JudgedCounts) -> None:
        """Count in what another one has counted."""
        self.counts += other.counts
        for server, count in other.news.items():
            if server in self.news or len(self.news) < MOST_NEWS:
                self.news[server] = self.news.get(server, 0) + count


class Expecting:
    """A run's baseline. ``where`` and ``completed`` are what the run has besides, see ``Reading``."""

    def __init__(self, baseline: Baseline, where: RowTest | None = None, completed: Complete | None = None) -> None:
        self._judge, self._also_completed = Judge(baseline), completed
        self.left, self._reported = JudgedCounts(), JudgedCounts()
        self.leaving = Tallied(where, self.left)
        """What chooses among rows that leave before the end, and counts them."""
        self._where = where
        self._told: set[Server] = set()
        self._waiting: frozenset[Server] = frozenset()

    def completed(self, columns: Columns) -> Columns:
        """The same rows with the column ``expected``."""
        if self._also_completed:
            columns = self._also_completed(columns)
        return Columns(len(columns), {**columns.by_name, "expected": Words.each(self._judge.judged(columns))})

    def choosing(self) -> Tallied:
        """What chooses among the rows of one more report, and counts them in place of those of the last one."""
        self._reported = JudgedCounts()
        return Tallied(self._where, self._reported)

    def keep(self) -> list[Server]:
        """The last report was of traffic that comes in no other. Gives whom to tell of, each once."""
        fresh = [server for server in self._reported.news if server not in self._told][: MOST_NEWS - len(self._told)]
        self._told.update(fresh)
        self.left.take(self._reported)
        self._reported = JudgedCounts()
        return fresh

    @property
    def tally(self) -> JudgedCounts:
        """Of all rows that left, and of the last report."""
        both = JudgedCounts()
        both.take(self.left)
        both.take(self._reported)
        return both

    def fresh(self, rows: Iterable[Row]) -> list[Server]:
        """Whom to tell of while it runs, each once: servers that are new at two looks, a second apart.

        At the first one they may have no name or owner yet. Closed conversations stay in sight for three seconds.
        """
        news = [row for row in rows if row["expected"] == NEW and (self._where is None or self._where(row))]
        servers = dict.fromkeys(filter(None, servers_of(Columns.of_rows(news))))
        due = [server for server in servers if server in self._waiting][: MOST_NEWS - len(self._told)]
        self._waiting = frozenset(servers) - self._told - set(due)
        self._told.update(due)
        return due


class Tallied:
    """A RowTest that counts what it lets pass when it looks at columns, which reports do once a row."""

    def __init__(self, where: RowTest | None, tally: JudgedCounts) -> None:
        self._where, self._tally = where, tally

    def __call__(self, row: Any) -> bool:  # Any: a row, as RowTest has it
        """Whether a row is wanted."""
        return self._where is None or self._where(row)

    @property
    def names(self) -> frozenset[str]:
        """The columns that it reads."""
        return frozenset({"expected"}) | (self._where.names if self._where else frozenset())

    def among(self, columns: Columns) -> NDArray[np.bool_]:
        """bool[n]: whether each row is wanted."""
        wanted = self._where.among(columns) if self._where else np.ones(len(columns), np.bool_)
        judged = columns.by_name["expected"].plain() if len(columns) else []
        pairs = zip(judged, servers_of(columns), strict=True)
        self._tally.add(pair for pair, is_wanted in zip(pairs, wanted.tolist(), strict=True) if is_wanted)
        return wanted
