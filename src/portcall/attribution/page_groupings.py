"""What a page shows, of one pass over the flows: the report that was asked for, and beside it every other grouping.

Each flow is handed to several attributions, so a pipe, a capture of many files and live traffic are read once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from portcall.attribution.attribution import Attribution
from portcall.records.report import PageReports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from portcall.attribution.principals import Matches
    from portcall.flows.time_buckets import Cells, TimeBuckets
    from portcall.inspection.detection_table import Detected
    from portcall.inspection.server_names import ServerNames
    from portcall.queries.row_tests import RowTest
    from portcall.records.column_values import Columns
    from portcall.records.packets import CapturePoint, Tally, Verdict
    from portcall.records.report import Report

MOST_CONVERSATIONS = 100_000
"""Rows of a page by flow, unless somebody says how many; the smallest are left out, and the page says how many."""
MOST_GROUPS = 10_000
"""The same of each other grouping."""
_ALWAYS = ("app", "host", "service", "flow")


class PageGroupings:
    """As ``Attribution``, for the groupings of a page. ``knows_owners``: flows come with matches, so processes too."""

    def __init__(
        self,
        by: str,
        local: Iterable[Any] = (),  # Any: as Attribution takes them
        names: ServerNames | None = None,
        capture_points: Sequence[CapturePoint] = (),
        *,
        knows_owners: bool = False,
    ) -> None:
        others = [*_ALWAYS, *(["process"] if knows_owners else [])]
        local = list(local)
        self._groupings = {
            grouping: Attribution(grouping, local, names, capture_points) for grouping in dict.fromkeys([by, *others])
        }
        self._by = by
        self._over_time = Attribution("app", local, names, capture_points)

    def add(
        self,
        flows: NDArray[np.void],
        low: Matches | None = None,
        high: Matches | None = None,
        found: Detected | None = None,
        cells: Cells | None = None,
    ) -> None:
        """Count FLOW[n] in every grouping; ``cells`` only by time."""
        for by, attribution in self._groupings.items():
            attribution.add(flows, low, high, found, cells if by == "time" else None)
        self._over_time.add(flows, low, high, found, cells)

    def add_on_no_flow(self, buckets: TimeBuckets) -> None:
        """Count by time what came of frames that are on no flow."""
        self._over_time.add_on_no_flow(buckets)
        if self._by == "time":
            self._groupings["time"].add_on_no_flow(buckets)

    def merge(self, other: Attribution | PageGroupings) -> None:
        """Count in what another one of the same groupings has counted."""
        if not isinstance(other, PageGroupings):
            raise TypeError("the groupings of a page merge with those of another page")
        theirs, over_time = other.parts()
        for by, attribution in self._groupings.items():
            attribution.merge(theirs[by])
        self._over_time.merge(over_time)

    def parts(self) -> tuple[dict[str, Attribution], Attribution]:
        """The attribution of each grouping, and that over time."""
        return self._groupings, self._over_time

    def report(
        self,
        tallies: Mapping[Verdict, Tally],
        source: str,
        *,
        where: RowTest | None = None,
        top: int | None = None,
        completed: Callable[[Columns], Columns] | None = None,
    ) -> Report:
        """The report that was asked for, with the others in ``page``. ``where`` chooses among its own rows only."""

        def made(by: str) -> Report:
            most = top or (MOST_CONVERSATIONS if by == "flow" else MOST_GROUPS)
            chosen = where if by == self._by else None
            return self._groupings[by].report(tallies, source, where=chosen, top=most, completed=completed)

        groupings = {by: made(by) for by in self._groupings}
        over_time = self._over_time.report(tallies, source)
        own = groupings.pop(self._by)
        notes = [note for one in groupings.values() for note in one.degradations if note not in own.degradations]
        return replace(
            own,
            degradations=[*own.degradations, *dict.fromkeys(notes)],
            page=PageReports(tuple(groupings.values()), over_time),
        )
