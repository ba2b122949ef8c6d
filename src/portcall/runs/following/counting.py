"""What was counted so far: to be reported while counting goes on, saved as a Partial, and begun anew.

With what was saved before, counting goes on as the shard that follows it. Reports and saves then merge both, so they
are those of one run over all frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.errors import PortcallError
from portcall.flows.row_chunks import CELL_CHUNK_ROWS, CHUNK_ROWS
from portcall.runs.capture_tracker import CaptureTracker
from portcall.runs.inspected_table import Shard
from portcall.runs.partial import Partial
from portcall.runs.tracker import sum_tallies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.inspection.server_names import ServerNames
    from portcall.records.packets import FrameBatch
    from portcall.records.report import Degradation, Report
    from portcall.runs.reading import Reading

_BEGIN_ANEW = "Leave out --checkpoint, or begin a new table now and then: --every"


class Counting:
    """Frames in; a report of all of them, or bytes from which to go on, at any time."""

    def __init__(
        self,
        reading: Reading,
        *,
        is_saved: bool = False,
        before: bytes | None = None,
        names: ServerNames | None = None,
    ) -> None:
        """``names`` are those of an interval before: what resolvers told in it is known here.

        ``is_saved``: whether ``saved`` will be asked for; ``before`` is what it gave in an earlier run.

        PortcallError where these bytes are of another build, or of none.
        """
        self._reading = reading
        self._before = before
        self._is_saved = is_saved
        self.frames = Partial.from_bytes(before).frames if before else 0
        """How many were counted, before or now."""
        if is_saved:
            tracker = reading.tracker(reading.names(names), shard=Shard.LATER if before else Shard.FIRST)
            self._run = CaptureTracker(reading.attribution(tracker.names), tracker)
        else:
            self._run = reading.run(names)
        self._names_at_end = self._run.tracker.names

    def begun_anew(self) -> Counting:
        """One that counted nothing, but knows which names resolvers gave until the last report."""
        return Counting(self._reading, is_saved=self._is_saved, names=self._names_at_end)

    def feed(self, batch: FrameBatch) -> None:
        """Count one batch. PortcallError where there are more conversations than can be saved."""
        tracker = self._run.tracker
        if not self._is_saved:
            self._run.feed(batch)
        elif tracker.tables and tracker.tables[-1].flows.is_full:
            most = f"a checkpoint holds {tracker.max_flows} conversations, and these are more"
            raise PortcallError(f"{most}. {_BEGIN_ANEW}")
        else:
            tracker.feed(batch)
        self.frames += len(batch.frames)

    def saved(self) -> bytes:
        """All that was counted, for another run of this build."""
        return self._partial().to_bytes()

    def report(self, source: str, notes: Sequence[Degradation] = ()) -> Report:
        """Everything counted so far. It is read before more is counted."""
        if not self._is_saved:
            return self._glance(source, notes)
        tracker = Partial.from_bytes(self.saved()).tracker()
        self._names_at_end = tracker.names
        return self._reported(CaptureTracker(self._reading.attribution(tracker.names), tracker), source, notes)

    def last_report(self, source: str, notes: Sequence[Degradation] = ()) -> Report:
        """The same once nothing more is counted: what waits for more is inspected as it is."""
        return self.report(source, notes) if self._is_saved else self._reported(self._run, source, notes)

    def _partial(self) -> Partial:
        now = Partial.of(self._run.tracker)
        if self._before is None:
            return now
        partial = Partial.from_bytes(self._before)
        partial.merge(now)
        return partial

    def _reported(self, run: CaptureTracker, source: str, notes: Sequence[Degradation]) -> Report:
        tallies = run.finish()
        report = self._reading.report(run.attribution, tallies, source, [*run.shortfalls(), *notes])
        return run.early.covered(report) if run.early else report

    def _glance(self, source: str, notes: Sequence[Degradation]) -> Report:
        run = self._run
        attribution = self._reading.attribution(run.tracker.names)
        attribution.merge(run.attribution)  # type: ignore[arg-type]  # both are of one kind
        tallies = run.tallies()
        for table in run.tracker.tables:
            cells, buckets = table.flows.cells(), table.flows.buckets
            for rows, chunk in table.flows.indexed_chunks(CELL_CHUNK_ROWS if cells else CHUNK_ROWS):
                attribution.add(chunk, found=table.detected(rows), cells=cells.of(rows) if cells else None)
            if buckets:
                attribution.add_on_no_flow(buckets)
            for verdict, tally in table.flows.tallies().items():
                tallies[verdict] = sum_tallies(tallies.get(verdict), tally)
        report = self._reading.report(attribution, tallies, source, [*run.shortfalls(), *notes])
        return run.early.covered(report) if run.early else report
