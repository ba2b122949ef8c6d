"""The tracker of captures: what it is fed is attributed when a table is done, with the owners that captures name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from portcall.attribution.attribution import Attribution
from portcall.flows.row_chunks import CELL_CHUNK_ROWS, CHUNK_ROWS
from portcall.records.report import Degradation
from portcall.runs.inspected_table import InspectedRows
from portcall.runs.owned_table import OwnedTable, with_capture_points
from portcall.runs.recorded.captured_owners import CapturedOwners
from portcall.runs.streaming.expirer import Expirer, time_of
from portcall.runs.streaming.shortfalls import notes_of_fragments, notes_of_histories
from portcall.runs.tracker import Tracker, sum_tallies

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.attribution.page_groupings import PageGroupings
    from portcall.decoding.copies import Copies
    from portcall.records.packets import FrameBatch, Tally, Verdict
    from portcall.runs.owned_table import Part
    from portcall.runs.stages.work_ahead import WorkAhead
    from portcall.runs.streaming.early_rows import EarlyRows


_ARE_COPIES = "frames are copies of others, as of several interfaces or a mirrored port, and count as well"
_READ_LESS = "read fewer captures at a time, or choose with --filter"


@dataclass(slots=True)
class CaptureTracker:
    """Batches in, flows attributed: when they leave their table, at the latest at the end."""

    attribution: Attribution | PageGroupings
    tracker: Tracker
    expirer: Expirer = field(default_factory=Expirer)
    early: EarlyRows | None = None
    """Hands out rows by flow that leave before the end; None: they are attributed."""
    kept: Attribution | None = None
    """Keeps rows that leave outside of memory."""
    owners: CapturedOwners = None  # type: ignore[assignment]  # those of the tracker, where nobody gives others
    ahead: WorkAhead | None = None
    """Threads that do some of it before a batch is fed; None: nobody does."""
    entries_left_out: int = 0
    datagrams_forgotten: int = 0
    segments_left_out: int = 0
    histories_cut: int = 0
    _tallies: dict[Verdict, Tally] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.owners = self.owners or CapturedOwners(table=self.tracker.owners)

    def feed(self, batch: FrameBatch) -> None:
        """Count one batch."""
        if batch.turns:
            self.owners.note(batch.turns)
        ahead = self.ahead.of(batch) if self.ahead and not self.owners.changes(batch) else None
        self.tracker.feed(batch, ahead)
        if ahead and ahead.payloads is not None and not ahead.fills:
            return  # more may be counted already, and nothing leaves but for room
        if self.tracker.tables and len(batch.frames):
            frames = len(batch.frames)
            now_ns = time_of(batch.frames["ts_ns"]) if self.expirer.timeouts else None
            table = self.owners.leavable(self.tracker.tables[-1])
            if isinstance(table, OwnedTable):
                self.expirer.turn(table, now_ns, frames, self._take_owned)
            else:
                self.expirer.turn(table, now_ns, frames, self._take)

    def interrupt(self) -> None:
        """Nothing more is fed; what was counted ahead still counts."""
        if self.ahead:
            self.ahead.close()
            self.ahead.inspect_counted()

    def finish(self) -> dict[Verdict, Tally]:
        """Attribute what is still in the table; gives all frames by verdict."""
        self._attribute()
        return self._tallies

    def tallies(self) -> dict[Verdict, Tally]:
        """The frames by verdict of those tables that were attributed; a copy."""
        return dict(self._tallies)

    def shortfalls(self) -> list[Degradation]:
        """What the bounds of memory cost, and what counts more than once."""
        shortfalls = self.expirer.notes()
        shortfalls += self.tracker.names.shortfalls() if self.tracker.names else []
        shortfalls += notes_of_fragments(self.datagrams_forgotten)
        shortfalls += notes_of_histories(self.segments_left_out, self.histories_cut)
        if self.entries_left_out:
            reason = f"there was no room for {self.entries_left_out} lines of logs"
            shortfalls.append(Degradation("logs", reason, _READ_LESS))
        copies = self.tracker.copies
        if copies and copies.found and not copies.removes:
            shortfalls.append(_note_of(copies))
        return shortfalls

    def _take(self, left: InspectedRows) -> None:
        left = left._replace(flows=self._placed(left.flows))
        if self.early:
            self.early.take(left, capture_points=self.owners.points)
        else:
            (self.kept or self.attribution).add(left.flows, found=left.detected, cells=left.cells)

    def _take_owned(self, part: Part) -> None:
        flows = self._placed(part.flows)
        if self.early:
            left = InspectedRows(np.zeros(len(flows), np.int64), flows, part.detected, part.cells)
            self.early.take(left, (part.low, part.high), self.owners.points)
        else:
            (self.kept or self.attribution).add(flows, part.low, part.high, part.detected, part.cells)

    def _placed(self, flows: NDArray[np.void]) -> NDArray[np.void]:
        """Rows as they are attributed: where they were seen, if a capture says so, whether or not it names owners."""
        return with_capture_points(flows) if self.owners.points else flows

    def _attribute(self) -> None:
        if self.kept and isinstance(self.attribution, Attribution):
            self.attribution.merge(self.kept)
        for table in self.tracker.tables:
            table.finish()
            cells, buckets = table.flows.cells(), table.flows.buckets
            owned = self.owners.owned(table)
            if owned:
                tallies = self._attribute_owned(owned)
                if buckets:
                    self.attribution.add_on_no_flow(buckets)
            else:
                tallies = table.flows.tallies()
                if buckets:  # before cells are let go
                    self.attribution.add_on_no_flow(buckets)
                for rows, chunk in table.flows.indexed_chunks(CELL_CHUNK_ROWS if cells else CHUNK_ROWS):
                    chunk_cells = cells.of(rows) if cells else None
                    self.attribution.add(self._placed(chunk), found=table.detected(rows), cells=chunk_cells)
                    if cells and not self.attribution.keeps_rows:
                        cells.let_go(rows)
            self.datagrams_forgotten += table.flows.datagrams_forgotten
            self.entries_left_out += table.logs.left_out if table.logs else 0
            self.segments_left_out += table.order.segments_left_out if table.order else 0
            self.histories_cut += table.order.histories_cut if table.order else 0
            for verdict, tally in tallies.items():
                self._tallies[verdict] = sum_tallies(self._tallies.get(verdict), tally)
        self.tracker.tables.clear()

    def _attribute_owned(self, owned: OwnedTable) -> dict[Verdict, Tally]:
        """Attribute rows with owners, as live does; gives the frames that count, by verdict."""
        parts = list(owned.parts(by_time=owned.buckets is not None))
        for part in parts:
            flows = self._placed(part.flows)
            self.attribution.add(flows, part.low, part.high, part.detected, part.cells)
        return owned.tallies(parts)


def _note_of(copies: Copies) -> Degradation:
    count = f"{copies.found}" if copies.is_exact else f"about {copies.found}"
    return Degradation("copies", f"{count} {_ARE_COPIES}", "--deduplicate counts each packet once")
