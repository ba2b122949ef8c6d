"""What a page shows, of one pass over the flows: the report that was asked for, and beside it every other grouping.

Each flow is handed to several attributions, so a pipe, a capture of many files and live traffic are read once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from portcall.attribution.attribution import Attribution
from portcall.attribution.greatest_flows import GreatestFlows
from portcall.records.report import PageReports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from portcall.attribution.principals import Matches
    from portcall.flows.cells.flow_cells import Cells
    from portcall.flows.time_buckets import TimeBuckets
    from portcall.inspection.detection_table import Detected
    from portcall.inspection.server_names import ServerNames
    from portcall.queries.row_tests import RowTest
    from portcall.records.column_values import Columns
    from portcall.records.ownership import Match
    from portcall.records.packets import CapturePoint, Tally, Verdict
    from portcall.records.report import Report

MOST_CONVERSATIONS = 100_000
"""Rows of a page by flow, unless somebody says how many; the smallest are let go, and the page says how many."""
MOST_GROUPS = 10_000
"""The same of each other grouping."""
_GROUPS = ("app", "host", "service")


class PageGroupings:
    """As ``Attribution``, for the groupings of a page; processes are among them where flows come with owners.

    ``top`` is what ``report`` will be asked for: conversations beyond are let go meanwhile.
    """

    def __init__(
        self,
        by: str,
        local: Iterable[Any] = (),  # Any: as Attribution takes them
        names: ServerNames | None = None,
        capture_points: Sequence[CapturePoint] = (),
        *,
        top: int | None = None,
    ) -> None:
        self._by = by
        self._counted = list(local), names, capture_points
        groups = dict.fromkeys([by, *_GROUPS, "process"])
        self._groups = {one: Attribution(one, *self._counted) for one in groups if one != "flow"}
        # Among all conversations somebody may choose with ``where``.
        self._flows = GreatestFlows(None if by == "flow" else top or MOST_CONVERSATIONS)
        self._over_time = Attribution("app", *self._counted)

    def add(
        self,
        flows: NDArray[np.void],
        low: Matches | None = None,
        high: Matches | None = None,
        found: Detected | None = None,
        cells: Cells | None = None,
    ) -> None:
        """Count FLOW[n] in every grouping; ``cells`` only by time."""
        nobody: list[Match | None] = [None] * len(flows)
        for by, attribution in self._groups.items():
            first = low if by != "process" or low is not None else nobody
            attribution.add(flows, first, high, found, cells if by == "time" else None)
        self._flows.add(flows, low, high, found)
        self._over_time.add(flows, low, high, found, cells)

    keeps_rows = False
    """Whether cells that ``add`` takes must not change afterwards."""

    def add_on_no_flow(self, buckets: TimeBuckets) -> None:
        """Count by time what came of frames that are on no flow."""
        self._over_time.add_on_no_flow(buckets)
        if self._by == "time":
            self._groups["time"].add_on_no_flow(buckets)

    def merge(self, other: Attribution | PageGroupings) -> None:
        """Count in what another one has counted, with the same grouping, local networks and names."""
        if not isinstance(other, PageGroupings):
            raise TypeError("the groupings of a page merge with those of another page")
        self._merge(other)

    def _merge(self, other: PageGroupings) -> None:
        for by, attribution in self._groups.items():
            attribution.merge(other._groups[by])
        self._flows.merge(other._flows)
        self._over_time.merge(other._over_time)

    def report(
        self,
        tallies: Mapping[Verdict, Tally],
        source: str,
        *,
        where: RowTest | None = None,
        top: int | None = None,
        completed: Callable[[Columns], Columns] | None = None,
    ) -> Report:
        """The report that was asked for, with the others in ``page``. ``where`` chooses among its own rows only.

        ``top`` are the most rows of each; None for what a page has room for.
        """
        by_flow = Attribution("flow", *self._counted)
        self._flows.hand_to(by_flow)

        def made(by: str, attribution: Attribution) -> Report:
            most = top or (MOST_CONVERSATIONS if by == "flow" else MOST_GROUPS)
            chosen = where if by == self._by else None
            return attribution.report(tallies, source, where=chosen, top=most, completed=completed)

        reports = {by: made(by, attribution) for by, attribution in {**self._groups, "flow": by_flow}.items()}
        own = reports.pop(self._by)
        if "process" in reports and not any(row["app_source"] == "process" for row in reports["process"].rows):
            del reports["process"]  # nobody knows owners
        if self._flows.left_out:
            reports["flow"] = self._without_some(reports["flow"], own.coverage.bytes_attributed)
        notes = [note for one in reports.values() for note in one.degradations if note not in own.degradations]
        page = PageReports(tuple(reports.values()), self._over_time.report(tallies, source))
        return replace(own, degradations=[*own.degradations, *dict.fromkeys(notes)], page=page)

    def _without_some(self, report: Report, bytes_attributed: int) -> Report:
        """The report by flow, where not all were at hand."""
        coverage = replace(report.coverage, bytes_attributed=bytes_attributed)
        return replace(report, coverage=coverage, rows_left_out=report.rows_left_out + self._flows.left_out)
