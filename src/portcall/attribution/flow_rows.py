"""One output row per conversation: FLOW arrays → columns, of as many rows as somebody asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.attribution.bucket_rows import cell_columns
from portcall.attribution.flow_columns import (
    counted_columns,
    have_owners_app,
    name_columns,
    owner_columns,
    service_columns,
)
from portcall.flows.flow_ends import flow_ends
from portcall.flows.time_buckets import Cells
from portcall.inspection.detection_table import Detected
from portcall.labels.bucketing import bucket_starts
from portcall.labels.port_services import PROTOCOL_NAMES
from portcall.labels.service_keys import are_attributed, identity_by_port
from portcall.records.column_values import Columns, Numbers, Words
from portcall.records.flows import FLOW, TIME_SUM
from portcall.records.log_entries import LOG_ENTRIES
from portcall.records.report_rows import ROWS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import MutableSequence, Sequence

    from numpy.typing import NDArray

    from portcall.attribution.principals import Matches
    from portcall.inspection.server_names import ServerLabels, ServerNames
    from portcall.records.ownership import Match
    from portcall.records.packets import CapturePoint
    from portcall.records.report_rows import RowPart


_BYTES = np.dtype((np.void, FLOW.itemsize))
"""A FLOW as it is, which is copied at once and not field by field."""


class FlowRows:
    """Conversations, whose columns are made when rows are asked for.

    ``names`` is what the traffic itself tells; ``capture_points`` are what the numbers in their ``namespace`` mean.
    """

    def __init__(self, names: ServerNames | None = None, capture_points: Sequence[CapturePoint] = ()) -> None:
        self._names = names
        self._capture_points = capture_points
        self._shares: list[_Share] = []
        self._width_ns = 0

    def add(
        self,
        flows: NDArray[np.void],
        matches: tuple[Matches, Matches] | None = None,
        found: Detected | None = None,
        cells: Cells | None = None,
    ) -> None:
        """Take FLOW[n], which must not change afterwards.

        ``matches`` tell whose low and high ends are, ``found`` what was detected in their traffic, ``cells`` what came
        of them by time: then a row is a conversation in a bucket.
        """
        if len(flows):
            self._shares.append(_Share(flows, matches and (list(matches[0]), list(matches[1])), found, cells))
            self._width_ns = max(self._width_ns, cells.width_ns if cells else 0)

    def merge(self, other: FlowRows) -> None:
        """Take all that another one has."""
        self._shares += other._shares
        self._width_ns = max(self._width_ns, other._width_ns)

    def __len__(self) -> int:
        """How many conversations, or as many times a conversation in a bucket."""
        return sum(share.rows for share in self._shares)

    def take(self, rows: NDArray[np.int64], names: frozenset[str] | None = None) -> Columns:
        """The columns of some conversations, in that order; where ``names`` are all counted, only what is."""
        share = self._gathered(rows)
        flows, ends = share.flows, self._ends(share)
        columns = counted_columns(flows, ends)
        if names is not None and names <= columns.keys():
            return Columns(len(flows), columns)
        labels, services = self._servers(share, ends)
        identity = self._names.registry.identity if self._names else identity_by_port
        columns.update(service_columns(flows, services, identity))
        if labels and self._names and share.found:
            columns.update(name_columns(labels, self._names, share.found))
            if share.found.entries is not None:
                columns[LOG_ENTRIES] = Words.each(share.found.entries)
        if share.matches:
            columns.update(owner_columns(ends, *share.matches))
        if self._capture_points:
            where = flows["namespace"].astype(np.int64)
            columns["interface"] = Words(where, [point.interface for point in self._capture_points])
            columns["namespace"] = Words(where, [point.namespace for point in self._capture_points])
        if share.cells:
            columns.update(cell_columns(share.cells, ends["client_is_low"], self._width_ns))
        return Columns(len(flows), columns)

    def protocols(self) -> Words:
        """The protocol of each."""
        numbers = [share.of_rows(share.flows["protocol"]) for share in self._shares]
        return Words(np.concatenate([*numbers, np.zeros(0, np.uint8)]).astype(np.int64), PROTOCOL_NAMES)

    def bytes_both_ways(self) -> NDArray[np.int64]:
        """int64[n]: the bytes of each."""
        counts = [share.bytes_both_ways() for share in self._shares]
        return np.concatenate([*counts, np.zeros(0, np.uint64)]).astype(np.int64)

    def bucket_starts(self) -> NDArray[np.int64]:
        """int64[n]: when the bucket of each begins, NO_TIME for none."""
        numbers = [share.cells._replace(width_ns=self._width_ns).numbers for share in self._shares if share.cells]
        return bucket_starts(np.concatenate([*numbers, np.zeros(0, np.int64)]), self._width_ns)

    def bytes_attributed(self) -> int:
        """Bytes of those that have an app."""
        attributed = 0
        for share in self._shares:
            for start in range(0, len(share.flows), ROWS_AT_ONCE):
                part = share.part(slice(start, start + ROWS_AT_ONCE))
                ends = self._ends(part)
                _, services = self._servers(part, ends)
                has_app = have_owners_app(ends, *part.matches) if part.matches else are_attributed(services)
                attributed += int(part.flows["bytes"][has_app].sum())
        return attributed

    def _ends(self, share: _Share) -> NDArray[np.void]:
        """FLOW_ENDS[n], whose services are those by port."""
        return flow_ends(share.flows, askers=share.found.askers if self._names and share.found else None).rows

    def _servers(self, share: _Share, ends: NDArray[np.void]) -> tuple[ServerLabels | None, NDArray[np.int64]]:
        """What is told of the servers, and their service keys by that."""
        by_port = ends["service"].copy()
        if not self._names or not share.found:
            return None, by_port
        labels = self._names.label(share.flows, ends["client_is_low"].copy(), by_port, share.found)
        return labels, labels.services

    def _gathered(self, rows: NDArray[np.int64]) -> _Share:
        """Some conversations in one."""
        starts = np.cumsum([0, *(share.rows for share in self._shares)])
        of_share = np.searchsorted(starts, rows, "right") - 1
        by_share = np.argsort(of_share, kind="stable")
        bounds = np.searchsorted(of_share[by_share], np.arange(len(self._shares) + 1))
        gathered = _Share.empty(
            len(rows),
            has_entries=any(share.found and share.found.entries is not None for share in self._shares),
            has_matches=any(share.matches for share in self._shares),
            has_found=any(share.found for share in self._shares),
            width_ns=self._width_ns,
        )
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            places = by_share[bounds[number] : bounds[number + 1]]
            gathered.put(places, self._shares[number], rows[places] - starts[number])
        return gathered


class _Share(NamedTuple):
    """Conversations as they were counted."""

    flows: NDArray[np.void]
    matches: tuple[MutableSequence[Match | None], MutableSequence[Match | None]] | None
    found: Detected | None
    cells: Cells | None = None

    @property
    def rows(self) -> int:
        """Of rows."""
        return len(self.cells.rows if self.cells else self.flows)

    def bytes_both_ways(self) -> NDArray[np.uint64]:
        """uint64[n]: the bytes of each row."""
        counts = self.cells.table["bytes"][self.cells.places] if self.cells else self.flows["bytes"]
        return np.asarray(counts.sum(axis=1, dtype=np.uint64))

    def of_rows(self, column: NDArray[Any]) -> NDArray[Any]:
        """What a column of the conversations is in each row."""
        return column[self.cells.rows] if self.cells else column

    def part(self, rows: slice) -> _Share:
        """Some that follow one another."""
        matches = self.matches and (self.matches[0][rows], self.matches[1][rows])
        return _Share(self.flows[rows], matches, self.found and self.found.part(rows))

    @staticmethod
    def empty(count: int, *, has_matches: bool, has_found: bool, has_entries: bool, width_ns: int) -> _Share:
        """Room for so many."""
        matches: tuple[list[Match | None], list[Match | None]] = [None] * count, [None] * count
        found = Detected.nothing(count) if has_found else None
        if found and has_entries:
            found = found._replace(entries=np.empty(count, object))
        return _Share(
            np.empty(count, FLOW),
            matches if has_matches else None,
            found,
            Cells.of_all(np.arange(count), np.empty(count, TIME_SUM), width_ns) if width_ns else None,
        )

    def put(self, places: NDArray[np.int64], share: _Share, rows: NDArray[np.int64]) -> None:
        """Put rows of another share at these places."""
        if self.cells and share.cells:
            self.cells.table[places] = share.cells.some(rows).counts
            rows = share.cells.rows[rows]
        self.flows.view(_BYTES)[places] = share.flows.view(_BYTES)[rows]
        if self.matches and share.matches:
            for ours, theirs in zip(self.matches, share.matches, strict=True):
                for place, row in zip(places.tolist(), rows.tolist(), strict=True):
                    ours[place] = theirs[row]
        if self.found and share.found:
            for name in ("numbers", "evidence", "askers"):
                getattr(self.found, name)[places] = getattr(share.found, name)[rows]
            if self.found.entries is not None and share.found.entries is not None:
                self.found.entries[places] = share.found.entries[rows]


def starts_of_buckets(part: RowPart) -> NDArray[np.int64]:
    """int64[n]: when the buckets of rows begin that were counted by time."""
    if isinstance(part, FlowRows):
        return part.bucket_starts() if len(part) else np.zeros(0, np.int64)
    starts = part.by_name.get("bucket_ns") if isinstance(part, Columns) else None
    return starts.values if isinstance(starts, Numbers) else np.zeros(len(part), np.int64)
