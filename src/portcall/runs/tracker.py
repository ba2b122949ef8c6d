"""The one wiring from frames to flows: batch → packets → flow table → inspection, for captures and for live traffic.

A tracker begins a new table when the last one is full, and keeps them in order. Whoever drives it decides what becomes
of them: captures attribute a full table and let it go, live traffic keeps it and matches owners beside it.
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from portcall.decoding.decoder import Decoder
from portcall.errors import PortcallError
from portcall.flows.eviction import LEAVING_AT_ONCE
from portcall.flows.table import MAX_DATAGRAMS, MAX_FLOWS, FlowTable
from portcall.records.packets import Tally
from portcall.records.report import Degradation

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from portcall.decoding.copies import Copies
    from portcall.flows.time_buckets import Cells
    from portcall.inspection.asked_questions import AskedMessages
    from portcall.inspection.detection_table import Detected
    from portcall.inspection.held_payloads import PayloadHolder
    from portcall.inspection.inspection_state import InspectionState
    from portcall.inspection.inspector import Inspector
    from portcall.inspection.logs.conversation_logs import ConversationLogs
    from portcall.inspection.server_names import ServerNames
    from portcall.labels.bucketing import Bucketing
    from portcall.ownership.row_claims import RowClaims
    from portcall.records.packets import FrameBatch
    from portcall.records.recorded.claims import ClaimTable


def new_seed() -> int:
    """A seed that those who send packets cannot know."""
    return int.from_bytes(os.urandom(8), "big")


class Shard(enum.Enum):
    """Which part of a capture a run is fed, where its table is to be merged with others."""

    FIRST = "first"
    LATER = "later"
    """Others go before it, so what it meets may have begun there."""


class InspectedRows(NamedTuple):
    """Conversations of a table, with all that is known of them."""

    rows: NDArray[np.int64]
    """int64[n]: their indexes; -1 for unmatched fragments."""
    flows: NDArray[np.void]
    """FLOW[n]; a copy where they leave."""
    detected: Detected | None
    """What was detected in them; None where payloads are not inspected."""
    cells: Cells | None
    """What came of them by time; None where nobody asked."""


class Ahead(NamedTuple):
    """What was done with a batch before it is fed."""

    packets: NDArray[np.void]
    """PACKET[n] of its frames."""
    payloads: NDArray[np.void] | None
    """PAYLOAD[n] of them to inspect, counted in the last table; None where they are not counted."""
    fills: bool
    """Whether that table is full with them."""


class InspectedTable:
    """A flow table, and what is detected in the payloads of its flows."""

    def __init__(
        self,
        flows: FlowTable,
        inspector: Inspector | None = None,
        holder: PayloadHolder | None = None,
        questions: AskedMessages | None = None,
        logs: ConversationLogs | None = None,
    ) -> None:
        """Without an inspector payloads are not inspected; ``holder`` is what it lets hold payloads, if anything.

        ``questions`` take what is asked of resolvers, ``logs`` what is said, where somebody wants to know.
        """
        self.claims: RowClaims | None = None
        """Whom the capture names for its rows; None while it names nobody."""
        self.flows, self._inspector, self._holder = flows, inspector, holder
        self._names: ServerNames | None = None
        self._questions, self.logs = questions, logs

    @classmethod
    def new(cls, flows: FlowTable, names: ServerNames | None, shard: Shard | None = None) -> InspectedTable:
        """Of an empty one. ``names`` collects what the traffic says of servers; None: payloads are not inspected.

        ``shard``: which part of a capture it is, so that what others need of it is held; None: it is all.
        """
        if not names:
            return cls(flows)
        holder = None
        if shard:
            from portcall.inspection.held_payloads import PayloadHolder

            holder = PayloadHolder(flows, follows=shard is Shard.LATER)
        if shard and names.with_logs:
            raise PortcallError("logs of what was said need the whole capture in one run")
        questions = logs = None
        if names.with_logs:
            from portcall.inspection.logs.conversation_logs import ConversationLogs

            logs = ConversationLogs(flows, names.detections)
        inspector = names.inspector_for(flows, holder or logs)
        if logs:
            logs.inspector = inspector
        if names.questions:
            from portcall.inspection.asked_questions import AskedMessages

            questions = AskedMessages(names.questions, names.detections, inspector)
        table = cls(flows, inspector, holder, questions, logs)
        table._names = names
        return table

    def state(self, names: ServerNames | None) -> InspectionState | None:
        """What is known of the flows of a shard, with the names that it collected; None without inspection."""
        if not (names and self._inspector and self._holder):
            return None
        from portcall.inspection.inspection_state import InspectionState

        return InspectionState.of(self._inspector, self._holder, names, self.flows, self._questions)

    def inspect(
        self, batch: FrameBatch, packets: NDArray[np.void], payloads: NDArray[np.void], first_number: int
    ) -> None:
        """Inspect what an update gave of PACKET[n] of a batch."""
        if self._inspector:
            self._inspector.inspect(batch, packets, self.flows.still_wanted(payloads), first_number)
        if self._questions:
            self._questions.take(batch, packets, payloads, first_number)

    def note_claims(
        self, owners: ClaimTable, claims: NDArray[np.uint32], packets: NDArray[np.void], rows: NDArray[np.uint32]
    ) -> None:
        """Take in what is claimed of the owners of PACKET[n], whose rows are as ``FlowTable.told_rows`` has them."""
        if not self.claims:
            from portcall.ownership.row_claims import RowClaims

            self.claims = RowClaims(owners, self.flows.column)
        self.claims.note(claims, packets, rows)

    def finish(self) -> None:
        """Inspect what still waits for more; nothing is fed afterwards."""
        if self._inspector:
            self._inspector.finish()
        if self.logs:
            self.logs.finish()

    def evict(
        self,
        are_leaving: NDArray[np.bool_],
        before_ns: int,
        take: Callable[[InspectedRows], None],
        at_once: int = LEAVING_AT_ONCE,
    ) -> NDArray[np.int64]:
        """Let rows go, bool[rows], which ``take`` gets so many at once; gives those that stay, in their order.

        ``before_ns``: fragments that wait for a first since then wait no more.
        """
        eviction = self.flows.leaving(are_leaving, before_ns)
        if not len(eviction):
            return eviction.kept
        if self._inspector:
            self._inspector.conclude(eviction.rows, eviction.continued_leaving())
        if self.logs:
            self.logs.conclude(eviction.rows)
        cells = eviction.cells(self.flows.buckets) if self.flows.buckets else None
        for rows, flows in eviction.chunks(at_once):
            of_rows = cells.of(rows).copied() if cells else None
            take(InspectedRows(rows, flows, self.detected(rows), of_rows))
        self.flows.evict(eviction)
        for one in (self._inspector, self._holder, self._questions, self.logs, self.claims):
            if one:
                one.renumber(eviction.numbers)
        if self._names and self._inspector:
            self._names.forget_what_left(self._inspector)
        return eviction.kept

    def detected(self, rows: NDArray[np.int64]) -> Detected | None:
        """What was detected in these rows; None where payloads are not inspected."""
        found = self._inspector.of(rows) if self._inspector else None
        if found and self._questions:
            found = found._replace(asked=self._questions.of(rows))
        return found._replace(entries=self.logs.of(rows)) if found and self.logs else found


@dataclass(slots=True)
class Tracker:
    """Counts batches, numbered on from the frames before them."""

    decoder: Decoder = field(default_factory=Decoder)
    names: ServerNames | None = None
    """Collects what the traffic says of servers; None: payloads are not inspected."""
    max_flows: int = MAX_FLOWS
    """Of one table; those beyond are in the next."""
    max_datagrams: int = MAX_DATAGRAMS
    copies: Copies | None = None
    """Looks for frames that are copies of others; None: nobody does."""
    partition: Callable[[FrameBatch, NDArray[np.void]], None] | None = None
    """Writes into the ``namespace`` of PACKET[n] what keeps flows apart besides their ends; None: nothing does."""
    shard: Shard | None = None
    """Which part of a capture it is fed, where its table is to be merged with those of others; None: all."""
    bucketing: Bucketing | None = None
    """The buckets of time that are counted besides; None: none."""
    owners: ClaimTable | None = None
    """What captures claim of owners; None: nobody asks."""
    counted: Callable[[FrameBatch, NDArray[np.void], FlowTable, NDArray[np.uint32]], None] | None = None
    """Told of PACKET[n] of each batch, the table that counted them, and its rows of them; None: nobody is."""
    is_behind: bool = False
    """Whether batches may be counted before those before them are inspected."""
    idle_ns: int = 0  # as ``FlowTable`` has it
    frames: int = 0
    tables: list[InspectedTable] = field(default_factory=list)
    _seed: int = field(default_factory=new_seed)
    _width_ns: int = 0  # of the buckets of the last table: the next one has as wide ones

    def feed(self, batch: FrameBatch, ahead: Ahead | None = None) -> None:
        """Count one batch, as far as nobody did ``ahead``. It may fill the last table, which is then ``is_full``."""
        if self.names and (batch.host_names or batch.key_log):
            self.names.note_capture(batch)
        if not len(batch.frames):
            return
        packets = ahead.packets if ahead else self.decoder.decode(batch)
        payloads = ahead.payloads if ahead else None
        if payloads is None:
            payloads = self._count(batch, packets)
        self.tables[-1].inspect(batch, packets, payloads, self.frames + 1)
        self.frames += len(packets)

    def _count(self, batch: FrameBatch, packets: NDArray[np.void]) -> NDArray[np.void]:
        """Count PACKET[n] of a batch; gives what is to be inspected."""
        if self.copies and not (self.owners and self.owners.is_own(batch.frames)):  # else they are known
            self.copies.find(batch, packets)
        if self.partition:
            self.partition(batch, packets)
        if not self.tables or self.tables[-1].flows.is_full:
            self.tables.append(self.new_table())
        table = self.tables[-1]
        flows = table.flows
        rows = flows.told_rows(len(packets)) if self.counted or batch.claims is not None else None
        payloads = flows.update(packets, self.frames + 1)
        if rows is not None and self.owners and batch.claims is not None:
            table.note_claims(self.owners, batch.claims, packets, rows)
        if rows is not None and self.counted:
            self.counted(batch, packets, flows, rows)
        self._width_ns = flows.buckets.width_ns if flows.buckets else 0
        return payloads

    def new_table(self) -> InspectedTable:
        """An empty table like those that are fed."""
        flows = FlowTable(
            seed=self._seed,
            max_flows=self.max_flows,
            max_datagrams=self.max_datagrams,
            inspects=self.names is not None,
            is_behind=self.is_behind,
            bucketing=self.bucketing,
            idle_ns=self.idle_ns,
        )
        if flows.buckets and self._width_ns:
            flows.buckets.widen(self._width_ns)
        return InspectedTable.new(flows, self.names, self.shard)


def notes_of_fragments(datagrams: int) -> list[Degradation]:
    """That so many fragmented datagrams were forgotten, for there were too many at once."""
    if not datagrams:
        return []
    reason = f"{datagrams} fragmented datagrams were forgotten; later fragments of them are on no conversation"
    return [Degradation("fragments", reason, "choose with --filter")]


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
