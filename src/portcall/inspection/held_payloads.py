"""Payloads that a shard of a capture holds for the run that joins it to others.

What a conversation is follows from its first payloads, in order. So a shard keeps those of conversations that it does
not know at its end, and of those that may have begun before it: then whoever has both shards inspects them as one. Of
each end no more is held than inspection asks for, and of all together no more than the bounds say. With more, those
that are known here give way, since they may but need not have begun before: first what each end said late, as the first
payloads decide nearly always; then whole ones, those that began last. Then go the others, those that began first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.flows.table_arrays import PAYLOAD
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.inspection.inspector import MOST_PACKETS, RESOLVER_SHIFT
from portcall.inspection.payload_frames import payload_frames
from portcall.kernels.gathering import gather
from portcall.records.detections import MOST_STREAM_BYTES
from portcall.records.packets import FRAME, PACKET, FrameBatch
from portcall.records.plain_data import below, joined, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.flows.table import FlowTable

HELD = np.dtype(
    [
        ("packet", PACKET),
        ("number", "u8"),  # of its frame
        ("row", "u4"),
        ("length", "u4"),  # of what was captured of it
        ("side", "u1"),  # which end sent it, 0 low, 1 high
        ("reserved", "u1", (7,)),
    ]
)
"""One payload, whose bytes follow those of the one before it. 104 bytes."""

_MOST_BYTES = InspectionBounds().most_shard_bytes
_FEW_BYTES = 4 << 20  # before it is worth looking for what may go
_SHORTENED_TO = (12, 6, 3)  # payloads of an end that is known here, one after the other until there is room
_COUNTED = np.dtype([("packets", "u4", (2,)), ("bytes", "u4", (2,))])
_TCP, _SYN = 6, 2


class Payloads(NamedTuple):
    """HELD[n] in the order of their frames, and their bytes."""

    held: NDArray[np.void]
    content: NDArray[np.uint8]

    @property
    def starts(self) -> NDArray[np.int64]:
        """int64[n]: where the bytes of each begin."""
        return np.asarray(np.cumsum(self.held["length"], dtype=np.int64) - self.held["length"])

    def kept(self, are_kept: NDArray[np.bool_]) -> Payloads:
        """Some of them."""
        if are_kept.all():
            return self
        held, frames = self.held[are_kept], np.zeros(int(are_kept.sum()), FRAME)
        frames["offset"], frames["captured"] = self.starts[are_kept], held["length"]
        return Payloads(held, gathered(frames, self.content))

    def followed(self, later: Payloads) -> Payloads:
        """These, and then others."""
        return Payloads(np.concatenate([self.held, later.held]), np.concatenate([self.content, later.content]))

    def within_an_end(self) -> NDArray[np.bool_]:
        """bool[n]: whether each is among the first of its end that are ever asked for."""
        places, before = self._places_in_end()
        return np.asarray((places < MOST_PACKETS) | (before < MOST_STREAM_BYTES))

    def _places_in_end(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """int64[n] twice: how many payloads of its end, and how many bytes of them, go before each."""
        ends = self.held["row"].astype(np.int64) << 1 | self.held["side"]
        order = np.argsort(ends, kind="stable")
        lengths = self.held["length"][order].astype(np.int64)
        begins = np.flatnonzero(np.diff(ends[order], prepend=-1))
        sizes = np.diff(begins, append=len(order))
        sent = np.cumsum(lengths) - lengths
        places, before = np.empty((2, len(order)), np.int64)
        places[order] = np.arange(len(order)) - np.repeat(begins, sizes)
        before[order] = sent - np.repeat(sent[begins], sizes)
        return places, before

    def fitted(self, are_known: NDArray[np.bool_], most_bytes: int) -> Fitted:
        """Those that there is room for. ``are_known``, bool[rows]: of which nothing more is to be learnt here.

        Where something goes, half of the bound is left, so that this is seldom.
        """
        none, kept = np.zeros(0, np.int64), self
        if self.size <= most_bytes:
            return Fitted(self, none, none)
        are_of_known, (places, _) = are_known[self.held["row"]], self._places_in_end()
        for most in _SHORTENED_TO:
            are_late = are_of_known & (places >= most)
            kept = self.kept(~are_late)
            if kept.size <= most_bytes // 2:
                break
        gone = kept.beyond(are_known, most_bytes)
        kept = kept.kept(~np.isin(kept.held["row"], gone))
        return Fitted(kept, np.setdiff1d(self.held["row"][are_late], gone), gone)

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return int(self.held.nbytes + self.content.nbytes)

    def beyond(self, are_known: NDArray[np.bool_], most_bytes: int) -> NDArray[np.int64]:
        """The rows whose payloads must go, so that the others leave room for more."""
        rows, first, which = np.unique(self.held["row"], return_index=True, return_inverse=True)
        sizes = np.bincount(which, self.held["length"] + HELD.itemsize).astype(np.int64)
        order = np.lexsort((np.where(are_known[rows], first, -first), are_known[rows]))  # what is wanted most first
        return rows[order[np.cumsum(sizes[order]) > most_bytes // 2]].astype(np.int64)

    def batches(self, table: FlowTable) -> Iterator[tuple[FrameBatch, NDArray[np.void], NDArray[np.void], int]]:
        """What an inspector takes: frames, packets, payloads, and the number of the first packet."""
        held = self.held
        frames, packets = np.zeros(len(held), FRAME), held["packet"].copy()
        frames["offset"], frames["captured"], frames["ts_ns"] = self.starts, held["length"], packets["ts_ns"]
        packets["payload_offset"] = 0
        payloads = np.zeros(len(held), PAYLOAD)
        payloads["packet"], payloads["row"], payloads["side"] = np.arange(len(held)), held["row"], held["side"]
        payloads["is_later"] = _are_later(table.rows()[held["row"]], packets, held["side"])
        batch = FrameBatch(frames, self.content, 1)
        numbers = held["number"].astype(np.int64) - np.arange(len(held))
        begins = np.flatnonzero(np.diff(numbers, prepend=0)).tolist()  # none is 0, for frames are numbered from 1 on
        for start, stop in zip(begins, [*begins[1:], len(held)], strict=False):
            yield batch, packets, payloads[start:stop], int(numbers[start])

    @staticmethod
    def of(arrays: dict[str, NDArray[Any]], rows: int, frames: int) -> Payloads:
        """From what was written. ValueError where they do not fit a table with so many rows."""
        held, content = arrays["held"], arrays["content"]
        rows_of(content, int(held["length"].sum(dtype=np.uint64)))
        below(held["row"], rows)
        below(held["side"], 2)
        below(held["number"], frames + 1)
        below(np.diff(held["number"].astype(np.int64), prepend=0) - 1, 1 << 62)
        return Payloads(held, content)


class Fitted(NamedTuple):
    """Payloads that there is room for, and the rows of which some went, or all."""

    said: Payloads
    shortened: NDArray[np.int64]
    gone: NDArray[np.int64]


class PayloadHolder:
    """Holds payloads of the conversations of one flow table, while it is fed.

    ``follows``: another shard goes before this one, so what has no SYN here may have begun there. ``most_bytes``: of
    payloads, with what is kept of each.
    """

    def __init__(self, table: FlowTable, *, follows: bool, most_bytes: int = _MOST_BYTES) -> None:
        self._table, self._follows, self._most_bytes = table, follows, most_bytes
        self._counted = table.column(_COUNTED)
        self._pieces: list[Payloads] = []
        self._bytes, self._bytes_last_time = 0, 0
        self.lost = table.column(np.dtype(np.uint8))
        """uint8[rows]: 1 where there was no room for what a conversation said."""
        self.short = table.column(np.dtype(np.uint8))
        """uint8[rows]: 1 where there was room for the first payloads of each end only, so that no more are taken."""

    def take(self, batch: FrameBatch, packets: NDArray[np.void], payloads: NDArray[np.void], first_number: int) -> None:
        """Hold those of PAYLOAD[n] that are among the first of their ends."""
        counted = self._counted[payloads["row"]]
        at = np.arange(len(payloads)), payloads["side"]
        are_first = (counted["packets"][at] < MOST_PACKETS) | (counted["bytes"][at] < MOST_STREAM_BYTES)
        payloads = payloads[are_first & self._has_room(payloads["row"])]
        if not len(payloads):
            return
        held = np.zeros(len(payloads), HELD)
        held["packet"] = packets[payloads["packet"]]
        held["number"] = payloads["packet"].astype(np.uint64) + np.uint64(first_number)
        held["row"], held["side"] = payloads["row"], payloads["side"]
        frames = payload_frames(batch, held["packet"], payloads["packet"])
        held["length"] = frames["captured"]
        piece = Payloads(held, gathered(frames, batch.buffer))
        np.add.at(self._counted["packets"], (held["row"], held["side"]), 1)
        np.add.at(self._counted["bytes"], (held["row"], held["side"]), held["length"])
        self._pieces.append(piece)
        self._bytes += piece.size

    def release(self, payloads: NDArray[np.void], marks: NDArray[np.uint8]) -> None:
        """Tell the table which ends it need not give any more: inspected enough, by ``marks``, and held enough."""
        rows = payloads["row"]
        done = marks[rows] & 3
        if self._follows:
            counted = self._counted[rows]
            are_full = (counted["packets"] >= MOST_PACKETS) & (counted["bytes"] >= MOST_STREAM_BYTES)
            are_held = are_full[:, 0] | are_full[:, 1].astype(np.uint8) << 1
            is_held = self._may_have_begun_before(rows) & self._has_room(rows)
            done &= np.where(is_held, are_held, 3).astype(np.uint8)
        self._table.inspected[rows] = done
        if self._bytes > min(max(2 * self._bytes_last_time, _FEW_BYTES), self._most_bytes):
            self.payloads(marks)

    def payloads(self, marks: NDArray[np.uint8]) -> Payloads:
        """Those held of conversations that somebody may yet ask for, by what was inspected of their rows."""
        whole = Payloads(
            joined([piece.held for piece in self._pieces], HELD),
            joined([piece.content for piece in self._pieces], np.dtype(np.uint8)),
        )
        are_known = (marks & 3 == 3) & (marks < 1 << RESOLVER_SHIFT)  # noqa: PLR2004 - both ends
        rows = whole.held["row"]
        kept, shortened, gone = whole.kept(
            ~are_known[rows] | (self._may_have_begun_before(rows) & self._follows)
        ).fitted(are_known, self._most_bytes)
        self.short[shortened] = self.lost[gone] = 1
        self._pieces, self._bytes = [kept], kept.size
        self._bytes_last_time = self._bytes
        return kept

    def renumber(self, numbers: NDArray[np.uint32]) -> None:
        """Rows have new indexes: uint32[rows], 1 + that of each, 0 for those that left, of which nothing is held."""
        kept = []
        for piece in self._pieces:
            some = piece.kept(numbers[piece.held["row"]] > 0)
            held = some.held.copy()
            held["row"] = numbers[held["row"]] - 1
            kept.append(Payloads(held, some.content))
        self._pieces = kept
        self._bytes = sum(piece.size for piece in kept)

    def _has_room(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        return np.asarray(self.lost[rows] | self.short[rows] == 0)

    def _may_have_begun_before(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        return np.asarray(self._table.rows()["has_syn"][rows] == 0)


def gathered(frames: NDArray[np.void], buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The bytes of FRAME[n], one after the other; it costs as much as these are, however much lies between them."""
    places = np.cumsum(frames["captured"], dtype=np.uint64) - frames["captured"]
    content = np.zeros(int(frames["captured"].sum()), np.uint8)
    gather(frames, buffer, np.arange(len(frames)), places, np.zeros_like(frames), content)
    return content


def _are_later(flows: NDArray[np.void], packets: NDArray[np.void], sides: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """bool[n]: whether the row began with a SYN of this side, and this is not what follows it."""
    sequences = packets["tcp_sequence"] + ((packets["tcp_flags"] & _SYN) != 0).astype(np.uint32)
    is_of_opener = (packets["protocol"] == _TCP) & (flows["has_syn"] != 0) & (flows["first_sender"] == sides)
    return np.asarray(is_of_opener & (sequences != flows["syn_sequence"] + np.uint32(1)))
