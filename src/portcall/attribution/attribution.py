"""Attribution: flow records and verdict tallies in, report rows out.

Flows come in chunks and are summed per service (and per remote address where the grouping or ``top_host`` asks for it)
by compiled kernels; names appear only when rows are asked for, once per group. Two attributions merge. Every byte is
credited: what is on no flow becomes rows with a reason; what is credited to two local ends is counted, so
Σ(bytes_out + bytes_in) = bytes + bytes_credited_twice in every grouping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.attribution.bucket_rows import by_bucket, columns_on_no_flow, sums_on_no_flow
from portcall.attribution.flow_rows import FlowRows, starts_of_buckets
from portcall.attribution.group_rows import MOST_HOSTS, group_rows, note_of_hosts, principal_rows
from portcall.attribution.kept_flow_rows import KeptFlowRows, note_of_left_out
from portcall.attribution.no_flow_rows import covered, rows_on_no_flow
from portcall.attribution.owned_bytes import bytes_of, more_by_owners, of_local_ends
from portcall.attribution.principals import Principals, quality_of
from portcall.attribution.query_rows import QueryRows, note_of_questions, rest_columns
from portcall.errors import UsageError
from portcall.flows.aggregation import CREDIT, CREDITS, HOST_CREDIT, HOST_CREDITS, Sums
from portcall.flows.flow_ends import flow_ends
from portcall.flows.local_networks import networks
from portcall.kernels.attribute import credit
from portcall.labels.bucketing import bucket_numbers
from portcall.labels.registry import Registry
from portcall.labels.service_keys import are_attributed
from portcall.records.column_values import Columns, Numbers, Words
from portcall.records.report import Degradation, Report
from portcall.records.report_rows import ROWS_AT_ONCE, Rows, in_order
from portcall.records.schema import column_names, directions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from portcall.attribution.kept_matches import RowStore
    from portcall.attribution.principals import Matches
    from portcall.flows.cells.flow_cells import Cells
    from portcall.flows.time_buckets import TimeBuckets
    from portcall.inspection.detection_table import Detected
    from portcall.inspection.server_names import ServerNames
    from portcall.queries.row_tests import RowTest
    from portcall.records.ownership import Match
    from portcall.records.packets import CapturePoint, Tally, Verdict

Row = dict[str, Any]  # Any: plain values of several types, see schema

_SEEN_FROM_THE_CLIENT = ("service", "query", "time")
"""Groupings that credit every flow once."""
_OF_OWNERS = ("process", "user")
"""Groupings that only owners can tell."""


class Attribution:
    """Sums of flows under one grouping.

    ``local``: networks that the user calls local, text or objects; ``names``: what the traffic tells;
    ``capture_points``: where live flows were seen, by their ``namespace``; ``store`` keeps rows by flow elsewhere.
    """

    def __init__(
        self,
        by: str,
        local: Iterable[Any] = (),
        names: ServerNames | None = None,
        capture_points: Sequence[CapturePoint] = (),
        store: RowStore | None = None,
        most_hosts: int = MOST_HOSTS,
    ) -> None:
        self._columns = column_names(by)
        self._by = by
        self.keeps_rows = by == "flow"
        """Whether what ``add`` takes must not change afterwards."""
        self._local = networks(local)
        self._names = names
        self._registry = names.registry if names else Registry()
        self._flows = KeptFlowRows(names, capture_points, store) if store else FlowRows(names, capture_points)
        self._sums = Sums(CREDIT, CREDITS)
        self._hosts = Sums(HOST_CREDIT, HOST_CREDITS, most_hosts)
        self._queries = QueryRows()
        self._principals, self._principal_sums = Principals(by), Sums(CREDIT, CREDITS)
        self._principal_hosts = Sums(HOST_CREDIT, HOST_CREDITS, most_hosts)
        self._inferred_flows = 0
        self._width_ns = 0
        self._cells_on_no_flow: dict[Verdict, list[Cells]] = {}
        self.bytes_credited_twice = self._more_by_owners = 0

    def add(
        self,
        flows: NDArray[np.void],
        low: Matches | None = None,
        high: Matches | None = None,
        found: Detected | None = None,
        cells: Cells | None = None,
    ) -> None:
        """Count FLOW[n]. By flow they are kept, and must not change afterwards.

        ``low`` and ``high`` tell, where owners are known, whose each row's ends are; None for an end that is not this
        machine's. Then local are, unless the user named networks, just the ends that the rows' bits call so.
        UsageError by process or user without them.
        ``found`` is what each row's own traffic told; ``cells`` what came of each by time, where somebody asked.
        """
        if cells:
            self._widen(cells.width_ns)
        matches = None
        if low is not None or high is not None:
            nobody: list[Match | None] = [None] * len(flows)
            matches = (nobody if low is None else low, nobody if high is None else high)
        if self._by == "flow":
            self._flows.add(flows, matches, found, cells)
            return
        if self._by in _OF_OWNERS and not matches:
            raise UsageError(f"--by {self._by}: no capture here says which {self._by} sent a packet. Use --by app")
        for start in range(0, len(flows), ROWS_AT_ONCE):
            chunk = slice(start, start + ROWS_AT_ONCE)
            of_chunk = (matches[0][chunk], matches[1][chunk]) if matches else None
            self._add(flows[chunk], of_chunk, found and found.part(chunk), cells and cells.part(chunk))

    def add_on_no_flow(self, buckets: TimeBuckets) -> None:
        """Count what came, by time, of frames that are on no flow; ``rows`` then does without their tallies."""
        self._widen(buckets.width_ns)
        for verdict, cells in buckets.on_no_flow().items():
            if self._by == "time":
                self._sums.add(sums_on_no_flow(cells))
            else:
                self._cells_on_no_flow.setdefault(verdict, []).append(cells)

    def _widen(self, width_ns: int) -> None:
        """Count in buckets that are so wide at least."""
        if 0 < self._width_ns < width_ns:
            times = width_ns // self._width_ns
            for sums in (self._sums, self._hosts, self._principal_sums, self._principal_hosts):
                sums.renumber("bucket", lambda numbers: bucket_numbers(numbers, times))
        self._width_ns = max(self._width_ns, width_ns)

    def _add(
        self,
        flows: NDArray[np.void],
        matches: tuple[Matches, Matches] | None,
        found: Detected | None,
        cells: Cells | None,
    ) -> None:
        # Where owners are known, so is what is ours.
        ends, inferred = flow_ends(flows, self._local, infers=not matches, askers=found and found.askers)
        self._inferred_flows += inferred
        by_port = ends["service"].copy()
        if self._names and found:
            label = self._names.label(flows, ends["client_is_low"].copy(), by_port, found)
            ends["service"], ends["server_name"] = label.services, label.hosts
        by_owners = self._by in ("app", *_OF_OWNERS)
        if matches and not by_owners:
            both_ends = self._by not in _SEEN_FROM_THE_CLIENT
            self._more_by_owners += more_by_owners(flows, ends, by_port, matches, both_ends=both_ends)
        if self._by == "query":
            self._queries.bytes_attributed += int(flows["bytes"][are_attributed(ends["service"])].sum())
            self._count_rest(self._queries.add(flows, found and found.asked))
            return
        if matches and by_owners:
            self._own(ends, by_port, matches)
            self._count(flows, ends, self._principal_sums, self._principal_hosts, cells)
            return
        row_keys = self._registry.app_keys if self._by == "app" else self._registry.label_keys
        ends["row"] = 0 if self._by == "time" else row_keys(ends["service"])[:, None]
        self._count(flows, ends, self._sums, self._hosts, cells)

    def merge(self, other: Attribution) -> None:
        """Count in what another attribution with the same grouping, local networks and names has counted."""
        if other._names is not self._names:
            raise ValueError("attributions that merge share their names, for their numbers are those of one registry")
        width_ns = max(self._width_ns, other._width_ns)
        self._widen(width_ns)
        other._widen(width_ns)
        for verdict, cells in other._cells_on_no_flow.items():
            self._cells_on_no_flow.setdefault(verdict, []).extend(cells)
        self._flows.merge(other._flows)
        self._sums.merge(other._sums)
        self._hosts.merge(other._hosts)
        self._queries.merge(other._queries)
        numbers = self._principals.merge(other._principals)
        self._principal_sums.merge(other._principal_sums, "principal", numbers)
        self._principal_hosts.merge(other._principal_hosts, "row", numbers)
        self._inferred_flows += other._inferred_flows
        self.bytes_credited_twice += other.bytes_credited_twice
        self._more_by_owners += other._more_by_owners

    def rows(self, tallies: Mapping[Verdict, Tally], most: int | None = None) -> Rows:
        """Rows, most bytes first, all or the first ``most``; ``tallies`` are of all frames of the capture."""
        parts = self._parts(tallies)
        counted = [self._both_ways(part) for part in parts]
        both_ways = np.concatenate([both_ways for _, both_ways in counted])
        return Rows(self._columns, parts, in_order([texts for texts, _ in counted], both_ways, most))

    def _parts(self, tallies: Mapping[Verdict, Tally]) -> list[FlowRows | Columns]:
        parts: list[FlowRows | Columns] = [*self._flows.parts()] if self._by == "flow" else [*self._groups()]
        parts.append(Columns.of_rows([] if self._width_ns else list(rows_on_no_flow(self._by, tallies))))
        for verdict, cells in self._cells_on_no_flow.items():
            parts.append(columns_on_no_flow(self._by, verdict, cells, self._width_ns))
        return parts

    def report(
        self,
        tallies: Mapping[Verdict, Tally],
        source: str,
        *,
        where: RowTest | None = None,
        top: int | None = None,
        completed: Callable[[Columns], Columns] | None = None,
    ) -> Report:
        """The rows with what they cover; ``where`` and then ``top`` leave rows out, which still count as covered.

        ``completed`` adds what others know of addresses, before ``where`` looks at it. By time the rows are in order of
        their buckets, and ``top`` still leaves those of most bytes.
        """
        everything = self.rows(tallies, None if where else top)
        rows = everything.completed(completed) if completed else everything
        rows = (rows.where(where.among, where.names) if where else rows)[:top]
        if self._width_ns:
            rows = rows.sorted_by(starts_of_buckets)
        times = [t for tally in tallies.values() for t in (tally.first_ns, tally.last_ns) if t is not None]
        coverage = covered(tallies, self.bytes_credited_twice, self._bytes_attributed())
        window_ns = (min(times), max(times)) if times else None
        left_out = everything.of_all - len(rows) + self._flows.left_out
        return Report(
            self._by, source, window_ns, coverage, rows, self.degradations(), left_out, self._width_ns or None
        )

    def degradations(self) -> list[Degradation]:
        """What the rows could not be sure of."""
        if self._by in ("query", "flow"):
            return note_of_questions(self._names) if self._by == "query" else note_of_left_out(self._flows.left_out)
        notes = note_of_hosts(self._hosts)
        if not self._inferred_flows or self._by == "service":
            return notes
        reason = (
            "the capture does not say which ends are local; an end with a private address is taken for local "
            "where the other end's is not private, else the client"
        )
        return [*notes, Degradation("local addresses", reason, "--local CIDR")]

    def _own(self, ends: NDArray[np.void], by_port: NDArray[np.int64], matches: tuple[Matches, Matches]) -> None:
        """Put in whom each end is credited to, and the quality of that."""
        low, high = of_local_ends(ends, matches)
        ends["principal"] = ends["row"] = self._principals.numbers(low, high, by_port).T
        ends["quality"] = [(quality_of(one), quality_of(other)) for one, other in zip(low, high, strict=True)]

    def _count(
        self, flows: NDArray[np.void], ends: NDArray[np.void], sums: Sums, hosts: Sums, cells: Cells | None
    ) -> None:
        by_host, both_ends = self._by == "host", self._by not in _SEEN_FROM_THE_CLIENT
        for some, their_ends, buckets in by_bucket(flows, ends, cells, self._width_ns):
            most = 2 * len(some)
            self.bytes_credited_twice += credit(
                some, their_ends, by_host, both_ends, sums.with_room(most), hosts.with_room(most), buckets
            )

    def _count_rest(self, flows: NDArray[np.void]) -> None:
        """Count FLOW[n], or what is left of them, seen from their clients, whatever is local."""
        ends = flow_ends(flows).rows
        ends["local"] = 0
        self._count(flows, ends, self._sums, self._hosts, None)

    def _groups(self) -> Iterator[Columns]:
        if self._by == "query":
            if self._names and self._names.questions:
                yield self._queries.columns(self._names.questions.__getitem__)
            if len(self._sums.rows):
                yield rest_columns(self._sums.rows)
            return
        if len(self._sums.rows):
            yield group_rows(self._by, self._sums.rows, self._hosts, self._registry, self._width_ns)
        if len(self._principal_sums.rows):
            sums, hosts = self._principal_sums.rows, self._principal_hosts
            yield principal_rows(self._principals, sums, hosts, self._registry, self._width_ns)

    def _both_ways(self, part: FlowRows | Columns) -> tuple[Words, NDArray[np.int64]]:
        """The texts that order rows of equal bytes, and int64[n]: the bytes."""
        if isinstance(part, FlowRows):
            return part.protocols(), part.bytes_both_ways()
        out, back = (part.by_name.get(f"bytes_{direction}") for direction in directions(self._by))
        if not isinstance(out, Numbers) or not isinstance(back, Numbers):  # no row
            return Words.each(()), np.zeros(0, np.int64)
        first = part.by_name.get(self._columns[0])
        return first if isinstance(first, Words) else Words.each([None] * len(part)), out.values + back.values

    def _bytes_attributed(self) -> int:
        if self._by == "flow":
            return self._flows.bytes_attributed()
        if self._by == "query":
            return self._queries.bytes_attributed + self._more_by_owners
        # Not from the rows: a host's row may mix what has an app with what has none.
        sums, owned = self._sums.rows, self._principal_sums.rows
        attributed = bytes_of(sums[are_attributed(sums["service"])]) + self._more_by_owners
        return attributed + bytes_of(owned[self._principals.are_attributed(owned["principal"])])
