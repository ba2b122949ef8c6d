"""The one wiring from frames to flows: batch → packets → flow table → inspection, for captures and for live traffic.

A tracker begins a new table when the last one is full, and keeps them in order. Whoever drives it decides what becomes
of them: captures attribute a full table and let it go, live traffic keeps it and matches owners beside it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from portcall.decoding.decoder import Decoder
from portcall.flows.table import MAX_DATAGRAMS, MAX_FLOWS, FlowTable
from portcall.records.packets import Tally
from portcall.runs.inspected_table import InspectedTable, Shard

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from portcall.decoding.copies import Copies
    from portcall.inspection.server_names import ServerNames
    from portcall.labels.bucketing import Bucketing
    from portcall.records.packets import FrameBatch
    from portcall.records.recorded.claims import ClaimTable


def new_seed() -> int:
    """A seed that those who send packets cannot know."""
    return int.from_bytes(os.urandom(8), "big")


class Ahead(NamedTuple):
    """What was done with a batch before it is fed."""

    packets: NDArray[np.void]
    """PACKET[n] of its frames."""
    payloads: NDArray[np.void] | None
    """PAYLOAD[n] of them to inspect, counted in the last table; None where they are not counted."""
    fills: bool
    """Whether that table is full with them."""


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
    with_histories: bool = False
    """Whether rows have what the order of their packets tells."""
    cut_is_missed: bool = True  # as ``PacketOrder`` has it
    judges_sums: bool = False
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
        asks_for_rows = self.counted or table.order or batch.claims is not None
        rows = flows.told_rows(len(packets)) if asks_for_rows else None
        payloads = flows.update(packets, self.frames + 1)
        if rows is not None and self.owners and batch.claims is not None:
            table.note_claims(self.owners, batch.claims, packets, rows)
        if rows is not None and table.order:
            table.order.note(batch, packets, rows)
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
        table = InspectedTable.new(flows, self.names, self.shard)
        if self.with_histories:
            from portcall.flows.packet_order import PacketOrder

            table.order = PacketOrder(flows, cut_is_missed=self.cut_is_missed, judges_sums=self.judges_sums)
        return table


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
