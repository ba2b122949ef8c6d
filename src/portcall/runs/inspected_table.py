"""A flow table, with what is detected in the payloads of its flows and what the order of their packets tells."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from portcall.errors import PortcallError
from portcall.flows.eviction import LEAVING_AT_ONCE
from portcall.inspection.detection_table import Detected

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from portcall.flows.cells.flow_cells import Cells
    from portcall.flows.packet_order import PacketOrder
    from portcall.flows.table import FlowTable
    from portcall.inspection.asked_questions import AskedMessages
    from portcall.inspection.held_payloads import PayloadHolder
    from portcall.inspection.inspection_state import InspectionState
    from portcall.inspection.inspector import Inspector
    from portcall.inspection.logs.conversation_logs import ConversationLogs
    from portcall.inspection.server_names import ServerNames
    from portcall.ownership.row_claims import RowClaims
    from portcall.records.packets import FrameBatch
    from portcall.records.recorded.claims import ClaimTable


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
        self.order: PacketOrder | None = None
        """What the order of packets tells; None where nobody wants to know."""
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

            holder = PayloadHolder(flows, follows=shard is Shard.LATER, most_bytes=names.bounds.most_shard_bytes)
        if shard and names.with_logs:
            raise PortcallError("logs of what was said need the whole capture in one run")
        questions = logs = None
        if names.with_logs:
            from portcall.inspection.logs.conversation_logs import ConversationLogs

            logs = ConversationLogs(flows, names.detections, names.bounds)
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
        for told in (self.logs, self.order):
            if told:
                told.conclude(eviction.rows)
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
        if found and self.logs:
            found = found._replace(entries=self.logs.of(rows))
        if not self.order:
            return found
        return (found or Detected.nothing(len(rows)))._replace(histories=self.order.of(rows))
