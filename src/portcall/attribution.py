"""Attribution: flow records and verdict tallies in, report rows out.

Flows come in chunks and are summed per service (and per remote address where the grouping or ``top_host`` asks for it)
with whole-array operations; names appear only when rows are asked for, once per group. Two attributions merge, in any
grouping of consecutive shards. Every byte is credited: what is on no flow becomes rows with a reason, and what is
credited to two local ends is counted, so Σ(bytes_out + bytes_in) = bytes + bytes_credited_twice in every grouping.
Knows no file, clock or terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.conversations import flow_row_on_no_flow, flow_rows
from portcall.errors import UsageError
from portcall.groups import group_row_on_no_flow, group_rows, party_rows
from portcall.locality import LocalEnds, addresses, hosts, local_ends, networks
from portcall.model import Coverage, Degradation, FlowKind, Report, Verdict
from portcall.openers import clients_are_low
from portcall.parties import Parties, quality_of
from portcall.schema import column_names, directions
from portcall.services import app_keys, are_attributed, label_keys, service_keys
from portcall.sums import SERVICE, SERVICE_AND_HOST, SERVICE_AND_PARTY, Sums, reduce_equal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from portcall.hearing import Found
    from portcall.model import Match, Place, Tally
    from portcall.names import Names
    from portcall.parties import Matches
    from portcall.sums import Table

Row = dict[str, Any]  # Any: plain values of several types, see schema

_ROWS_AT_ONCE = 1 << 14  # a FLOW of so many rows, and the columns made of it, stay in the processor's last cache
_HOSTS_REMEMBERED = 300_000  # (app, remote address) pairs held for top_host, 10 MB; with more, it may be uncertain


class Attribution:
    """Sums of flows under one grouping.

    ``local`` are the networks that the user calls local, as text or objects; ``names`` what the traffic itself tells;
    ``places`` where live flows were seen, by the number in their ``namespace``.
    """

    def __init__(
        self, by: str, local: Iterable[Any] = (), names: Names | None = None, places: Sequence[Place] = ()
    ) -> None:
        self._columns = column_names(by)
        self._by = by
        self._local = networks(local)
        self._names = names
        self._places = places
        self._flows: list[tuple[NDArray[np.void], tuple[Matches, Matches] | None, Found | None]] = []
        self._sums = Sums(SERVICE_AND_HOST if by == "host" else SERVICE)
        self._hosts = Sums(SERVICE_AND_HOST, bound=_HOSTS_REMEMBERED)
        self._parties = Parties(by)
        self._party_sums = Sums(SERVICE_AND_PARTY)
        self._party_hosts = Sums(SERVICE_AND_HOST, bound=_HOSTS_REMEMBERED)
        self._inferred_flows = 0
        self.bytes_credited_twice = 0

    def add(
        self,
        flows: NDArray[np.void],
        low: Matches | None = None,
        high: Matches | None = None,
        found: Found | None = None,
    ) -> None:
        """Count FLOW[n]. By flow they are kept, and must not change afterwards.

        ``low`` and ``high`` tell, where owners are known, whose each row's ends are; None for an end that is not this
        machine's. Then local are, unless the user named networks, just the ends that the rows' bits call so.
        UsageError by process without them.
        ``found`` is what each row's own traffic told.
        """
        matches = None
        if low is not None or high is not None:
            nobody: list[Match | None] = [None] * len(flows)
            matches = (nobody if low is None else low, nobody if high is None else high)
        if self._by == "flow":
            self._flows.append((flows, matches, found))
            return
        if self._by == "process" and not matches:
            raise UsageError("--by process: a capture does not say which process sent a packet. Use --by app")
        for start in range(0, len(flows), _ROWS_AT_ONCE):
            chunk = slice(start, start + _ROWS_AT_ONCE)
            of_chunk = (matches[0][chunk], matches[1][chunk]) if matches else None
            self._add(flows[chunk], of_chunk, found and found.part(chunk))

    def _add(self, flows: NDArray[np.void], matches: tuple[Matches, Matches] | None, found: Found | None) -> None:
        client_is_low, _ = clients_are_low(flows)
        services = service_keys(flows, client_is_low)
        low, high = addresses(flows, "low"), addresses(flows, "high")
        server_names = np.zeros(len(flows), np.uint64)
        if self._names and found:
            heard = self._names.heard(flows, client_is_low, services, found)
            services, server_names = heard.services, heard.hosts
        local = _own_ends(flows) if matches and not self._local else local_ends(flows, low, high, self._local)
        self._inferred_flows += local.inferred
        low_views = np.where(local.low == local.high, client_is_low, local.low)
        remote = hosts(high.where(low_views, low), np.where(low_views == client_is_low, server_names, np.uint64(0)))
        credited = _credits(flows, services, low_views, remote)
        owners = self._owners(services, local, matches) if matches and self._by in ("app", "process") else {}
        self._count(credited | {name: np.where(low_views, *ends) for name, ends in owners.items()})
        both = local.low & local.high & (flows["kind"] != FlowKind.ORPHAN)
        if self._by != "service" and both.any():
            remote = hosts(low.where(low_views, high), np.where(low_views != client_is_low, server_names, np.uint64(0)))
            other = _credits(flows, services, ~low_views, remote)
            other |= {name: np.where(low_views, *ends[::-1]) for name, ends in owners.items()}
            # A conversation counts once in a row, and only a host's or a party's row can differ between its ends.
            other["flows"] = ((low.low_half != high.low_half) | (low.high_half != high.high_half)).astype(np.int64)
            if owners:
                other["flows"] = (owners["party"][0] != owners["party"][1]).astype(np.int64)
            elif self._by == "app":
                other["flows"][:] = 0
            self.bytes_credited_twice += int(flows["bytes"][both].sum())
            self._count({name: column[both] for name, column in other.items()})

    def merge(self, other: Attribution) -> None:
        """Count in what another attribution with the same grouping and local networks has counted."""
        self._flows += other._flows
        self._sums.merge(other._sums)
        self._hosts.merge(other._hosts)
        numbers = self._parties.merge(other._parties)
        self._party_sums.merge(other._party_sums, "party", numbers)
        self._party_hosts.merge(other._party_hosts, "service", numbers)
        self._inferred_flows += other._inferred_flows
        self.bytes_credited_twice += other.bytes_credited_twice

    def rows(self, tallies: Mapping[Verdict, Tally]) -> list[Row]:
        """All rows, most bytes first, as ``schema`` describes them; ``tallies`` are of all frames of the capture."""
        rows = [*self._rows_of_flows(), *self._rows_on_no_flow(tallies)]
        out, back = (f"bytes_{direction}" for direction in directions(self._by))
        first = self._columns[0]
        rows.sort(key=lambda row: str(row[first]))
        rows.sort(key=lambda row: row[out] + row[back], reverse=True)  # equal ones stay as they are
        return rows

    def report(
        self,
        tallies: Mapping[Verdict, Tally],
        source: str,
        *,
        where: Callable[[Row], bool] | None = None,
        top: int | None = None,
        completed: Callable[[Row], Row] | None = None,
    ) -> Report:
        """The rows with what they cover; ``where`` and then ``top`` leave rows out, which still count as covered.

        ``completed`` gives a row with what others know of its addresses, before ``where`` looks at it.
        """
        everything = self.rows(tallies)
        if completed:
            everything = list(map(completed, everything))
        rows = [row for row in everything if where is None or where(row)][:top]
        times = [t for tally in tallies.values() for t in (tally.first_ns, tally.last_ns) if t is not None]
        coverage = Coverage(
            frames=sum(tally.frames for tally in tallies.values()),
            bytes=sum(tally.bytes for tally in tallies.values()),
            verdicts={_word(verdict): tallies[verdict].frames if verdict in tallies else 0 for verdict in Verdict},
            bytes_credited_twice=self.bytes_credited_twice,
            dropped_by_kernel=None,
            bytes_attributed=self._bytes_attributed(everything),
        )
        window_ns = (min(times), max(times)) if times else None
        return Report(self._by, source, window_ns, coverage, rows, self.degradations(), len(everything) - len(rows))

    def degradations(self) -> list[Degradation]:
        """What the rows could not be sure of."""
        if not self._inferred_flows or self._by == "service":
            return []
        reason = (
            "the capture does not say which ends are local; an end with a private address is taken for local "
            "where the other end's is not private, else the client"
        )
        return [Degradation("local addresses", reason, "--local CIDR")]

    def _owners(
        self, services: NDArray[np.int64], local: LocalEnds, matches: tuple[Matches, Matches]
    ) -> dict[str, NDArray[Any]]:
        """(2, n) arrays, low ends first: the number of the party that each end is credited to, and of its quality."""
        low, high = (
            [match if is_local else None for match, is_local in zip(end, is_locals.tolist(), strict=True)]
            for end, is_locals in zip(matches, (local.low, local.high), strict=True)
        )
        qualities = [[quality_of(match) for match in end] for end in (low, high)]
        return {"party": self._parties.numbers(low, high, services), "quality": np.array(qualities, np.uint8)}

    def _count(self, credited: Table) -> None:
        sums, hosts_sums = (self._party_sums, self._party_hosts) if "party" in credited else (self._sums, self._hosts)
        sums.add(reduce_equal(credited, sums.keys))
        if self._by == "host":
            return
        remote = {name: credited[name] for name in SERVICE_AND_HOST}
        remote["bytes"] = credited["bytes_out"] + credited["bytes_in"]
        if "party" in credited:
            remote["service"] = credited["party"]
        elif self._by == "app":
            remote["service"] = app_keys(remote["service"])
        else:
            remote["service"] = label_keys(remote["service"])
        hosts_sums.add(remote)

    def _rows_of_flows(self) -> Iterator[Row]:
        for flows, matches, found in self._flows:
            told = (self._names, found) if self._names and found else None
            yield from flow_rows(flows, matches, told, self._places)
        sums, remote = self._sums.joined(), self._hosts.joined()
        if sums is not None:
            yield from group_rows(self._by, sums, remote, self._hosts.missing_bytes)
        sums, remote = self._party_sums.joined(), self._party_hosts.joined()
        if sums is not None and remote is not None:
            yield from party_rows(self._by, self._parties, sums, remote, self._party_hosts.missing_bytes)

    def _rows_on_no_flow(self, tallies: Mapping[Verdict, Tally]) -> Iterator[Row]:
        row_on_no_flow = flow_row_on_no_flow if self._by == "flow" else group_row_on_no_flow
        for verdict, tally in tallies.items():
            # Later fragments are on flows: that of their first, or an orphan's.
            if verdict.reason and verdict is not Verdict.LATER_FRAGMENT and tally.frames:
                row = row_on_no_flow(verdict.reason, tally)
                yield {name: row.get(name) for name in self._columns}

    def _bytes_attributed(self, rows: list[Row]) -> int:
        if self._by == "flow":
            attributed_rows = [row for row in rows if row["unattributed_reason"] is None]
            return sum(row["bytes_to_server"] + row["bytes_to_client"] for row in attributed_rows)
        # Not from the rows: a host's row may mix what has an app with what has none.
        sums, owned = self._sums.joined(), self._party_sums.joined()
        attributed = 0 if sums is None else _bytes_where(sums, are_attributed(sums["service"]))
        return attributed + (0 if owned is None else _bytes_where(owned, self._parties.are_attributed(owned["party"])))


def _credits(
    flows: NDArray[np.void], services: NDArray[np.int64], low_views: NDArray[np.bool_], remote: Table
) -> Table:
    """What FLOW[n] are credited with, seen from the low end where ``low_views`` and from the high end elsewhere."""
    table: Table = {
        "service": services,
        **remote,
        "flows": (flows["kind"] != FlowKind.ORPHAN).astype(np.int64),
        "first_ns": flows["first_ns"],
        "last_ns": flows["last_ns"],
    }
    orphans = np.flatnonzero(flows["kind"] == FlowKind.ORPHAN)
    for count in ("packets", "bytes", "payload"):
        low, high = flows[count].T.copy()
        sent = np.where(low_views, low, high)
        sent[orphans] = 0  # they have no conversation to see a direction in: frames on no flow count as in
        table[f"{count}_out"] = sent
        table[f"{count}_in"] = low + high - sent
    return table


def _own_ends(flows: NDArray[np.void]) -> LocalEnds:
    """Which ends the rows' bits call local: where owners are known, so is what is ours, and nothing is inferred."""
    return LocalEnds((flows["local"] & 1) != 0, (flows["local"] & 2) != 0, 0)


def _bytes_where(sums: Table, condition: NDArray[np.bool_]) -> int:
    return int(sums["bytes_out"][condition].sum()) + int(sums["bytes_in"][condition].sum())


def _word(verdict: Verdict) -> str:
    return verdict.name.lower().replace("_", "-")
