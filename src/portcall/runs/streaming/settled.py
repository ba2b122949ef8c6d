"""What live traffic counted of conversations that are over and settled: summed once, and never matched again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from portcall.attribution.attribution import Attribution
from portcall.attribution.page_groupings import PageGroupings
from portcall.runs.inspected_table import InspectedRows
from portcall.runs.owned_table import Duplicates, counted, with_capture_points
from portcall.runs.tracker import sum_tallies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.attribution.kept_matches import RowStore
    from portcall.attribution.window_sums import WindowSums
    from portcall.inspection.server_names import ServerNames
    from portcall.records.ownership import Match
    from portcall.records.packets import CapturePoint, Tally, Verdict
    from portcall.runs.live_run import LiveOptions
    from portcall.runs.owned_table import Part
    from portcall.runs.streaming.early_rows import EarlyRows


class Grouping(NamedTuple):
    """One way in which a run will be asked to report."""

    by: str
    by_time: bool = False
    page: bool = False
    """With what a page shows besides."""


def groupings(options: LiveOptions, *, is_by_time: bool) -> list[Grouping]:
    """How a live run will be asked to report: in the end, while it runs, and for metrics."""
    wanted = [Grouping(options.by, is_by_time, options.page), Grouping(options.by, options.by == "time")]
    return list(dict.fromkeys([*wanted, *(Grouping(by) for by in options.looks_by if by != "flow")]))


class Settled:
    """Sums of what left, one for each grouping that will be asked for; by flow the rows themselves.

    ``local`` and ``store`` as ``Attribution`` has them; ``early`` hands rows by flow out instead.
    """

    def __init__(
        self,
        groupings: Sequence[Grouping],
        names: ServerNames | None,
        capture_points: Sequence[CapturePoint],
        local: Sequence[str] = (),
        early: EarlyRows | None = None,
        store: RowStore | None = None,
    ) -> None:
        self._groupings, self._names, self._local = groupings, names, local
        self._sums: dict[Grouping, Attribution | PageGroupings] = {}
        self._capture_points, self.early, self._store = capture_points, early, store
        self.windows: WindowSums | None = None
        """Takes what came in each window of time; None: nobody keeps a history."""
        self.tallies: dict[Verdict, Tally] = {}
        """Of what somebody wants, where not everything counts."""
        self.duplicates: list[Duplicates] = []
        """What passed several capture points, in one, if anything did."""
        self.conversations = 0
        self.also: Callable[[Part], None] | None = None
        """Gets what leaves, too."""

    def take(self, part: Part, is_wanted: Callable[[Match | None], bool] | None) -> None:
        """Count what leaves; ``is_wanted`` as ``LiveTracker`` has it."""
        self._note_duplicates(part)
        if is_wanted:
            part = part.of_wanted(is_wanted)
            for verdict, tally in counted([part]).items():
                self.tallies[verdict] = sum_tallies(self.tallies.get(verdict), tally)
        if self.windows:
            self.windows.add(part, self._names)
        if not self._sums:
            local = () if is_wanted else self._local
            self._sums = {one: self._new(one, local) for one in self._groupings}
        self.conversations += len(part.flows)
        if self.also:
            self.also(part)
        is_handed_out = False
        for grouping, attribution in self._sums.items():
            cells = part.cells if grouping.by_time else None
            if grouping.by != "flow" or not self.early:
                is_placed = grouping.by == "flow" or grouping.page
                flows = with_capture_points(part.flows) if is_placed else part.flows
                attribution.add(flows, part.low, part.high, part.detected, cells)
            elif not is_handed_out:
                is_handed_out = True
                self._hand_out(self.early, part._replace(cells=cells))

    def add_to(self, attribution: Attribution | PageGroupings, grouping: Grouping, *, only_recent: bool = False) -> int:
        """Count in what left in one of the groupings; gives the rows that are not among them, as they are not recent.

        ValueError where what left was not counted so.
        """
        if not self.conversations:
            return 0
        if only_recent and grouping.by == "flow":
            return self.conversations
        if grouping not in self._sums:
            raise ValueError(f"conversations have left, and none was counted by {grouping.by}")
        settled = self._sums[grouping]
        if isinstance(attribution, PageGroupings):
            attribution.merge(settled)
            return 0
        if isinstance(settled, Attribution):
            attribution.merge(settled)
        return 0

    def _new(self, grouping: Grouping, local: Sequence[str]) -> Attribution | PageGroupings:
        counted_as = grouping.by, local, self._names, self._capture_points
        return PageGroupings(*counted_as) if grouping.page else Attribution(*counted_as)

    def _hand_out(self, early: EarlyRows, part: Part) -> None:
        flows = with_capture_points(part.flows)
        left = InspectedRows(flows["earlier"], flows, part.detected, part.cells)
        early.take(left, (part.low, part.high), self._capture_points)

    def _note_duplicates(self, part: Part) -> None:
        if part.duplicates and part.duplicates.frames:
            both = [*self.duplicates, part.duplicates]
            points = sorted({point for one in both for point in one.capture_points})
            self.duplicates = [Duplicates(sum(one.frames for one in both), sum(one.bytes for one in both), points)]
