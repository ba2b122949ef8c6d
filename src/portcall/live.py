"""Live traffic: the same decode, flows and attribution as for captures, with owners beside them.

A tracker hears what owners report and counts batches. Rows of the flow table keep the owners that were found for their
two ends, and are asked about again as long as packets come and SETTLE_NS after, because reports and packets do not wait
for each other: bytes wait that long for an owner and are then credited backwards.

Where another socket or process takes over a local port, flows on it go on in new rows: the packets' namespace number
becomes a partition, of which the low 24 bits count such turns and the others the network namespace. Time comes in with
packets and owners' reports; no clock is read here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from portcall.attribution import Attribution
from portcall.decode import Decoder
from portcall.flows import MAX_FLOWS, FlowTable
from portcall.model import FLOW_END, OWNER_CHANGE, FlowKind, Tally, Verdict
from portcall.names import Found
from portcall.pipeline import sum_tallies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from portcall.model import FrameBatch, Match, OwnerEvents, Report
    from portcall.names import Names
    from portcall.ownership import Timeline

    Matches = list[Match | None]

SETTLE_NS = 3_000_000_000
_TURN_BITS = 24
_ENDS = (("low", "high", 1), ("high", "low", 2))
"""Near end, far end, and the bit of FLOW.local that calls the near one local."""
_TCP = 6


@dataclass(slots=True)
class LiveTracker:
    """Counts live traffic and finds whose it is. ``timeline`` is the owners', and is updated here."""

    timeline: Timeline
    decoder: Decoder = field(default_factory=Decoder)
    is_wanted: Callable[[Match | None], bool] | None = None
    """Which owners count; None: everybody, and nobody too."""
    names: Names | None = None
    """Hears what the traffic itself says; None: nobody listens."""
    frames: int = 0
    _tables: list[_OwnedTable] = field(default_factory=list)
    _namespaces: list[int] = field(default_factory=list)
    _turns: NDArray[np.uint32] = field(default_factory=lambda: np.zeros((2, 1 << 16), np.uint32))
    _changes: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, OWNER_CHANGE))
    _matched_until_ns: int = 0
    _last_ns: int = 0

    def hear(self, events: OwnerEvents) -> None:
        """Take in what the owners reported; before the packets that were caught meanwhile."""
        self.timeline.update(events)
        self._changes = np.concatenate([self._changes, self.timeline.take_changes()])

    def feed(self, batch: FrameBatch) -> None:
        """Count one batch."""
        packets = self.decoder.decode(batch)
        self._partition(packets, batch.namespace)
        if not self._tables or self._tables[-1].table.is_full:
            self._tables.append(_OwnedTable(self.names))
        self._tables[-1].feed(batch, packets, self.frames + 1)
        self.frames += len(packets)
        if len(packets):
            self._last_ns = max(self._last_ns, int(packets["ts_ns"].max()))

    def unknown_ends(self) -> NDArray[np.void]:
        """FLOW_END[n] of new rows for which no socket was seen, for back ends that must be asked."""
        if not self._tables:
            return np.zeros(0, FLOW_END)
        ends = self._tables[-1].new_ends(self._namespaces)
        return ends[~self.timeline.knows(ends)]

    def match(self) -> None:
        """Find owners for the rows that had packets since the last time, or shortly before."""
        since_ns = self._matched_until_ns - SETTLE_NS
        self._matched_until_ns = self._last_ns
        for table in self._tables:
            table.match(self.timeline, self._namespaces, since_ns)

    def report(
        self,
        *,
        by: str,
        source: str,
        local: Sequence[str] = (),
        where: Callable[[dict[str, object]], bool] | None = None,
        top: int | None = None,
    ) -> Report:
        """Everything counted so far."""
        attribution = Attribution(by, local, self.names)
        tallies: dict[Verdict, Tally] = {}
        for table in self._tables:
            for chunk in table.chunks(self.is_wanted):
                attribution.add(*chunk)
            for verdict, tally in table.tallies(self.is_wanted).items():
                tallies[verdict] = sum_tallies(tallies.get(verdict), tally)
        return attribution.report(tallies, source, where=where, top=top)

    def _partition(self, packets: NDArray[np.void], namespace: int) -> None:
        """Put the partition in place of the namespace."""
        if namespace not in self._namespaces:
            self._namespaces.append(namespace)
        turns = self._turn_of(packets, "source_port") + self._turn_of(packets, "target_port")
        if len(self._changes) and len(packets):
            turns += self._take_turns(packets)
        packets["namespace"] = (self._namespaces.index(namespace) << _TURN_BITS) + turns

    def _turn_of(self, packets: NDArray[np.void], port: str) -> NDArray[np.uint32]:
        return np.asarray(self._turns[(packets["protocol"] != _TCP).astype(np.intp), packets[port]])

    def _take_turns(self, packets: NDArray[np.void]) -> NDArray[np.uint32]:
        """How many of the changes that are due each packet comes after; they are remembered for later batches."""
        due = self._changes["time_ns"] <= packets["ts_ns"].max()
        changes, self._changes = self._changes[due], self._changes[~due]
        extra = np.zeros(len(packets), np.uint32)
        is_tcp = packets["protocol"] == _TCP
        for change in changes:
            transport, port = int(change["protocol"] != _TCP), int(change["local_port"])
            later = (packets["ts_ns"] >= change["time_ns"]) & (is_tcp != bool(transport))
            for end in ("source_port", "target_port"):
                extra[later & (packets[end] == port)] += 1
            self._turns[transport, port] += 1
        return extra


class _OwnedTable:
    """A flow table with a match for each end of each row."""

    def __init__(self, names: Names | None) -> None:
        self.table = FlowTable(
            seed=int.from_bytes(os.urandom(8), "big"), max_flows=MAX_FLOWS, listens=names is not None
        )
        self._hearing = names.listen_to(self.table) if names else None
        self._matches: dict[str, Matches] = {"low": [], "high": []}
        self._asked = 0

    def feed(self, batch: FrameBatch, packets: NDArray[np.void], first_number: int) -> None:
        """Count a batch's packets and listen to them."""
        payloads = self.table.update(packets, first_number)
        if self._hearing:
            self._hearing.hear(batch, packets, payloads, first_number)

    def new_ends(self, namespaces: Sequence[int]) -> NDArray[np.void]:
        rows = self.table.rows()
        new = np.arange(self._asked, len(rows))
        self._asked = len(rows)
        return np.concatenate(
            [_ends(rows[new[_is_local(rows[new], bit)]], near, far, namespaces) for near, far, bit in _ENDS]
        )

    def match(self, timeline: Timeline, namespaces: Sequence[int], since_ns: int) -> None:
        rows = self.table.rows()
        active = np.flatnonzero(rows["last_ns"] >= since_ns)
        for near, far, bit in _ENDS:
            matches = self._matches[near]
            matches.extend([None] * (len(rows) - len(matches)))
            here = active[_is_local(rows[active], bit)]
            found = timeline.find(_ends(rows[here], near, far, namespaces))
            for row, match in zip(here.tolist(), found, strict=True):
                matches[row] = match

    def chunks(
        self, is_wanted: Callable[[Match | None], bool] | None
    ) -> Iterator[tuple[NDArray[np.void], Matches, Matches, Found | None]]:
        """The table's chunks with the matches of their rows, and what was heard in them."""
        for indexes, chunk in self.table.indexed_chunks():
            low, high = (_picked(self._matches[end], indexes) for end in ("low", "high"))
            found = Found(*self._hearing.of(indexes)) if self._hearing else None
            if is_wanted:
                kept = [i for i, ends in enumerate(zip(low, high, strict=True)) if any(map(is_wanted, ends))]
                yield chunk[kept], [low[i] for i in kept], [high[i] for i in kept], found and found.part(kept)
            else:
                yield chunk, low, high, found

    def tallies(self, is_wanted: Callable[[Match | None], bool] | None) -> dict[Verdict, Tally]:
        """Frames by verdict; of those wanted, only what their flows counted."""
        if not is_wanted:
            return self.table.tallies()
        tallies: dict[Verdict, Tally] = {}
        for chunk, *_ in self.chunks(is_wanted):
            if len(chunk):
                tallies[Verdict.OK] = sum_tallies(tallies.get(Verdict.OK), _tally(chunk))
        return tallies


def _tally(flows: NDArray[np.void]) -> Tally:
    first_ns, last_ns = int(flows["first_ns"].min()), int(flows["last_ns"].max())
    return Tally(int(flows["packets"].sum()), int(flows["bytes"].sum()), first_ns, last_ns)


def _picked(matches: Matches, indexes: NDArray[np.int64]) -> Matches:
    known = len(matches)
    return [matches[i] if 0 <= i < known else None for i in indexes.tolist()]


def _is_local(rows: NDArray[np.void], bit: int) -> NDArray[np.bool_]:
    return np.asarray(((rows["local"] & bit) != 0) & (rows["kind"] == FlowKind.CONVERSATION))


def _ends(rows: NDArray[np.void], near: str, far: str, namespaces: Sequence[int]) -> NDArray[np.void]:
    ends = np.zeros(len(rows), FLOW_END)
    for name in ("protocol", "ip_version", "first_ns", "last_ns"):
        ends[name] = rows[name]
    ends["local"], ends["remote"] = rows[near], rows[far]
    ends["local_port"], ends["remote_port"] = rows[f"{near}_port"], rows[f"{far}_port"]
    ends["namespace"] = np.array(namespaces or [0], np.uint32)[rows["namespace"] >> _TURN_BITS]
    return ends
