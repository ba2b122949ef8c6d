"""Live traffic: the tracker of captures, with owners beside it.

It takes in what owners report and counts batches. Each row keeps the owners that were found for its two ends, and is
matched again as long as packets come and ``SETTLE_NS`` after. Time comes in with packets and owners' reports; no clock
is read here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from portcall.attribution.attribution import Attribution
from portcall.attribution.page_groupings import PageGroupings
from portcall.records.detections import TCP
from portcall.records.flows import NEVER
from portcall.records.ownership import FIRST_INODE, Evidence
from portcall.records.packets import CapturePoint
from portcall.records.report import Degradation
from portcall.records.sightings import FLOW_END
from portcall.runs.owned_table import OwnedTable, counted, flow_ends, with_capture_points
from portcall.runs.packet_clock import PacketClock
from portcall.runs.partitions import Partitions, partitioning
from portcall.runs.streaming.settled import Grouping, Settled
from portcall.runs.streaming.shortfalls import notes_of_fragments, notes_of_histories
from portcall.runs.tracker import Tracker, sum_tallies

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from portcall.attribution.kept_matches import RowStore
    from portcall.attribution.window_sums import WindowSums
    from portcall.flows.time_buckets import TimeBuckets
    from portcall.inspection.server_names import ServerNames
    from portcall.labels.bucketing import Bucketing
    from portcall.ownership.socket_timeline import SocketTimeline
    from portcall.queries.row_tests import RowTest
    from portcall.records.column_values import Columns
    from portcall.records.ownership import Match, OwnerEvents
    from portcall.records.packets import FrameBatch, Tally, Verdict
    from portcall.records.report import Report
    from portcall.runs.owned_table import Duplicates, Part
    from portcall.runs.partitions import CapturePoints
    from portcall.runs.recording.recorder import Recorder
    from portcall.runs.streaming.early_rows import EarlyRows
    from portcall.runs.streaming.expirer import Expirer


@dataclass(slots=True)
class LiveTracker:
    """Counts live traffic and finds whose it is. ``timeline`` is the owners', and is updated here."""

    timeline: SocketTimeline
    is_wanted: Callable[[Match | None], bool] | None = None
    """Which owners count; None: everybody, and nobody too."""
    names: ServerNames | None = None
    """Collects what the traffic says of servers; None: payloads are not inspected."""
    name_capture_point: Callable[[int, int], CapturePoint] = lambda _namespace, _interface: CapturePoint()
    """What a network namespace's interface is called, by their numbers; asked when a frame comes from there."""
    bucketing: Bucketing | None = None
    """The buckets of time that are counted besides; None: none."""
    namespaces: Collection[int] | None = None
    """Numbers of the network namespaces whose packets are counted, as no others' sockets matter; None: any."""
    expirer: Expirer | None = None
    """Lets conversations go that are over and settled; None: all stay."""
    groupings: Sequence[Grouping] = ()
    """How it will be asked to report, where conversations leave."""
    local: Sequence[str] = ()
    """Networks that the user calls local, where conversations leave."""
    early: EarlyRows | None = None
    """Hands out rows by flow that leave; None: they are kept for the report."""
    store: RowStore | None = None
    """Keeps these outside of memory; None: in it."""
    windows: WindowSums | None = None
    """Takes what came in each window of time of conversations that leave, for a history; None: nobody keeps one."""
    settled: Settled = field(init=False)
    """What left."""
    with_histories: bool = False
    """Whether rows have what the order of their packets tells."""
    _is_matching: bool = False
    _before: Partitions | None = None
    """Partitions of the tracker whose successor it is."""
    _partitions: Partitions = field(init=False)
    _tracker: Tracker = field(init=False)
    locate: Callable[[NDArray[np.void]], None] | None = None
    """Writes into PACKET[n] which way they went, where frames do not tell; None: they do."""
    recorder: Recorder | None = None
    """Writes a capture of what is counted; ``record`` sets it."""
    _tables: list[OwnedTable] = field(default_factory=list)
    _clock: PacketClock = field(default_factory=PacketClock)

    def __post_init__(self) -> None:
        self._partitions = self._before or Partitions(self.name_capture_point, bounds=self.timeline.bounds)
        self._tracker = Tracker(
            names=self.names,
            partition=partitioning(self.locate, self._partitions, self._clock),  # no circle: it is large, and goes
            bucketing=self.bucketing,
            with_histories=self.with_histories,
            cut_is_missed=False,  # what nobody looks at is not caught
        )
        points = self._partitions.points.names
        self.settled = Settled(self.groupings, self.names, points, self.local, self.early, self.store)
        self.settled.windows = self.windows

    def record(self, recorder: Recorder) -> None:
        """Hand on to it what is counted from now on."""
        self.recorder = recorder
        self._tracker.counted = recorder.take

    def follow(self, is_wanted: Callable[[Match | None], bool]) -> None:
        """Count, and record, only what such owners have."""
        self.is_wanted = is_wanted
        if self.recorder:
            self.recorder.follow(is_wanted)

    def successor(self) -> LiveTracker:
        """One that counted nothing, for the frames that follow; this one may still be matched and reported."""
        names = self.names and self.names.begun_anew()
        expirer = self.expirer and replace(self.expirer, cut_off=0, pushed_out={})
        successor = replace(
            self,
            names=names,
            expirer=expirer,
            store=None,
            _is_matching=False,
            _before=self._partitions,
            _tables=[],
            _clock=PacketClock(),
        )
        points = self._partitions.points.names
        successor.settled = Settled(self.groupings, names, points, self.local, self.early, None)
        successor.settled.windows = self.windows
        return successor

    @property
    def points(self) -> CapturePoints:
        """Where frames were seen."""
        return self._partitions.points

    @property
    def tables(self) -> Sequence[OwnedTable]:
        """What is here, in order."""
        return self._tables

    @property
    def frames(self) -> int:
        """How many were counted."""
        return self._tracker.frames

    @property
    def entries_left_out(self) -> int:
        """Lines of logs for which there was no room."""
        return sum(table.logs.left_out for table in self._tracker.tables if table.logs)

    def finish_logs(self) -> None:
        """Nothing more will be fed: log what waits for more."""
        for table in self._tracker.tables:
            if table.logs:
                table.logs.finish()

    def note(self, events: OwnerEvents) -> None:
        """Take in what the owners reported; before the packets that were caught meanwhile."""
        if self.namespaces is not None:
            namespaces = events.sightings["namespace"]
            may_be_met = (namespaces < FIRST_INODE) | np.isin(namespaces, list(self.namespaces))
            is_close = events.sightings["evidence"] == Evidence.CLOSED
            events = events._replace(sightings=events.sightings[may_be_met | is_close])
        self.timeline.update(events)
        if len(events.sightings) or events.processes:
            changes = self.timeline.take_changes()
            self._partitions.note(changes)
            if self.recorder:
                self.recorder.note(changes)

    def feed(self, batch: FrameBatch) -> None:
        """Count one batch."""
        self._tracker.feed(batch)
        for table in self._tracker.tables[len(self._tables) :]:
            self._tables.append(OwnedTable(table, self._partitions.points))
        may_move = self._tables and not self._is_matching
        if self.expirer and may_move and self.expirer.is_pressed(self._tables[-1].flows, len(batch.frames)):
            self.match()  # before they leave

    def _let_go(self) -> None:
        """Let go what is over, or has no room; everything was matched just now."""
        if self.expirer and self._tables:
            self.expirer.turn(self._tables[-1], self._clock.now_ns, 0, self._take)

    def _take(self, part: Part) -> None:
        flows = part.flows
        ended = flows[(flows["protocol"] == TCP) & (flows["fin_ns"] != NEVER).all(axis=1)]
        for near, far in (("low", "high"), ("high", "low")):
            self.timeline.note_ended(flow_ends(ended, near, far, self._partitions.points))
        self.settled.take(part, self.is_wanted)

    def unknown_ends(self) -> NDArray[np.void]:
        """FLOW_END[n] of new rows for which no socket was seen, for back ends that must be asked."""
        if not self._tables:
            return np.zeros(0, FLOW_END)
        ends = self._tables[-1].new_ends()
        return ends[~self.timeline.knows(ends)]

    def match(self) -> None:
        """Find owners for the rows that had packets since the last time, or shortly before."""
        for _ in self.matching():
            pass

    def matching(self) -> Iterator[None]:
        """The same in steps of some milliseconds, between which packets may be fed."""
        span = self._clock.span_to_match()
        self._is_matching = True
        for table in self._tables:
            yield from table.matching(lambda ends, _rows, _near: self.timeline.find(ends), *span)
        self._is_matching = False
        self._let_go()

    def report(  # noqa: PLR0913 (all by name)
        self,
        *,
        by: str,
        source: str,
        local: Sequence[str] = (),
        where: RowTest | None = None,
        top: int | None = None,
        completed: Callable[[Columns], Columns] | None = None,
        recent_ns: int | None = None,
        most_flows: int | None = None,
        by_time: bool = True,
        page: bool = False,
    ) -> Report:
        """Everything counted so far; the options are those of ``Attribution.report``.

        By flow, ``recent_ns`` leaves out conversations whose last packet is longer ago, and ``most_flows`` the smallest
        of a part of the table that has more. They count as covered, and in ``rows_left_out``. Without ``by_time`` rows
        are of all the time, though buckets are counted. ``page``: with what a page shows besides.
        """
        counted_as = () if self.is_wanted else local, self.names, self._partitions.points.names
        attribution = PageGroupings(by, *counted_as, top=top) if page else Attribution(by, *counted_as)
        tallies: dict[Verdict, Tally] = dict(self.settled.tallies)
        duplicates: list[Duplicates] = [*self.settled.duplicates]
        since_ns = None if recent_ns is None else self._clock.now_ns - recent_ns
        buckets = self._buckets() if by_time else []
        grouping = Grouping(by, bool(buckets), page)
        left_out = self.settled.add_to(attribution, grouping, only_recent=recent_ns is not None)
        for table in self._tables:
            parts = list(table.parts(by_time=bool(buckets)))
            duplicates += [part.duplicates for part in parts if part.duplicates]
            if self.is_wanted:
                parts = [part.of_wanted(self.is_wanted) for part in parts]
            for verdict, tally in (counted(parts) if self.is_wanted else table.tallies(parts)).items():
                tallies[verdict] = sum_tallies(tallies.get(verdict), tally)
            for part in parts:
                chosen = part
                if by == "flow":
                    chosen = part.chosen(since_ns, most_flows)
                    left_out += len(part.flows) - len(chosen.flows)
                if by == "flow" or page:
                    chosen = chosen._replace(flows=with_capture_points(chosen.flows))
                attribution.add(chosen.flows, chosen.low, chosen.high, chosen.detected, chosen.cells)
        if not self.is_wanted:
            for one in buckets:
                attribution.add_on_no_flow(one)
        report = attribution.report(tallies, source, where=where, top=top, completed=completed)
        report = self.early.covered(report) if self.early and by == "flow" else report
        notes = [*report.degradations, *self._notes(duplicates), *self._shortfalls()]
        return replace(report, degradations=notes, rows_left_out=report.rows_left_out + left_out)

    def _shortfalls(self) -> list[Degradation]:
        """What it cost that memory has bounds."""
        datagrams = sum(table.flows.datagrams_forgotten for table in self._tracker.tables)
        orders = [table.order for table in self._tracker.tables if table.order]
        return [
            *(self.expirer.notes() if self.expirer else ()),
            *self.timeline.bounds.notes(),
            *(self.names.shortfalls() if self.names else ()),
            *notes_of_fragments(datagrams),
            *notes_of_histories(sum(one.segments_left_out for one in orders), sum(one.histories_cut for one in orders)),
        ]

    def _buckets(self) -> list[TimeBuckets]:
        """The buckets of all tables, as wide as the widest."""
        buckets = [table.buckets for table in self._tables if table.buckets]
        for one in buckets:
            one.widen(max(other.width_ns for other in buckets))
        return buckets

    def _notes(self, duplicates: Sequence[Duplicates]) -> list[Degradation]:
        """What passed several capture points, and where it counts."""
        frames = sum(some.frames for some in duplicates)
        if not frames:
            return []
        title = self._partitions.points.title
        seen_on = ", ".join(dict.fromkeys(title(number) for some in duplicates for number in some.capture_points))
        reason = f"{frames} frames passed several of {seen_on}; each conversation counts on one"
        return [Degradation("interfaces", reason, "the column 'interface' of --by flow says which; choose with -i")]
