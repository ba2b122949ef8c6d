"""A period of a history as what is compared, or learned from: ``history:14d..7d``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from portcall.archive.period_sums import PeriodSums
from portcall.errors import UsageError
from portcall.queries.periods import period_s
from portcall.runs.keeping.past import Past, PastOptions, Period, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from pathlib import Path

    from portcall.records.column_values import Columns
    from portcall.records.report import Degradation

PREFIX = "history:"
"""What a side begins with that is a period; ``./history:`` is a file."""


class KeptPeriod(NamedTuple):
    """A period, and where it is kept."""

    source: str
    path: Path
    period: Period

    def sums(self, names: Sequence[str], by: str) -> KeptSums:
        """Sums by columns of a WindowKey, as a report by ``by`` counts. HistoryError where it cannot be read."""
        with PeriodSums(self.path) as kept:
            past = Past(kept, PastOptions(period=self.period))
            return KeptSums(past.sums_by(names, by), past.window_ns(), past.notes())


class KeptSums(NamedTuple):
    """What a history says of a period."""

    columns: Columns
    window_ns: tuple[int, int]
    notes: list[Degradation]


def kept_period(word: str, path: str | PathLike[str] | None = None) -> KeptPeriod | None:
    """The period that a side is, of this history or of the user's own; None for what is none.

    UsageError for what is no period.
    """
    if not word.startswith(PREFIX):
        return None
    asked = word.removeprefix(PREFIX)
    found = period_s(asked, PREFIX, int(time.time()))
    if found is None:
        raise UsageError(f"{word}: that is no period. Write it like {PREFIX}14d..7d, {PREFIX}7d.. or {PREFIX}all")
    return KeptPeriod(word, place_of(path), Period(*found))
