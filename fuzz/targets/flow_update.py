"""Packets into a flow table, with any times and numbers; rows that leave, and tables that merge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from byte_pieces import BytePieces
from capture_seeds import frames
from portcall.decoding.decoder import Decoder
from portcall.flows.table import FlowTable
from portcall.labels.bucketing import Bucketing
from portcall.records.packets import FRAME, NO_TIME, PACKET, Direction, Fragmentation, FrameBatch, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_MOST_PACKETS = 200
_HAS_BUCKETS, _EVICTS, _MERGES = 1, 2, 4
MOST_BYTES = 2 + _MOST_PACKETS * PACKET.itemsize
_HOUR_NS = 3_600_000_000_000


def seeds() -> Iterator[bytes]:
    """Packets of the captures, some at once."""
    decoder, found = Decoder(), []
    for seed in frames():
        row = np.zeros(1, FRAME)
        row["captured"] = row["wire"] = len(seed.content)
        row["link"], row["ts_ns"] = seed.link, seed.ts_ns
        found.append(decoder.decode(FrameBatch(row, np.frombuffer(seed.content, np.uint8), 1))[0].tobytes())
    for at in range(0, len(found), 20):
        yield bytes([at // 20 % 8, at % 256]) + b"".join(found[at : at + 20])


def examine(data: bytes) -> None:
    """Frames in are the sum of verdicts; packets of flows are those that were on one, whatever leaves or merges."""
    pieces = BytePieces(data)
    flags, cut = pieces.number(), pieces.number()
    packets = _packets(pieces.rest())
    tables = [_table(flags), _table(flags)]
    at = cut % (len(packets) + 1) if flags & _MERGES else len(packets)
    for table, first, some in ((tables[0], 1, packets[:at]), (tables[1], at + 1, packets[at:])):
        table.update(some, first)
    on_flows = 0
    if flags & _EVICTS:
        are_leaving = np.arange(len(tables[0])) % 2 == cut % 2
        eviction = tables[0].leaving(are_leaving, int(np.int64(cut) << 40))
        on_flows += sum(int(flows["packets"].sum()) for _, flows in eviction.chunks(7))
        if len(eviction):
            tables[0].evict(eviction)
    if flags & _MERGES:
        tables[0].merge(tables[1], at)
    tallies = tables[0].tallies()
    if sum(tally.frames for tally in tallies.values()) != len(packets):
        raise AssertionError("frames are lost")
    on_flows += int(tables[0].records()["packets"].sum())
    expected = sum(tally.frames for verdict, tally in tallies.items() if not verdict.is_on_no_flow)
    if on_flows != expected:
        raise AssertionError(f"{on_flows} packets are on flows, and {expected} were")
    tables[0].cells()


def _packets(content: bytes) -> NDArray[np.void]:
    """PACKET[n] that are such as a decoder gives, but for what a sender may choose."""
    count = min(len(content) // PACKET.itemsize, _MOST_PACKETS)
    packets = np.frombuffer(content, PACKET, count).copy()
    packets["verdict"] %= len(Verdict)
    packets["fragmentation"] %= len(Fragmentation)
    packets["direction"] %= len(Direction)
    packets["namespace"] = 0
    is_later = packets["fragmentation"] == Fragmentation.LATER
    is_on_flow = packets["verdict"] <= Verdict.LATER_FRAGMENT
    packets["verdict"][is_on_flow & is_later] = Verdict.LATER_FRAGMENT
    packets["fragmentation"][packets["verdict"] == Verdict.LATER_FRAGMENT] = Fragmentation.LATER
    packets["ts_ns"][packets["ts_ns"] == np.iinfo(np.int64).max] = NO_TIME
    return packets


def _table(flags: int) -> FlowTable:
    bucketing = Bucketing(_HOUR_NS, None) if flags & _HAS_BUCKETS else None
    return FlowTable(seed=5, max_flows=256, max_datagrams=16, bucketing=bucketing, max_cells=1 << 12)
