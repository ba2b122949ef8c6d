"""The only wiring: source → decode → flows → attribution → report.

Every way to read traffic passes through ``feed``; what differs is who fills the batches. Damage ends one capture, not
the run; an interrupt ends the run, not the report.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from portcall.attribution.attribution import Attribution
from portcall.decoding.decoder import Decoder
from portcall.enrichment.geoip import Origins
from portcall.errors import CaptureError, PortcallError
from portcall.flows.table import MAX_FLOWS, FlowTable
from portcall.records.packets import Tally
from portcall.records.report import Degradation
from portcall.sources.captures import expand, in_time_order, open_capture
from portcall.sources.filters import FrameFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from portcall.decoding.decoder import Layer
    from portcall.inspection.inspector import Inspector
    from portcall.inspection.server_names import ServerNames
    from portcall.records.packets import FrameBatch, Verdict
    from portcall.records.report import Report


_READ_LESS = "read fewer captures at a time, or choose with --filter"


class Outcome(NamedTuple):
    """A report, and what kept it from being a report of everything."""

    report: Report
    problems: list[CaptureError]
    """Captures, or ends of captures, that could not be read."""
    interrupted: bool
    names: ServerNames | None = None
    """What was heard in the traffic; None where nobody listened."""


@dataclass(slots=True)
class Tracker:
    """Batches in, flows attributed: one flow table at a time, a new one when the bound of rows is reached."""

    attribution: Attribution
    decoder: Decoder
    names: ServerNames | None = None
    """Hears what the traffic itself says; None: nobody listens."""
    max_flows: int = MAX_FLOWS
    seed: int = field(default_factory=lambda: int.from_bytes(os.urandom(8), "big"))
    tables_filled: int = 0
    frames: int = 0
    _table: FlowTable | None = None
    _inspector: Inspector | None = None
    _tallies: dict[Verdict, Tally] = field(default_factory=dict)

    def feed(self, batch: FrameBatch) -> None:
        """Count one batch, numbered on from the frames before it."""
        if self.names and (batch.host_names or batch.key_log):
            self.names.note_capture(batch)
        if not len(batch.frames):
            return
        if self._table is None:
            self._table = FlowTable(seed=self.seed, max_flows=self.max_flows, inspects=self.names is not None)
            self._inspector = self.names.inspector_for(self._table) if self.names else None
        packets = self.decoder.decode(batch)
        payloads = self._table.update(packets, self.frames + 1)
        if self._inspector:
            self._inspector.inspect(batch, packets, payloads, self.frames + 1)
        self.frames += len(batch.frames)
        if self._table.is_full:
            self.tables_filled += 1
            self._attribute()

    def finish(self) -> dict[Verdict, Tally]:
        """Attribute what is still in the table; gives all frames by verdict."""
        self._attribute()
        return self._tallies

    def _attribute(self) -> None:
        if self._table is None:
            return
        if self._inspector:
            self._inspector.finish()
        for rows, chunk in self._table.indexed_chunks():
            self.attribution.add(chunk, found=self._inspector.of(rows) if self._inspector else None)
        for verdict, tally in self._table.tallies().items():
            self._tallies[verdict] = sum_tallies(self._tallies.get(verdict), tally)
        self._table = None

    def shortfalls(self) -> list[Degradation]:
        """What the bounds of memory cost."""
        shortfalls = []
        if self.tables_filled:
            reason = (
                f"{self.tables_filled} times there were more than {self.max_flows} conversations at once, "
                "so some are two rows"
            )
            shortfalls.append(Degradation("flows", reason, _READ_LESS))
        if self.names and self.names.left_out:
            reason = f"there was no room for what {self.names.left_out} conversations called their servers"
            shortfalls.append(Degradation("names", reason, _READ_LESS))
        return shortfalls


def read(  # noqa: PLR0913 (the options of the command, all by name)
    paths: Sequence[str],
    *,
    by: str = "app",
    layer: Layer = "outer",
    filter: str | None = None,  # noqa: A002 (the option's name)
    local: Sequence[str] = (),
    where: str | None = None,
    top: int | None = None,
    names: bool = True,
    geo: Sequence[str] = (),
    progress: Callable[[int, int | None], None] | None = None,
) -> Outcome:
    """Attribute saved captures as one capture in time order.

    ``geo`` are databases that tell countries and networks.
    ``progress`` is called with bytes read and bytes in all (None for a pipe). CaptureError where nothing can be read at
    all, UsageError where an expression or a network is not one; both before any frame is read.
    """
    is_shown = book = None
    if where:
        from portcall.queries.row_filter import compile_where

        is_shown = compile_where(where, by)
    if names:
        from portcall.inspection.server_names import ServerNames  # and all dissectors

        book = ServerNames(with_details=by == "flow")
    tracker = Tracker(Attribution(by, local, book), Decoder(layer), book)
    completed = Origins(geo).completed if geo else None
    frame_filter = FrameFilter(filter) if filter else None
    ordered, problems = in_time_order(expand(paths))
    batches = _batches(ordered, problems, progress)
    interrupted = False
    try:
        for batch in frame_filter.matching(batches) if frame_filter else batches:
            tracker.feed(batch)
    except KeyboardInterrupt:
        interrupted = True
    if problems and not interrupted and len([problem for problem in problems if problem.is_whole]) == len(paths):
        raise PortcallError(str(problems[0])) from problems[0]
    report = tracker.attribution.report(
        tracker.finish(), ", ".join(paths), where=is_shown, top=top, completed=completed
    )
    report = replace(report, degradations=report.degradations + tracker.shortfalls())
    return Outcome(report, problems, interrupted, book)


def _batches(
    paths: Sequence[str], problems: list[CaptureError], progress: Callable[[int, int | None], None] | None
) -> Iterator[FrameBatch]:
    """The captures' batches one after the other; what is wrong with a capture joins the problems."""
    sizes = [Path(path).stat().st_size if Path(path).exists() else 0 for path in paths]
    total = None if "-" in paths else sum(sizes)
    for i, path in enumerate(paths):
        before = sum(sizes[:i])
        try:
            capture = open_capture(path)
            for batch in capture.source.batches():
                yield batch
                if progress:
                    progress(before + capture.bytes_read(), total)
        except CaptureError as problem:
            problems.append(problem)


def sum_tallies(tally: Tally | None, later: Tally) -> Tally:
    """Both in one."""
    if tally is None:
        return later
    firsts = [ns for ns in (tally.first_ns, later.first_ns) if ns is not None]
    lasts = [ns for ns in (tally.last_ns, later.last_ns) if ns is not None]
    return Tally(
        tally.frames + later.frames,
        tally.bytes + later.bytes,
        min(firsts, default=None),
        max(lasts, default=None),
    )
