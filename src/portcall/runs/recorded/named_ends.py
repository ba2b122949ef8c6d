"""Whose the ends of one table's rows are by what captures claim, and which of them are local by that.

what live found at last of an end, in a capture that portcall wrote, counts before all else
what packets claim, for the end that the claim means
what lies beside a capture: who had a connection of these ends at that time
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import numpy as np

from portcall.flows.flow_ends import flow_ends
from portcall.flows.local_networks import networks
from portcall.ownership.end_keys import keys_of
from portcall.ownership.row_claims import CLIENT, EITHER, HIGH, LOW, NO_RECORD, SERVER, is_nobody, match_of
from portcall.ownership.socket_timeline import KERNEL
from portcall.records.ownership import Match, MatchQuality
from portcall.records.sightings import FLOW_END

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from portcall.records.packets import CapturePoint
    from portcall.records.recorded.claims import ClaimTable, EndClaim
    from portcall.runs.inspected_table import InspectedTable
    from portcall.runs.owned_table import OwnedTable

_SLACK_NS = 2_000_000_000
"""How far a sidecar's times may be beside those of packets."""
_BITS = {"low": 1, "high": 2}


class NamedEnds:
    """Finds the owners of a table's rows; makes the ends local that the capture says are."""

    def __init__(
        self,
        claims: ClaimTable,
        table: InspectedTable,
        owned: OwnedTable,
        local: Sequence[str],
        points: Sequence[CapturePoint],
        which: NDArray[np.bool_] | None = None,
    ) -> None:
        """``which`` of the rows are asked for, bool[rows]; None for all."""
        self.named = self.ambiguous = self.inferred = 0
        """Conversations with an owner, ends with several, and conversations whose local end is inferred."""
        self._table, self._rows, self._points = claims, table.flows.rows(), points
        self._claims = table.claims
        self._which = np.ones(len(self._rows), np.bool_) if which is None else which
        if self._claims:
            beginnings, continuations = table.flows.continued()
            asked = self._which[beginnings]
            self._claims.continue_in(beginnings[asked], continuations[asked])
        found = table.detected(np.arange(len(self._rows)))
        self._ends = flow_ends(self._rows, networks(local), askers=found.askers if found else None).rows
        self._said = self._said_of(owned)
        self._either = self._make_local()
        self._named_rows: set[int] = set()
        self._nobody = Match(None, MatchQuality.NONE, ", ".join(claims.sources), "no-owner", NO_RECORD)

    def find(self, _ends: NDArray[np.void], rows: NDArray[np.int64], near: str) -> list[Match]:
        """A Match for the near end of each of these rows, which is local."""
        return [self._match(row, near) for row in rows.tolist()]

    def _match(self, row: int, near: str) -> Match:
        said = self._said.get((row, near))
        match = self._live_match(said) if said and said.quality else None
        match = match or (self._claims.match(row, self._slots(row, near)) if self._claims else None)
        if match is None and said and not said.quality:
            recorded = self._table.owners[said.owner]
            match = None if is_nobody(recorded.owner) else match_of([recorded])
        match = match or self._nobody
        if match.reason == "kernel":
            match = match._replace(owner=KERNEL)
        self.ambiguous += match.quality is MatchQuality.AMBIGUOUS
        if match.owner and row not in self._named_rows:
            self._named_rows.add(row)
            self.named += 1
        return match

    def _slots(self, row: int, near: str) -> list[int]:
        is_client = bool(self._ends["client_is_low"][row]) == (near == "low")
        slots = [LOW if near == "low" else HIGH, CLIENT if is_client else SERVER]
        return [*slots, EITHER] if self._either[row] & _BITS[near] else slots

    def _live_match(self, said: EndClaim) -> Match:
        """What live found, which is what it says now."""
        owner = self._table.owners[said.owner].owner if said.owner else None
        return Match(owner, said.quality or MatchQuality.NONE, said.source, said.reason, said.failure)

    def _make_local(self) -> NDArray[np.uint8]:
        """Say in the rows which of their ends are local; gives the bit of the end that an undirected claim means."""
        rows, ends = self._rows, self._ends
        client = np.where(ends["client_is_low"], np.uint8(1), np.uint8(2))
        named = np.zeros(len(rows), np.uint8)
        either = np.zeros(len(rows), np.uint8)
        for row, near in self._said:
            named[row] |= _BITS[near]
        if self._claims:
            claims, count = self._claims, len(rows)
            is_undirected = claims.rows_with((EITHER,), count)
            for slot, bits in ((LOW, np.uint8(1)), (HIGH, np.uint8(2)), (CLIENT, client), (SERVER, 3 - client)):
                named |= np.where(claims.rows_with((slot,), count), bits, np.uint8(0)).astype(np.uint8)
            likely = client
            for known in (ends["local"], (rows["local"] | named) & np.uint8(3)):  # the surer one last
                likely = np.where((known == 1) | (known == 2), known, likely)  # noqa: PLR2004 - one end only
            either = np.where(is_undirected, likely, 0).astype(np.uint8)
        silent = (rows["local"] & 3 | named | either) == 0
        inferred = np.where(silent & (ends["local"] != 3), ends["local"], 0).astype(np.uint8)  # noqa: PLR2004 - both
        self.inferred = int((silent & self._which).sum())
        rows["local"] |= np.where(self._which, named | either | inferred, 0).astype(np.uint8)
        return either

    def _said_of(self, owned: OwnedTable) -> dict[tuple[int, str], EndClaim]:
        """What files say of ends apart from packets, by row and end."""
        said: dict[tuple[int, str], EndClaim] = {}
        if not self._table.ends or not len(self._rows):
            return said
        by_key: dict[bytes, list[EndClaim]] = {}
        for key, claim in zip(keys_of(_flow_ends(self._table.ends)), self._table.ends, strict=True):
            by_key.setdefault(key, []).append(claim)
        for near in _BITS:
            ends = owned.ends(near)
            times = zip(ends["first_ns"].tolist(), ends["last_ns"].tolist(), strict=True)
            for row, (key, (first_ns, last_ns)) in enumerate(zip(keys_of(ends), times, strict=True)):
                claims = [claim for claim in by_key.get(key, ()) if self._is_of(claim, row)]
                best = max(claims, key=lambda claim: _overlap_ns(claim, first_ns, last_ns), default=None)
                if best and _overlap_ns(best, first_ns, last_ns) >= -_SLACK_NS:
                    said[row, near] = best
        return said

    def _is_of(self, claim: EndClaim, row: int) -> bool:
        """Whether it is said of the row's interface, or of any."""
        if claim.point is None:
            return True
        place = int(self._rows["namespace"][row]) >> 20
        return place < len(self._points) and self._points[place] == self._table.points[claim.point]


def _overlap_ns(claim: EndClaim, first_ns: int, last_ns: int) -> int:
    """How long both are at the same time; negative for how far they are apart."""
    return min(claim.last_ns, last_ns) - max(claim.first_ns, first_ns)


def _flow_ends(claims: Sequence[EndClaim]) -> NDArray[np.void]:
    """FLOW_END[n] of the ends that are claimed."""
    ends = np.zeros(len(claims), FLOW_END)
    for end, claim in zip(ends, claims, strict=True):
        addresses = [ipaddress.ip_address(address) for address in (claim.local, claim.remote)]
        end["protocol"], end["ip_version"] = claim.protocol, addresses[0].version
        end["local_port"], end["remote_port"] = claim.local_port, claim.remote_port
        for name, address in zip(("local", "remote"), addresses, strict=True):
            end[name] = np.frombuffer(address.packed.rjust(16, b"\0"), np.uint8)
    return ends
