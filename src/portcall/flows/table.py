"""FlowTable: packets in, conversations out; and two tables of consecutive shards make one.

The table holds only what merges (sums, ORs, minima, maxima). What needs a look at neighbours is derived when records
are asked for: rows that continue in the next one of their key (``continuations``); later fragments that came first are
credited to the flow of their first fragment. The table knows no clock, file, name or owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.flows.continuations import continued
from portcall.flows.eviction import Eviction
from portcall.flows.fragments import credit, gathered, settled
from portcall.flows.reserved_memory import grown, reserved, reserved_rows
from portcall.flows.row_chunks import Conversations
from portcall.flows.table_arrays import PAYLOAD, check_arrays, tallies_of, tallies_of_nothing
from portcall.flows.time_buckets import MAX_CELLS, TimeBuckets
from portcall.kernels.flow_update import FlowStore
from portcall.kernels.gathering import keep_wanted
from portcall.records.flows import DATAGRAM, FLOW
from portcall.records.plain_data import below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.flows.cells.by_row import CellsByRow
    from portcall.flows.continuations import Continued
    from portcall.flows.fragments import SettledFragments
    from portcall.labels.bucketing import Bucketing
    from portcall.records.packets import Tally, Verdict

MAX_FLOWS = 1 << 23
"""Rows a table holds at the most, 1.6 GB; whoever feeds it checks ``is_full`` and starts another."""
MAX_BATCH = 1 << 16
"""Packets that one update may bring."""
MAX_DATAGRAMS = 1 << 18
"""Fragmented datagrams remembered at the most: an IPv4 identification is reused long before."""

_LEAST_SLOTS, _SAME_NUMBERS = 1 << 13, np.zeros(0, np.uint32)


class FlowTable:
    """The conversations of one capture, or of one shard of it.

    ``seed`` makes the hash unpredictable to those who send the packets; it changes no result. Merging tables share it.
    A table that ``inspects`` tells with every batch which payloads are of ends that are not inspected enough yet, where
    it ``is_behind`` when their turn comes; ``bucketing`` counts by time too; a silence over ``idle_ns`` ends one.
    """

    def __init__(  # noqa: PLR0913 (all by name)
        self,
        *,
        seed: int = 0,
        max_flows: int = MAX_FLOWS,
        max_datagrams: int = MAX_DATAGRAMS,
        inspects: bool = False,
        is_behind: bool = False,
        bucketing: Bucketing | None = None,
        max_cells: int = MAX_CELLS,
        idle_ns: int = 0,
    ) -> None:
        self._max_datagrams = max_datagrams
        self._flows = reserved_rows(max_flows + MAX_BATCH, FLOW, 2 * MAX_BATCH)
        self._opening = tuple(self._flows[name] for name in ("has_syn", "first_sender", "syn_sequence"))
        self._columns: list[NDArray[Any]] = []
        self._room = 0  # rows that the slots have room for
        self._datagrams = np.zeros(1 << 6, DATAGRAM)
        self._unmatched_fragments = np.zeros(0, FLOW)
        self._tallies = tallies_of_nothing()
        self._store = FlowStore(seed & 0xFFFFFFFFFFFFFFFF)
        self._store.tallies, self.idle_ns = self._tallies, idle_ns
        self._store.flows, self._store.idle_ns = self._flows, idle_ns
        self._store.flow_slots = reserved(_LEAST_SLOTS, np.dtype(np.uint64))
        self._store.datagrams = self._datagrams
        self._store.datagram_slots = np.zeros(2 * len(self._datagrams), np.uint64)
        self.inspected = self.column(np.dtype(np.uint8)) if inspects else np.zeros(0, np.uint8)
        """uint8[rows]: bit 0 where the low end was inspected enough, bit 1 the high end. Inspectors set them."""
        self._payloads = np.zeros(MAX_BATCH if inspects else 0, PAYLOAD)
        self._store.inspected, self._store.out_payloads = self.inspected, self._payloads
        self._is_behind, self.datagrams_forgotten = is_behind, 0
        if is_behind and inspects:
            self._store.inspected = self.column(np.dtype(np.uint8))  # nothing is, as far as it knows
        self._store.out_rows = self._told_rows = np.zeros(0, np.uint32)
        self.buckets = TimeBuckets(bucketing, len(self._flows), max_cells) if bucketing else None
        self._store.cells = self.buckets.store if self.buckets else None

    def __len__(self) -> int:
        """Rows in the table: connections, before those that continue another are joined to it."""
        return self._store.flow_count

    def column(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Zeros for all rows that there may ever be, which take memory only as they are used; they move with rows."""
        self._columns.append(reserved(len(self._flows), dtype))
        return self._columns[-1]

    @property
    def is_full(self) -> bool:
        """Whether the bound is reached, so that another batch may not fit."""
        return self._store.flow_count + MAX_BATCH > len(self._flows) or bool(self.buckets and self.buckets.is_full)

    def update(self, packets: NDArray[np.void], first_number: int = 1) -> NDArray[np.void]:
        """Count PACKET[n], n ≤ MAX_BATCH, whose first is frame ``first_number`` of the capture.

        Gives PAYLOAD[m] of those to listen to, valid until the next update.
        """
        store, count = self._store, len(packets)
        if store.flow_count + count > self._room or store.datagram_count + count > len(self._datagrams):
            self._reserve(count, count)
        wanted = store.fold(packets, first_number)
        if self.buckets:
            self.buckets.settle()
        return self._payloads[:wanted]

    def still_wanted(self, payloads: NDArray[np.void]) -> NDArray[np.void]:
        """Those of an update that are not inspected enough now that it is their turn, in the same array."""
        return payloads[: keep_wanted(payloads, self.inspected)] if self._is_behind else payloads

    def room(self) -> tuple[FlowStore, int, int, int]:
        """The kernel, for who counts ahead; rows and datagrams that there is room for; rows that make it full."""
        return self._store, self._room, len(self._datagrams), len(self._flows) - MAX_BATCH + 1

    def told_rows(self, count: int) -> NDArray[np.uint32]:
        """uint32[count] for the next update: 2 + twice the row of each packet + the side that sent, 0 for no row."""
        if not len(self._told_rows):
            self._store.out_rows = self._told_rows = np.zeros(MAX_BATCH, np.uint32)
        self._told_rows[:count] = 0
        return self._told_rows[:count]

    def merge(self, later: FlowTable, frames_before: int = 0) -> NDArray[np.int64]:
        """Join the table of the shard that follows this one; gives the index here of each of its ``rows()``.

        ``frames_before`` goes before what the later one calls frame 1.
        """
        self._reserve(len(later), later._store.datagram_count)
        rows = np.zeros(max(len(later), 1), np.uint32)
        datagrams = np.zeros(max(later._store.datagram_count, 1), np.uint64)
        self._store.absorb(later._store, rows, datagrams, frames_before)
        fragments, former = later._unmatched_fragments.copy(), len(self._unmatched_fragments)
        fragments["first_frame"] += np.uint64(frames_before)
        self._unmatched_fragments, places = gathered(np.concatenate([self._unmatched_fragments, fragments]))
        if self.buckets and later.buckets:
            self.buckets.merge(later.buckets, rows, datagrams, np.split(places, [former]))
        return rows[: len(later)].astype(np.int64) - 1

    def has_room_for(self, later: FlowTable) -> bool:
        """Whether the other's rows are within the bound of this one."""
        return len(self) + len(later) <= len(self._flows)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that the table is, but for its seed; views, valid until the next update."""
        return {
            "flows": self.rows(),
            "datagrams": self._fragmented(),
            "unmatched_fragments": self._unmatched_fragments,
            "tallies": self._tallies,
            **({"cells": self.buckets.cells} if self.buckets else {}),
        }

    @classmethod
    def of_arrays(
        cls,
        arrays: dict[str, NDArray[Any]],
        *,
        seed: int = 0,
        inspects: bool = False,
        bucketing: Bucketing | None = None,
        width_ns: int = 0,
        idle_ns: int = 0,
    ) -> FlowTable:
        """The table that had these arrays, and buckets so wide. ValueError where no table can have them."""
        flows, datagrams, tallies = (arrays[name] for name in ("flows", "datagrams", "tallies"))
        table = cls(seed=seed, inspects=inspects, bucketing=bucketing, idle_ns=idle_ns)
        below(np.array([len(flows)]), len(table._flows))
        check_arrays(arrays)
        table._reserve(len(flows), len(datagrams))
        table._flows[: len(flows)], table._datagrams[: len(datagrams)] = flows, datagrams
        table._tallies[:], table._unmatched_fragments = tallies, arrays["unmatched_fragments"]
        table._store.flow_count, table._store.datagram_count = len(flows), len(datagrams)
        table._store.link_flows()
        table._store.rehash_datagrams()
        if table.buckets:
            table.buckets.restore(
                arrays["cells"], width_ns, len(flows), len(datagrams), len(arrays["unmatched_fragments"])
            )
        return table

    def tallies(self) -> dict[Verdict, Tally]:
        """Frames and bytes of every verdict that occurred."""
        return tallies_of(self._tallies)

    def records(self) -> NDArray[np.void]:
        """Every conversation, in order of first appearance, then unmatched fragments, as FLOW[n]; a copy."""
        return np.concatenate([*self.chunks(), np.zeros(0, FLOW)])

    def rows(self) -> NDArray[np.void]:
        """The table itself, before connections that continue are joined; valid until the next update."""
        return self._flows[: len(self)]

    def opening(self, row: int) -> tuple[int, int]:
        """Which end's SYN opened a row's connection, and the sequence number behind it; -1 and 0 without one."""
        has_syn, first_sender, sequence = self._opening  # which stay as they were when the row began
        if not has_syn[row]:
            return -1, 0
        return int(first_sender[row]), (int(sequence[row]) + 1) % (1 << 32)

    def chunks(self, rows: int = 1 << 16) -> Iterator[NDArray[np.void]]:
        """The same in pieces of at most ``rows``; one may be the table itself, and is valid until its next update."""
        return (chunk for _, chunk in self.indexed_chunks(rows))

    def indexed_chunks(self, rows: int = 1 << 16) -> Iterator[tuple[NDArray[np.int64], NDArray[np.void]]]:
        """The chunks, each with its rows' indexes in ``rows()``; -1 for unmatched fragments."""
        yield from Conversations(self.rows(), self.continued(), self._waiting()).all(rows)
        unmatched_fragments = self._settled_fragments().unmatched
        if len(unmatched_fragments):
            yield np.full(len(unmatched_fragments), -1), unmatched_fragments

    def leaving(self, which: NDArray[np.bool_], before_ns: int) -> Eviction:
        """What leaves with these rows, bool[rows], as it is until the next update; see ``Eviction``."""
        return Eviction(self.rows(), self._fragmented(), self._unmatched_fragments, which, before_ns, self.idle_ns)

    def evict(self, eviction: Eviction) -> None:
        """Let go what leaves, and number the others anew, in their order; it takes time as all of the table does."""
        store, count = self._store, len(eviction.kept)
        if self.buckets:
            self.buckets.renumber(eviction.owners_left(self.buckets.cells["owner"]))
        datagrams = eviction.datagrams_left()
        for column in (self._flows, *self._columns):
            eviction.move(column)
        eviction.renumber(self._flows["earlier"][:count])
        self._rehash(max(1 << (4 * count).bit_length(), _LEAST_SLOTS), eviction.numbers)
        store.flow_count = count
        self._unmatched_fragments = np.zeros(0, FLOW)
        self._hold(datagrams)

    def continued(self) -> Continued:
        """Rows that go on in another one."""
        return continued(self.rows(), self.idle_ns)

    def _waiting(self) -> NDArray[np.void]:
        """Later fragments that came before their first, which has come by now."""
        datagrams = self._fragmented()
        return datagrams[(datagrams["packets"] > 0) & (datagrams["first_flow"] > 0)]

    def _fragmented(self) -> NDArray[np.void]:
        return self._datagrams[: self._store.datagram_count]

    def cells(self) -> CellsByRow | None:
        """What came of each row by time, until the next update; None where nobody asked."""
        if not self.buckets:
            return None
        return self.buckets.by_row(len(self), self._settled_fragments(), *self.continued())

    def _settled_fragments(self) -> SettledFragments:
        return settled(self._unmatched_fragments, self._fragmented())

    def _reserve(self, flows: int, datagrams: int) -> None:
        store = self._store
        if store.datagram_count > self._max_datagrams:
            self._forget_datagrams()
        wanted = store.flow_count + flows
        if wanted > len(self._flows):
            raise MemoryError(f"a flow table of {len(self._flows)} rows is asked for {wanted}")
        if 2 * wanted > len(store.flow_slots):
            self._rehash(1 << (2 * wanted - 1).bit_length())
        self._room = min(len(self._flows), len(store.flow_slots) // 2)
        wanted = store.datagram_count + datagrams
        if wanted > len(self._datagrams):
            self._datagrams = grown(self._datagrams, wanted)
            store.datagrams = self._datagrams
            store.datagram_slots = np.zeros(1 << (2 * wanted - 1).bit_length(), np.uint64)
            store.rehash_datagrams()

    def _rehash(self, slots: int, numbers: NDArray[np.uint32] = _SAME_NUMBERS) -> None:
        """Go on with so many slots, a power of two; ``numbers`` as ``FlowStore.rehash_flows`` has them."""
        former = self._store.flow_slots
        self._store.flow_slots = reserved(slots, np.dtype(np.uint64))
        self._store.rehash_flows(former, numbers)
        self._room = min(len(self._flows), slots // 2)

    def _forget_datagrams(self) -> None:
        """Credit what waits now; later fragments of the datagrams forgotten are orphans."""
        credit(self._flows[: len(self)], 0, self._waiting())
        fragments = self._settled_fragments()
        self._unmatched_fragments = fragments.unmatched
        if self.buckets:
            self.buckets.settle_fragments(fragments)
        self.datagrams_forgotten += self._store.datagram_count
        self._hold(self._datagrams[:0])

    def _hold(self, datagrams: NDArray[np.void]) -> None:
        """Go on with these datagrams, of so many as there were."""
        store, count = self._store, len(datagrams)
        self._datagrams[:count], store.datagram_count = datagrams, count
        store.datagram_slots = np.zeros(len(store.datagram_slots), np.uint64)
        store.rehash_datagrams()
