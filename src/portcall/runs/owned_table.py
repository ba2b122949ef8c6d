"""A flow table with the owners of its rows: who was matched to each end, and which rows are duplicates of others.

Rows are matched again as long as packets come, and a while after, because reports and packets do not wait for each
other: bytes wait in their row, and are credited backwards. Only matches change, never counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.flows.cells.flow_cells import with_sides
from portcall.flows.deduplication import deduplicate, passages
from portcall.flows.eviction import LEAVING_AT_ONCE
from portcall.flows.row_chunks import CHUNK_ROWS
from portcall.kernels.live.turns import TURN_BITS
from portcall.records.flows import NEVER, FlowKind
from portcall.records.packets import NO_TIME, Tally, Verdict
from portcall.records.sightings import FLOW_END
from portcall.runs.echoes import write_echo_ports
from portcall.runs.inspected_table import InspectedRows
from portcall.runs.tracker import sum_tallies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from portcall.flows.cells.flow_cells import Cells
    from portcall.flows.deduplication import Deduplicated
    from portcall.flows.table import FlowTable
    from portcall.flows.time_buckets import TimeBuckets
    from portcall.inspection.detection_table import Detected
    from portcall.records.ownership import Match
    from portcall.runs.inspected_table import InspectedTable
    from portcall.runs.partitions import CapturePoints

    Matches = list[Match | None]
    FindOwners = Callable[[NDArray[np.void], NDArray[np.int64], str], list[Match]]

_MATCHES_AT_ONCE = 1024
_SKEW_NS = 1_000_000_000
"""How much later the same packet may pass another capture point."""
_ENDS = (("low", "high", 1), ("high", "low", 2))
"""Near end, far end, and the bit of FLOW.local that calls the near one local."""


class Duplicates(NamedTuple):
    """Frames that do not count, as they were counted at another capture point."""

    frames: int
    bytes: int
    capture_points: list[int]
    """Where they were seen, and where they count instead."""


class Part(NamedTuple):
    """FLOW[n] and the matches of their ends."""

    flows: NDArray[np.void]
    low: Matches
    high: Matches
    detected: Detected | None
    duplicates: Duplicates | None = None
    cells: Cells | None = None
    """What came of the rows by time, where somebody asked."""

    def of_wanted(self, is_wanted: Callable[[Match | None], bool]) -> Part:
        """The rows with a wanted end; the other end is nobody's, as if it were on another machine."""
        low, high = ([match if is_wanted(match) else None for match in end] for end in (self.low, self.high))
        kept = [i for i, ends in enumerate(zip(low, high, strict=True)) if any(ends)]
        flows = self.flows[kept]
        low, high = ([end[i] for i in kept] for end in (low, high))
        flows["local"] &= np.array([bool(a) | bool(b) << 1 for a, b in zip(low, high, strict=True)], np.uint8)
        cells = self.cells and self.cells.at(np.array(kept, np.int64))
        return Part(flows, low, high, self.detected and self.detected.part(kept), cells=cells)

    def chosen(self, since_ns: int | None, most: int | None) -> Part:
        """The rows that had packets since then, None for ever; of more than ``most`` those with most bytes."""
        if since_ns is None and most is None:
            return self
        is_recent = np.ones(len(self.flows), np.bool_) if since_ns is None else self.flows["last_ns"] >= since_ns
        kept = np.flatnonzero(is_recent)
        if most is not None and len(kept) > most:
            kept = np.sort(kept[np.argpartition(self.flows["bytes"][kept].sum(axis=1), -most)[-most:]])
        low, high = ([end[i] for i in kept.tolist()] for end in (self.low, self.high))
        detected, cells = self.detected and self.detected.part(kept.tolist()), self.cells and self.cells.at(kept)
        return Part(self.flows[kept], low, high, detected, cells=cells)


class OwnedTable:
    """Matches for both ends of each row of a table."""

    def __init__(self, table: InspectedTable, points: CapturePoints) -> None:
        self._table, self._points = table, points
        self._matches: dict[str, Matches] = {"low": [], "high": []}
        self._asked = 0
        self._duplicates_left = np.zeros(2, np.uint64)  # frames and bytes

    @property
    def flows(self) -> FlowTable:
        """The table of flows."""
        return self._table.flows

    def new_ends(self) -> NDArray[np.void]:
        """FLOW_END[n] of the local ends of rows that are new since the last time."""
        rows = self._table.flows.rows()
        new = np.arange(self._asked, len(rows))
        self._asked = len(rows)
        return np.concatenate(
            [self._ends(rows[new[is_local_end(rows[new], bit)]], near, far) for near, far, bit in _ENDS]
        )

    def matching(
        self,
        find: FindOwners,
        since_ns: int = NO_TIME,
        until_ns: int = NEVER,
        among: NDArray[np.bool_] | None = None,
    ) -> Iterator[None]:
        """Match rows whose last packet was in that time, or those ``among`` them, in steps of some milliseconds.

        ``find`` gives a Match for each of FLOW_END[n], which are the ``low`` or ``high`` ends of the rows int64[n].
        """
        rows = self._table.flows.rows()
        last_ns = rows["last_ns"]
        active = np.flatnonzero((last_ns >= since_ns) & (last_ns <= until_ns) if among is None else among)
        for matches in self._matches.values():
            matches.extend([None] * (len(rows) - len(matches)))
        for start in range(0, len(active), _MATCHES_AT_ONCE):
            for near, far, bit in _ENDS:
                here = active[start : start + _MATCHES_AT_ONCE]
                here = here[is_local_end(rows[here], bit)]
                found = find(self._ends(rows[here], near, far), here, near)
                for row, match in zip(here.tolist(), found, strict=True):
                    self._matches[near][row] = match
            yield

    def ends(self, near: str) -> NDArray[np.void]:
        """FLOW_END[n] of the ``low`` or ``high`` ends of all rows."""
        far = next(far for name, far, _ in _ENDS if name == near)
        return self._ends(self._table.flows.rows(), near, far)

    @property
    def buckets(self) -> TimeBuckets | None:
        """What came of the table by time; None where nobody asked."""
        return self._table.flows.buckets

    def parts(self, *, by_time: bool = False) -> Iterator[Part]:
        """The rows with the matches of their ends, without duplicates, and with their cells where it is ``by_time``."""
        by_row = self._table.flows.cells() if by_time else None
        for indexes, flows in self._table.flows.indexed_chunks(self._at_once(CHUNK_ROWS)):
            cells = by_row.of(indexes).copied() if by_row else None
            yield self._part(InspectedRows(indexes, flows, self._table.detected(indexes), cells))

    def counted_parts(self) -> Iterator[Part]:
        """The rows of which something came in buckets that are there, with their cells, without duplicates."""
        buckets = self.buckets
        by_row = self._table.flows.cells() if buckets and buckets.count else None
        if not by_row:
            return
        for indexes, flows in self._table.flows.indexed_chunks(self._at_once(CHUNK_ROWS)):
            cells = by_row.of(indexes).copied()
            here = np.arange(len(indexes)) if self._points.has_several else np.unique(cells.rows)
            if len(here):
                detected = self._table.detected(indexes[here])
                yield self._part(InspectedRows(indexes[here], flows[here], detected, cells.at(here)))

    def evict(self, are_leaving: NDArray[np.bool_], before_ns: int, take: Callable[[Part], None]) -> NDArray[np.int64]:
        """Let rows go, as ``InspectedTable.evict`` does; what passed several capture points leaves together, once."""

        def take_rows(left: InspectedRows) -> None:
            part = self._part(left)
            if part.duplicates:
                self._duplicates_left += np.array([part.duplicates.frames, part.duplicates.bytes], np.uint64)
            take(part)

        leaving = self.leaving(are_leaving)
        kept = self._table.evict(leaving, before_ns, take_rows, self._at_once(LEAVING_AT_ONCE))
        for end, matches in self._matches.items():
            known = kept[: np.searchsorted(kept, len(matches))]
            self._matches[end] = [matches[i] for i in known.tolist()]
        self._asked = int(np.searchsorted(kept, self._asked))
        return kept

    def leaving(self, are_leaving: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The rows that leave if these should, bool[rows]."""
        return self._with_passages(are_leaving) if self._points.has_several else are_leaving

    def _at_once(self, rows: int) -> int:
        """Rows that are looked at together: all, where they may be one passage."""
        return max(len(self._table.flows), 1) if self._points.has_several else rows

    def _with_passages(self, are_leaving: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The same, where a passage of which one row leaves leaves if the others had no packets since, else stays."""
        rows = self._table.flows.rows()
        several, group = passages(rows, self._points.networks(rows["namespace"]))
        if not (len(several) and are_leaving.any()):
            return are_leaving
        silent_since_ns = int(rows["last_ns"][are_leaving].max()) + _SKEW_NS
        any_leaves, any_stays = np.zeros((2, int(group.max()) + 1), np.bool_)
        np.logical_or.at(any_leaves, group, are_leaving[several])
        np.logical_or.at(any_stays, group, rows["last_ns"][several] > silent_since_ns)
        leaving = are_leaving.copy()
        leaving[several] = (any_leaves & ~any_stays)[group]
        return leaving

    def _part(self, some: InspectedRows) -> Part:
        low, high = (_picked(self._matches[end], some.rows) for end in ("low", "high"))
        if not self._points.has_several:
            return Part(some.flows, low, high, some.detected, cells=some.cells)
        is_owned = np.array([any(map(_names_somebody, ends)) for ends in zip(low, high, strict=True)], np.bool_)
        single = deduplicate(some.flows, self._points.networks(some.flows["namespace"]), is_owned)
        kept = single.kept.tolist()
        low, high = ([end[i] for i in kept] for end in (low, high))
        detected = some.detected and with_sides_of_histories(some.detected, single)
        cells = with_sides(some.cells, single.sides) if some.cells else None
        return Part(single.flows, low, high, detected, _duplicates(some.flows, single), cells)

    def tallies(self, parts: Sequence[Part]) -> dict[Verdict, Tally]:
        """The table's frames by verdict, without the duplicates of its parts, and of those that left.

        These are off the frames that decoded, and where those do not suffice off later fragments.
        """
        repeated = [part.duplicates for part in parts if part.duplicates]
        frames, octets = (
            sum(getattr(one, name) for one in repeated) + int(left)
            for name, left in zip(("frames", "bytes"), self._duplicates_left, strict=True)
        )
        left = self._table.flows.tallies()
        for verdict in (Verdict.OK, Verdict.LATER_FRAGMENT):
            tally = left.get(verdict)
            if tally is not None:
                off, octets_off = min(frames, tally.frames), min(octets, tally.bytes)
                left[verdict] = tally._replace(frames=tally.frames - off, bytes=tally.bytes - octets_off)
                frames, octets = frames - off, octets - octets_off
        return left

    def _ends(self, rows: NDArray[np.void], near: str, far: str) -> NDArray[np.void]:
        return flow_ends(rows, near, far, self._points)


def flow_ends(rows: NDArray[np.void], near: str, far: str, points: CapturePoints) -> NDArray[np.void]:
    """FLOW_END[n] of the near ends, ``low`` or ``high``, of live rows."""
    ends = np.zeros(len(rows), FLOW_END)
    for name in ("protocol", "ip_version", "first_ns", "last_ns"):
        ends[name] = rows[name]
    ends["local"], ends["remote"] = rows[near], rows[far]
    ends["local_port"], ends["remote_port"] = rows[f"{near}_port"], rows[f"{far}_port"]
    write_echo_ports(rows["namespace"], near, ends)
    ends["namespace"] = points.namespaces(rows["namespace"])
    return ends


def counted(parts: Sequence[Part]) -> dict[Verdict, Tally]:
    """What the rows of some parts count, as frames that decoded."""
    tally = None
    for flows in [part.flows for part in parts if len(part.flows)]:
        first_ns, last_ns = int(flows["first_ns"].min()), int(flows["last_ns"].max())
        counts = int(flows["packets"].sum()), int(flows["bytes"].sum())
        tally = sum_tallies(tally, Tally(*counts, first_ns, last_ns))
    return {Verdict.OK: tally} if tally else {}


def with_capture_points(flows: NDArray[np.void]) -> NDArray[np.void]:
    """FLOW[n] with the number of their capture point in the partition's stead."""
    placed = flows.copy()
    placed["namespace"] >>= TURN_BITS
    return placed


def _names_somebody(match: Match | None) -> bool:
    return match is not None and match.owner is not None


def _duplicates(flows: NDArray[np.void], single: Deduplicated) -> Duplicates:
    frames, octets = (int(flows[name].sum()) - int(single.flows[name].sum()) for name in ("packets", "bytes"))
    points = flows["namespace"][np.concatenate([single.shared, single.duplicates])] >> TURN_BITS
    return Duplicates(frames, octets, np.unique(points).tolist())


def with_sides_of_histories(detected: Detected, single: Deduplicated) -> Detected:
    """What was detected in the rows that count, and what each end sent from where its counts are from."""
    of_kept = detected.part(single.kept)
    if detected.histories is not None and of_kept.histories is not None:
        for name in ("packets", "payload", "wrong_payload", "ip_bytes"):
            for side in (0, 1):
                of_kept.histories[name][:, side] = detected.histories[name][single.sides[:, side], side]
    return of_kept


def _picked(matches: Matches, indexes: NDArray[np.int64]) -> Matches:
    known = len(matches)
    return [matches[i] if 0 <= i < known else None for i in indexes.tolist()]


def is_local_end(rows: NDArray[np.void], bit: int) -> NDArray[np.bool_]:
    """bool[n]: whether the end with that bit of FLOW.local, 1 low, 2 high, is this machine's."""
    return np.asarray(((rows["local"] & bit) != 0) & (rows["kind"] == FlowKind.CONVERSATION))
