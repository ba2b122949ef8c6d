"""Partial: what a run knows after some frames of a capture, as one value that merges, and that can leave the process.

Cut a capture into consecutive shards, read each wherever you like, and merge their partials in any grouping: the rows
are those of the whole. A shard is fed the blocks that stand before it in its capture (host names, secrets) as well, as
without them its frames mean less. What does not travel is what a shard forgot within its bounds, which is counted, and
copies of frames that lie on both sides of a cut, which are not found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portcall.decoding.copies import Copies
from portcall.errors import PortcallError
from portcall.flows.table import FlowTable
from portcall.inspection.inspection_state import InspectionState
from portcall.labels.bucketing import MOST_AUTO_BUCKETS, WIDEST_NS, Bucketing
from portcall.ownership.row_claims import RowClaims
from portcall.records.plain_data import items, whole
from portcall.records.recorded.claims import ClaimTable
from portcall.runs.inspected_table import InspectedTable, Shard
from portcall.runs.partial_bytes import packed, unpacked
from portcall.runs.recorded import partial_owners
from portcall.runs.tracker import Tracker, new_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLER = "Cut the capture into smaller shards, or merge fewer of them"


@dataclass(slots=True)
class Partial:
    """What is known after one shard, or after several that follow each other."""

    shard: Shard
    """Where the first of its frames is."""
    frames: int
    layer: str
    """Which headers its flows are taken from."""
    flows: FlowTable
    state: InspectionState | None
    """What is known of payloads; None where they are not inspected."""
    copies: int = 0
    """Frames that are copies of others."""
    copies_are_exact: bool = True
    claims: RowClaims | None = None
    """Whom the capture names; None where it names nobody."""

    @classmethod
    def of(cls, tracker: Tracker) -> Partial:
        """What a tracker knows that was fed one shard, and is fed no more."""
        if tracker.shard is None:
            raise ValueError("a tracker that is not told which shard it is fed holds nothing for others")
        if len(tracker.tables) > 1:
            raise PortcallError(f"a shard has more than {tracker.max_flows} conversations. {_SMALLER}")
        table = tracker.tables[0] if tracker.tables else tracker.new_table()
        partial = cls(tracker.shard, tracker.frames, tracker.decoder.layer, table.flows, table.state(tracker.names))
        if tracker.copies and not tracker.copies.removes:  # what was removed is counted by its verdict
            partial.copies, partial.copies_are_exact = tracker.copies.found, tracker.copies.is_exact
        partial.claims = partial_owners.claims_of(tracker)
        return partial

    def merge(self, later: Partial) -> None:
        """Take in the shard that follows, which is left as it is."""
        if later.shard is Shard.FIRST:
            raise PortcallError("a shard that begins a capture follows no other one")
        if self._kind() != later._kind():
            raise PortcallError("these partial results were read with different options, so they do not merge")
        if not self.flows.has_room_for(later.flows):
            raise PortcallError(f"the shards together have more conversations than one table holds. {_SMALLER}")
        places = self.flows.merge(later.flows, self.frames)
        if self.state and later.state:
            follows = self.shard is Shard.LATER
            self.state.merge(later.state, places, self.flows, self.frames, follows=follows)
        if later.claims:
            self.claims = self.claims or RowClaims(ClaimTable(), self.flows.column)
            partial_owners.merge(self.claims, later.claims, places)
        self.frames += later.frames
        self.copies += later.copies
        self.copies_are_exact &= later.copies_are_exact

    def tracker(self) -> Tracker:
        """The tracker of a run that was fed all of it: it has the table to attribute. Afterwards merge no more."""
        copies = Copies(removes=False)
        copies.add(self.copies, is_exact=self.copies_are_exact)
        names = self.state.names if self.state else None
        owners = self.claims.table if self.claims else None
        tracker = Tracker(names=names, copies=copies, frames=self.frames, owners=owners)
        inspector, questions = self.state.resumed(self.flows) if self.state else (None, None)
        tracker.tables.append(InspectedTable(self.flows, inspector, questions=questions))
        tracker.tables[0].claims = self.claims
        return tracker

    def to_bytes(self) -> bytes:
        """All of it, for ``from_bytes`` of the same build. It has what payloads said, and secrets of the capture."""
        buckets = self.flows.buckets
        plain = {
            "shard": self.shard.value,
            "frames": self.frames,
            "layer": self.layer,
            "copies": self.copies,
            "copies_are_exact": self.copies_are_exact,
            "names": self.state and self.state.plain(),
            "buckets": buckets and [*buckets.bucketing, buckets.width_ns],
            "idle_ns": self.flows.idle_ns,
            "owners": self.claims and partial_owners.plain(self.claims),
        }
        claims = {"row_claims": self.claims.all()} if self.claims else {}
        return packed(plain, {**self.flows.arrays(), **(self.state.arrays() if self.state else {}), **claims})

    @classmethod
    def from_bytes(cls, data: bytes) -> Partial:
        """The partial that these bytes are. PortcallError where they are of another build, or of none."""
        try:
            return cls._of(*unpacked(data))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise PortcallError(f"these bytes are no partial result: {error}") from error

    @classmethod
    def _of(cls, plain: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Partial:
        names, frames = plain["names"], whole(plain["frames"], most=1 << 48)
        bucketing, width_ns = _bucketing(plain["buckets"])
        flows = FlowTable.of_arrays(
            arrays,
            seed=new_seed(),
            inspects=names is not None,
            bucketing=bucketing,
            width_ns=width_ns,
            idle_ns=whole(plain["idle_ns"], most=1 << 63),
        )
        state = None
        if names is not None:
            state = InspectionState.of_plain(names, arrays, len(flows), frames)
        if plain["layer"] not in ("outer", "inner"):
            raise ValueError("its layer is none")
        copies, are_exact = whole(plain["copies"], most=1 << 48), bool(plain["copies_are_exact"])
        claims = plain["owners"] and partial_owners.of_plain(plain["owners"], arrays["row_claims"], flows)
        return cls(Shard(plain["shard"]), frames, plain["layer"], flows, state, copies, are_exact, claims)

    def _kind(self) -> tuple[object, ...]:
        names, buckets = self.state and self.state.names, self.flows.buckets
        inspected = names and (names.with_details, names.questions is not None)
        return self.layer, inspected, buckets.bucketing if buckets else None, self.flows.idle_ns


def _bucketing(plain: Any) -> tuple[Bucketing | None, int]:  # Any: what JSON has
    """What buckets a partial counts in, and how wide they are by now."""
    if plain is None:
        return None, 0
    first_ns, most, width_ns = items(plain, 3)
    widths = [whole(width, 1, WIDEST_NS) for width in (first_ns, width_ns)]
    return Bucketing(widths[0], None if most is None else whole(most, 1, MOST_AUTO_BUCKETS)), widths[1]
