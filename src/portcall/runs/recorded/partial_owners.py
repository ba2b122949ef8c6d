"""What shards of a capture know of owners that it names, as plain data, and how shards that follow each other merge.

Owners get new numbers as shards merge. A pid whose block stands in a later shard is told then: a shard says of which
pids it waits for a block, and which block of each pid was its first. Rows by capture point do not merge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.errors import PortcallError
from portcall.kernels.live.turns import TURN_BITS
from portcall.ownership.row_claims import ROW_CLAIM, SLOTS, RowClaims
from portcall.records.ownership import Owner, Program
from portcall.records.plain_data import below, items, text, whole
from portcall.records.recorded.claims import ClaimTable, EndClaim, RecordedOwner, united

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.flows.table import FlowTable
    from portcall.runs.tracker import Tracker

_PROGRAM = ("name", "exe", "container", "unit", "script")
_TEXTS_OF_AN_END = ("local", "remote", "source")
_END = [name for name in EndClaim._fields if name not in ("quality", "reason", "failure", "point")]


def claims_of(tracker: Tracker) -> RowClaims | None:
    """What a tracker of one shard knows of owners. PortcallError where rows are by capture point."""
    if tracker.owners and tracker.owners.points:
        raise PortcallError(
            "a capture that portcall wrote has rows by interface, whose shards do not merge. Read it whole"
        )
    claims = tracker.tables[0].claims if tracker.tables else None
    if claims is None and tracker.owners and tracker.owners.has_any:
        claims = RowClaims(tracker.owners, tracker.tables[0].flows.column) if tracker.tables else None
    return claims


def merge(ours: RowClaims, later: RowClaims, places: NDArray[np.int64]) -> None:
    """Take in what the shard that follows knows, whose rows have these places here."""
    numbers = _renumbered(ours.table, later.table)
    ends = {end._replace(owner=0) for end in ours.table.ends}  # both may have read the same file beside
    for end in later.table.ends:
        if end._replace(owner=0) not in ends:
            ours.table.add_end(end._replace(owner=int(numbers[end.owner])))
    claims = later.all()
    claims["owner"], claims["row"] = numbers[claims["owner"]], places[claims["row"]]
    ours.take(claims[claims["owner"] > 0])


def _renumbered(table: ClaimTable, later: ClaimTable) -> NDArray[np.uint32]:
    """uint32[n]: the numbers that the owners of a later shard have from now on in this table."""
    numbers = np.zeros(len(later.owners), np.uint32)
    for key, number in later.waiting.items():
        if key in table.waiting:
            ours = table.waiting[key]
            numbers[number], recorded = ours, table.owners[ours]
            table.replace(ours, recorded._replace(owner=united(recorded.owner, later.owners[number].owner)))
    for key in [key for key in table.waiting if key in later.begun]:  # whose packets came first is told now
        first = later.begun[key]
        table.begun[key] = numbers[first] = table.waiting.pop(key)
        table.replace(table.begun[key], later.owners[first])
    for number in range(1, len(later.owners)):
        numbers[number] = numbers[number] or table.reserve(later.owners[number])
    for known, told in ((table.waiting, later.waiting), (table.begun, later.begun)):
        for key in [key for key in told if key not in table.begun]:
            known.setdefault(key, int(numbers[told[key]]))
    return numbers


def plain(claims: RowClaims) -> dict[str, Any]:
    """All of it but its rows, as JSON has it."""
    table = claims.table
    return {
        "owners": [_plain_owner(recorded) for recorded in table.owners[1:]],
        "waiting": [[*key, number] for key, number in table.waiting.items()],
        "begun": [[*key, number] for key, number in table.begun.items()],
        "ends": [[getattr(end, name) for name in _END] for end in table.ends],
    }


def of_plain(told: Any, rows: NDArray[np.void], flows: FlowTable) -> RowClaims:  # Any: what JSON has
    """What was plain. ValueError, KeyError or TypeError where it is something else."""
    table = ClaimTable()
    for owner in items(told["owners"]):
        table.reserve(_owner(owner))
    for name in ("waiting", "begun"):
        for entry in items(told[name]):
            section, pid, number = map(whole, items(entry, 3))
            getattr(table, name)[section, pid] = whole(number, 1, len(table.owners) - 1)
    for entry in items(told["ends"]):
        said: dict[str, Any] = dict(zip(_END, items(entry, len(_END)), strict=True))  # Any: checked next
        for name, value in said.items():
            text(value) if name in _TEXTS_OF_AN_END else whole(value, -(1 << 63))
        whole(said["owner"], most=len(table.owners) - 1)
        table.add_end(EndClaim(**said))
    for column, most in (("row", len(flows)), ("slot", SLOTS), ("owner", len(table.owners))):
        below(rows[column], most)
    for counted in flows.chunks():
        below(counted["namespace"], 1 << TURN_BITS)  # rows by capture point do not merge
    claims = RowClaims(table, flows.column)
    claims.take(rows.astype(ROW_CLAIM))
    return claims


def _plain_owner(recorded: RecordedOwner) -> list[Any]:
    owner = recorded.owner
    program = [getattr(owner.program, name) for name in _PROGRAM]
    return [owner.pid, owner.start_ns, program, owner.user, list(owner.parents), *recorded[1:]]


def _owner(told: object) -> RecordedOwner:
    pid, start_ns, program, user, parents, source, is_sure, is_kernel = items(told, 8)
    name, exe, container, unit, script = (None if one is None else text(one) for one in items(program, 5))
    named = tuple((whole(number), text(parent)) for number, parent in (items(one, 2) for one in items(parents)))
    owner = Owner(
        whole(pid),
        None if start_ns is None else whole(start_ns),
        Program(name or "", exe, (), container, unit, script),
        None if user is None else text(user),
        named,
    )
    return RecordedOwner(owner, text(source), bool(is_sure), bool(is_kernel))
