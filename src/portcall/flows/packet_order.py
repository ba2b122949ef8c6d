"""What the order of packets tells of the conversations of one flow table, for Zeek's conn.log.

It is kept beside the table, only where that log is written. None of it merges: it needs all packets of a conversation
in one run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.flows.originator import grades
from portcall.kernels.histories.order_store import ISLAND_BYTES, ROW_BYTES, OrderStore
from portcall.labels.port_services import BEGINNINGS
from portcall.records.histories import HISTORY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.flows.table import FlowTable
    from portcall.records.packets import FrameBatch

MOST_ISLANDS = 1 << 20
"""Stretches of bytes behind holes that wait to be filled or given up, of all conversations: 24 MB."""


class PacketOrder:
    """Of one table's rows: 336 bytes each, which take memory as they are used, and move with them.

    ``cut_is_missed``: payload that was not captured counts as missed, as Zeek does. ``judges_sums``: packets whose
    checksum is wrong are a letter, and do not count.
    """

    def __init__(
        self, table: FlowTable, *, cut_is_missed: bool, judges_sums: bool = False, most_islands: int = MOST_ISLANDS
    ) -> None:
        rows = table.column(np.dtype((np.void, ROW_BYTES)))
        islands = np.zeros((most_islands, ISLAND_BYTES), np.uint8)
        as_bytes = rows.view(np.uint8).reshape(-1, ROW_BYTES)
        store = table.room()[0]
        self._store = OrderStore(store, as_bytes, islands, BEGINNINGS, grades(), cut_is_missed, judges_sums)

    @property
    def segments_left_out(self) -> int:
        """TCP segments behind a hole for which there was no room: what is missed may be less."""
        return self._store.segments_left_out

    @property
    def histories_cut(self) -> int:
        """Conversations with more letters than there is room for."""
        return self._store.histories_cut

    def note(self, batch: FrameBatch, packets: NDArray[np.void], rows: NDArray[np.uint32]) -> None:
        """Take in PACKET[n] of a batch, whose rows are as ``FlowTable.told_rows`` has them."""
        self._store.note(packets, batch.frames, batch.buffer, rows)

    def conclude(self, rows: NDArray[np.int64]) -> None:
        """Nothing more will be noted of these rows, which leave."""
        self._store.conclude(rows)

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.void]:
        """HISTORY[n] of these rows; of -1, which is no row, nothing is known."""
        told = np.zeros(len(rows), HISTORY)
        self._store.tell(np.ascontiguousarray(rows), told)
        return told
