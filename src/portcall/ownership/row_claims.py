"""Whom the packets of each row name: what a capture claims of packets, kept by row and end, and one Match for each end.

A conversation's end belongs to whom its packets name there. Descriptions of one process count as one, as ``united`` by
pid and start, without pids by name and user. Two processes make no owner: AMBIGUOUS is said, with their names. Weak
claims count where there are no others. Pure; rows are those of one flow table, and it grows by the rows that are named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.ownership.failed_search import SEVERAL_OWNERS
from portcall.records.ownership import Match, MatchQuality, Owner, program_text
from portcall.records.packets import Direction
from portcall.records.recorded.claims import CLAIM, NOBODY, UNKNOWN_PROGRAM, ClaimedEnd, is_same_process, united

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from portcall.records.recorded.claims import ClaimTable, RecordedOwner

LOW, HIGH, CLIENT, SERVER, EITHER = range(5)
SLOTS = 10
"""Of a row: these five, and the same five for weak claims."""
ROW_CLAIMS = np.dtype(("u4", (SLOTS,)))
"""The number of the first owner that is claimed for each, NOBODY for none."""
ROW_CLAIM = np.dtype([("row", "u4"), ("slot", "u4"), ("owner", "u4")])
"""One claim: an owner for a slot of a row."""
MOST_OTHERS = 1 << 18
NO_RECORD = "no-record"
_MOST_OF_A_SLOT = 8
_NAMED = 3
_WEAK = SLOTS // 2
_TOLD_ROW = 2  # what is added to twice a row and its side
_IPV4_LOOPBACK, _IPV6_LOOPBACK = 127, np.frombuffer(bytes(15) + b"\x01", np.uint8)


class RowClaims:
    """What is claimed of the rows of one flow table."""

    def __init__(
        self, table: ClaimTable, column: Callable[[np.dtype[Any]], NDArray[Any]], most_others: int = MOST_OTHERS
    ) -> None:
        """``column`` gives zeros for every row that there may ever be."""
        self._table = table
        self._first: NDArray[np.uint32] = column(ROW_CLAIMS)
        self._others: dict[tuple[int, int], list[int]] = {}
        self._most_others = most_others
        self._count = self._end = 0  # of others; of rows, those behind have no claims
        self.left_out = 0
        """Other owners for which there was no room."""

    def note(self, claims: NDArray[np.uint32], packets: NDArray[np.void], rows: NDArray[np.uint32]) -> None:
        """Keep what is claimed of PACKET[n]; ``rows`` are 2 + twice the row + the side that sent, 0 for no row."""
        named = np.flatnonzero((claims != NOBODY) & (rows >= _TOLD_ROW))
        if not len(named):
            return
        told = rows[named] - _TOLD_ROW
        claimed = self._table.claim_rows[claims[named]]
        slots = _slots(claimed, packets["direction"][named], (told & 1).astype(np.int64), _stays(packets, named))
        most = CLAIM["owners"].shape[0]
        for place in range(min(int(claimed["count"].max()), most)):
            self._keep(told >> 1, slots[min(place, 1)], claimed["owners"][:, place])
        for i in np.flatnonzero(claimed["count"] > most).tolist():
            for owner in self._table.claims[claims[named[i]]].owners[most:]:
                self._keep(told[i : i + 1] >> 1, slots[1][i : i + 1], np.array([owner], np.uint32))

    def _keep(self, rows: NDArray[np.integer], slots: NDArray[np.int64], owners: NDArray[np.uint32]) -> None:
        """Of owners that are claimed for the same, in order, keep the first one, and note the others."""
        self._end = max(self._end, int(rows.max()) + 1)
        known = self._first[rows, slots]
        differs = (known != owners) & (owners != NOBODY)
        if not differs.any():
            return
        new = np.flatnonzero(differs & (known == NOBODY))[::-1]
        self._first[rows[new], slots[new]] = owners[new]
        others = np.flatnonzero(differs & (self._first[rows, slots] != owners))
        if len(others):
            columns = (rows[others].tolist(), slots[others].tolist(), owners[others].tolist())
            for row, slot, owner in dict.fromkeys(zip(*columns, strict=True)):
                self._add_other(row, slot, owner)

    def _add_other(self, row: int, slot: int, owner: int) -> None:
        others = self._others.setdefault((row, slot), [])
        if owner in others:
            return
        if len(others) < _MOST_OF_A_SLOT and self._count < self._most_others:
            others.append(owner)
            self._count += 1
        else:
            self.left_out += 1

    @property
    def table(self) -> ClaimTable:
        """Whose numbers they are."""
        return self._table

    def all(self) -> NDArray[np.void]:
        """ROW_CLAIM[n]: all that is claimed, the first one of each slot first."""
        rows, slots = np.nonzero(self._first[: self._end])
        found = np.zeros(len(rows), ROW_CLAIM)
        found["row"], found["slot"], found["owner"] = rows, slots, self._first[rows, slots]
        others = [(*place, owner) for place, owners in self._others.items() for owner in owners]
        return np.concatenate([found, np.array(others, ROW_CLAIM)])

    def take(self, claims: NDArray[np.void]) -> None:
        """Take in ROW_CLAIM[n], which come after all that is known."""
        for row, slot, owner in claims.tolist():
            self._take(row, [(slot, owner)])

    def renumber(self, numbers: NDArray[np.uint32]) -> None:
        """Rows have new indexes, uint32[n]: 1 + each, 0 for those that left. What ``column`` gave has moved along."""
        others = self._others.items()
        moved = {(int(numbers[row]) - 1, slot): owners for (row, slot), owners in others if numbers[row]}
        self._others, self._count = moved, sum(map(len, moved.values()))
        self._end = int(np.count_nonzero(numbers[: self._end]))

    def continue_in(self, beginnings: NDArray[np.int64], continuations: NDArray[np.int64]) -> None:
        """What is claimed of rows that go on in others belongs to both."""
        for beginning, continuation in zip(beginnings[::-1].tolist(), continuations[::-1].tolist(), strict=True):
            self._take(beginning, self._slots_of(continuation))

    def _take(self, row: int, slots: Iterable[tuple[int, int]]) -> None:
        self._end = max(self._end, row + 1)
        for slot, owner in slots:
            if self._first[row, slot] == NOBODY:
                self._first[row, slot] = owner
            elif self._first[row, slot] != owner:
                self._add_other(row, slot, owner)

    def _slots_of(self, row: int) -> list[tuple[int, int]]:
        """(slot, owner) of all that is claimed of a row, in order."""
        first = self._first[row]
        found = []
        for slot in np.flatnonzero(first).tolist():
            found += [(slot, owner) for owner in (int(first[slot]), *self._others.get((row, slot), ()))]
        return found

    def rows_with(self, slots: Sequence[int], count: int) -> NDArray[np.bool_]:
        """bool[count]: for which of the first rows somebody is claimed in one of these slots, also weakly."""
        return np.asarray(self._first[:count][:, [*slots, *(slot + _WEAK for slot in slots)]].any(axis=1))

    def match(self, row: int, slots: Sequence[int]) -> Match | None:
        """Whose an end is for which claims in these slots count; None where nobody is named."""
        first = self._first[row].tolist()
        for strength in (0, _WEAK):
            numbers: list[int] = []
            for slot in [slot + strength for slot in slots]:
                if first[slot]:
                    numbers += [first[slot], *self._others.get((row, slot), ())]
            found = self._owners(numbers)
            if found:
                return match_of(found, is_weak=strength > 0)
        return None

    def _owners(self, numbers: Sequence[int]) -> list[RecordedOwner]:
        """The different processes behind these numbers."""
        found: list[RecordedOwner] = []
        for recorded in [self._table.owners[number] for number in dict.fromkeys(numbers)]:
            if is_nobody(recorded.owner) and not recorded.is_kernel:
                continue
            for place, known in enumerate(found):
                if is_same_process(known.owner, recorded.owner):
                    found[place] = known._replace(owner=united(known.owner, recorded.owner))
                    break
            else:
                found.append(recorded)
        return found


def is_nobody(owner: Owner) -> bool:
    """Whether it is neither told by a pid nor by a name."""
    return not owner.pid and owner.program.name == UNKNOWN_PROGRAM.name


def match_of(found: Sequence[RecordedOwner], *, is_weak: bool = False) -> Match:
    """The Match of an end that one process, or several, are named for."""
    first = found[0]
    if len(found) > 1:
        names = [f"{program_text(one.owner.program.name, None)} ({one.owner.pid or one.owner.user})" for one in found]
        more = [f"{len(found) - _NAMED} more"] if len(found) > _NAMED else []
        failure = f"{SEVERAL_OWNERS}: {', '.join([*names[:_NAMED], *more])}"
        return Match(None, MatchQuality.AMBIGUOUS, first.source, "ambiguous", failure)
    if first.is_kernel:
        return Match(first.owner, MatchQuality.EXACT, first.source, "kernel")
    quality = MatchQuality.UNSURE if is_weak or not first.is_sure else MatchQuality.EXACT
    return Match(first.owner, quality, first.source)


def _stays(packets: NDArray[np.void], which: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether packets stay within a machine, by their addresses."""
    sources, targets = packets["source"][which], packets["target"][which]
    is_ipv4 = packets["ip_version"][which] == 4  # noqa: PLR2004
    loops = np.where(is_ipv4, sources[:, 12] == _IPV4_LOOPBACK, (sources == _IPV6_LOOPBACK).all(axis=1))
    return np.asarray(loops | (sources == targets).all(axis=1))


def _slots(
    claimed: NDArray[np.void], ways: NDArray[np.uint8], sides: NDArray[np.int64], stays: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """int64[n]: the slots of the first owner of CLAIM[n] on packets that went these ways, and those of their others."""
    end = claimed["end"]
    weak = claimed["is_weak"] | (claimed["is_weak_inbound"] & (ways != Direction.OUTBOUND))
    by_way = np.where(ways == Direction.OUTBOUND, sides, np.where(ways == Direction.INBOUND, 1 - sides, EITHER))
    is_ordered = (end == ClaimedEnd.IN_ORDER) & (stays | (ways != Direction.INBOUND))
    is_ordered |= (claimed["count"] > 1) & (claimed["owners"][:, 0] == NOBODY)
    slots = []
    for side in (sides, 1 - sides):
        meant = np.where(is_ordered, side, by_way)
        meant = np.where(end == ClaimedEnd.CLIENT, CLIENT, np.where(end == ClaimedEnd.SERVER, SERVER, meant))
        slots.append(meant + np.where(weak, _WEAK, 0))
    return slots[0], slots[1]
