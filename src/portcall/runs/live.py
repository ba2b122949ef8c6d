"""Live traffic: the same decode, flows and attribution as for captures, with owners beside them.

A tracker hears what owners report and counts batches. Rows of the flow table keep the owners that were found for their
two ends, and are asked about again as long as packets come and SETTLE_NS after, because reports and packets do not wait
for each other: bytes wait that long for an owner and are then credited backwards.

Where another socket or process takes over a local port, flows on it go on in new rows, and each interface has rows of
its own: the packets' namespace number becomes a partition, of which the low 20 bits count such turns and the others
name the capture point, an interface in a network namespace. ``deduplication`` brings together what passed several
interfaces. Time comes in with packets and owners' reports; no clock is read here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.attribution.attribution import Attribution
from portcall.decoding.decoder import Decoder
from portcall.flows.deduplication import deduplicate
from portcall.flows.table import MAX_FLOWS, FlowTable
from portcall.records.flows import FLOW, FlowKind
from portcall.records.ownership import FLOW_END, OWNER_CHANGE
from portcall.records.packets import CapturePoint, Tally, Verdict
from portcall.records.report import Degradation
from portcall.runs.offline import sum_tallies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from portcall.flows.deduplication import Deduplicated
    from portcall.inspection.inspector import Detected
    from portcall.inspection.server_names import ServerNames
    from portcall.ownership.socket_timeline import SocketTimeline
    from portcall.records.ownership import Match, OwnerEvents
    from portcall.records.packets import FrameBatch
    from portcall.records.report import Report

    Matches = list[Match | None]

SETTLE_NS = 3_000_000_000
_SKEW_NS = 1_000_000_000  # how far packets of one interface may be behind those of another
_MATCHES_AT_ONCE = 1024
_TURN_BITS = 20
_TURNS = np.uint32((1 << _TURN_BITS) - 1)
_MOST_CAPTURE_POINTS = 1 << (32 - _TURN_BITS)
_ENDS = (("low", "high", 1), ("high", "low", 2))
"""Near end, far end, and the bit of FLOW.local that calls the near one local."""
_TCP = 6


@dataclass(slots=True)
class LiveTracker:
    """Counts live traffic and finds whose it is. ``dns_cache`` is the owners', and is updated here."""

    timeline: SocketTimeline
    decoder: Decoder = field(default_factory=Decoder)
    is_wanted: Callable[[Match | None], bool] | None = None
    """Which owners count; None: everybody, and nobody too."""
    names: ServerNames | None = None
    """Hears what the traffic itself says; None: nobody listens."""
    name_capture_point: Callable[[int, int], CapturePoint] = lambda _namespace, _interface: CapturePoint()
    """What a network namespace's interface is called, by their numbers; asked when a frame comes from there."""
    frames: int = 0
    _tables: list[_OwnedTable] = field(default_factory=list)
    _capture_points: _CapturePoints = field(default_factory=lambda: _CapturePoints())  # noqa: PLW0108 - it is defined below
    _turns: NDArray[np.uint32] = field(default_factory=lambda: np.zeros((2, 1 << 16), np.uint32))
    _changes: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, OWNER_CHANGE))
    _matched_until_ns: int = 0
    _last_ns: int = 0

    def inspect(self, events: OwnerEvents) -> None:
        """Take in what the owners reported; before the packets that were caught meanwhile."""
        if not (len(events.sightings) or events.processes):
            return
        self.timeline.update(events)
        self._changes = np.concatenate([self._changes, self.timeline.take_changes()])

    def feed(self, batch: FrameBatch) -> None:
        """Count one batch."""
        packets = self.decoder.decode(batch)
        if len(packets):
            self._partition(packets, self._capture_points.numbers(batch, self.name_capture_point))
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
        ends = self._tables[-1].new_ends(self._capture_points)
        return ends[~self.timeline.knows(ends)]

    def match(self) -> None:
        """Find owners for the rows that had packets since the last time, or shortly before."""
        for _ in self.matching():
            pass

    def matching(self) -> Iterator[None]:
        """The same in steps of some milliseconds, between which packets may be fed."""
        since_ns = self._matched_until_ns - SETTLE_NS
        self._matched_until_ns = self._last_ns
        for table in self._tables:
            yield from table.matching(self.timeline, self._capture_points, since_ns)

    def report(
        self,
        *,
        by: str,
        source: str,
        local: Sequence[str] = (),
        where: Callable[[dict[str, object]], bool] | None = None,
        top: int | None = None,
        completed: Callable[[dict[str, object]], dict[str, object]] | None = None,
    ) -> Report:
        """Everything counted so far; the options are those of ``Attribution.report``."""
        attribution = Attribution(by, () if self.is_wanted else local, self.names, self._capture_points.names)
        tallies: dict[Verdict, Tally] = {}
        duplicates: list[_Duplicates] = []
        for table in self._tables:
            parts = list(table.parts(self._capture_points))
            here = [part.duplicates for part in parts if part.duplicates]
            told = _without(table.table.tallies(), here)
            if self.is_wanted:
                parts = [_wanted(part, self.is_wanted) for part in parts]
                told = _tallies(parts)
            for part in parts:
                flows = _with_capture_points(part.flows) if by == "flow" else part.flows
                attribution.add(flows, part.low, part.high, part.found)
            for verdict, tally in told.items():
                tallies[verdict] = sum_tallies(tallies.get(verdict), tally)
            duplicates += here
        report = attribution.report(tallies, source, where=where, top=top, completed=completed)
        return replace(report, degradations=[*report.degradations, *self._capture_points.told(duplicates)])

    def _partition(self, packets: NDArray[np.void], capture_points: NDArray[np.uint32] | np.uint32) -> None:
        """Put the partition in place of the namespace."""
        if len(self._changes):
            self._settle_turns()
        turns = self._turn_of(packets, "source_port") + self._turn_of(packets, "target_port")
        if len(self._changes):
            turns += self._recent_turns(packets)
        packets["namespace"] = (capture_points << np.uint32(_TURN_BITS)) | (turns & _TURNS)

    def _turn_of(self, packets: NDArray[np.void], port: str) -> NDArray[np.uint32]:
        return np.asarray(self._turns[(packets["protocol"] != _TCP).astype(np.intp), packets[port]])

    def _settle_turns(self) -> None:
        """Count in the changes that no packet can come before any more, from whichever interface it comes."""
        is_settled = self._changes["time_ns"] < self._last_ns - _SKEW_NS
        settled, self._changes = self._changes[is_settled], self._changes[~is_settled]
        transports = (settled["protocol"] != _TCP).astype(np.intp)
        np.add.at(self._turns, (transports, settled["local_port"]), np.uint32(1))

    def _recent_turns(self, packets: NDArray[np.void]) -> NDArray[np.uint32]:
        """How many of the other changes each packet comes after."""
        extra = np.zeros(len(packets), np.uint32)
        is_tcp = packets["protocol"] == _TCP
        ports = np.concatenate([packets["source_port"], packets["target_port"]])
        for change in self._changes[np.isin(self._changes["local_port"], ports)]:
            later = (packets["ts_ns"] >= change["time_ns"]) & (is_tcp == (change["protocol"] == _TCP))
            for end in ("source_port", "target_port"):
                extra[later & (packets[end] == change["local_port"])] += 1
        return extra


class _CapturePoints:
    """Interfaces of network namespaces, by small numbers in order of appearance."""

    def __init__(self) -> None:
        self.names: list[CapturePoint] = []
        self.has_several = False
        """Whether a namespace has more than one of them."""
        self._numbers: dict[tuple[int, int], np.uint32] = {}
        self._namespaces: list[int] = []

    def numbers(
        self, batch: FrameBatch, name_capture_point: Callable[[int, int], CapturePoint]
    ) -> NDArray[np.uint32] | np.uint32:
        """The place of each frame of a batch that has some, or of all; new ones are named."""
        interfaces = batch.frames["interface"]
        first = interfaces[0]
        if (interfaces == first).all():  # as mostly
            return self._number(batch.namespace, int(first), name_capture_point)
        here, which = np.unique(interfaces, return_inverse=True)
        return np.array([self._number(batch.namespace, one, name_capture_point) for one in here.tolist()], np.uint32)[
            which
        ]

    def _number(
        self, namespace: int, interface: int, name_capture_point: Callable[[int, int], CapturePoint]
    ) -> np.uint32:
        key = namespace, interface
        if key not in self._numbers:
            if len(self.names) == _MOST_CAPTURE_POINTS:
                return np.uint32(_MOST_CAPTURE_POINTS - 1)
            self._numbers[key] = np.uint32(len(self.names))
            self.names.append(name_capture_point(*key))
            self.has_several |= namespace in self._namespaces
            self._namespaces.append(namespace)
        return self._numbers[key]

    def namespaces(self, partitions: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The numbers of the partitions' namespaces."""
        return np.asarray(np.array(self._namespaces or [0], np.uint32)[partitions >> _TURN_BITS])

    def networks(self, partitions: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The partitions without their interfaces."""
        first_of_namespace = np.array([self._namespaces.index(number) for number in self._namespaces], np.uint32)
        return np.asarray((first_of_namespace[partitions >> _TURN_BITS] << _TURN_BITS) | (partitions & _TURNS))

    def told(self, duplicates: Sequence[_Duplicates]) -> list[Degradation]:
        """What passed several of them, and where it counts."""
        frames = sum(repeat.frames for repeat in duplicates)
        if not frames:
            return []
        seen_on = ", ".join(
            dict.fromkeys(
                self._title(capture_point) for repeat in duplicates for capture_point in repeat.capture_points
            )
        )
        reason = f"{frames} frames passed several of {seen_on}; each conversation counts on one"
        return [Degradation("interfaces", reason, "the column 'interface' of --by flow says which; choose with -i")]

    def _title(self, number: int) -> str:
        interface, namespace = self.names[number]
        return f"{interface or 'an interface'} ({namespace})" if namespace else interface or "an interface"


class _Duplicates(NamedTuple):
    """Frames that do not count, as they were counted on another interface."""

    frames: int
    bytes: int
    capture_points: list[int]
    """Where they were seen, and where they count instead."""


class _Part(NamedTuple):
    """FLOW[n] and the matches of their ends."""

    flows: NDArray[np.void]
    low: Matches
    high: Matches
    found: Detected | None
    duplicates: _Duplicates | None = None


class _OwnedTable:
    """A flow table with a match for each end of each row."""

    def __init__(self, names: ServerNames | None) -> None:
        self.table = FlowTable(
            seed=int.from_bytes(os.urandom(8), "big"), max_flows=MAX_FLOWS, inspects=names is not None
        )
        self._inspector = names.inspector_for(self.table) if names else None
        self._matches: dict[str, Matches] = {"low": [], "high": []}
        self._asked = 0

    def feed(self, batch: FrameBatch, packets: NDArray[np.void], first_number: int) -> None:
        """Count a batch's packets and listen to them."""
        payloads = self.table.update(packets, first_number)
        if self._inspector:
            self._inspector.inspect(batch, packets, payloads, first_number)

    def new_ends(self, capture_points: _CapturePoints) -> NDArray[np.void]:
        rows = self.table.rows()
        new = np.arange(self._asked, len(rows))
        self._asked = len(rows)
        return np.concatenate(
            [_ends(rows[new[_is_local(rows[new], bit)]], near, far, capture_points) for near, far, bit in _ENDS]
        )

    def matching(self, timeline: SocketTimeline, capture_points: _CapturePoints, since_ns: int) -> Iterator[None]:
        rows = self.table.rows()
        active = np.flatnonzero(rows["last_ns"] >= since_ns)
        for matches in self._matches.values():
            matches.extend([None] * (len(rows) - len(matches)))
        for start in range(0, len(active), _MATCHES_AT_ONCE):
            for near, far, bit in _ENDS:
                here = active[start : start + _MATCHES_AT_ONCE]
                here = here[_is_local(rows[here], bit)]
                found = timeline.find(_ends(rows[here], near, far, capture_points))
                for row, match in zip(here.tolist(), found, strict=True):
                    self._matches[near][row] = match
            yield

    def parts(self, capture_points: _CapturePoints) -> Iterator[_Part]:
        """The table's rows with the matches of their ends, each passage once."""
        pieces: Iterable[tuple[NDArray[np.int64], NDArray[np.void]]] = self.table.indexed_chunks()
        if not capture_points.has_several:
            for indexes, flows in pieces:
                low, high = (_picked(self._matches[end], indexes) for end in ("low", "high"))
                yield _Part(flows, low, high, self._found(indexes))
            return
        indexes, flows = _joined(pieces)
        low, high = (_picked(self._matches[end], indexes) for end in ("low", "high"))
        is_owned = np.array([any(map(_names_somebody, ends)) for ends in zip(low, high, strict=True)], np.bool_)
        single = deduplicate(flows, capture_points.networks(flows["namespace"]), is_owned)
        kept = single.kept.tolist()
        low, high = ([end[i] for i in kept] for end in (low, high))
        yield _Part(single.flows, low, high, self._found(indexes[single.kept]), _duplicates(flows, single))

    def _found(self, indexes: NDArray[np.int64]) -> Detected | None:
        return self._inspector.of(indexes) if self._inspector else None


def _with_capture_points(flows: NDArray[np.void]) -> NDArray[np.void]:
    """The rows with the number of their place in the partition's stead."""
    placed = flows.copy()
    placed["namespace"] >>= _TURN_BITS
    return placed


def _joined(
    pieces: Iterable[tuple[NDArray[np.int64], NDArray[np.void]]],
) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    indexes, flows = zip(*pieces, (np.zeros(0, np.int64), np.zeros(0, FLOW)), strict=False)
    return np.concatenate(indexes), np.concatenate(flows)


def _names_somebody(match: Match | None) -> bool:
    return match is not None and match.owner is not None


def _duplicates(flows: NDArray[np.void], single: Deduplicated) -> _Duplicates:
    frames, octets = (int(flows[name].sum()) - int(single.flows[name].sum()) for name in ("packets", "bytes"))
    capture_points = flows["namespace"][np.concatenate([single.shared, single.duplicates])] >> _TURN_BITS
    return _Duplicates(frames, octets, np.unique(capture_points).tolist())


def _without(tallies: dict[Verdict, Tally], duplicates: Sequence[_Duplicates]) -> dict[Verdict, Tally]:
    """Tallies of what counts: the repeats are off those that decoded, and where they do not suffice off fragments."""
    frames, octets = (sum(getattr(repeat, name) for repeat in duplicates) for name in ("frames", "bytes"))
    left = dict(tallies)
    for verdict in (Verdict.OK, Verdict.LATER_FRAGMENT):
        tally = left.get(verdict)
        if tally is not None:
            off, octets_off = min(frames, tally.frames), min(octets, tally.bytes)
            left[verdict] = tally._replace(frames=tally.frames - off, bytes=tally.bytes - octets_off)
            frames, octets = frames - off, octets - octets_off
    return left


def _wanted(part: _Part, is_wanted: Callable[[Match | None], bool]) -> _Part:
    """Of a part, the rows with a wanted end; another end is nobody's, as if it were on another machine."""
    low, high = ([match if is_wanted(match) else None for match in end] for end in (part.low, part.high))
    kept = [i for i, ends in enumerate(zip(low, high, strict=True)) if any(ends)]
    flows = part.flows[kept]
    low, high = ([end[i] for i in kept] for end in (low, high))
    flows["local"] &= np.array([bool(a) | bool(b) << 1 for a, b in zip(low, high, strict=True)], np.uint8)
    return _Part(flows, low, high, part.found and part.found.part(kept))


def _tallies(parts: Sequence[_Part]) -> dict[Verdict, Tally]:
    """What the rows count, as frames that decoded."""
    tally = None
    for flows in [part.flows for part in parts if len(part.flows)]:
        first_ns, last_ns = int(flows["first_ns"].min()), int(flows["last_ns"].max())
        counts = int(flows["packets"].sum()), int(flows["bytes"].sum())
        tally = sum_tallies(tally, Tally(*counts, first_ns, last_ns))
    return {Verdict.OK: tally} if tally else {}


def _picked(matches: Matches, indexes: NDArray[np.int64]) -> Matches:
    known = len(matches)
    return [matches[i] if 0 <= i < known else None for i in indexes.tolist()]


def _is_local(rows: NDArray[np.void], bit: int) -> NDArray[np.bool_]:
    return np.asarray(((rows["local"] & bit) != 0) & (rows["kind"] == FlowKind.CONVERSATION))


def _ends(rows: NDArray[np.void], near: str, far: str, capture_points: _CapturePoints) -> NDArray[np.void]:
    ends = np.zeros(len(rows), FLOW_END)
    for name in ("protocol", "ip_version", "first_ns", "last_ns"):
        ends[name] = rows[name]
    ends["local"], ends["remote"] = rows[near], rows[far]
    ends["local_port"], ends["remote_port"] = rows[f"{near}_port"], rows[f"{far}_port"]
    ends["namespace"] = capture_points.namespaces(rows["namespace"])
    return ends
